//! The SQL of queues.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;

use super::rules::{Kind, Plan, QueueNow, Standing};
use crate::administration::{Caller, Scope};
use crate::audit::audited;
use crate::crypto::audit_chain::{Head, RowMac};
use crate::events::{Draft, Stream, Subject};
use crate::http::totals::EXACT_UP_TO;
use crate::ids::OrgId;

/// A queue as it is stored.
#[derive(Debug)]
pub struct QueueRow {
    pub stream: String,
    pub kind: String,
    pub settings: serde_json::Value,
    pub sealed: Option<Vec<u8>>,
    pub expires_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub failures: i32,
    pub paused_until: Option<DateTime<Utc>>,
    pub pause_reason: Option<String>,
    /// Cut off above [`EXACT_UP_TO`].
    pub waiting: i64,
    /// Cut off above [`EXACT_UP_TO`].
    pub failed: i64,
    pub lost: i64,
}

/// The org's queues, or the one of a stream.
pub async fn find(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    stream: Option<Stream>,
) -> Result<Vec<QueueRow>, sqlx::Error> {
    sqlx::query_as!(
        QueueRow,
        r#"
        SELECT q.stream, q.type AS kind, q.settings, q.sealed, q.expires_at, q.created_at, q.updated_at, q.failures,
               q.paused_until, q.pause_reason,
               (SELECT count(*) FROM (SELECT FROM events e WHERE e.org_id = q.org_id AND e.stream = q.stream
                                      AND e.state = 'pending' LIMIT $3) AS first) AS "waiting!",
               (SELECT count(*) FROM (SELECT FROM events e WHERE e.org_id = q.org_id AND e.stream = q.stream
                                      AND e.state = 'failed' LIMIT $3) AS first) AS "failed!",
               coalesce(l.lost, 0) AS "lost!"
        FROM event_queues q
        LEFT JOIN event_losses l ON l.org_id = q.org_id AND l.stream = q.stream
        WHERE q.org_id = $1 AND ($2::text IS NULL OR q.stream = $2)
        ORDER BY q.created_at, q.stream
        "#,
        org_id.0,
        stream.map(Stream::name),
        EXACT_UP_TO + 1,
    )
    .fetch_all(db)
    .await
}

/// What a change of a stream's queue is decided on, in one snapshot. `None` if there is no such
/// org.
pub async fn load(
    db: impl PgExecutor<'_>,
    scope: &Scope,
    stream: Option<Stream>,
    now: DateTime<Utc>,
) -> Result<Option<Standing>, sqlx::Error> {
    let row = sqlx::query!(
        r#"
        SELECT o.revision, o.audit_mac AS "audit_mac: RowMac",
               k.rotated_at IS NOT NULL AS "superseded!",
               $2::uuid IS NULL OR (k.id IS NOT NULL AND k.revoked_at IS NULL
                   AND (k.expires_at IS NULL OR k.expires_at > $4)) AS "caller_lives!",
               EXISTS (SELECT FROM signing_secrets WHERE org_id = $1 AND superseded_at IS NULL) AS "has_secret!",
               q.updated_at AS "queue_updated_at?", q.paused_at IS NOT NULL AS "is_paused!"
        FROM orgs o
        LEFT JOIN tenant_keys k ON k.org_id = o.id AND k.id = $2
        LEFT JOIN event_queues q ON q.org_id = o.id AND q.stream = $3
        WHERE o.id = $1
        "#,
        scope.org_id.0,
        scope.caller.map(|id| id.0),
        stream.map(Stream::name),
        now,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Standing {
        head: Head { seq: row.revision, mac: row.audit_mac },
        caller: Caller::of(row.caller_lives, row.superseded),
        has_secret: row.has_secret,
        queue: row.queue_updated_at.map(|updated_at| QueueNow { updated_at, is_paused: row.is_paused }),
        now,
    }))
}

/// A queue to store.
#[derive(Clone, Debug)]
pub struct NewQueue {
    pub kind: &'static str,
    pub settings: serde_json::Value,
    pub sealed: Option<Vec<u8>>,
    pub expires_at: Option<DateTime<Utc>>,
}

/// Notices that may wait for an org's old targets: each takes a test event that succeeds, or a call.
const MAX_NOTICES: i64 = 50;

