//! The SQL of orgs.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::change::{OrgChange, OrgPlan};
use super::writes;
use crate::audit::Entry;
use crate::changes::{Changeable, Mandate, OrgState, change, snapshot};
use crate::error::ApiError;
use crate::events::EventType;
use crate::http::totals::EXACT_UP_TO;
use crate::identity::allowed_networks::AllowedNetworks;
use crate::identity::orgs::SignaturePolicy;
use crate::ids::OrgId;

/// An org as operators see it.
#[derive(Debug, Serialize)]
pub struct Org {
    /// The id.
    pub id: OrgId,
    /// The public name.
    pub key: String,
    /// The name for people.
    pub name: String,
    /// The instant of its creation.
    pub created_at: DateTime<Utc>,
    /// The instant of its suspension.
    pub suspended_at: Option<DateTime<Utc>>,
    /// Which of its requests must be signed.
    pub signature_policy: String,
    /// Whether all responses to it are signed.
    pub sign_responses: bool,
    /// The instant at which its administration was frozen.
    pub frozen_at: Option<DateTime<Utc>>,
    /// What was said then.
    pub freeze_reason: Option<String>,
    /// Where its partner may call from; `None` for anywhere.
    pub allowed_networks: Option<Vec<String>>,
    /// What happens to requests from elsewhere.
    pub network_policy: String,
    /// Requests a second that it may make; 0 for any number, `None` for `RATE_LIMIT`.
    pub rate_limit: Option<i32>,
    /// Requests at once.
    pub rate_burst: Option<i32>,
    /// What happens to its keys that leak.
    pub leak_policy: String,
    /// How long such a key still works, in seconds.
    pub leak_grace_seconds: i32,
}

/// Inserts an org, whose first audit row is `entry`; `false` if the key is taken.
pub async fn insert(
    db: impl PgExecutor<'_>,
    key: &str,
    name: &str,
    contact_emails: &[String],
    entry: &Entry,
) -> Result<bool, sqlx::Error> {
    change!(
        db,
        entry,
        inserts = "INSERT INTO orgs (id, key, name, contact_emails, created_at, revision, audit_mac, audit_key)
                   SELECT org_id, key, name, contact_emails, at, seq, mac, audit_key FROM given
                   ON CONFLICT ON CONSTRAINT orgs_key_unique DO NOTHING
                   RETURNING id",
        { "key": "text" = key, "name": "text" = name, "contact_emails": "text[]" = contact_emails }
    )
}

/// Returns `true` if there was no org ever: the audit log outlives them. (Citus finds no rows without a column.)
pub async fn was_never_any(db: impl PgExecutor<'_>) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT NOT EXISTS (SELECT 1 FROM orgs) AND NOT EXISTS (SELECT 1 FROM audit_log) AS "never!""#
    )
    .fetch_one(db)
    .await
}

/// Orgs, of which `$rest` says which and in what order.
macro_rules! orgs {
    ($rest:literal $(, $value:expr)*) => {
        sqlx::query_as!(
            Org,
            r#"SELECT id AS "id: OrgId", key, name, created_at, suspended_at, signature_policy, sign_responses, frozen_at,
                      freeze_reason, allowed_networks, network_policy, rate_limit, rate_burst, leak_policy,
                      leak_grace_seconds
               FROM orgs "# + $rest,
            $($value),*
        )
    };
}

/// Every org, oldest first.
pub async fn list(db: impl PgExecutor<'_>) -> Result<Vec<Org>, sqlx::Error> {
    orgs!("ORDER BY created_at, id").fetch_all(db).await
}

/// The org with this key.
pub async fn find_by_key(db: impl PgExecutor<'_>, key: &str) -> Result<Option<Org>, sqlx::Error> {
    orgs!("WHERE key = $1", key).fetch_optional(db).await
}

/// The orgs with these ids.
pub async fn find_many(db: impl PgExecutor<'_>, ids: &[Uuid]) -> Result<Vec<Org>, sqlx::Error> {
    orgs!("WHERE id = ANY ($1)", ids).fetch_all(db).await
}

