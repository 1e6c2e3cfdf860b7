//! The SQL of queues.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;

use super::rules::{Plan, Standing};
use crate::administration::{Caller, Scope};
use crate::audit::audited;
use crate::audit::chain::{Head, RowMac};
use crate::events::Stream;
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
               EXISTS (SELECT FROM event_queues WHERE org_id = $1 AND stream = $3) AS "has_queue!"
        FROM orgs o
        LEFT JOIN tenant_keys k ON k.org_id = o.id AND k.id = $2
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
        has_queue: row.has_queue,
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

/// Carries a plan out, with its audit row, in one statement: puts `new` in place, or removes the
/// queue where there is none. A replaced queue starts with a clean record; the events of one that
/// is gone wait. `false` if the org changed since the plan was made: then nothing happened.
pub async fn apply(
    db: impl PgExecutor<'_>,
    scope: &Scope,
    seen: &Standing,
    plan: Plan,
    new: Option<&NewQueue>,
) -> Result<bool, sqlx::Error> {
    let applied = audited!(
        &scope.entry(seen.head, seen.now, plan.kind.action(), plan.stream.name()),
        r#",
        put AS (
            INSERT INTO event_queues AS q (org_id, stream, type, settings, sealed, expires_at, created_at, updated_at)
            SELECT $1, $8, $10, $11, $12, $13, $4, $4 FROM gate WHERE $10::text IS NOT NULL
            ON CONFLICT ON CONSTRAINT event_queues_pkey DO UPDATE
            SET type = $10, settings = $11, sealed = $12, expires_at = $13, expiry_told = NULL, updated_at = $4,
                failures = 0, paused_until = NULL
        ),
        gone AS (
            DELETE FROM event_queues q USING gate WHERE q.org_id = $1 AND q.stream = $8 AND $10::text IS NULL
        )
        SELECT id FROM gate
        "#,
        new.map(|new| new.kind),
        new.map(|new| &new.settings),
        new.and_then(|new| new.sealed.as_deref()),
        new.and_then(|new| new.expires_at),
    )
    .fetch_optional(db)
    .await?;
    Ok(applied.is_some())
}
