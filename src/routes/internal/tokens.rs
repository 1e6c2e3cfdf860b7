//! Platform tokens, as operators make and end them at the command line (contract 15).

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::crypto::keyring::Keyring;
use crate::crypto::platform_token::PlatformToken;
use crate::db::news::PLATFORM_TOKENS;
use crate::identity::platform::PlatformScope;
use crate::ids::new_row_id;

/// A platform token, without the token.
#[derive(Debug, Serialize)]
pub struct StoredPlatformToken {
    /// The id.
    pub id: Uuid,
    /// The name for people.
    pub name: String,
    /// The part of the token that is shown.
    pub prefix: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// The instant of its creation.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to a minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// The instant of its end.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Stores a new token; gives its id.
///
/// # Errors
/// When the database cannot be asked.
pub async fn insert(
    db: impl PgExecutor<'_>,
    keyring: &Keyring,
    token: &PlatformToken,
    (name, scopes): (&str, &[PlatformScope]),
    now: DateTime<Utc>,
) -> Result<Uuid, sqlx::Error> {
    let (id, hashed) = (new_row_id(), keyring.hash(token));
    let scopes: Vec<String> = scopes.iter().map(|scope| scope.name().to_owned()).collect();
    sqlx::query!(
        "INSERT INTO platform_tokens (id, name, prefix, digest, pepper, scopes, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        id,
        name,
        token.prefix(),
        &hashed.digest[..],
        hashed.pepper,
        &scopes,
        now,
    )
    .execute(db)
    .await?;
    Ok(id)
}

/// Every token, oldest first; revoked ones as well.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list(db: impl PgExecutor<'_>) -> Result<Vec<StoredPlatformToken>, sqlx::Error> {
    sqlx::query_as!(
        StoredPlatformToken,
        "SELECT id, name, prefix, scopes, created_at, last_used_at, revoked_at
         FROM platform_tokens ORDER BY created_at, id"
    )
    .fetch_all(db)
    .await
}

/// Ends a token now, for every replica, which hears of it; `false` if there is none. One that has ended stays as it is.
///
/// # Errors
/// When the database cannot be asked.
pub async fn revoke(db: impl PgExecutor<'_>, id: Uuid, now: DateTime<Utc>) -> Result<bool, sqlx::Error> {
    let revoked = sqlx::query!(
        "WITH revoked AS (
             UPDATE platform_tokens SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1 RETURNING id
         )
         , announced AS (
             INSERT INTO announcements (news) SELECT $3 FROM revoked ON CONFLICT DO NOTHING
         )
         SELECT id FROM revoked",
        id,
        now,
        PLATFORM_TOKENS,
    )
    .fetch_optional(db)
    .await?;
    Ok(revoked.is_some())
}
