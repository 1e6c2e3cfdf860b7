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
use crate::identity::key_scopes::{self, KeyRights, KeyScopes};
use crate::identity::platform::Platform;
use crate::identity::stage::KeyStage;
use crate::ids::{KeyId, OrgId};

/// The org and the author of a change.
#[derive(Clone, Debug)]
pub struct Mandate {
    /// The tenant.
    pub org_id: OrgId,
    /// The key that authenticated, if one did.
    pub caller: Option<KeyId>,
    /// What is granted to whoever comes without a tenant key; a key's own scopes are read with the change.
    pub scopes: KeyScopes,
    /// For the audit log.
    pub author: Author,
}

impl Mandate {
    /// An operator at the command line.
    #[must_use]
    pub fn operator(org_id: OrgId, keyring: &Keyring) -> Self {
        Self { org_id, caller: None, scopes: KeyScopes::ALL, author: Author::operator(keyring) }
    }

    /// Whoever this author is, for an org, without a tenant key of it.
    #[must_use]
    pub fn of(org_id: OrgId, author: Author) -> Self {
        Self { org_id, caller: None, scopes: KeyScopes::ALL, author }
    }

    /// The service itself, when a time has come.
    #[must_use]
    pub fn service(org_id: OrgId, keyring: &Keyring) -> Self {
        Self { org_id, caller: None, scopes: KeyScopes::ALL, author: Author::service(keyring) }
    }

    /// What is granted to the author: by its key, whose columns these are if it is still there, or without one.
    #[must_use]
    pub fn granted(&self, scopes: Option<&[String]>, policy: Option<&str>) -> KeyScopes {
        match (self.caller, scopes, policy) {
            (None, ..) => self.scopes,
            (Some(_), Some(scopes), Some(policy)) => KeyRights::stored(scopes, policy).granted(),
            (Some(_), ..) => KeyScopes::NONE,
        }
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

impl<S> FromRequestParts<S> for Mandate
where
    S: Sync,
    Keyring: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let partner = Partner::from_request_parts(parts, state).await?;
        let author = Author::partner(&Keyring::from_ref(state), partner, parts);
        Ok(Self { org_id: partner.org_id, caller: partner.key_id, scopes: partner.scopes, author })
    }
}

/// Whoever sent a request that no partner authenticates: the author of a change, before it is known of which org.
pub struct RequestAuthor(pub Author);

impl<S> FromRequestParts<S> for RequestAuthor
where
    S: Sync,
    Keyring: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Ok(Self(Author::requesting(&Keyring::from_ref(state), parts)))
    }
}

/// A service of the platform, before it is known for which org it acts. As a handler's argument it is the proof that
/// the platform's gate was passed.
pub struct PlatformAuthor(pub Author);

impl PlatformAuthor {
    /// The same, for an org.
    #[must_use]
    pub fn for_org(self, org_id: OrgId) -> Mandate {
        Mandate::of(org_id, self.0)
    }
}

impl<S> FromRequestParts<S> for PlatformAuthor
where
    S: Sync,
    Keyring: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let platform: &Platform = parts
            .extensions
            .get()
            .ok_or_else(|| ApiError::internal("a route of the platform's is mounted outside its gate"))?;
        Ok(Self(Author::platform(&Keyring::from_ref(state), platform.token_id, parts)))
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
    /// Its administration is frozen (contract 13.4).
    pub is_frozen: bool,
}

impl OrgState {
    /// An org whose log ends at `head`, as nobody's key finds it.
    #[must_use]
    pub fn new(head: Head, now: DateTime<Utc>) -> Self {
        Self { head, caller: CallerState::KEYLESS, now, is_frozen: false }
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
    /// What it may do; it may be dead as well.
    pub stage: KeyStage,
    /// What it, or a token in its place, grants.
    pub scopes: KeyScopes,
    /// It is a partner's, whose administration is frozen. That binds neither operators nor the service.
    pub is_frozen: bool,
}

impl CallerState {
    /// Somebody who needs no key.
    pub const KEYLESS: Self = Self {
        key_id: None,
        is_live: true,
        stage: KeyStage::Current,
        scopes: KeyScopes::ALL,
        is_frozen: false,
    };

