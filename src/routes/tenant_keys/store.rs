//! The SQL of tenant keys.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::new_key::NewKey;
use super::rules::{Activation, KeyOrigin, Leak, OrgTenantKeys, Pending, StoredTenantKey, TenantKeyPlan};
use crate::changes::{Changeable, Mandate, change, snapshot};
use crate::crypto::keyring::{Hashed, KeyDigest};
use crate::error::ApiError;
use crate::http::paging::Page;
use crate::http::totals::EXACT_UP_TO;
use crate::identity::allowed_networks::AllowedNetworks;
use crate::identity::key_scopes::KeyRights;
use crate::ids::{KeyId, OrgId};
use crate::routes::leaks::rules::LeakPolicy;
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
            pending: pending(
                $row.pending_of,
                $row.activation,
                $row.confirm_by,
                $row.grace_seconds,
                $row.ends_at,
            ),
            rights: KeyRights::stored(&$row.scopes?, &$row.scope_policy?),
            networks: AllowedNetworks::stored($row.allowed_networks, &$row.network_policy?),
            origin: KeyOrigin::stored(&$row.origin?),
            leak: leak(
                $row.leaked_at,
                $row.leak_source,
                $row.leak_url,
                $row.leak_note,
                $row.leak_response,
                $row.leak_own_end,
            ),
        })
    };
}

/// The rotation that a row waits for: all of its columns but the last are there, or none.
fn pending(
    pending_of: Option<Uuid>,
    activation: Option<String>,
    confirm_by: Option<DateTime<Utc>>,
    grace_seconds: Option<i32>,
    ends_at: Option<DateTime<Utc>>,
) -> Option<Pending> {
    let activation = Activation::parse(&activation?)?;
    let (key_id, confirm_by, grace_seconds) = (KeyId(pending_of?), confirm_by?, grace_seconds?);
    Some(Pending { key_id, activation, confirm_by, grace_seconds, ends_at })
}

/// What a row knows of its leak: the first, second and fifth of its columns are there, or none.
fn leak(
    leaked_at: Option<DateTime<Utc>>,
    source: Option<String>,
    url: Option<String>,
    note: Option<String>,
    response: Option<String>,
    own_end: Option<DateTime<Utc>>,
) -> Option<Leak> {
    let (leaked_at, source, response) = (leaked_at?, source?, LeakPolicy::stored(&response?));
    Some(Leak { leaked_at, source, url, note, response, own_end })
}

/// An org's keys, as a change is made to them.
pub struct TenantKeys {
    /// The key that the change is about, dead or alive.
    named: Option<KeyId>,
    /// Of the key that it would add.
    digest: Option<Hashed>,
    /// The form of that key, if it is imported.
    pattern_id: Option<Uuid>,
    /// The party that reads the key which it would add.
    recipient: Recipient,
}

impl TenantKeys {
    /// To look at all live ones, and at this one if it is named.
    pub fn named(key_id: Option<KeyId>) -> Self {
        Self { named: key_id, digest: None, pattern_id: None, recipient: Recipient::Caller }
    }

    /// For a change of this key, which adds none.
    pub fn with(key_id: KeyId) -> Self {
        Self { named: Some(key_id), digest: None, pattern_id: None, recipient: Recipient::Caller }
    }

    /// For a change that adds a key, which `recipient` reads.
    pub fn adding(new: &NewKey, recipient: Recipient) -> Self {
        Self { named: None, digest: Some(new.digest), pattern_id: None, recipient }
    }

    /// For a change that takes over a key of this form, by what is stored of its hash.
    pub fn importing(hashed: Hashed, pattern_id: Uuid) -> Self {
        let recipient = Recipient::Caller;
        Self { named: None, digest: Some(hashed), pattern_id: Some(pattern_id), recipient }
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
        mandate: &Mandate,
        now: DateTime<Utc>,
    ) -> Result<Option<OrgTenantKeys>, sqlx::Error> {
        let loaded = snapshot!(
            db,
            mandate,
            now,
            columns = r#"
                k.id AS "id?", k.name AS "name?", k.prefix AS "prefix?", k.created_at AS "created_at?", k.last_used_at,
                k.tokens_issued AS "tokens_issued?", k.dead_uses AS "dead_uses?", k.dead_used_at, k.expires_at,
                k.rotated_at, k.rotated_to, k.revoked_at, k.pending_of, k.activation, k.confirm_by, k.grace_seconds,
                k.ends_at, k.scopes AS "scopes?", k.scope_policy AS "scope_policy?", k.allowed_networks,
                k.network_policy AS "network_policy?", k.origin AS "origin?",
               k.leaked_at AS "leaked_at?", k.leak_source AS "leak_source?", k.leak_url AS "leak_url?",
               k.leak_note AS "leak_note?", k.leak_response AS "leak_response?", k.leak_own_end AS "leak_own_end?""#,
            from = "LEFT JOIN tenant_keys n ON n.org_id = o.id AND n.id = given.named
                LEFT JOIN tenant_keys k ON k.org_id = o.id
                AND (k.id = given.named OR k.id = n.pending_of
                     OR (k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > given.now)))",
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
        mandate: &Mandate,
        seen: &OrgTenantKeys,
        plan: TenantKeyPlan,
    ) -> Result<Option<Option<TenantKeyPlan>>, ApiError> {
        self.recipient.require(&mut *db, mandate.org_id, seen.org.now).await?;
        Ok(self.write(db, mandate, seen, &plan).await?.then_some(Some(plan)))
    }
}

