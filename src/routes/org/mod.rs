//! The tenants themselves: made, suspended and resumed by operators, shown to and named by their
//! partners.

mod change;
pub mod credentials;
mod freeze;
mod profile;
pub mod store;
mod writes;

pub use self::change::OrgChange;
pub use self::freeze::{FREEZE_PATH, THAW_PATH};
pub use self::profile::{OrgProfile, SignaturePolicyName, UpdateOrg, routes};
use serde_json::json;
use sqlx::PgExecutor;

use crate::audit::Author;
use crate::changes::{Mandate, OrgState};
use crate::clock::Clock;
use crate::crypto::audit_chain::Head;
use crate::crypto::keyring::Keyring;
use crate::db::Db;
use crate::error::{ApiError, Code, Problem, ProblemKind};
use crate::http::input::judge;
use crate::ids::{OrgId, new_row_id};
use crate::state::App;

/// What an org's key must be, as a refusal says it (contract 9).
pub const KEY_RULE: &str =
    "must have 2 to 63 lower-case letters, digits and hyphens, and start with no hyphen";

/// The reasons why an operator's command on an org failed.
#[derive(Debug, thiserror::Error)]
pub enum OrgError {
    /// Breaks the format of contract 9.
    #[error("an org's key has 2 to 63 lower-case letters, digits and hyphens, and starts with no hyphen")]
    BadKey,
    /// Taken.
    #[error("there is an org with the key {0:?} already")]
    KeyTaken(String),
    /// Not there.
    #[error("there is no org with the key {0:?}")]
    Unknown(String),
    /// The database failed.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// It could not be carried out.
    #[error(transparent)]
    Refused(#[from] ApiError),
}

impl From<OrgError> for ApiError {
    fn from(error: OrgError) -> Self {
        match error {
            OrgError::BadKey => Self::Invalid(vec![Problem::body("key", ProblemKind::ValueError, KEY_RULE)]),
            OrgError::KeyTaken(_) => Code::OrgAlreadyExists.into(),
            OrgError::Unknown(_) => Code::NotFound.into(),
            OrgError::Database(error) => error.into(),
            OrgError::Refused(error) => error,
        }
    }
}

/// Makes an org. Its first key and secret are changes of their own: see `cli::org`.
///
/// # Errors
/// When the key or the name breaks its rules or the key is taken.
pub async fn create(
    db: impl PgExecutor<'_>,
    clock: &Clock,
    author: Author,
    (key, name): (&str, &str),
    contact_emails: &[String],
) -> Result<OrgId, OrgError> {
    if !is_key(key) {
        return Err(OrgError::BadKey);
    }
    let (_, problems) = judge::<UpdateOrg>(json!({ "name": name }).to_string().as_bytes(), clock.now());
    if !problems.is_empty() {
        return Err(ApiError::Invalid(problems).into());
    }
    let mandate = Mandate::of(OrgId(new_row_id()), author);
    let entry = mandate.entry(OrgState::new(Head::default(), clock.now()), "org.created", key);
    let inserted = store::insert(db, key, name, contact_emails, &entry).await?;
    if inserted { Ok(mandate.org_id) } else { Err(OrgError::KeyTaken(key.into())) }
}

/// Changes an org; what one of the changes is refused for is found before another is made.
///
/// # Errors
/// What is refused, or that the database cannot be asked.
pub async fn change_all(app: &App, mandate: Mandate, changes: Vec<OrgChange>) -> Result<(), ApiError> {
    if let [_, _, ..] = changes[..] {
        mandate.snapshot(&app.db, &app.clock, &store::OrgRow).await?.require(&changes, &mandate.author)?;
    }
    let org_id = mandate.org_id;
    for change in changes {
        if let Some(kind) = change.by(mandate.clone(), &app.clock).execute(&app.db).await? {
            app.metrics.events.changed(kind);
            app.outbox.wake(org_id, kind.stream());
        }
    }
    app.identity.forget_org(org_id);
    Ok(())
}

/// Stops serving an org, everywhere within a second; serves it again; or deletes it with
/// everything it has but its audit log.
///
/// # Errors
/// When there is no such org.
pub async fn operate(
    db: &Db,
    clock: &Clock,
    keyring: &Keyring,
    key: &str,
    change: OrgChange,
) -> Result<(), OrgError> {
    let mandate = Mandate::operator(by_key(db, key).await?.id, keyring);
    change.by(mandate, clock).execute(db).await?;
    Ok(())
}

/// The org with this key.
///
/// # Errors
/// When there is none.
pub async fn by_key(db: &Db, key: &str) -> Result<store::Org, OrgError> {
    store::find_by_key(&db.pool, key).await?.ok_or_else(|| OrgError::Unknown(key.to_owned()))
}

/// `[a-z0-9][a-z0-9-]{1,62}` (contract 9).
#[must_use]
pub fn is_key(key: &str) -> bool {
    (2..=63).contains(&key.len())
        && !key.starts_with('-')
        && key.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_short_plain_names() {
        let longest = "a".repeat(63);
        for good in ["ab", "a-", "0-9", &longest] {
            assert!(is_key(good), "{good}");
        }
        let too_long = "a".repeat(64);
        for bad in ["", "a", "-a", "Ab", "a_b", "a b", "äb", &too_long] {
            assert!(!is_key(bad), "{bad}");
        }
    }
}
