//! The rules of contract 9 as pure functions: an org's keys in, a change or a refusal out. What a
//! key itself must be is judged before, in [`public_keys`].

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::changes::OrgState;
use crate::error::{ApiError, Code};
use crate::events::{EventType, Subject, cut};
use crate::identity::key_scopes::KeyScopes;

/// Live keys an org may have, counted after the change.
pub const MAX_LIVE: usize = 100;

/// A key's row, as far as the rules go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPublicKey {
    /// The key's `UniqueId`.
    pub unique_id: Uuid,
    /// The key's fingerprint.
    pub fingerprint: String,
    /// The instant of its registration.
    pub created_at: DateTime<Utc>,
    /// The end that was set.
    pub expires_at: DateTime<Utc>,
    /// The instant of its deletion.
    pub deleted_at: Option<DateTime<Utc>>,
    /// `true` if the org signs requests with it (contract 12.1).
    pub authenticates: bool,
    /// `true` once the partner has proven that it works (contract 12.5).
    pub is_proven: bool,
}

impl StoredPublicKey {
    fn is_live(&self, now: DateTime<Utc>) -> bool {
        self.deleted_at.is_none() && now < self.expires_at
    }

    fn signs(&self, is_proof_required: bool) -> bool {
        self.authenticates && (self.is_proven || !is_proof_required)
    }
}

/// An org's keys at one revision: all live ones, and the dead one that was asked for.
#[derive(Clone, Debug)]
pub struct OrgPublicKeys {
    /// The org at one revision.
    pub org: OrgState,
    /// The org's `key`.
    pub owner_code: String,
    /// `true` while some requests of the org must be signed.
    pub must_sign: bool,
    /// The keys that the rule looks at.
    pub keys: Vec<StoredPublicKey>,
}

/// The plan of a change, for one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeyPlan {
    /// The type that the event and the audit log say.
    pub kind: EventType,
    /// The key's `UniqueId`.
    pub unique_id: Uuid,
    /// The end that was set.
    pub expires_at: DateTime<Utc>,
    /// The instant of its deletion.
    pub deleted_at: Option<DateTime<Utc>>,
}

impl PublicKeyPlan {
    /// The subject of the event.
    pub fn subject(&self) -> Subject {
        Subject::PublicKey { unique_id: self.unique_id, expires_at: self.expires_at }
    }
}

impl OrgPublicKeys {
    /// Checks that one more key may be registered, whatever it will be: asked before a pair is
    /// made.
    pub fn may_register(&self, owner_code: &str) -> Result<(), ApiError> {
        self.org.caller.require_administrator()?;
        if self.owner_code != owner_code {
            return Err(Code::NotFound.into());
        }
        Ok(())
    }

    /// Passes who may make, change or end a key that signs requests, or one that does not: whoever signs may do
    /// everything (contract 13.3).
    pub fn require_right_over(&self, authenticates: bool) -> Result<(), ApiError> {
        if authenticates { self.org.caller.require_scopes(KeyScopes::ALL) } else { Ok(()) }
    }

    /// Adds a key.
    pub fn register(
        &self,
        owner_code: &str,
        unique_id: Uuid,
        fingerprint: &str,
        expires_at: DateTime<Utc>,
    ) -> Result<PublicKeyPlan, ApiError> {
        self.may_register(owner_code)?;
        if let Some(twin) = self.live().find(|key| key.fingerprint == fingerprint) {
            let reason = format!("is alive in this organisation already, as {}", twin.unique_id);
            return Err(ApiError::new(Code::DuplicateKey).detail("PublicKey", "duplicate_key", reason));
        }
        self.has_room()?;
        Ok(PublicKeyPlan { kind: EventType::PublicKeyRegistered, unique_id, expires_at, deleted_at: None })
    }

    /// Refuses one key too many.
    pub fn has_room(&self) -> Result<(), ApiError> {
        if self.live().count() < MAX_LIVE { Ok(()) } else { Err(Code::TooManyKeys.into()) }
    }

    /// A live key, whose end may be moved.
    pub fn movable(&self, unique_id: Option<Uuid>) -> Result<&StoredPublicKey, ApiError> {
        self.org.caller.require_administrator()?;
        let key = self.find(unique_id)?;
        self.require_right_over(key.authenticates)?;
        if key.is_live(self.org.now) { Ok(key) } else { Err(Code::PublicKeyNotLive.into()) }
    }

    /// Moves a live key's end.
    pub fn set_expiration(
        &self,
        unique_id: Uuid,
        expires_at: DateTime<Utc>,
    ) -> Result<PublicKeyPlan, ApiError> {
        self.movable(Some(unique_id))?;
        Ok(PublicKeyPlan { kind: EventType::PublicKeyUpdated, unique_id, expires_at, deleted_at: None })
    }

    /// Ends a key now; `None` if it had ended already. With `is_proof_required`, a key that is not
    /// proven signs nothing, and none needs it.
    pub fn delete(
        &self,
        unique_id: Option<Uuid>,
        is_proof_required: bool,
    ) -> Result<Option<PublicKeyPlan>, ApiError> {
        self.org.caller.require_administrator()?;
        let key = self.find(unique_id)?;
        self.require_right_over(key.authenticates)?;
        let end = cut(self.org.now);
        let plan = PublicKeyPlan {
            kind: EventType::PublicKeyDeleted,
            unique_id: key.unique_id,
            expires_at: end,
            // Immediate ends are states, so that no clock can disagree.
            deleted_at: Some(end),
        };
        if !key.is_live(self.org.now) {
            return Ok(None);
        }
        let signs_too =
            |other: &StoredPublicKey| other.signs(is_proof_required) && other.unique_id != key.unique_id;
        if self.must_sign && key.signs(is_proof_required) && !self.live().any(signs_too) {
            return Err(Code::LastAuthenticationKey.into());
        }
        Ok(Some(plan))
    }

    fn live(&self) -> impl Iterator<Item = &StoredPublicKey> {
        self.keys.iter().filter(|key| key.is_live(self.org.now))
    }

    fn find(&self, unique_id: Option<Uuid>) -> Result<&StoredPublicKey, ApiError> {
        let named = |key: &&StoredPublicKey| Some(key.unique_id) == unique_id;
        self.keys.iter().find(named).ok_or_else(|| Code::NotFound.into())
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
