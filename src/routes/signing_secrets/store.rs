//! The SQL of signing secrets.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::rules::{OrgSecrets, PendingSecret, SigningSecret, SigningSecretPlan};
use crate::changes::{Changeable, Mandate, change, snapshot};
use crate::db::distribution::violated;
use crate::error::{ApiError, Code};
use crate::ids::OrgId;
use crate::routes::public_keys::recipient::Recipient;

/// A new secret as it is stored.
#[derive(Clone, Debug)]
pub struct NewSigningSecret {
    /// The secret, sealed.
    pub sealed: Vec<u8>,
    /// The first is stored; the others are as older keys of the service made them.
    pub fingerprints: Vec<Vec<u8>>,
    /// `server` or `partner`.
    pub source: &'static str,
}

/// An org's secrets, as a change is made to them.
pub struct SecretsChange {
    /// The secret that the change is about, dead or alive.
    pub named: Option<Uuid>,
    /// The secret that it would put in place.
    pub new: Option<NewSigningSecret>,
    /// The party that reads it.
    pub recipient: Recipient,
}

impl SecretsChange {
    /// For a change of this secret, if one is named, that puts none in place.
    pub fn with(id: Option<Uuid>) -> Self {
        Self { named: id, new: None, recipient: Recipient::Caller }
    }
}

impl Changeable for SecretsChange {
    type Snapshot = OrgSecrets;
    type Plan = SigningSecretPlan;
    type Done = Option<SigningSecretPlan>;

    async fn load(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        now: DateTime<Utc>,
    ) -> Result<Option<OrgSecrets>, sqlx::Error> {
        let loaded = snapshot!(
            db,
            mandate,
            now,
            columns = r#"
                s.id AS "id?", s.source AS "source?", s.created_at AS "created_at?", s.expires_at, s.revoked_at,
                s.version AS "version?", s.pending_of, s.confirm_by, s.grace_seconds"#,
            from = "LEFT JOIN signing_secrets s ON s.org_id = o.id
                AND (s.id = given.named OR s.superseded_at IS NULL OR (s.revoked_at IS NULL AND s.expires_at > given.now))
                ORDER BY s.created_at, s.id",
            { "named": "uuid" = self.named }
        )?;
        Ok(loaded.map(|(org, rows)| {
            let secrets = rows.into_iter().filter_map(|row| {
                Some(SigningSecret {
                    id: row.id?,
                    source: row.source?,
                    created_at: row.created_at?,
                    expires_at: row.expires_at,
                    revoked_at: row.revoked_at,
                    version: row.version?,
                    pending: pending(row.pending_of, row.confirm_by, row.grace_seconds),
                })
            });
            OrgSecrets { org, secrets: secrets.collect() }
        }))
    }

    async fn apply(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        seen: &OrgSecrets,
        plan: SigningSecretPlan,
    ) -> Result<Option<Option<SigningSecretPlan>>, ApiError> {
        if is_known(&mut *db, mandate.org_id, self.new.as_ref()).await? {
            return Err(Code::SecretReused.into());
        }
        self.recipient.require(&mut *db, mandate.org_id, seen.org.now).await?;
        match self.write(db, mandate, seen, &plan).await {
            Ok(happened) => Ok(happened.then_some(Some(plan))),
            Err(error) if violates(&error, "signing_secrets_never_reused") => Err(Code::SecretReused.into()),
            Err(error) => Err(error.into()),
        }
    }
}

impl SecretsChange {
    async fn write(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        seen: &OrgSecrets,
        plan: &SigningSecretPlan,
    ) -> Result<bool, sqlx::Error> {
        let (old, new, waits) = (plan.ended.as_ref(), self.new.as_ref(), plan.waits.as_ref());
        let Some((id, subject, version)) = plan.subject() else { return Ok(true) };
        change!(
            db,
            &mandate.entry(seen.org, plan.kind.name(), id),
            event = Some(&mandate.draft(seen.org, plan.kind, &subject)),
            version = "version",
            writes = "ended AS (
                UPDATE signing_secrets s
                SET superseded_at = coalesce(s.superseded_at, change.at), expires_at = change.expires_at,
                    revoked_at = change.revoked_at,
                    sealed = CASE WHEN change.revoked_at IS NULL THEN s.sealed END,
                    pending_of = NULL, confirm_by = NULL, grace_seconds = NULL, version = s.version + 1
                FROM change WHERE s.org_id = change.org_id AND s.id = change.id
                RETURNING s.id
            ),
            -- Counting `ended` makes it run first: two current secrets would break the index.
            confirmed AS (
                UPDATE signing_secrets s
                SET superseded_at = NULL, expires_at = NULL, pending_of = NULL, confirm_by = NULL, grace_seconds = NULL,
                    version = s.version + 1
                FROM change
                WHERE s.org_id = change.org_id AND s.id = change.confirmed_id AND (SELECT count(*) FROM ended) >= 0
            ),
            added AS (
                INSERT INTO signing_secrets (org_id, id, sealed, fingerprint, source, created_at, superseded_at,
                                             expires_at, pending_of, confirm_by, grace_seconds)
                SELECT org_id, new_id, sealed, fingerprint, source, at, CASE WHEN pending_of IS NOT NULL THEN at END,
                       confirm_by, pending_of, confirm_by, grace_seconds
                FROM change
                WHERE new_id IS NOT NULL AND (SELECT count(*) FROM ended) >= 0
            )",
            {
                "version": "bigint" = version,
                "id": "uuid" = old.map(|secret| secret.id),
                "expires_at": "timestamptz" = old.and_then(|secret| secret.expires_at),
                "revoked_at": "timestamptz" = old.and_then(|secret| secret.revoked_at),
                "confirmed_id": "uuid" = plan.confirmed.as_ref().map(|secret| secret.id),
                "pending_of": "uuid" = waits.map(|pending| pending.secret_id),
                "confirm_by": "timestamptz" = waits.map(|pending| pending.confirm_by),
                "grace_seconds": "integer" = waits.map(|pending| pending.grace_seconds),
                "new_id": "uuid" = plan.added,
                "sealed": "bytea" = new.map(|new| &new.sealed[..]),
                "fingerprint": "bytea" = new.and_then(|new| new.fingerprints.first()).map(|print| &print[..]),
                "source": "text" = new.map(|new| new.source),
            }
        )
    }
}

/// The rotation that a row waits for: its columns are there together.
fn pending(
    secret_id: Option<Uuid>,
    confirm_by: Option<DateTime<Utc>>,
    grace_seconds: Option<i32>,
) -> Option<PendingSecret> {
    Some(PendingSecret { secret_id: secret_id?, confirm_by: confirm_by?, grace_seconds: grace_seconds? })
}

/// Returns `true` if the org had this secret before the service's keys were renewed; asked only if
/// they were.
async fn is_known(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    new: Option<&NewSigningSecret>,
) -> Result<bool, sqlx::Error> {
    let Some([_, older @ ..]) = new.map(|new| &new.fingerprints[..]) else { return Ok(false) };
    if older.is_empty() {
        return Ok(false);
    }
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM signing_secrets WHERE org_id = $1 AND fingerprint = ANY($2)) AS "known!""#,
        org_id.0,
        older,
    )
    .fetch_one(db)
    .await
}

fn violates(error: &sqlx::Error, constraint: &str) -> bool {
    violated(error) == Some(constraint)
}
