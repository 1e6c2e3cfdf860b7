//! The SQL of queues. Every change raises the org's revision and writes its audit row.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;

use crate::administration::Scope;
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

/// What decides whether a queue may be changed, in one snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// The caller's key has ended since it authenticated.
    pub is_dead: bool,
    /// The caller's key is in its grace window.
    pub is_superseded: bool,
    pub has_secret: bool,
    pub has_queue: bool,
}

/// How the caller, the org's secret and the stream's queue stand.
pub async fn standing(
    db: impl PgExecutor<'_>,
    scope: &Scope,
    stream: Option<Stream>,
    now: DateTime<Utc>,
) -> Result<Standing, sqlx::Error> {
    sqlx::query_as!(
        Standing,
        r#"
        SELECT $2::uuid IS NOT NULL AND NOT EXISTS (
                   SELECT FROM tenant_keys WHERE org_id = $1 AND id = $2 AND revoked_at IS NULL
                       AND (expires_at IS NULL OR expires_at > $4)) AS "is_dead!",
               EXISTS (SELECT FROM tenant_keys WHERE org_id = $1 AND id = $2 AND rotated_at IS NOT NULL)
                   AS "is_superseded!",
               EXISTS (SELECT FROM signing_secrets WHERE org_id = $1 AND superseded_at IS NULL) AS "has_secret!",
               EXISTS (SELECT FROM event_queues WHERE org_id = $1 AND stream = $3) AS "has_queue!"
        "#,
        scope.org_id.0,
        scope.caller.map(|id| id.0),
        stream.map(Stream::name),
        now,
    )
    .fetch_one(db)
    .await
}

/// A queue to store.
#[derive(Debug)]
pub struct NewQueue<'a> {
    pub kind: &'a str,
    pub settings: &'a serde_json::Value,
    pub sealed: Option<&'a [u8]>,
    pub expires_at: Option<DateTime<Utc>>,
}

/// Registers a queue; `false` if the stream has one already.
pub async fn insert(
    db: impl PgExecutor<'_>,
    scope: &Scope,
    stream: Stream,
    queue: &NewQueue<'_>,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query_scalar!(
        r#"
        WITH added AS (
            INSERT INTO event_queues (org_id, stream, type, settings, sealed, expires_at, created_at, updated_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
            ON CONFLICT ON CONSTRAINT event_queues_pkey DO NOTHING
            RETURNING org_id
        ),
        gate AS (UPDATE orgs SET revision = revision + 1 FROM added WHERE id = added.org_id RETURNING revision)
        INSERT INTO audit_log (org_id, seq, at, actor, key_id, action, subject, request_id)
        SELECT $1, revision, $7, $8, $9, 'queue.created', $2, $10 FROM gate
        RETURNING seq
        "#,
        scope.org_id.0,
        stream.name(),
        queue.kind,
        queue.settings,
        queue.sealed,
        queue.expires_at,
        now,
        scope.author.actor(),
        scope.author.key_id(),
        scope.author.request_id(),
    )
    .fetch_optional(db)
    .await?;
    Ok(inserted.is_some())
}

/// Replaces a queue, which starts with a clean record; `false` if the stream has none.
pub async fn replace(
    db: impl PgExecutor<'_>,
    scope: &Scope,
    stream: Stream,
    queue: &NewQueue<'_>,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let replaced = sqlx::query_scalar!(
        r#"
        WITH changed AS (
            UPDATE event_queues
            SET type = $3, settings = $4, sealed = $5, expires_at = $6, expiry_told = NULL, updated_at = $7,
                failures = 0, paused_until = NULL
            WHERE org_id = $1 AND stream = $2
            RETURNING org_id
        ),
        gate AS (UPDATE orgs SET revision = revision + 1 FROM changed WHERE id = changed.org_id RETURNING revision)
        INSERT INTO audit_log (org_id, seq, at, actor, key_id, action, subject, request_id)
        SELECT $1, revision, $7, $8, $9, 'queue.replaced', $2, $10 FROM gate
        RETURNING seq
        "#,
        scope.org_id.0,
        stream.name(),
        queue.kind,
        queue.settings,
        queue.sealed,
        queue.expires_at,
        now,
        scope.author.actor(),
        scope.author.key_id(),
        scope.author.request_id(),
    )
    .fetch_optional(db)
    .await?;
    Ok(replaced.is_some())
}

/// Removes a queue; later events wait. `false` if the stream has none.
pub async fn delete(
    db: impl PgExecutor<'_>,
    scope: &Scope,
    stream: Stream,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let removed = sqlx::query_scalar!(
        r#"
        WITH gone AS (DELETE FROM event_queues WHERE org_id = $1 AND stream = $2 RETURNING org_id),
        gate AS (UPDATE orgs SET revision = revision + 1 FROM gone WHERE id = gone.org_id RETURNING revision)
        INSERT INTO audit_log (org_id, seq, at, actor, key_id, action, subject, request_id)
        SELECT $1, revision, $3, $4, $5, 'queue.deleted', $2, $6 FROM gate
        RETURNING seq
        "#,
        scope.org_id.0,
        stream.name(),
        now,
        scope.author.actor(),
        scope.author.key_id(),
        scope.author.request_id(),
    )
    .fetch_optional(db)
    .await?;
    Ok(removed.is_some())
}
