//! The SQL of queues that are fetched from. An event that is handed out waits for its next attempt like
//! any that was tried: it is due again when the time for its acknowledgement is over, and the token of
//! the hand-out is its lease. A hand-out is shown among the attempts, but uses up no retry: whatever else
//! the queue becomes has all of them, and the time for them, before it.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::token::{AckToken, HELD_FOR};
use crate::events::pollers::Look;
use crate::ids::OrgId;
use crate::outbox::closing::{SHOWN, shown};

/// What is shown of a hand-out until it is acknowledged.
const UNACKNOWLEDGED: &str = "not acknowledged";
/// Events that one look at a queue with a filter goes through.
const LOOKED_THROUGH: i64 = 1_000;

/// The result of a look at a queue.
#[derive(Debug)]
pub struct HandOut {
    /// The queue's type; `None` where there is no queue.
    pub queue_type: Option<String>,
    /// How its messages are made: `format` and `encrypt_to`.
    pub form: (String, Option<String>),
    /// In the order in which they should be handled.
    pub events: Vec<HandedOut>,
    /// There may be more.
    pub has_more: bool,
}

/// An event that is the caller's for a while.
#[derive(Debug)]
pub struct HandedOut {
    pub id: Uuid,
    pub kind: String,
    pub body: String,
    pub subject: Option<String>,
}

/// Hands out at most `limit` events: first those that were not acknowledged in time, then new ones. New
/// ones that the queue does not take are skipped. Nobody else gets the same ones before the token ends.
pub async fn hand_out(
    db: impl PgExecutor<'_>,
    (org_id, stream): (OrgId, &str),
    look: Look,
    limit: i64,
    token: AckToken,
    now: DateTime<Utc>,
) -> Result<HandOut, sqlx::Error> {
    let attempt =
        json!({"attempt": 0, "at": shown(now), "duration_ms": 0, "status": null, "error": UNACKNOWLEDGED});
    let rows = sqlx::query!(
        r#"
        WITH queue AS MATERIALIZED (
            SELECT type, format, encrypt_to, event_types, type = 'poll' AND paused_at IS NULL AS is_open
            FROM event_queues WHERE org_id = $1 AND stream = $2
        ),
        again AS MATERIALIZED (
            SELECT late.id, late.next_attempt_at FROM queue CROSS JOIN LATERAL (
                SELECT id, next_attempt_at FROM events e
                WHERE e.org_id = $1 AND e.stream = $2 AND e.state = 'pending' AND e.attempts > 0
                    AND e.next_attempt_at >= $3 AND e.next_attempt_at <= $5
                ORDER BY e.next_attempt_at, e.seq LIMIT $6 FOR UPDATE SKIP LOCKED
            ) AS late
            WHERE queue.is_open
        ),
        fresh AS MATERIALIZED (
            SELECT next.id, next.seq, next.is_wanted,
                   row_number() OVER (PARTITION BY next.is_wanted ORDER BY next.seq) AS nth
            FROM queue CROSS JOIN LATERAL (
                SELECT id, seq, queue.event_types IS NULL OR e.type = ANY(queue.event_types) AS is_wanted
                FROM events e
                WHERE e.org_id = $1 AND e.stream = $2 AND e.state = 'pending' AND e.attempts = 0 AND e.seq > $4
                ORDER BY e.seq
                LIMIT CASE WHEN queue.event_types IS NULL THEN $6 ELSE $9::bigint END
                FOR UPDATE SKIP LOCKED
            ) AS next
            WHERE queue.is_open
        ),
        room AS (SELECT $6 - count(*) AS left_over FROM again),
        chosen AS (
            SELECT id FROM again
            UNION ALL
            SELECT id FROM fresh, room WHERE is_wanted AND nth <= left_over
        ),
        skipped AS (
            UPDATE events e SET state = 'skipped', closed_at = $5 FROM fresh
            WHERE e.org_id = $1 AND e.id = fresh.id AND NOT fresh.is_wanted
        ),
        handed AS (
            UPDATE events e
            SET attempts = e.attempts + 1, deferrals = e.deferrals + 1, lease = $7, next_attempt_at = $8,
                deliveries = CASE WHEN e.deliveries IS NULL THEN '[]'
                                  WHEN jsonb_array_length(e.deliveries) < $11 THEN e.deliveries
                                  ELSE e.deliveries - 0 END
                    || jsonb_set($10::jsonb, '{attempt}', (e.attempts + 1)::text::jsonb)
            FROM chosen WHERE e.org_id = $1 AND e.id = chosen.id
            RETURNING e.id, e.seq, e.type, e.body, e.subject
        ),
        looked AS (
            SELECT (SELECT count(*) FROM again) AS late, (SELECT max(next_attempt_at) FROM again) AS last_due,
                   (SELECT count(*) FROM fresh) AS fresh,
                   coalesce((SELECT min(seq) - 1 FROM fresh, room WHERE is_wanted AND nth > left_over),
                            (SELECT max(seq) FROM fresh)) AS last_seq
        )
        SELECT queue.type AS "queue_type!", queue.is_open AS "is_open!", queue.format AS "format!", queue.encrypt_to, looked.late AS "late!",
               looked.last_due, looked.fresh AS "fresh!", looked.last_seq, handed.id AS "id?", handed.type AS "kind?",
               handed.body AS "body?", handed.subject
        FROM queue CROSS JOIN looked LEFT JOIN handed ON true
        ORDER BY handed.seq
        "#,
        org_id.0,
        stream,
        look.due,
        look.seq,
        now,
        limit,
        token.lease,
        token.ends_at,
        LOOKED_THROUGH,
        attempt,
        SHOWN,
    )
    .fetch_all(db)
    .await?;
    let Some(first) = rows.first() else {
        return Ok(HandOut {
            queue_type: None,
            form: Default::default(),
            events: Vec::new(),
            has_more: false,
        });
    };
    let are_all_late_here = first.late < limit;
    if first.is_open && limit > 0 {
        look.found(first.last_seq, if are_all_late_here { now } else { first.last_due.unwrap_or(now) });
    }
    let queue_type = Some(first.queue_type.clone());
    let form = (first.format.clone(), first.encrypt_to.clone());
    // Whatever was skipped: the look ended before the queue did.
    let has_more = !are_all_late_here || first.fresh >= limit;
    let events = rows.into_iter().filter_map(|row| {
        Some(HandedOut { id: row.id?, kind: row.kind?, body: row.body?, subject: row.subject })
    });
    Ok(HandOut { queue_type, form, events: events.collect(), has_more })
}