    /// Passes who may change anything: nobody while that is frozen, and neither a key in its grace window, nor one
    /// that waits for its confirmation.
    ///
    /// # Errors
    /// 401 for a dead key, 403 `administration_frozen`, `key_superseded` or `key_not_confirmed`.
    pub fn require_administrator(self) -> Result<(), ApiError> {
        self.require_unfrozen()?;
        self.stage.require_administrator()
    }

    /// Passes who may confirm or end the successor `key_id`: whoever may change anything, and itself.
    ///
    /// # Errors
    /// As [`require_administrator`](Self::require_administrator).
    pub fn require_administrator_or(self, key_id: KeyId) -> Result<(), ApiError> {
        if self.key_id == Some(key_id) && self.stage == KeyStage::Pending {
            self.require_unfrozen()
        } else {
            self.require_administrator()
        }
    }

    /// Passes who may rotate a key.
    ///
    /// # Errors
    /// 409 `key_already_rotated` for a key that was, dead or alive, so that the loser of a rotation
    /// without grace hears why; 401 for any other dead key; 403 `key_not_confirmed` for one that waits.
    pub fn require_unrotated(self) -> Result<(), ApiError> {
        match self.stage {
            KeyStage::Superseded => Err(Code::KeyAlreadyRotated.into()),
            KeyStage::Pending | KeyStage::Current | KeyStage::Leaked => self.require_administrator(),
        }
    }

    /// Passes who is granted all of that: nobody makes or changes what may do more than they may (contract 13.3).
    ///
    /// # Errors
    /// 403 `insufficient_scope`.
    pub fn require_scopes(self, needed: impl Into<KeyScopes>) -> Result<(), ApiError> {
        key_scopes::require(self.scopes, needed.into())
    }

    /// Passes any live key, and whoever needs none.
    ///
    /// # Errors
    /// 401 for a dead key.
    pub fn require_live(self) -> Result<(), ApiError> {
        if self.is_live { Ok(()) } else { Err(Code::Unauthorized.into()) }
    }

    fn require_unfrozen(self) -> Result<(), ApiError> {
        self.require_live()?;
        if self.is_frozen { Err(Code::AdministrationFrozen.into()) } else { Ok(()) }
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
        let outcome = |is_live, stage| {
            let caller = CallerState { is_live, stage, ..CallerState::KEYLESS };
            (refusal(caller.require_administrator()), refusal(caller.require_unrotated()))
        };
        let (unauthorized, waits) = (Some("unauthorized"), Some("key_not_confirmed"));
        let rotated = Some("key_already_rotated");
        assert_eq!(outcome(true, KeyStage::Current), (None, None));
        assert_eq!(outcome(true, KeyStage::Pending), (waits, waits));
        assert_eq!(outcome(true, KeyStage::Superseded), (Some("key_superseded"), rotated));
        assert_eq!(outcome(false, KeyStage::Current), (unauthorized, unauthorized));
        assert_eq!(outcome(false, KeyStage::Pending), (unauthorized, unauthorized));
        assert_eq!(outcome(false, KeyStage::Superseded), (unauthorized, rotated));
    }

    #[test]
    fn a_change_that_raced_with_the_freeze_loses_whoever_makes_it() {
        let (frozen, id) = (Some("administration_frozen"), KeyId(uuid::Uuid::from_u128(1)));
        for stage in [KeyStage::Current, KeyStage::Pending, KeyStage::Superseded] {
            let caller = CallerState { key_id: Some(id), stage, is_frozen: true, ..CallerState::KEYLESS };
            assert_eq!(refusal(caller.require_administrator()), frozen, "{stage:?}");
            assert_eq!(refusal(caller.require_administrator_or(id)), frozen, "{stage:?}");
            let dead = CallerState { is_live: false, ..caller };
            assert_eq!(refusal(dead.require_administrator()), Some("unauthorized"), "{stage:?}");
            assert_eq!(refusal(caller.require_live()), None, "{stage:?}");
        }
    }
}
