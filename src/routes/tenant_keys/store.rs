//! The SQL of tenant keys.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};

use super::new_key::NewKey;
use super::rules::{OrgTenantKeys, StoredTenantKey, TenantKeyPlan};
use crate::changes::{Changeable, Scope, change, snapshot};
use crate::crypto::keyring::{Hashed, KeyDigest};
use crate::db::change_feed::CHANGES;
use crate::error::ApiError;
use crate::http::paging::Page;
use crate::http::totals::EXACT_UP_TO;
use crate::ids::{KeyId, OrgId};
use crate::routes::public_keys::recipient::Recipient;

/// The key of a row of an outer join, which has all of its columns or none.
macro_rules! key {
    ($row:expr) => {
        Some(StoredTenantKey {
            id: KeyId($row.id?),
            name: $row.name?,
            prefix: $row.prefix?,
            created_at: $row.created_at?,
            last_used_at: $row.last_used_at,
            tokens_issued: $row.tokens_issued?,
            dead_uses: $row.dead_uses?,
            dead_used_at: $row.dead_used_at,
            expires_at: $row.expires_at,
            rotated_at: $row.rotated_at,
            rotated_to: $row.rotated_to.map(KeyId),
            revoked_at: $row.revoked_at,
        })
    };
}

/// An org's keys, as a change is made to them.
pub struct TenantKeys {
    /// The key that the change is about, dead or alive.
    named: Option<KeyId>,
    /// Of the key that it would add.
    digest: Option<Hashed>,
    /// The party that reads the key which it would add.
    recipient: Recipient,
}

impl TenantKeys {
    /// For a change of this key, which adds none.
    pub fn with(key_id: KeyId) -> Self {
        Self { named: Some(key_id), digest: None, recipient: Recipient::Caller }
    }

    /// For a change that adds a key, which `recipient` reads.
    pub fn adding(new: &NewKey, recipient: Recipient) -> Self {
        Self { named: None, digest: Some(new.digest), recipient }
    }

    /// The same, in the place of this key if one is named.
    pub fn replacing(self, key_id: Option<KeyId>) -> Self {
        Self { named: key_id, ..self }
    }
}

impl Changeable for TenantKeys {
    type Snapshot = OrgTenantKeys;
    type Plan = TenantKeyPlan;
    type Done = Option<TenantKeyPlan>;

    async fn load(
        &self,
        db: &mut PgConnection,
        scope: &Scope,
        now: DateTime<Utc>,
    ) -> Result<Option<OrgTenantKeys>, sqlx::Error> {
        let loaded = snapshot!(
            db,
            scope,
            now,
            columns = r#"
                k.id AS "id?", k.name AS "name?", k.prefix AS "prefix?", k.created_at AS "created_at?", k.last_used_at,
                k.tokens_issued AS "tokens_issued?", k.dead_uses AS "dead_uses?", k.dead_used_at, k.expires_at,
                k.rotated_at, k.rotated_to, k.revoked_at"#,
            from = "LEFT JOIN tenant_keys k ON k.org_id = o.id
                AND (k.id = given.named OR (k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > given.now)))",
            { "named": "uuid" = self.named.map(|id| id.0) }
        )?;
        Ok(loaded.map(|(org, rows)| OrgTenantKeys {
            org,
            keys: rows.into_iter().filter_map(|row| key!(row)).collect(),
        }))
    }

    async fn apply(
        &self,
        db: &mut PgConnection,
        scope: &Scope,
        seen: &OrgTenantKeys,
        plan: TenantKeyPlan,
    ) -> Result<Option<Option<TenantKeyPlan>>, ApiError> {
        self.recipient.require(&mut *db, scope.org_id, seen.org.now).await?;
        Ok(self.write(db, scope, seen, &plan).await?.then_some(Some(plan)))
    }
}

