//! The SQL of public keys.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::rules::{OrgPublicKeys, PublicKeyPlan, StoredPublicKey};
use super::usage::Usage;
use crate::changes::{Changeable, Mandate, change, snapshot};
use crate::error::ApiError;
use crate::ids::OrgId;

/// A new key as it is stored.
#[derive(Clone, Debug)]
pub struct NewPublicKey {
    /// The names of its usages.
    pub usages: Vec<String>,
    /// The type: `RSA` or `PGP`.
    pub kind: &'static str,
    /// The canonical text.
    pub public_key: String,
    /// The key's fingerprint.
    pub fingerprint: String,
    /// For people.
    pub algorithm: String,
    /// The partner's own name for it.
    pub related_client_id: Option<String>,
    /// The private half of a pair made here, sealed.
    pub sealed: Option<Vec<u8>>,
}

impl NewPublicKey {
    /// Returns `true` if the org will sign requests with it (contract 12.1).
    pub fn authenticates(&self) -> bool {
        self.sealed.is_none() && self.usages.iter().any(|usage| usage == Usage::Authentication.name())
    }
}

/// A key as it is shown: everything but the private half.
#[derive(Debug)]
pub struct Row {
    /// The key's `UniqueId`.
    pub unique_id: Uuid,
    /// The names of its usages.
    pub usages: Vec<String>,
    /// The type: `RSA` or `PGP`.
    pub kind: String,
    /// The canonical text.
    pub public_key: String,
    /// The key's fingerprint.
    pub fingerprint: String,
    /// For people.
    pub algorithm: String,
    /// The partner's own name for it.
    pub related_client_id: Option<String>,
    /// `true` for a pair made here.
    pub has_private_key: bool,
    /// The end that was set.
    pub expires_at: DateTime<Utc>,
    /// The instant of the partner's last proof (contract 12.5).
    pub proven_at: Option<DateTime<Utc>>,
}

/// An org's public keys, as a change is made to them.
#[derive(Default)]
pub struct PublicKeys {
    /// The key that the change is about, dead or alive.
    pub named: Option<Uuid>,
    /// The key that it would add.
    pub new: Option<NewPublicKey>,
}

impl Changeable for PublicKeys {
    type Snapshot = OrgPublicKeys;
    type Plan = PublicKeyPlan;
    type Done = ();

    async fn load(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        now: DateTime<Utc>,
    ) -> Result<Option<OrgPublicKeys>, sqlx::Error> {
        let loaded = snapshot!(
            db,
            mandate,
            now,
            columns = r#"
                o.key AS "owner_code!", o.signature_policy <> 'optional' AS "must_sign!",
                k.unique_id AS "unique_id?", k.fingerprint AS "fingerprint?",
                k.created_at AS "created_at?", k.expires_at AS "expires_at?", k.deleted_at, k.proven_at,
                k.type = 'RSA' AND k.sealed IS NULL AND 'Authentication' = ANY (k.usages) AS authenticates"#,
            from = "LEFT JOIN public_keys k ON k.org_id = o.id
                AND (k.unique_id = given.named OR (k.deleted_at IS NULL AND k.expires_at > given.now))",
            { "named": "uuid" = self.named }
        )?;
        let Some((org, rows)) = loaded else { return Ok(None) };
        let (owner_code, must_sign) = (rows[0].owner_code.clone(), rows[0].must_sign);
        let keys = rows.into_iter().filter_map(|row| {
            Some(StoredPublicKey {
                unique_id: row.unique_id?,
                fingerprint: row.fingerprint?,
                created_at: row.created_at?,
                expires_at: row.expires_at?,
                deleted_at: row.deleted_at,
                authenticates: row.authenticates.unwrap_or(false),
                is_proven: row.proven_at.is_some(),
            })
        });
        Ok(Some(OrgPublicKeys { org, owner_code, must_sign, keys: keys.collect() }))
    }

    async fn apply(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        seen: &OrgPublicKeys,
        plan: PublicKeyPlan,
    ) -> Result<Option<()>, ApiError> {
        Ok(self.write(db, mandate, seen, &plan).await?.then_some(()))
    }
}