/// The org, and how many users it has, counted to just above [`EXACT_UP_TO`].
pub async fn find(db: impl PgExecutor<'_>, org_id: OrgId) -> Result<Option<(Org, i64)>, sqlx::Error> {
    let row = sqlx::query!(
        r#"
        SELECT key, name, created_at, suspended_at, signature_policy, sign_responses, frozen_at, freeze_reason,
               allowed_networks, network_policy, rate_limit, rate_burst,
               leak_policy, leak_grace_seconds,
               (SELECT count(*)
                FROM (SELECT FROM users WHERE org_id = $1 ORDER BY created_at, user_id LIMIT $2) AS first) AS "users!"
        FROM orgs WHERE id = $1
        "#,
        org_id.0,
        EXACT_UP_TO + 1,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| {
        let org = Org {
            id: org_id,
            key: row.key,
            name: row.name,
            created_at: row.created_at,
            suspended_at: row.suspended_at,
            signature_policy: row.signature_policy,
            sign_responses: row.sign_responses,
            allowed_networks: row.allowed_networks,
            network_policy: row.network_policy,
            rate_limit: row.rate_limit,
            rate_burst: row.rate_burst,
            frozen_at: row.frozen_at,
            freeze_reason: row.freeze_reason,
            leak_policy: row.leak_policy,
            leak_grace_seconds: row.leak_grace_seconds,
        };
        (org, row.users)
    }))
}

/// The state that a change of an org is decided on.
pub struct Loaded {
    /// The org at one revision.
    pub org: OrgState,
    /// The public name.
    pub key: String,
    /// Which of its requests must be signed.
    pub signature_policy: SignaturePolicy,
    /// Whether all responses to it are signed.
    pub sign_responses: bool,
    /// Whether it has a live pair to sign them with.
    pub has_response_key: bool,
    /// Where its partner may call from.
    pub networks: AllowedNetworks,
}

/// An org's own row, as a change is made to it.
pub struct OrgRow;

impl Changeable for OrgRow {
    type Snapshot = Loaded;
    type Plan = OrgPlan;
    /// The event that tells of it, if one does.
    type Done = Option<EventType>;

    async fn load(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        now: DateTime<Utc>,
    ) -> Result<Option<Loaded>, sqlx::Error> {
        let columns = snapshot!(
            db,
            mandate,
            now,
            columns = r#"
                o.key AS "key!", o.signature_policy AS "signature_policy!", o.sign_responses AS "sign_responses!",
                o.allowed_networks, o.network_policy AS "network_policy!",
                EXISTS (
                    SELECT FROM public_keys k
                    WHERE k.org_id = o.id AND k.sealed IS NOT NULL AND 'ResponseSignature' = ANY (k.usages)
                        AND k.deleted_at IS NULL AND k.expires_at > given.now
                ) AS "has_response_key!""#,
            from = "",
            {}
        );
        let loaded = columns?;
        let Some((org, rows)) = loaded else { return Ok(None) };
        Ok(rows.into_iter().next().map(|row| {
            let signature_policy = SignaturePolicy::stored(&row.signature_policy);
            let (sign_responses, has_response_key) = (row.sign_responses, row.has_response_key);
            let networks = AllowedNetworks::stored(row.allowed_networks, &row.network_policy);
            Loaded { org, key: row.key, signature_policy, sign_responses, has_response_key, networks }
        }))
    }

    async fn apply(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        seen: &Loaded,
        OrgPlan { change, subject }: OrgPlan,
    ) -> Result<Option<Option<EventType>>, ApiError> {
        let (entry, told) = (mandate.entry(seen.org, change.action(), subject), change.told());
        let happened = match change {
            OrgChange::Rename(name) => writes::rename(db, &name, &entry).await?,
            OrgChange::Suspend { reason } => writes::suspend(db, reason.as_deref(), &entry).await?,
            OrgChange::Resume => writes::resume(db, &entry).await?,
            OrgChange::SetContacts(emails) => writes::set_contacts(db, &emails, &entry).await?,
            OrgChange::Recover => writes::end_tokens(db, &entry).await?,
            OrgChange::Delete => writes::delete(db, &entry).await?,
            OrgChange::SetSignaturePolicy { policy, .. } => {
                writes::set_signature_policy(db, policy, &entry).await?
            }
            OrgChange::SignResponses(on) => writes::set_sign_responses(db, on, &entry).await?,
            OrgChange::SetNetworks(change) => {
                writes::set_networks(db, &change.applied(&seen.networks), &entry).await?
            }
            OrgChange::SetLimits(setting) => writes::set_limits(db, setting, &entry).await?,
            OrgChange::RespondToLeaks { policy, grace_seconds } => {
                writes::set_leak_policy(db, policy, grace_seconds, &entry).await?
            }
            OrgChange::HandOver(_) => writes::hand_over(db, &entry).await?,
            OrgChange::Freeze { reason } => {
                let draft = writes::draft_of_freezing(mandate, seen, EventType::OrgAdministrationFrozen);
                writes::set_frozen(db, Some(entry.row.at), reason.as_deref(), &entry, &draft).await?
            }
            OrgChange::Thaw { .. } => {
                let draft = writes::draft_of_freezing(mandate, seen, EventType::OrgAdministrationThawed);
                writes::set_frozen(db, None, None, &entry, &draft).await?
            }
        };
        Ok(happened.then_some(told))
    }
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
