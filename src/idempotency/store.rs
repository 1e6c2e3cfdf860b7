//! The SQL of kept replies.

use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use sqlx::PgExecutor;

use super::Claim;
use crate::db::Db;
use crate::db::distribution::{ORGS, slice_by_slice};
use crate::ids::OrgId;

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

/// The statement of [`delete_old`]; `of_one` is what it says of one org.
macro_rules! delete_old {
    (of_one = $scope:tt, $($value:expr),+) => {
        sqlx::query!(
            "DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
                 SELECT ctid FROM idempotency_keys WHERE created_at <= $1" + $scope + "
                 LIMIT $2 FOR UPDATE SKIP LOCKED))" + $scope,
            $($value),+
        )
    };
}

/// Deletes what was made before `since`, in slices.
pub async fn delete_old(db: &Db, since: DateTime<Utc>, limit: i64) -> Result<(), sqlx::Error> {
    let orgs = || {
        let found = sqlx::query_scalar!(
            r#"SELECT DISTINCT org_id AS "org_id: OrgId" FROM idempotency_keys WHERE created_at <= $1 LIMIT $2"#,
            since,
            ORGS,
        );
        found.fetch_all(&db.pool).boxed()
    };
    let delete = |org_id: Option<OrgId>| {
        async move {
            let deleted = match org_id {
                None => delete_old!(of_one = "", since, limit),
                Some(org_id) => delete_old!(of_one = " AND org_id = $3", since, limit, org_id.0),
            };
            Ok(deleted.execute(&db.pool).await?.rows_affected())
        }
        .boxed()
    };
    slice_by_slice(db, limit, orgs, delete, drop).await
}

/// The statement of [`wipe_secrets`]; `of_one` is what it says of one org.
macro_rules! wipe_secrets {
    (of_one = $scope:tt, $($value:expr),+) => {
        sqlx::query!(
            "UPDATE idempotency_keys SET sealed = NULL WHERE ctid = ANY (ARRAY(
                 SELECT ctid FROM idempotency_keys WHERE sealed IS NOT NULL AND readable_until <= $1" + $scope + "
                 LIMIT $2 FOR UPDATE SKIP LOCKED))" + $scope,
            $($value),+
        )
    };
}

/// Wipes the secrets that may not be shown any more, in slices.
pub async fn wipe_secrets(db: &Db, now: DateTime<Utc>, limit: i64) -> Result<(), sqlx::Error> {
    let orgs = || {
        let found = sqlx::query_scalar!(
            r#"
            SELECT DISTINCT org_id AS "org_id: OrgId" FROM idempotency_keys
            WHERE sealed IS NOT NULL AND readable_until <= $1 LIMIT $2
            "#,
            now,
            ORGS,
        );
        found.fetch_all(&db.pool).boxed()
    };
    let wipe = |org_id: Option<OrgId>| {
        async move {
            let wiped = match org_id {
                None => wipe_secrets!(of_one = "", now, limit),
                Some(org_id) => wipe_secrets!(of_one = " AND org_id = $3", now, limit, org_id.0),
            };
            Ok(wiped.execute(&db.pool).await?.rows_affected())
        }
        .boxed()
    };
    slice_by_slice(db, limit, orgs, wipe, drop).await
}