/// Carries a plan out, with its audit row and its event, in one statement: puts `new` in place,
/// removes the queue, or lets it stand still or go on. A replaced queue starts with a clean record;
/// the events of one that is gone wait. What waits for its retry is woken by all that may help it.
/// `false` if the org changed since the plan was made: then nothing happened.
pub async fn apply(
    db: impl PgExecutor<'_>,
    scope: &Scope,
    seen: &Standing,
    plan: Plan,
    new: Option<&NewQueue>,
) -> Result<bool, sqlx::Error> {
    let subject = Subject::Queue { queue_name: plan.stream, reason: plan.kind.pause_reason() };
    let event = plan.kind.event().map(|kind| scope.draft(kind, &subject, seen.now));
    let event = event.as_ref();
    let applied = audited!(
        &scope.entry(seen.head, seen.now, plan.kind.action(), plan.stream.name()),
        r#",
        old AS (
            SELECT q.type, q.settings, q.sealed FROM event_queues q, gate WHERE q.org_id = $1 AND q.stream = $8
        ),
        put AS (
            INSERT INTO event_queues AS q (org_id, stream, type, settings, sealed, expires_at, created_at, updated_at, is_woken)
            SELECT $1, $8, $10, $11, $12, $13, $4, $4, true FROM gate WHERE $10::text IS NOT NULL
            ON CONFLICT ON CONSTRAINT event_queues_pkey DO UPDATE
            SET type = $10, settings = $11, sealed = $12, expires_at = $13, expiry_told = NULL, updated_at = $4,
                failures = 0, paused_until = NULL, paused_at = NULL, pause_reason = NULL, is_woken = true
        ),
        gone AS (
            DELETE FROM event_queues q USING gate WHERE q.org_id = $1 AND q.stream = $8 AND $14
        ),
        paused AS (
            UPDATE event_queues q SET paused_at = $4, pause_reason = $15
            FROM gate WHERE q.org_id = $1 AND q.stream = $8 AND $15::text IS NOT NULL
        ),
        resumed AS (
            UPDATE event_queues q
            SET paused_at = NULL, pause_reason = NULL, failures = 0, paused_until = NULL, is_woken = true
            FROM gate WHERE q.org_id = $1 AND q.stream = $8 AND $16
        ),
        told AS (
            INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at, traceparent)
            SELECT $1, $17, $18, $7, $19 || $2::bigint || $20, $21, $21, $22 FROM gate WHERE $17::uuid IS NOT NULL
        ),
        noticed AS (
            INSERT INTO queue_notices (org_id, event_id, stream, queue_type, settings, sealed, type, body, traceparent,
                                       created_at, held_until)
            SELECT $1, $17, $8, old.type, old.settings, old.sealed, $7, $19 || $2::bigint || $20, $22, $4, $4
            FROM gate, old WHERE $23 AND (SELECT count(*) FROM queue_notices WHERE org_id = $1) < $24
        )
        SELECT id FROM gate
        "#,
        new.map(|new| new.kind),
        new.map(|new| &new.settings),
        new.and_then(|new| new.sealed.as_deref()),
        new.and_then(|new| new.expires_at),
        plan.kind == Kind::Delete,
        plan.kind.pause_reason().map(|reason| reason.name()),
        plan.kind == Kind::Resume,
        event.map(|event| event.id),
        plan.stream.other().name(),
        event.map(|event| event.head.as_str()),
        Draft::TAIL,
        event.map(|event| event.at),
        event.and_then(|event| event.traceparent.as_deref()),
        plan.kind.tells_the_target(),
        MAX_NOTICES,
    )
    .fetch_optional(db)
    .await?;
    Ok(applied.is_some())
}

/// Notes that a test event arrived: the queue's record is clean, and what waits for its retry is
/// tried now. A queue that stands still goes on doing so.
pub async fn proven(db: impl PgExecutor<'_>, org_id: OrgId, stream: Stream) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE event_queues SET failures = 0, paused_until = NULL, is_woken = true WHERE org_id = $1 AND stream = $2",
        org_id.0,
        stream.name(),
    )
    .execute(db)
    .await?;
    Ok(())
}
