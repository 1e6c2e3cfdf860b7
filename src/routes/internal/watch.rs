//! What needs somebody's eye, over all orgs: for the console (contract 17). Each list is cut off, the most pressing
//! first; what is cut off is on its org's own pages.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::outbox::DEAD_AFTER;

/// Entries of a list.
pub const LISTED: i64 = 50;
/// What ends later is not listed.
pub const AHEAD: TimeDelta = TimeDelta::days(30);

/// How many orgs there are, and how many of them are stopped.
#[derive(Clone, Copy, Debug)]
pub struct OrgTotals {
    /// All of them.
    pub all: i64,
    /// Those that are not served.
    pub suspended: i64,
    /// Those whose administration is frozen.
    pub frozen: i64,
}

/// How many orgs there are.
///
/// # Errors
/// When the database cannot be asked.
pub async fn totals(db: impl PgExecutor<'_>) -> Result<OrgTotals, sqlx::Error> {
    sqlx::query_as!(
        OrgTotals,
        r#"SELECT count(*) AS "all!", count(suspended_at) AS "suspended!", count(frozen_at) AS "frozen!" FROM orgs"#
    )
    .fetch_one(db)
    .await
}

/// A queue that fails or stands still.
#[derive(Debug)]
pub struct TroubledQueue {
    /// The org's key,
    pub org_key: String,
    /// and its name.
    pub org_name: String,
    /// The queue's stream.
    pub stream: String,
    /// What it is.
    pub kind: String,
    /// Failures in a row.
    pub failures: i32,
    /// Since when it fails, where that was told.
    pub failing_since: Option<DateTime<Utc>>,
    /// Since when it stands still, if it does until somebody resumes it.
    pub paused_at: Option<DateTime<Utc>>,
    /// Why.
    pub pause_reason: Option<String>,
}

/// Queues that fail or stand still.
///
/// # Errors
/// When the database cannot be asked.
pub async fn troubled_queues(db: impl PgExecutor<'_>) -> Result<Vec<TroubledQueue>, sqlx::Error> {
    sqlx::query_as!(
        TroubledQueue,
        r#"SELECT o.key AS org_key, o.name AS org_name, q.stream, q.type AS kind, q.failures, q.failing_since, q.paused_at,
                  q.pause_reason
           FROM event_queues q JOIN orgs o ON o.id = q.org_id
           WHERE q.failures >= $1 OR q.paused_at IS NOT NULL
           ORDER BY q.paused_at IS NOT NULL, q.failing_since, q.paused_at, o.key, q.stream LIMIT $2"#,
        DEAD_AFTER,
        LISTED,
    )
    .fetch_all(db)
    .await
}

/// Something that ends by itself.
#[derive(Debug)]
pub struct Ending {
    /// The org's key,
    pub org_key: String,
    /// and its name.
    pub org_name: String,
    /// `tenant_key`, `public_key` or `queue`.
    pub kind: String,
    /// Its id, or the queue's stream.
    pub id: String,
    /// For people.
    pub name: String,
    /// When.
    pub expires_at: DateTime<Utc>,
}

/// What ends within [`AHEAD`], the soonest first. Not keys that were rotated, whose end is meant.
///
/// # Errors
/// When the database cannot be asked.
pub async fn endings(db: impl PgExecutor<'_>, now: DateTime<Utc>) -> Result<Vec<Ending>, sqlx::Error> {
    sqlx::query_as!(
        Ending,
        r#"SELECT o.key AS org_key, o.name AS org_name, e.kind AS "kind!", e.id AS "id!", e.name AS "name!",
                  e.expires_at AS "expires_at!"
           FROM (
               SELECT org_id, 'tenant_key' AS kind, id::text AS id, name, expires_at FROM tenant_keys
               WHERE expires_at > $1 AND expires_at <= $2 AND revoked_at IS NULL AND rotated_at IS NULL
                   AND pending_of IS NULL
               UNION ALL
               SELECT org_id, 'public_key', unique_id::text, array_to_string(usages, ', '), expires_at FROM public_keys
               WHERE expires_at > $1 AND expires_at <= $2 AND deleted_at IS NULL
               UNION ALL
               SELECT org_id, 'queue', stream, stream, expires_at FROM event_queues
               WHERE expires_at > $1 AND expires_at <= $2
           ) AS e JOIN orgs o ON o.id = e.org_id
           ORDER BY e.expires_at, o.key LIMIT $3"#,
        now,
        now + AHEAD,
        LISTED,
    )
    .fetch_all(db)
    .await
}

/// A tenant key that was found where others can read it.
#[derive(Debug)]
pub struct Leak {
    /// The org's key,
    pub org_key: String,
    /// and its name.
    pub org_name: String,
    /// The key's id.
    pub key_id: Uuid,
    /// Its name.
    pub name: String,
    /// When it was first reported,
    pub leaked_at: DateTime<Utc>,
    /// by whom,
    pub source: String,
    /// where it was found,
    pub url: Option<String>,
    /// and what was said of it.
    pub note: Option<String>,
    /// What was done: `notify`, `grace` or `revoke`.
    pub response: String,
    /// Its end, if it has one.
    pub expires_at: Option<DateTime<Utc>>,
    /// Since when it is revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Leaked keys that were reported before, the latest first: one more than [`LISTED`] tells that there are more.
///
/// # Errors
/// When the database cannot be asked.
pub async fn leaks(db: impl PgExecutor<'_>, before: DateTime<Utc>) -> Result<Vec<Leak>, sqlx::Error> {
    sqlx::query_as!(
        Leak,
        r#"SELECT o.key AS org_key, o.name AS org_name, k.id AS key_id, k.name, k.leaked_at AS "leaked_at!",
                  k.leak_source AS "source!", k.leak_url AS url, k.leak_note AS note, k.leak_response AS "response!",
                  k.expires_at, k.revoked_at
           FROM tenant_keys k JOIN orgs o ON o.id = k.org_id
           WHERE k.leaked_at < $1 ORDER BY k.leaked_at DESC, k.id LIMIT $2"#,
        before,
        LISTED + 1,
    )
    .fetch_all(db)
    .await
}

/// A process that delivers events.
#[derive(Debug)]
pub struct Deliverer {
    /// The process, as it calls itself while it lives.
    pub id: Uuid,
    /// Queues that it has to itself.
    pub queues: i64,
}

/// The processes that deliver events now.
///
/// # Errors
/// When the database cannot be asked.
pub async fn deliverers(db: impl PgExecutor<'_>, now: DateTime<Utc>) -> Result<Vec<Deliverer>, sqlx::Error> {
    sqlx::query_as!(
        Deliverer,
        r#"SELECT holder AS "id!", count(*) AS "queues!" FROM event_queues
           WHERE held_until > $1 AND holder IS NOT NULL GROUP BY holder ORDER BY holder LIMIT $2"#,
        now,
        LISTED,
    )
    .fetch_all(db)
    .await
}
