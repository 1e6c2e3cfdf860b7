//! The SQL of orgs.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgExecutor;

use super::change::OrgChange;
use crate::administration::{Caller, Scope};
use crate::audit::{Entry, audited};
use crate::crypto::audit_chain::{Head, RowMac};
use crate::db::change_feed::CHANGES;
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

/// Inserts an org, whose first audit row is `entry`; `false` if the key is taken.
pub async fn insert(
    db: impl PgExecutor<'_>,
    key: &str,
    name: &str,
    entry: &Entry,
) -> Result<bool, sqlx::Error> {
    let inserted = audited!(
        entry,
        gate = "INSERT INTO orgs (id, key, name, created_at, revision, audit_mac, audit_key)
                VALUES ($1, $10, $11, $4, $2, $3, ($9::text[])[3]::smallint)
                ON CONFLICT ON CONSTRAINT orgs_key_unique DO NOTHING
                RETURNING id",
        "SELECT id FROM gate",
        key,
        name,
    )
    .fetch_optional(db)
    .await?;
    Ok(inserted.is_some())
}

/// Whether there was no org ever: the audit log outlives them.
pub async fn was_never_any(db: impl PgExecutor<'_>) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT NOT EXISTS (SELECT FROM orgs) AND NOT EXISTS (SELECT FROM audit_log) AS "never!""#
    )
    .fetch_one(db)
    .await
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

/// What a change of an org is decided on.
pub struct Loaded {
    pub key: String,
    /// Where its log ends.
    pub head: Head,
    pub caller: Caller,
}

/// The org as it is at `now`; `None` if there is no such org.
pub async fn load(
    db: impl PgExecutor<'_>,
    scope: &Scope,
    now: DateTime<Utc>,
) -> Result<Option<Loaded>, sqlx::Error> {
    let row = sqlx::query!(
        r#"
        SELECT o.key, o.revision, o.audit_mac AS "audit_mac: RowMac", k.rotated_at IS NOT NULL AS "superseded!",
               $2::uuid IS NULL OR (k.id IS NOT NULL AND k.revoked_at IS NULL
                   AND (k.expires_at IS NULL OR k.expires_at > $3)) AS "caller_lives!"
        FROM orgs o LEFT JOIN tenant_keys k ON k.org_id = o.id AND k.id = $2
        WHERE o.id = $1
        "#,
        scope.org_id.0,
        scope.caller.map(|id| id.0),
        now,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Loaded {
        key: row.key,
        head: Head { seq: row.revision, mac: row.audit_mac },
        caller: Caller::of(row.caller_lives, row.superseded),
    }))
}

/// Carries a change out, with its audit row, in one statement; whoever serves the org hears of it.
/// `false` if the org changed since `entry` was made: then nothing happened.
pub async fn apply(db: impl PgExecutor<'_>, change: &OrgChange, entry: &Entry) -> Result<bool, sqlx::Error> {
    let is_suspended = match change {
        OrgChange::Rename(name) => return rename(db, name, entry).await,
        OrgChange::Delete => return delete(db, entry).await,
        OrgChange::HandOver(_) => return hand_over(db, entry).await,
        OrgChange::Suspend => true,
        OrgChange::Resume => false,
    };
    let changed = audited!(
        entry,
        // The first suspension's moment stays.
        gate = "UPDATE orgs SET revision = $2, audit_mac = $3,
                    suspended_at = CASE WHEN $10 THEN coalesce(suspended_at, $4) END
                WHERE id = $1 AND revision = $2::bigint - 1 AND audit_key <= ($9::text[])[3]::smallint RETURNING id",
        "SELECT pg_notify($11, format('org %s', id))::text AS told FROM gate",
        is_suspended,
        CHANGES,
    )
    .fetch_optional(db)
    .await?;
    Ok(changed.is_some())
}

async fn rename(db: impl PgExecutor<'_>, name: &str, entry: &Entry) -> Result<bool, sqlx::Error> {
    let changed = audited!(
        entry,
        gate = "UPDATE orgs SET revision = $2, audit_mac = $3, name = $10
                WHERE id = $1 AND revision = $2::bigint - 1 AND audit_key <= ($9::text[])[3]::smallint RETURNING id",
        "SELECT id FROM gate",
        name,
    )
    .fetch_optional(db)
    .await?;
    Ok(changed.is_some())
}

/// From this row on, only the key that made its MAC writes the log.
async fn hand_over(db: impl PgExecutor<'_>, entry: &Entry) -> Result<bool, sqlx::Error> {
    let changed = audited!(
        entry,
        gate = "UPDATE orgs SET revision = $2, audit_mac = $3, audit_key = ($9::text[])[3]::smallint
                WHERE id = $1 AND revision = $2::bigint - 1 AND audit_key <= ($9::text[])[3]::smallint RETURNING id",
        "SELECT id FROM gate",
    )
    .fetch_optional(db)
    .await?;
    Ok(changed.is_some())
}

/// Some of the orgs, by their keys, whose log was not handed over to the audit key of this number.
pub async fn not_handed_over(
    db: impl PgExecutor<'_>,
    number: i16,
    limit: i64,
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!("SELECT key FROM orgs WHERE audit_key < $1 ORDER BY id LIMIT $2", number, limit)
        .fetch_all(db)
        .await
}

/// By cascade, everything goes that the org has, but its audit log.
async fn delete(db: impl PgExecutor<'_>, entry: &Entry) -> Result<bool, sqlx::Error> {
    let gone = audited!(
        entry,
        gate = "DELETE FROM orgs WHERE id = $1 AND revision = $2::bigint - 1 AND audit_key <= ($9::text[])[3]::smallint RETURNING id",
        "SELECT pg_notify($10, format('org %s', id))::text AS told FROM gate",
        CHANGES,
    )
    .fetch_optional(db)
    .await?;
    Ok(gone.is_some())
}
