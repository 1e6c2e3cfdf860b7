//! The SQL of the console's sessions.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::crypto::keyring::KeyDigest;
use crate::db::Db;

/// A session that is to be made.
#[derive(Debug)]
pub struct NewSession {
    /// The id.
    pub id: Uuid,
    /// Of the cookie.
    pub token_digest: KeyDigest,
    /// The platform token that was shown.
    pub platform_token_id: Uuid,
    /// The end.
    pub expires_at: DateTime<Utc>,
}

/// Makes a session.
pub async fn insert(
    db: impl PgExecutor<'_>,
    new: &NewSession,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO console_sessions (id, token_digest, platform_token_id, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5)",
        new.id,
        &new.token_digest[..],
        new.platform_token_id,
        now,
        new.expires_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Ends a session.
pub async fn end(db: impl PgExecutor<'_>, id: Uuid, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE console_sessions SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL", id, now)
        .execute(db)
        .await?;
    Ok(())
}

/// Forms of a session that are remembered: far more than anybody sends in an hour.
const MAX_SPENT: i32 = 1_000;

/// Notes that a session's form was sent; `false` if it was before, or too many were.
pub async fn spend(db: impl PgExecutor<'_>, id: Uuid, once: &str) -> Result<bool, sqlx::Error> {
    let spent = sqlx::query!(
        "UPDATE console_sessions SET spent_forms = spent_forms || $2::text
         WHERE id = $1 AND NOT $2 = ANY (spent_forms) AND cardinality(spent_forms) < $3",
        id,
        once,
        MAX_SPENT,
    );
    Ok(spent.execute(db).await?.rows_affected() == 1)
}

/// Forgets sessions whose time was over before; gives how many, up to `limit`.
pub async fn forget_old(db: &Db, before: DateTime<Utc>, limit: i64) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query!(
        "DELETE FROM console_sessions WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM console_sessions WHERE expires_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))",
        before,
        limit,
    )
    .execute(&db.pool)
    .await?;
    Ok(forgotten.rows_affected())
}