impl PublicKeys {
    async fn write(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        seen: &OrgPublicKeys,
        plan: &PublicKeyPlan,
    ) -> Result<bool, sqlx::Error> {
        let new = self.new.as_ref();
        change!(
            db,
            &mandate.entry(seen.org, plan.kind.name(), plan.unique_id),
            event = Some(&mandate.draft(seen.org, plan.kind, &plan.subject())),
            // The announcer of ends raises the version without the org, so only this row knows it.
            version = "coalesce((SELECT version FROM changed), 1)",
            writes = "changed AS (
                UPDATE public_keys k
                SET expires_at = change.expires_at, deleted_at = change.deleted_at, version = k.version + 1,
                    -- A new end is announced anew.
                    expiry_set_at = CASE WHEN k.expires_at <> change.expires_at THEN change.at ELSE k.expiry_set_at END,
                    expiry_told = CASE WHEN k.expires_at = change.expires_at THEN k.expiry_told END
                FROM change WHERE k.org_id = change.org_id AND k.unique_id = change.unique_id AND change.type IS NULL
                RETURNING k.version
            ),
            added AS (
                INSERT INTO public_keys (org_id, unique_id, usages, type, public_key, fingerprint, algorithm,
                                         related_client_id, sealed, created_at, expires_at, expiry_set_at)
                SELECT org_id, unique_id, usages, type, public_key, fingerprint, algorithm, related_client_id, sealed, at,
                       expires_at, at
                FROM change WHERE type IS NOT NULL
            )",
            // What verifies signatures is remembered with the org.
            announce = "SELECT format('org %s', org_id) FROM change",
            {
                "unique_id": "uuid" = plan.unique_id,
                "expires_at": "timestamptz" = plan.expires_at,
                "deleted_at": "timestamptz" = plan.deleted_at,
                "usages": "text[]" = new.map(|new| &new.usages[..]),
                "type": "text" = new.map(|new| new.kind),
                "public_key": "text" = new.map(|new| new.public_key.as_str()),
                "fingerprint": "text" = new.map(|new| new.fingerprint.as_str()),
                "algorithm": "text" = new.map(|new| new.algorithm.as_str()),
                "related_client_id": "text" = new.and_then(|new| new.related_client_id.as_deref()),
                "sealed": "bytea" = new.and_then(|new| new.sealed.as_deref()),
            }
        )
    }
}

/// An org's `key` and the public key with this id, dead or alive.
pub async fn find(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    unique_id: Uuid,
) -> Result<Option<(String, Row)>, sqlx::Error> {
    let row = sqlx::query!(
        r#"
        SELECT o.key AS owner_code, k.unique_id, k.usages, k.type AS kind, k.public_key, k.fingerprint, k.algorithm,
               k.related_client_id, k.sealed IS NOT NULL AS "has_private_key!", k.expires_at, k.proven_at
        FROM public_keys k JOIN orgs o ON o.id = k.org_id
        WHERE k.org_id = $1 AND k.unique_id = $2
        "#,
        org_id.0,
        unique_id,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| {
        let key = Row {
            unique_id: row.unique_id,
            usages: row.usages,
            kind: row.kind,
            public_key: row.public_key,
            fingerprint: row.fingerprint,
            algorithm: row.algorithm,
            related_client_id: row.related_client_id,
            has_private_key: row.has_private_key,
            expires_at: row.expires_at,
            proven_at: row.proven_at,
        };
        (row.owner_code, key)
    }))
}

/// A live key, to be used.
#[derive(Clone, Debug)]
pub struct Usable {
    /// The key's `UniqueId`.
    pub unique_id: Uuid,
    /// The type: `RSA` or `PGP`.
    pub kind: String,
    /// The canonical text.
    pub public_key: String,
    /// The key's fingerprint.
    pub fingerprint: String,
}

/// The key that is wanted, for a usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// This one; else the one registered last.
    pub unique_id: Option<Uuid>,
    /// It was registered for this.
    pub usage: Usage,
    /// `true` for one whose private half the partner holds; else either will do.
    pub is_partners: bool,
    /// `REQUIRE_KEY_PROOF`: one of the partner's must be proven (contract 12.5).
    pub is_proof_required: bool,
}

/// The live key that is used.
pub async fn usable(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    wanted: Wanted,
    now: DateTime<Utc>,
) -> Result<Option<Usable>, sqlx::Error> {
    sqlx::query_as!(
        Usable,
        r#"
        SELECT unique_id, type AS kind, public_key, fingerprint FROM public_keys
        WHERE org_id = $1 AND ($2::uuid IS NULL OR unique_id = $2) AND $3 = ANY(usages)
            AND (sealed IS NULL OR NOT $4) AND (proven_at IS NOT NULL OR sealed IS NOT NULL OR NOT $5)
            AND deleted_at IS NULL AND expires_at > $6
        ORDER BY created_at DESC, unique_id DESC LIMIT 1
        "#,
        org_id.0,
        wanted.unique_id,
        wanted.usage.name(),
        wanted.is_partners,
        wanted.is_proof_required,
        now,
    )
    .fetch_optional(db)
    .await
}
