//! The statements that change an org's own row, each with its audit row.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::store::Loaded;
use crate::audit::Entry;
use crate::changes::{Mandate, change};
use crate::events::{Draft, EventType, Subject};
use crate::identity::allowed_networks::AllowedNetworks;
use crate::identity::orgs::SignaturePolicy;
use crate::limits::rates::RateSetting;
use crate::routes::leaks::rules::LeakPolicy;

pub async fn rename(db: &mut PgConnection, name: &str, entry: &Entry) -> Result<bool, sqlx::Error> {
    change!(db, entry, set = "name = given.name", { "name": "text" = name })
}

/// Whoever serves the org hears of it, and the portal closes. The first suspension's moment and reason stay.
pub async fn suspend(
    db: &mut PgConnection,
    reason: Option<&str>,
    entry: &Entry,
) -> Result<bool, sqlx::Error> {
    change!(
        db,
        entry,
        set = "suspended_at = coalesce(o.suspended_at, given.at),
               suspend_reason = CASE WHEN o.suspended_at IS NULL THEN given.reason ELSE o.suspend_reason END",
        writes = "ended AS (
            UPDATE portal_sessions s SET ended_at = change.at
            FROM change WHERE s.org_id = change.org_id AND s.ended_at IS NULL
        )",
        announce = "SELECT format('org %s', org_id) FROM change",
        { "reason": "text" = reason }
    )
}

/// Whoever serves the org hears of it.
pub async fn resume(db: &mut PgConnection, entry: &Entry) -> Result<bool, sqlx::Error> {
    change!(
        db,
        entry,
        set = "suspended_at = NULL, suspend_reason = NULL",
        announce = "SELECT format('org %s', org_id) FROM change",
        {}
    )
}

pub async fn set_contacts(
    db: &mut PgConnection,
    emails: &[String],
    entry: &Entry,
) -> Result<bool, sqlx::Error> {
    change!(db, entry, set = "contact_emails = given.contact_emails", { "contact_emails": "text[]" = emails })
}

/// Whoever serves the org hears of it, and the portal closes.
pub async fn end_tokens(db: &mut PgConnection, entry: &Entry) -> Result<bool, sqlx::Error> {
    change!(
        db,
        entry,
        set = "tokens_valid_from = given.at",
        writes = "ended AS (
            UPDATE portal_sessions s SET ended_at = change.at
            FROM change WHERE s.org_id = change.org_id AND s.ended_at IS NULL
        )",
        announce = "SELECT format('org %s', org_id) FROM change",
        {}
    )
}

/// Whoever serves the org hears of it.
pub async fn set_signature_policy(
    db: &mut PgConnection,
    policy: SignaturePolicy,
    entry: &Entry,
) -> Result<bool, sqlx::Error> {
    change!(
        db,
        entry,
        set = "signature_policy = given.signature_policy",
        announce = "SELECT format('org %s', org_id) FROM change",
        { "signature_policy": "text" = policy.name() }
    )
}

/// Whoever serves the org hears of it.
pub async fn set_sign_responses(db: &mut PgConnection, on: bool, entry: &Entry) -> Result<bool, sqlx::Error> {
    change!(
        db,
        entry,
        set = "sign_responses = given.sign_responses",
        announce = "SELECT format('org %s', org_id) FROM change",
        { "sign_responses": "boolean" = on }
    )
}

/// Whoever serves the org hears of it.
pub async fn set_networks(
    db: &mut PgConnection,
    networks: &AllowedNetworks,
    entry: &Entry,
) -> Result<bool, sqlx::Error> {
    let texts = networks.texts();
    change!(
        db,
        entry,
        set = "allowed_networks = given.allowed_networks, network_policy = given.network_policy",
        announce = "SELECT format('org %s', org_id) FROM change",
        {
            "allowed_networks": "text[]" = texts.as_deref(),
            "network_policy": "text" = networks.policy.name(),
        }
    )
}

/// Whoever serves the org hears of it.
pub async fn set_limits(
    db: &mut PgConnection,
    setting: RateSetting,
    entry: &Entry,
) -> Result<bool, sqlx::Error> {
    let (rate, burst) = setting.columns();
    change!(
        db,
        entry,
        set = "rate_limit = given.rate_limit, rate_burst = given.rate_burst",
        announce = "SELECT format('org %s', org_id) FROM change",
        { "rate_limit": "integer" = rate, "rate_burst": "integer" = burst }
    )
}

pub async fn set_leak_policy(
    db: &mut PgConnection,
    policy: Option<LeakPolicy>,
    grace_seconds: Option<i32>,
    entry: &Entry,
) -> Result<bool, sqlx::Error> {
    change!(
        db,
        entry,
        set = "leak_policy = coalesce(given.leak_policy, o.leak_policy),
               leak_grace_seconds = coalesce(given.leak_grace, o.leak_grace_seconds)",
        { "leak_policy": "text" = policy.map(LeakPolicy::name), "leak_grace": "integer" = grace_seconds }
    )
}

pub fn draft_of_freezing(mandate: &Mandate, seen: &Loaded, kind: EventType) -> Draft {
    mandate.draft(seen.org, kind, &Subject::Org { by_key_id: mandate.caller })
}

/// Whoever serves the org hears of it, and so does its queue. Freezing closes the portal.
pub async fn set_frozen(
    db: &mut PgConnection,
    frozen_at: Option<DateTime<Utc>>,
    reason: Option<&str>,
    entry: &Entry,
    draft: &Draft,
) -> Result<bool, sqlx::Error> {
    change!(
        db,
        entry,
        event = Some(draft),
        version = "change.seq",
        set = "frozen_at = given.frozen_at, freeze_reason = given.reason",
        writes = "ended AS (
            UPDATE portal_sessions s SET ended_at = change.at
            FROM change WHERE s.org_id = change.org_id AND s.ended_at IS NULL AND change.frozen_at IS NOT NULL
        )",
        announce = "SELECT format('org %s', org_id) FROM change",
        { "frozen_at": "timestamptz" = frozen_at, "reason": "text" = reason }
    )
}

/// From this row on, only the key that made its MAC writes the log.
pub async fn hand_over(db: &mut PgConnection, entry: &Entry) -> Result<bool, sqlx::Error> {
    change!(db, entry, set = "audit_key = given.audit_key", {})
}

/// By cascade, everything goes that the org has, but its audit log.
pub async fn delete(db: &mut PgConnection, entry: &Entry) -> Result<bool, sqlx::Error> {
    change!(
        db,
        entry,
        gate = "DELETE FROM orgs o USING given
                WHERE o.id = given.org_id AND o.revision = given.seq - 1 AND o.audit_key <= given.audit_key
                RETURNING given.*",
        announce = "SELECT format('org %s', org_id) FROM change",
        {}
    )
}
