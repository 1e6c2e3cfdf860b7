//! The org and the author of a change, and how both stand when it is decided.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use chrono::{DateTime, Utc};

use crate::audit::{Author, Entry};
use crate::crypto::audit_chain::Head;
use crate::crypto::keyring::Keyring;
use crate::error::{ApiError, Code};
use crate::events::{Draft, EventType, Subject};
use crate::identity::Partner;
use crate::ids::{KeyId, OrgId};

/// The org and the author of a change.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The tenant.
    pub org_id: OrgId,
    /// The key that authenticated, if one did.
    pub caller: Option<KeyId>,
    /// For the audit log.
    pub author: Author,
}

impl Scope {
    /// An operator at the command line.
    #[must_use]
    pub fn operator(org_id: OrgId, keyring: &Keyring) -> Self {
        Self { org_id, caller: None, author: Author::operator(keyring) }
    }

    /// The service itself, when a time has come.
    #[must_use]
    pub fn service(org_id: OrgId, keyring: &Keyring) -> Self {
        Self { org_id, caller: None, author: Author::service(keyring) }
    }

    /// The audit row of a change of the org as it was seen.
    #[must_use]
    pub fn entry(&self, seen: OrgState, action: &str, subject: impl ToString) -> Entry {
        self.author.entry(self.org_id, seen.head, seen.now, action, subject)
    }

    /// The event of a change of the org as it was seen.
    #[must_use]
    pub fn draft(&self, seen: OrgState, kind: EventType, subject: &Subject) -> Draft {
        Draft::new(self.org_id, kind, subject, seen.now).traced(self.author.trace())
    }
}

impl<S> FromRequestParts<S> for Scope
where
    S: Sync,
    Keyring: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let partner = Partner::from_request_parts(parts, state).await?;
        let author = Author::partner(&Keyring::from_ref(state), partner, parts);
        Ok(Self { org_id: partner.org_id, caller: partner.key_id, author })
    }
}

/// An org at one revision: what every snapshot has.
#[derive(Clone, Copy, Debug)]
pub struct OrgState {
    /// The end of its audit log; its number is the revision.
    pub head: Head,
    /// The state of the key that authenticated.
    pub caller: CallerState,
    /// The instant of the decision.
    pub now: DateTime<Utc>,
}

impl OrgState {
    /// An org whose log ends at `head`, as nobody's key finds it.
    #[must_use]
    pub fn new(head: Head, now: DateTime<Utc>) -> Self {
        Self { head, caller: CallerState::KEYLESS, now }
    }
}

/// The state, when the change is decided, of the key that authenticated its request: it may have
/// ended, or have been rotated, since it authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallerState {
    /// The key, if one authenticated.
    pub key_id: Option<KeyId>,
    /// Neither revoked nor expired; true without a key.
    pub is_live: bool,
    /// Rotated; it may be dead as well.
    pub is_superseded: bool,
}

impl CallerState {
    /// Somebody who needs no key.
    pub const KEYLESS: Self = Self { key_id: None, is_live: true, is_superseded: false };

    /// Passes who may change anything: a key in its grace window administers nothing.
    ///
    /// # Errors
    /// 401 for a dead key, 403 `key_superseded` for one in its grace window.
    pub fn require_administrator(self) -> Result<(), ApiError> {
        self.require_live()?;
        if self.is_superseded { Err(Code::KeySuperseded.into()) } else { Ok(()) }
    }

    /// Passes who may rotate a key.
    ///
    /// # Errors
    /// 409 `key_already_rotated` for a key that was, dead or alive, so that the loser of a rotation
    /// without grace hears why; 401 for any other dead key.
    pub fn require_unrotated(self) -> Result<(), ApiError> {
        if self.is_superseded { Err(Code::KeyAlreadyRotated.into()) } else { self.require_live() }
    }

    fn require_live(self) -> Result<(), ApiError> {
        if self.is_live { Ok(()) } else { Err(Code::Unauthorized.into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(outcome: Result<(), ApiError>) -> Option<&'static str> {
        match outcome {
            Err(ApiError::Failed(failure)) => Some(failure.code.name()),
            _ => None,
        }
    }

    #[test]
    fn a_superseded_key_administers_nothing_and_a_dead_one_is_no_key() {
        let outcome = |is_live, is_superseded| {
            let caller = CallerState { key_id: None, is_live, is_superseded };
            (refusal(caller.require_administrator()), refusal(caller.require_unrotated()))
        };
        assert_eq!(outcome(true, false), (None, None));
        assert_eq!(outcome(true, true), (Some("key_superseded"), Some("key_already_rotated")));
        assert_eq!(outcome(false, false), (Some("unauthorized"), Some("unauthorized")));
        assert_eq!(outcome(false, true), (Some("unauthorized"), Some("key_already_rotated")));
    }
}
