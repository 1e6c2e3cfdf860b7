//! The rules of contract 4 as pure functions: an org's keys in, a change or a refusal out.
//! [`TenantKeys`](super::store::TenantKeys) applies it, if the keys are still those it was decided
//! on.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::changes::OrgState;
use crate::error::{ApiError, Code, Problem, ProblemKind};
use crate::events::{EventType, Subject};
use crate::http::input::Patch;
use crate::ids::KeyId;

/// Live keys an org may have, counted after the change.
pub const MAX_LIVE: usize = 10;
/// The time, from the rotation on, to which a running grace window may be extended.
const MAX_GRACE: TimeDelta = TimeDelta::days(7);

/// A key's row, as far as the rules and the lists go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoredTenantKey {
    /// The id.
    pub id: KeyId,
    /// The name for people.
    pub name: String,
    /// The part of the key that is shown.
    pub prefix: String,
    /// The instant of its creation.
    pub created_at: DateTime<Utc>,
    /// The last time that it opened something.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Member tokens that were issued under it.
    pub tokens_issued: i64,
    /// The number of times that it was sent after it had ended.
    pub dead_uses: i64,
    /// The last time that it was sent after its end.
    pub dead_used_at: Option<DateTime<Utc>>,
    /// The end that was set.
    pub expires_at: Option<DateTime<Utc>>,
    /// The instant of its rotation.
    pub rotated_at: Option<DateTime<Utc>>,
    /// The key that replaced it.
    pub rotated_to: Option<KeyId>,
    /// The instant of its end, where that was immediate.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl StoredTenantKey {
    /// Returns `true` if it authenticates at `now`.
    pub fn is_live(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    fn is_superseded(&self) -> bool {
        self.rotated_at.is_some()
    }
}

/// An org's keys at one revision: all live ones, and the dead ones that were asked for.
#[derive(Clone, Debug)]
pub struct OrgTenantKeys {
    /// The org at one revision.
    pub org: OrgState,
    /// The live keys, and the dead ones that were asked for.
    pub keys: Vec<StoredTenantKey>,
}

/// The plan of a change, for one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantKeyPlan {
    /// The type that the event and the audit log say.
    pub kind: EventType,
    /// A key's new state.
    pub changed: Option<StoredTenantKey>,
    /// A new key.
    pub added: Option<StoredTenantKey>,
}

impl TenantKeyPlan {
    /// The subject of the event: the new key if there is one.
    pub fn subject(&self) -> Option<Subject> {
        let old = self.changed.as_ref();
        let subject = self.added.as_ref().or(old)?;
        Some(Subject::TenantKey {
            key_id: subject.id,
            previous_key_id: self.added.as_ref().and(old).map(|old| old.id),
            expires_at: old.unwrap_or(subject).expires_at,
        })
    }
}

/// A new key's identity, made before the rules are asked.
#[derive(Clone, Debug)]
pub struct Fresh {
    /// The id.
    pub id: KeyId,
    /// The part of the key that is shown.
    pub prefix: String,
}

/// The request for a rotation.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// The key to rotate; the one that authenticated where none is named.
    pub key_id: Option<KeyId>,
    /// The time in which the old key still works.
    pub grace: TimeDelta,
    /// The new key's end; none gives it the old one's lifetime.
    pub expires_at: Option<DateTime<Utc>>,
}

impl OrgTenantKeys {
    /// Replaces a key; the old one lives on for the grace window.
    pub fn rotate(&self, wanted: &Rotation, fresh: &Fresh) -> Result<TenantKeyPlan, ApiError> {
        self.org.caller.require_unrotated()?;
        let old = self.to_rotate(wanted.key_id)?;
        if old.is_superseded() {
            return Err(Code::KeyAlreadyRotated.into());
        }
        if !old.is_live(self.org.now) {
            return Err(Code::KeyNotLive.into());
        }
        // Never later than its own earlier expiry.
        let end = self.org.now + wanted.grace;
        let end = old.expires_at.map_or(end, |own| own.min(end));
        let lifetime = old.expires_at.map(|own| own - old.created_at);
        let expires_at = wanted.expires_at.or_else(|| lifetime.map(|lifetime| self.org.now + lifetime));
        let successor = self.new_key(fresh, old.name.clone(), expires_at);
        let changed = StoredTenantKey {
            expires_at: Some(end),
            rotated_at: Some(self.org.now),
            rotated_to: Some(successor.id),
            // Immediate ends are states, so that no clock can disagree.
            revoked_at: (end <= self.org.now).then_some(self.org.now),
            ..old.clone()
        };
        self.within_limit(TenantKeyPlan {
            kind: EventType::TenantKeyRotated,
            changed: Some(changed),
            added: Some(successor),
        })
    }

