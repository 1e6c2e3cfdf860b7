//! Holding queues. Whoever holds a queue is the one publisher that delivers its events: a lease of 20 s on
//! its row (contract 6), renewed while there is work, given back when there is none.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

use super::{QueueId, columns};
use crate::ids::OrgId;

/// The time for which a hold lasts without being renewed.
pub const LEASE: TimeDelta = TimeDelta::seconds(20);

/// A queue that is ours until its lease ends.
#[derive(Clone, Debug)]
pub struct HeldQueue {
    pub org_id: OrgId,
    pub stream: String,
    pub queue_type: String,
    pub settings: serde_json::Value,
    pub sealed: Option<Vec<u8>>,
    pub failures: i32,
    /// The time when it was last put in place.
    pub put_at: DateTime<Utc>,
    pub event_types: Option<Vec<String>>,
    pub ordering: Option<String>,
    pub format: String,
    pub encrypt_to: Option<String>,
}

/// The queues to look at for some to hold.
#[derive(Debug)]
pub struct Search {
    /// Only those that are named in `known`.
    pub is_narrow: bool,
    /// Up to where their fresh events were read; others are looked at from the start.
    pub known: Vec<(QueueId, i64)>,
    /// It starts with the queue after this one, and goes round.
    pub after: QueueId,
    /// The most to hold.
    pub limit: i64,
}

/// Holds queues that nobody holds, that do not stand still and have something due.
///
/// Each queue costs a probe of the two indexes of what waits. A queue's fresh events are looked for from
/// where they were read last: before that lie the dead entries of all that was delivered since some long
/// transaction began.
pub async fn hold(
    db: impl PgExecutor<'_>,
    holder: Uuid,
    now: DateTime<Utc>,
    search: &Search,
) -> Result<Vec<HeldQueue>, sqlx::Error> {
    let (orgs, streams) = columns(search.known.iter().map(|(queue, _)| queue));
    sqlx::query_as!(
        HeldQueue,
        r#"
        WITH known AS MATERIALIZED (
            SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS k (org_id, stream, seq)
        ),
        turn AS (
            (SELECT * FROM event_queues WHERE (org_id, stream) > ($4, $5) ORDER BY org_id, stream)
            UNION ALL
            (SELECT * FROM event_queues WHERE (org_id, stream) <= ($4, $5) ORDER BY org_id, stream)
        ),
        wanted AS (
            SELECT q.*, coalesce(known.seq, 0) AS seq
            FROM turn q LEFT JOIN known ON known.org_id = q.org_id AND known.stream = q.stream
            WHERE NOT $6
            UNION ALL
            SELECT q.*, known.seq FROM known CROSS JOIN LATERAL (
                SELECT * FROM event_queues q WHERE q.org_id = known.org_id AND q.stream = known.stream LIMIT 1
            ) AS q
            WHERE $6
        ),
        due AS MATERIALIZED (
            SELECT q.org_id, q.stream FROM wanted q
            WHERE q.type <> 'poll' AND q.paused_at IS NULL AND (q.paused_until IS NULL OR q.paused_until <= $7)
                AND (q.held_until IS NULL OR q.held_until <= $7)
                AND (coalesce((SELECT true FROM events e
                               WHERE e.org_id = q.org_id AND e.stream = q.stream AND e.state = 'pending' AND e.attempts = 0
                                   AND e.seq > q.seq
                               LIMIT 1), false)
                     OR coalesce((SELECT true FROM events e
                                  WHERE e.org_id = q.org_id AND e.stream = q.stream AND e.state = 'pending'
                                      AND e.attempts > 0 AND e.next_attempt_at <= $7
                                  LIMIT 1), false))
            LIMIT $8
        ),
        free AS (
            SELECT q.org_id, q.stream FROM event_queues q JOIN due USING (org_id, stream)
            WHERE q.held_until IS NULL OR q.held_until <= $7
            ORDER BY q.org_id, q.stream FOR UPDATE OF q SKIP LOCKED
        )
        UPDATE event_queues q SET holder = $9, held_until = $10
        FROM free WHERE q.org_id = free.org_id AND q.stream = free.stream
        RETURNING q.org_id AS "org_id: OrgId", q.stream, q.type AS queue_type, q.settings, q.sealed, q.failures,
                  q.updated_at AS put_at, q.event_types, q.ordering, q.format, q.encrypt_to
        "#,
        &orgs,
        &streams,
        &search.known.iter().map(|(_, seq)| *seq).collect::<Vec<_>>(),
        search.after.org_id.0,
        &*search.after.stream,
        search.is_narrow,
        now,
        search.limit,
        holder,
        now + LEASE,
    )
    .fetch_all(db)
    .await
}

/// Keeps queues for another lease; gives those that are still the holder's.
pub async fn renew(
    db: impl PgExecutor<'_>,
    holder: Uuid,
    queues: &[QueueId],
    now: DateTime<Utc>,
) -> Result<Vec<QueueId>, sqlx::Error> {
    let (orgs, streams) = columns(queues);
    let renewed = sqlx::query!(
        r#"
        WITH held AS (
            SELECT q.org_id, q.stream FROM event_queues q
            JOIN unnest($2::uuid[], $3::text[]) AS h (org_id, stream) USING (org_id, stream)
            WHERE q.holder = $1 ORDER BY q.org_id, q.stream FOR UPDATE OF q
        )
        UPDATE event_queues q SET held_until = $4 FROM held WHERE q.org_id = held.org_id AND q.stream = held.stream
        RETURNING q.org_id AS "org_id: OrgId", q.stream
        "#,
        holder,
        &orgs,
        &streams,
        now + LEASE,
    )
    .fetch_all(db)
    .await?;
    Ok(renewed.into_iter().map(|row| QueueId { org_id: row.org_id, stream: row.stream.into() }).collect())
}

/// Gives queues back: whoever comes may hold them.
pub async fn release(db: impl PgExecutor<'_>, holder: Uuid, queues: &[QueueId]) -> Result<(), sqlx::Error> {
    let (orgs, streams) = columns(queues);
    sqlx::query!(
        "WITH held AS (
             SELECT q.org_id, q.stream FROM event_queues q
             JOIN unnest($2::uuid[], $3::text[]) AS h (org_id, stream) USING (org_id, stream)
             WHERE q.holder = $1 ORDER BY q.org_id, q.stream FOR UPDATE OF q
         )
         UPDATE event_queues q SET holder = NULL, held_until = NULL
         FROM held WHERE q.org_id = held.org_id AND q.stream = held.stream",
        holder,
        &orgs,
        &streams,
    )
    .execute(db)
    .await?;
    Ok(())
}