/// What is acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acknowledged {
    /// All of a hand-out that nobody else has got since.
    Token(AckToken),
    /// These events, whoever has them.
    Ids(Vec<Uuid>),
}

/// The result of an acknowledgement.
#[derive(Debug)]
pub struct Done {
    /// `None` where there is no queue.
    pub queue_type: Option<String>,
    /// The events that are delivered by it.
    pub acknowledged: i64,
}

/// Notes that events were handled. Those that are delivered already, or were never handed out, stay as
/// they are.
pub async fn acknowledge(
    db: &mut PgConnection,
    (org_id, stream): (OrgId, &str),
    what: &Acknowledged,
    now: DateTime<Utc>,
) -> Result<Done, sqlx::Error> {
    let (token, ids) = match what {
        Acknowledged::Token(token) => (Some(*token), &[][..]),
        Acknowledged::Ids(ids) => (None, ids.as_slice()),
    };
    let row = sqlx::query!(
        r#"
        WITH queue AS MATERIALIZED (SELECT type FROM event_queues WHERE org_id = $1 AND stream = $2),
        by_token AS (
            SELECT e.id FROM events e
            WHERE $4::uuid IS NOT NULL AND EXISTS (SELECT FROM queue WHERE type = 'poll')
                AND e.org_id = $1 AND e.stream = $2 AND e.state = 'pending' AND e.attempts > 0
                AND e.next_attempt_at = $5 AND e.lease = $4
            ORDER BY e.id FOR UPDATE
        ),
        by_id AS (
            SELECT e.id FROM events e
            WHERE $4::uuid IS NULL AND EXISTS (SELECT FROM queue WHERE type = 'poll')
                AND e.org_id = $1 AND e.stream = $2 AND e.id = ANY($6) AND e.state = 'pending' AND e.attempts > 0
                -- Handed out, not sent by a queue before this one; a version before noted no hand-outs.
                AND coalesce(e.deliveries -> -1 ->> 'error' = $7, true)
            ORDER BY e.id FOR UPDATE
        ),
        chosen AS (SELECT id FROM by_token UNION ALL SELECT id FROM by_id),
        done AS (
            UPDATE events e
            SET state = 'delivered', closed_at = $3, lease = NULL, last_error = NULL,
                deliveries = CASE WHEN e.deliveries -> -1 ->> 'error' = $7
                                  THEN jsonb_set(e.deliveries, '{-1}', jsonb_set(
                                      jsonb_set(e.deliveries -> -1, '{error}', 'null'), '{duration_ms}',
                                      greatest(0, extract(epoch FROM $8::timestamptz - e.next_attempt_at) * 1000)::bigint::text::jsonb))
                                  ELSE e.deliveries END
            FROM chosen WHERE e.org_id = $1 AND e.id = chosen.id
            RETURNING e.id
        )
        SELECT (SELECT type FROM queue) AS queue_type, (SELECT count(*) FROM done) AS "acknowledged!"
        "#,
        org_id.0,
        stream,
        now,
        token.map(|token| token.lease),
        token.map(|token| token.ends_at),
        ids,
        UNACKNOWLEDGED,
        now + HELD_FOR,
    )
    .fetch_one(db)
    .await?;
    Ok(Done { queue_type: row.queue_type, acknowledged: row.acknowledged })
}
