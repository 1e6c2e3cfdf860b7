//! The SQL of orgs. Every change raises the org's revision and writes its audit row.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgExecutor;

use crate::audit::Author;
use crate::db::listener::CHANGES;
use crate::http::totals::EXACT_UP_TO;
use crate::ids::OrgId;

/// An org as operators see it.
#[derive(Debug, Serialize)]
pub struct Org {
    pub id: OrgId,
    pub key: String,
    pub name: String,
    pub created_at: DateTime<Utc>,
    pub suspended_at: Option<DateTime<Utc>>,
}

/// Inserts an org; `false` if the key is taken.
pub async fn insert(
    db: impl PgExecutor<'_>,
    id: OrgId,
    key: &str,
    name: &str,
    author: &Author,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query!(
        "WITH made AS (
             INSERT INTO orgs (id, key, name, created_at, revision) VALUES ($1, $2, $3, $4, 1)
             ON CONFLICT ON CONSTRAINT orgs_key_unique DO NOTHING
             RETURNING id, revision
         )
         INSERT INTO audit_log (org_id, seq, at, actor, action, subject)
         SELECT id, revision, $4, $5, 'org.created', $2 FROM made",
        id.0,
        key,
        name,
        now,
        author.actor(),
    )
    .execute(db)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Every org, oldest first.
pub async fn list(db: impl PgExecutor<'_>) -> Result<Vec<Org>, sqlx::Error> {
    sqlx::query_as!(
        Org,
        r#"SELECT id AS "id: OrgId", key, name, created_at, suspended_at FROM orgs ORDER BY created_at, id"#
    )
    .fetch_all(db)
    .await
}

/// The org with this key.
pub async fn find_by_key(db: impl PgExecutor<'_>, key: &str) -> Result<Option<Org>, sqlx::Error> {
    sqlx::query_as!(
        Org,
        r#"SELECT id AS "id: OrgId", key, name, created_at, suspended_at FROM orgs WHERE key = $1"#,
        key
    )
    .fetch_optional(db)
    .await
}

/// The org, and how many users it has, counted to just above [`EXACT_UP_TO`].
pub async fn find(db: impl PgExecutor<'_>, org_id: OrgId) -> Result<Option<(Org, i64)>, sqlx::Error> {
    let row = sqlx::query!(
        r#"
        SELECT key, name, created_at, suspended_at,
               (SELECT count(*) FROM (SELECT FROM users WHERE org_id = $1 LIMIT $2) AS first) AS "users!"
        FROM orgs WHERE id = $1
        "#,
        org_id.0,
        EXACT_UP_TO + 1,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| {
        let (created_at, suspended_at) = (row.created_at, row.suspended_at);
        (Org { id: org_id, key: row.key, name: row.name, created_at, suspended_at }, row.users)
    }))
}

/// Renames an org.
pub async fn rename(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    name: &str,
    author: &Author,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "WITH changed AS (
             UPDATE orgs SET revision = revision + 1, name = $2 WHERE id = $1 RETURNING id, revision, key
         )
         INSERT INTO audit_log (org_id, seq, at, actor, key_id, action, subject, request_id)
         SELECT id, revision, $3, $4, $5, 'org.renamed', key, $6 FROM changed",
        org_id.0,
        name,
        now,
        author.actor(),
        author.key_id(),
        author.request_id(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Suspends an org, or resumes it; the first suspension's moment stays. `false` if there is none.
pub async fn set_suspended(
    db: impl PgExecutor<'_>,
    key: &str,
    suspended: bool,
    author: &Author,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let changed = sqlx::query!(
        "WITH changed AS (
             UPDATE orgs SET revision = revision + 1,
                 suspended_at = CASE WHEN $2 THEN coalesce(suspended_at, $3) END
             WHERE key = $1 RETURNING id, revision
         ),
         logged AS (
             INSERT INTO audit_log (org_id, seq, at, actor, action, subject)
             SELECT id, revision, $3, $4, CASE WHEN $2 THEN 'org.suspended' ELSE 'org.resumed' END, $1 FROM changed
         )
         SELECT pg_notify($5, format('org %s', id))::text AS told FROM changed",
        key,
        suspended,
        now,
        author.actor(),
        CHANGES,
    )
    .fetch_optional(db)
    .await?;
    Ok(changed.is_some())
}

/// Deletes an org and, by cascade, everything it has but its audit log. `false` if there is none.
pub async fn delete(
    db: impl PgExecutor<'_>,
    key: &str,
    author: &Author,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let gone = sqlx::query!(
        "WITH gone AS (DELETE FROM orgs WHERE key = $1 RETURNING id, revision),
         logged AS (
             INSERT INTO audit_log (org_id, seq, at, actor, action, subject)
             SELECT id, revision + 1, $2, $3, 'org.deleted', $1 FROM gone
         )
         SELECT pg_notify($4, format('org %s', id))::text AS told FROM gone",
        key,
        now,
        author.actor(),
        CHANGES,
    )
    .fetch_optional(db)
    .await?;
    Ok(gone.is_some())
}