    /// Makes a key.
    pub fn mint(
        &self,
        name: &str,
        expires_at: Option<DateTime<Utc>>,
        fresh: &Fresh,
    ) -> Result<TenantKeyPlan, ApiError> {
        self.org.caller.require_administrator()?;
        let added = self.new_key(fresh, name.to_owned(), expires_at);
        self.within_limit(TenantKeyPlan {
            kind: EventType::TenantKeyCreated,
            changed: None,
            added: Some(added),
        })
    }

    /// Changes a key's name or end.
    pub fn update(
        &self,
        key_id: KeyId,
        name: Option<&str>,
        expires_at: &Patch<DateTime<Utc>>,
    ) -> Result<TenantKeyPlan, ApiError> {
        self.org.caller.require_administrator()?;
        let key = self.find(key_id).ok_or(Code::NotFound)?;
        if !key.is_live(self.org.now) {
            return Err(Code::KeyNotLive.into());
        }
        let mut changed = key.clone();
        if let Some(name) = name {
            name.clone_into(&mut changed.name);
        }
        match expires_at {
            Patch::Keep => {}
            Patch::Clear => changed.expires_at = None,
            Patch::Set(end) => changed.expires_at = Some(*end),
        }
        check_grace(&changed)?;
        Ok(TenantKeyPlan { kind: EventType::TenantKeyUpdated, changed: Some(changed), added: None })
    }

    /// Ends a key now; `None` if it had ended already.
    pub fn revoke(&self, key_id: KeyId) -> Result<Option<TenantKeyPlan>, ApiError> {
        self.org.caller.require_administrator()?;
        let key = self.find(key_id).ok_or(Code::NotFound)?;
        if self.org.caller.key_id == Some(key_id) {
            return Err(Code::CannotRevokeSelf.into());
        }
        let ended = StoredTenantKey { revoked_at: Some(self.org.now), ..key.clone() };
        let plan = TenantKeyPlan { kind: EventType::TenantKeyRevoked, changed: Some(ended), added: None };
        Ok(key.is_live(self.org.now).then_some(plan))
    }

    /// The key named, else the caller's, else the only one there is to rotate.
    fn to_rotate(&self, named: Option<KeyId>) -> Result<&StoredTenantKey, ApiError> {
        if let Some(id) = named {
            return self.find(id).ok_or_else(|| Code::NotFound.into());
        }
        if let Some(id) = self.org.caller.key_id {
            return self.find(id).ok_or_else(|| Code::Unauthorized.into());
        }
        let mut candidates = self.keys.iter().filter(|key| key.is_live(self.org.now) && !key.is_superseded());
        match (candidates.next(), candidates.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(Code::AmbiguousTenantKey.into()),
        }
    }

    fn find(&self, id: KeyId) -> Option<&StoredTenantKey> {
        self.keys.iter().find(|key| key.id == id)
    }

    fn new_key(&self, fresh: &Fresh, name: String, expires_at: Option<DateTime<Utc>>) -> StoredTenantKey {
        StoredTenantKey {
            id: fresh.id,
            name,
            prefix: fresh.prefix.clone(),
            created_at: self.org.now,
            last_used_at: None,
            tokens_issued: 0,
            dead_uses: 0,
            dead_used_at: None,
            expires_at,
            rotated_at: None,
            rotated_to: None,
            revoked_at: None,
        }
    }

    /// Counted after the change, so that a rotation without grace always works.
    fn within_limit(&self, plan: TenantKeyPlan) -> Result<TenantKeyPlan, ApiError> {
        let replaced = plan.changed.as_ref().map(|key| key.id);
        let untouched = self.keys.iter().filter(|key| Some(key.id) != replaced);
        let after: Vec<_> = untouched
            .chain(&plan.changed)
            .chain(&plan.added)
            .filter(|key| key.is_live(self.org.now))
            .collect();
        if after.len() <= MAX_LIVE {
            return Ok(plan);
        }
        let refusal = ApiError::new(Code::TooManyLiveKeys);
        let live = self.keys.iter().filter(|key| key.is_live(self.org.now));
        Err(match live.filter_map(|key| key.expires_at).min() {
            Some(next) => refusal.detail("expires_at", "next_expiry", crate::clock::rfc3339(next)),
            None => refusal,
        })
    }
}

/// A rotated key has an end, at most seven days after its rotation.
fn check_grace(key: &StoredTenantKey) -> Result<(), ApiError> {
    let Some(rotated_at) = key.rotated_at else { return Ok(()) };
    if key.expires_at.is_some_and(|end| end <= rotated_at + MAX_GRACE) {
        return Ok(());
    }
    let msg = "a rotated key must end within seven days of its rotation";
    Err(ApiError::Invalid(vec![Problem::body("expires_at", ProblemKind::ValueError, msg)]))
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