impl TenantKeys {
    async fn write(
        &self,
        db: &mut PgConnection,
        scope: &Scope,
        seen: &OrgTenantKeys,
        plan: &TenantKeyPlan,
    ) -> Result<bool, sqlx::Error> {
        let (old, new) = (plan.changed.as_ref(), plan.added.as_ref());
        let (Some(key), Some(subject)) = (new.or(old), plan.subject()) else { return Ok(true) };
        change!(
            db,
            &scope.entry(seen.org, plan.kind.name(), key.id),
            event = Some(&scope.draft(seen.org, plan.kind, &subject)),
            version = "coalesce((SELECT version FROM changed WHERE changed.id::text = subject), 1)",
            writes = "changed AS (
                UPDATE tenant_keys k
                SET name = change.name, expires_at = change.expires_at, rotated_at = change.rotated_at,
                    rotated_to = change.rotated_to, revoked_at = change.revoked_at, version = k.version + 1,
                    -- A new end is announced anew.
                    expiry_set_at = CASE WHEN change.expires_at IS NULL THEN NULL
                                         WHEN k.expires_at IS DISTINCT FROM change.expires_at THEN change.at
                                         ELSE k.expiry_set_at END,
                    expiry_told = CASE WHEN k.expires_at IS NOT DISTINCT FROM change.expires_at THEN k.expiry_told END
                FROM change WHERE k.org_id = change.org_id AND k.id = change.id
                RETURNING k.org_id, k.id, k.digest, k.version
            ),
            added AS (
                INSERT INTO tenant_keys (org_id, id, name, prefix, digest, pepper, created_at, expires_at, expiry_set_at)
                SELECT org_id, new_id, new_name, new_prefix, new_digest, new_pepper, at, new_expires_at,
                       CASE WHEN new_expires_at IS NOT NULL THEN at END
                FROM change WHERE new_id IS NOT NULL
            )",
            announce = "(SELECT pg_notify(channel, format('key %s %s %s', changed.id, encode(digest, 'hex'), changed.org_id))::text FROM changed)",
            {
                "id": "uuid" = old.map(|key| key.id.0),
                "name": "text" = old.map(|key| key.name.as_str()),
                "expires_at": "timestamptz" = old.and_then(|key| key.expires_at),
                "rotated_at": "timestamptz" = old.and_then(|key| key.rotated_at),
                "rotated_to": "uuid" = old.and_then(|key| key.rotated_to).map(|id| id.0),
                "revoked_at": "timestamptz" = old.and_then(|key| key.revoked_at),
                "new_id": "uuid" = new.map(|key| key.id.0),
                "new_name": "text" = new.map(|key| key.name.as_str()),
                "new_prefix": "text" = new.map(|key| key.prefix.as_str()),
                "new_digest": "bytea" = self.digest.as_ref().map(|hashed| &hashed.digest[..]),
                "new_pepper": "smallint" = self.digest.as_ref().map(|hashed| hashed.pepper),
                "new_expires_at": "timestamptz" = new.and_then(|key| key.expires_at),
                "channel": "text" = CHANGES,
            }
        )
    }
}

/// A page of the org's keys, and how many there are; without `include_revoked` only live ones.
pub async fn list(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    include_revoked: bool,
    page: Page,
    now: DateTime<Utc>,
) -> Result<(Vec<StoredTenantKey>, i64), sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        WITH wanted AS NOT MATERIALIZED (
            SELECT * FROM tenant_keys
            WHERE org_id = $1 AND ($2 OR (revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3)))
        )
        SELECT counted.total AS "total!", k.id AS "id?", k.name AS "name?", k.prefix AS "prefix?",
               k.created_at AS "created_at?", k.last_used_at AS "last_used_at?",
               k.tokens_issued AS "tokens_issued?", k.dead_uses AS "dead_uses?", k.dead_used_at AS "dead_used_at?", k.expires_at AS "expires_at?",
               k.rotated_at AS "rotated_at?", k.rotated_to AS "rotated_to?", k.revoked_at AS "revoked_at?"
        FROM (SELECT count(*) AS total FROM (SELECT FROM wanted LIMIT $6) AS first) AS counted
        LEFT JOIN (
            SELECT * FROM wanted WHERE (created_at, id) > ($7, $8) ORDER BY created_at, id LIMIT $4 OFFSET $5
        ) AS k ON true
        ORDER BY k.created_at, k.id
        "#,
        org_id.0,
        include_revoked,
        now,
        page.rows(),
        page.skip(),
        EXACT_UP_TO + 1,
        page.after().created_at,
        page.after().id,
    )
    .fetch_all(db)
    .await?;
    let total = rows.first().map_or(0, |row| row.total);
    Ok((rows.into_iter().filter_map(|row| key!(row)).collect(), total))
}

/// Counts the keys that the org ever had.
pub async fn count(db: impl PgExecutor<'_>, org_id: OrgId) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM tenant_keys WHERE org_id = $1"#, org_id.0)
        .fetch_one(db)
        .await
}

/// Returns `true` if the key with one of these digests is the org's and works.
pub async fn is_live(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    digests: &[KeyDigest],
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let digests: Vec<&[u8]> = digests.iter().map(|digest| &digest[..]).collect();
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM tenant_keys WHERE digest = ANY($2::bytea[]) AND org_id = $1 AND revoked_at IS NULL
                          AND (expires_at IS NULL OR expires_at > $3)) AS "live!""#,
        org_id.0,
        &digests as &[&[u8]],
        now,
    )
    .fetch_one(db)
    .await
}