impl TenantKeys {
    async fn write(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        seen: &OrgTenantKeys,
        plan: &TenantKeyPlan,
    ) -> Result<bool, sqlx::Error> {
        let (changed, new) = (&plan.changed[..], plan.added.as_ref());
        let (Some(key), Some(subject)) = (plan.key(), plan.subject()) else { return Ok(true) };
        let waits = |key: &StoredTenantKey| key.pending.clone().filter(|_| key.revoked_at.is_none());
        let new_networks = new.and_then(|key| key.networks.texts());
        let new_scopes = new.map(|key| key.rights.scopes.joined());
        let (pending, new_pending) = (each(changed, waits), new.and_then(|key| key.pending.as_ref()));
        change!(
            db,
            &mandate.entry(seen.org, plan.kind.name(), key.id),
            event = Some(&mandate.draft(seen.org, plan.kind, &subject)),
            version = "coalesce((SELECT version FROM changed WHERE changed.id::text = subject), 1)",
            writes = "changed AS (
                UPDATE tenant_keys k
                SET name = new.name, expires_at = new.expires_at, rotated_at = new.rotated_at,
                    rotated_to = new.rotated_to, revoked_at = new.revoked_at, version = k.version + 1,
                    pending_of = new.pending_of, activation = new.activation, confirm_by = new.confirm_by,
                    grace_seconds = new.grace_seconds, ends_at = new.ends_at,
                    scopes = string_to_array(new.scopes, ' '), scope_policy = new.scope_policy,
                    allowed_networks = string_to_array(new.networks, ','), network_policy = new.network_policy,
                    -- A new end is announced anew.
                    expiry_set_at = CASE WHEN new.expires_at IS NULL THEN NULL
                                         WHEN k.expires_at IS DISTINCT FROM new.expires_at THEN change.at
                                         ELSE k.expiry_set_at END,
                    expiry_told = CASE WHEN k.expires_at IS NOT DISTINCT FROM new.expires_at THEN k.expiry_told END
                FROM change, unnest(change.ids, change.names, change.ends, change.rotated, change.successors,
                                    change.revoked, change.pending_ofs, change.activations, change.confirm_bys,
                                    change.graces, change.later_ends, change.scopes, change.scope_policies,
                                    change.networks, change.network_policies)
                     AS new (id, name, expires_at, rotated_at, rotated_to, revoked_at, pending_of, activation,
                             confirm_by, grace_seconds, ends_at, scopes, scope_policy, networks, network_policy)
                WHERE k.org_id = change.org_id AND k.id = new.id
                RETURNING k.org_id, k.id, k.digest, k.version
            ),
            added AS (
                INSERT INTO tenant_keys (org_id, id, name, prefix, digest, pepper, created_at, expires_at, expiry_set_at,
                                         pending_of, activation, confirm_by, grace_seconds, ends_at,
                                         scopes, scope_policy, allowed_networks, network_policy, origin, pattern_id)
                SELECT org_id, new_id, new_name, new_prefix, new_digest, new_pepper, new_created_at, new_expires_at,
                       CASE WHEN new_expires_at IS NOT NULL THEN at END,
                       new_pending_of, new_activation, new_confirm_by, new_grace, new_ends_at,
                       string_to_array(new_scopes, ' '), new_scope_policy, new_networks, new_network_policy,
                       new_origin, new_pattern_id
                FROM change WHERE new_id IS NOT NULL
            )",
            announce = "SELECT format('key %s %s %s', id, encode(digest, 'hex'), org_id) FROM changed",
            {
                "ids": "uuid[]" = &each(changed, |key| key.id.0),
                "names": "text[]" = &each(changed, |key| key.name.clone()),
                "ends": "timestamptz[]" = &each(changed, |key| key.expires_at) as &[Option<DateTime<Utc>>],
                "rotated": "timestamptz[]" = &each(changed, |key| key.rotated_at) as &[Option<DateTime<Utc>>],
                "successors": "uuid[]" = &each(changed, |key| key.rotated_to.map(|id| id.0)) as &[Option<Uuid>],
                "revoked": "timestamptz[]" = &each(changed, |key| key.revoked_at) as &[Option<DateTime<Utc>>],
                "pending_ofs": "uuid[]" = &each(&pending, |p| Some(p.as_ref()?.key_id.0)) as &[Option<Uuid>],
                "activations": "text[]" = &each(&pending, |p| Some(p.as_ref()?.activation.name())) as &[Option<&str>],
                "confirm_bys": "timestamptz[]" = &each(&pending, |p| Some(p.as_ref()?.confirm_by)) as &[Option<DateTime<Utc>>],
                "graces": "integer[]" = &each(&pending, |p| Some(p.as_ref()?.grace_seconds)) as &[Option<i32>],
                "later_ends": "timestamptz[]" = &each(&pending, |p| p.as_ref()?.ends_at) as &[Option<DateTime<Utc>>],
                "scopes": "text[]" = &each(changed, |key| key.rights.scopes.joined()) as &[Cow<'static, str>],
                "scope_policies": "text[]" = &each(changed, |key| key.rights.policy.name()) as &[&str],
                // A list each, as one text: Postgres has no lists of lists of different lengths.
                "networks": "text[]" = &each(changed, |key| Some(key.networks.texts()?.join(","))) as &[Option<String>],
                "network_policies": "text[]" = &each(changed, |key| key.networks.policy.name()) as &[&str],
                "new_id": "uuid" = new.map(|key| key.id.0),
                "new_name": "text" = new.map(|key| key.name.as_str()),
                "new_prefix": "text" = new.map(|key| key.prefix.as_str()),
                "new_digest": "bytea" = self.digest.as_ref().map(|hashed| &hashed.digest[..]),
                "new_pepper": "smallint" = self.digest.as_ref().map(|hashed| hashed.pepper),
                "new_expires_at": "timestamptz" = new.and_then(|key| key.expires_at),
                "new_pending_of": "uuid" = new_pending.map(|pending| pending.key_id.0),
                "new_activation": "text" = new_pending.map(|pending| pending.activation.name()),
                "new_confirm_by": "timestamptz" = new_pending.map(|pending| pending.confirm_by),
                "new_grace": "integer" = new_pending.map(|pending| pending.grace_seconds),
                "new_ends_at": "timestamptz" = new_pending.and_then(|pending| pending.ends_at),
                "new_scopes": "text" = new_scopes.as_deref(),
                "new_scope_policy": "text" = new.map(|key| key.rights.policy.name()),
                "new_networks": "text[]" = new_networks.as_deref(),
                "new_network_policy": "text" = new.map(|key| key.networks.policy.name()),
                "new_created_at": "timestamptz" = new.map(|key| key.created_at),
                "new_origin": "text" = new.map(|key| key.origin.name()),
                "new_pattern_id": "uuid" = self.pattern_id,
            }
        )
    }
}

