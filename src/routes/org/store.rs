//! The SQL of orgs.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;

use crate::ids::OrgId;

/// An org as operators see it.
#[derive(Debug)]
pub struct Org {
    pub id: OrgId,
    pub name: String,
}

/// Inserts an org; `false` if the key is taken.
pub async fn insert(
    db: impl PgExecutor<'_>,
    id: OrgId,
    key: &str,
    name: &str,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query!(
        "INSERT INTO orgs (id, key, name, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT ON CONSTRAINT orgs_key_unique DO NOTHING",
        id.0,
        key,
        name,
        now,
    )
    .execute(db)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// The org with this key.
pub async fn find_by_key(db: impl PgExecutor<'_>, key: &str) -> Result<Option<Org>, sqlx::Error> {
    let row = sqlx::query!("SELECT id, name FROM orgs WHERE key = $1", key).fetch_optional(db).await?;
    Ok(row.map(|row| Org { id: OrgId(row.id), name: row.name }))
}

/// Suspends an org, or resumes it; the first suspension's moment stays. `None` if there is none.
pub async fn set_suspended(
    db: impl PgExecutor<'_>,
    key: &str,
    at: Option<DateTime<Utc>>,
) -> Result<Option<OrgId>, sqlx::Error> {
    let id = sqlx::query_scalar!(
        "UPDATE orgs SET suspended_at = CASE WHEN $2::timestamptz IS NULL THEN NULL ELSE coalesce(suspended_at, $2) END
         WHERE key = $1 RETURNING id",
        key,
        at,
    )
    .fetch_optional(db)
    .await?;
    Ok(id.map(OrgId))
}
