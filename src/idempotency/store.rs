//! The SQL of kept replies.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;

use super::Claim;
use crate::db::Db;

/// A kept reply.
pub struct KeptReply {
    /// Credential, method, path and key, as a MAC.
    pub scope: Vec<u8>,
    /// The body of the request, as a MAC.
    pub request_mac: Vec<u8>,
    /// The status that was answered.
    pub status: i16,
    /// The reply, where it shows no secret.
    pub body: Option<String>,
    /// The reply, sealed, where it does.
    pub sealed: Option<Vec<u8>>,
    /// Until when what is sealed is shown again.
    pub readable_until: Option<DateTime<Utc>>,
    /// The things that the request made, for when its secret is no longer shown.
    pub made: Option<serde_json::Value>,
    /// When it was answered.
    pub created_at: DateTime<Utc>,
}

/// The reply kept under one of the claim's scopes, if it was made after `since`.
pub async fn find(
    db: impl PgExecutor<'_>,
    claim: &Claim,
    since: DateTime<Utc>,
) -> Result<Option<KeptReply>, sqlx::Error> {
    let scopes: Vec<&[u8]> = claim.scopes.iter().map(|scope| &scope[..]).collect();
    sqlx::query_as!(
        KeptReply,
        "SELECT scope, request_mac, status, body, sealed, readable_until, made, created_at FROM idempotency_keys
         WHERE org_id = $1 AND scope = ANY($2::bytea[]) AND created_at > $3 ORDER BY created_at DESC LIMIT 1",
        claim.org_id.0,
        &scopes as &[&[u8]],
        since,
    )
    .fetch_optional(db)
    .await
}

/// Takes the scope until the transaction ends; `false` if another request has it.
pub async fn try_lock(db: impl PgExecutor<'_>, claim: &Claim) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT pg_try_advisory_xact_lock($1) AS "taken!""#, claim.lock())
        .fetch_one(db)
        .await
}

/// Keeps a reply, in place of one that is too old.
pub async fn insert(db: impl PgExecutor<'_>, claim: &Claim, kept: &KeptReply) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO idempotency_keys
             (org_id, scope, request_mac, status, body, sealed, readable_until, made, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT ON CONSTRAINT idempotency_keys_pkey DO UPDATE
         SET request_mac = $3, status = $4, body = $5, sealed = $6, readable_until = $7, made = $8, created_at = $9",
        claim.org_id.0,
        kept.scope,
        kept.request_mac,
        kept.status,
        kept.body,
        kept.sealed,
        kept.readable_until,
        kept.made,
        kept.created_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Deletes some of what was made before `since`; gives how many.
pub async fn delete_old(db: &Db, since: DateTime<Utc>, limit: i64) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query!(
        "DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM idempotency_keys WHERE created_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))",
        since,
        limit,
    )
    .execute(&db.pool)
    .await?;
    Ok(deleted.rows_affected())
}

/// Wipes some of the secrets that may not be shown any more; gives how many.
pub async fn wipe_secrets(db: &Db, now: DateTime<Utc>, limit: i64) -> Result<u64, sqlx::Error> {
    let wiped = sqlx::query!(
        "UPDATE idempotency_keys SET sealed = NULL WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM idempotency_keys WHERE sealed IS NOT NULL AND readable_until <= $1
             LIMIT $2 FOR UPDATE SKIP LOCKED))",
        now,
        limit,
    )
    .execute(&db.pool)
    .await?;
    Ok(wiped.rows_affected())
}