/// A column of many rows.
fn each<R, T>(rows: &[R], column: impl Fn(&R) -> T) -> Vec<T> {
    rows.iter().map(column).collect()
}

/// The key with this id, first, and those that it shares a rotation with; empty if the org has no such key.
pub async fn find_with_kin(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    key_id: KeyId,
) -> Result<Vec<StoredTenantKey>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        SELECT k.id AS "id?", k.name AS "name?", k.prefix AS "prefix?", k.created_at AS "created_at?", k.last_used_at,
               k.tokens_issued AS "tokens_issued?", k.dead_uses AS "dead_uses?", k.dead_used_at, k.expires_at,
               k.rotated_at, k.rotated_to, k.revoked_at, k.pending_of, k.activation, k.confirm_by, k.grace_seconds,
               k.ends_at, k.scopes AS "scopes?", k.scope_policy AS "scope_policy?", k.allowed_networks,
               k.network_policy AS "network_policy?", k.origin AS "origin?",
               k.leaked_at AS "leaked_at?", k.leak_source AS "leak_source?", k.leak_url AS "leak_url?",
               k.leak_note AS "leak_note?", k.leak_response AS "leak_response?", k.leak_own_end AS "leak_own_end?"
        FROM tenant_keys named
        JOIN tenant_keys k ON k.org_id = named.org_id
            AND (k.id IN (named.id, named.rotated_to, named.pending_of) OR named.id IN (k.rotated_to, k.pending_of))
        WHERE named.org_id = $1 AND named.id = $2
        ORDER BY k.id <> named.id, k.created_at DESC, k.id
        "#,
        org_id.0,
        key_id.0,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().filter_map(|row| key!(row)).collect())
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
               k.rotated_at AS "rotated_at?", k.rotated_to AS "rotated_to?", k.revoked_at AS "revoked_at?",
               k.pending_of AS "pending_of?", k.activation AS "activation?", k.confirm_by AS "confirm_by?",
               k.grace_seconds AS "grace_seconds?", k.ends_at AS "ends_at?", k.scopes AS "scopes?",
               k.scope_policy AS "scope_policy?", k.allowed_networks AS "allowed_networks?",
               k.network_policy AS "network_policy?", k.origin AS "origin?",
               k.leaked_at AS "leaked_at?", k.leak_source AS "leak_source?", k.leak_url AS "leak_url?",
               k.leak_note AS "leak_note?", k.leak_response AS "leak_response?", k.leak_own_end AS "leak_own_end?"
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
