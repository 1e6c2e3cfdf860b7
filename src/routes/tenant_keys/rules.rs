//! The rules of contract 4 as pure functions: an org's keys in, a change or a refusal out.
//! Two-phase rotation is in `phases`; [`TenantKeys`](super::store::TenantKeys) applies it, if the keys are still those it was decided
//! on.

use chrono::{DateTime, TimeDelta, Utc};

use super::input::UpdateTenantKey;
pub use super::rights::RightsChange;
pub use super::stored::{Activation, KeyOrigin, Leak, Pending, StoredTenantKey};
use crate::audit::Author;
use crate::changes::OrgState;
use crate::error::{ApiError, Code, Problem, ProblemKind};
use crate::events::{EventType, Subject};
use crate::http::input::Patch;
use crate::http::networks::NetworkChange;
use crate::identity::allowed_networks::AllowedNetworks;
use crate::identity::key_scopes::KeyRights;
use crate::ids::KeyId;

/// Live keys an org may have, counted after the change.
pub const MAX_LIVE: usize = 10;
/// The time, from the rotation on, to which a running grace window may be extended.
const MAX_GRACE: TimeDelta = TimeDelta::days(7);

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
    /// The new states of keys; the first is the one that the change is about.
    pub changed: Vec<StoredTenantKey>,
    /// A new key.
    pub added: Option<StoredTenantKey>,
}

impl TenantKeyPlan {
    pub(super) fn change(kind: EventType, changed: StoredTenantKey) -> Self {
        Self { kind, changed: vec![changed], added: None }
    }

    /// The key that the change is about: the new one if there is one.
    pub fn key(&self) -> Option<&StoredTenantKey> {
        self.added.as_ref().or(self.changed.first())
    }

    /// The key that is replaced by [`key`](Self::key).
    pub fn replaced(&self) -> Option<&StoredTenantKey> {
        if self.added.is_some() { self.changed.first() } else { self.changed.get(1) }
    }

    /// The subject of the event.
    pub fn subject(&self) -> Option<Subject> {
        let (key, replaced) = (self.key()?, self.replaced());
        let waits_for = key.pending.as_ref().map(|pending| pending.key_id);
        Some(Subject::TenantKey {
            key_id: key.id,
            previous_key_id: replaced.map(|old| old.id).or(waits_for),
            expires_at: replaced.unwrap_or(key).expires_at,
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
    /// When it takes hold.
    pub activation: Activation,
    /// How long that may take, where it does not do so at once.
    pub confirm_within: TimeDelta,
    /// What the new key has otherwise than the old one.
    pub rights: RightsChange,
    /// Where it may be used from, if not from where the old one may.
    pub networks: NetworkChange,
}

/// The request for a further key.
#[derive(Clone, Debug)]
pub struct Minting {
    /// For people.
    pub name: String,
    /// Its end.
    pub expires_at: Option<DateTime<Utc>>,
    /// What it may do.
    pub rights: KeyRights,
    /// Where it may be used from.
    pub networks: AllowedNetworks,
    /// Of one that was made elsewhere.
    pub import: Option<Import>,
}

/// What is known of a key that was made elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Import {
    /// When it was made; by default when it is taken over.
    pub created_at: Option<DateTime<Utc>>,
}

impl Minting {
    /// A key without an end, which may do everything from everywhere.
    pub fn unrestricted(name: &str) -> Self {
        let (rights, networks) = (KeyRights::UNRESTRICTED, AllowedNetworks::ANY);
        Self { name: name.to_owned(), expires_at: None, rights, networks, import: None }
    }
}

impl OrgTenantKeys {
    /// Replaces a key; the old one lives on for the grace window.
    pub fn rotate(&self, wanted: &Rotation, fresh: &Fresh) -> Result<TenantKeyPlan, ApiError> {
        self.org.caller.require_unrotated()?;
        let old = self.to_rotate(wanted.key_id)?;
        let rights = wanted.rights.applied_to(old.rights);
        if self.org.caller.key_id == Some(old.id) {
            self.org.caller.require_scopes(rights.granted())?;
        } else {
            self.require_right_over(Some(old))?;
            self.require_right_to_make(rights)?;
        }
        if old.rotated_at.is_some() {
            return Err(Code::KeyAlreadyRotated.into());
        }
        if !old.is_live(self.org.now) {
            return Err(Code::KeyNotLive.into());
        }
        self.require_no_wait_for(old)?;
        let lifetime = old.own_end().map(|own| own - old.created_at);
        let expires_at = wanted.expires_at.or_else(|| lifetime.map(|lifetime| self.org.now + lifetime));
        let (name, networks) = (old.name.clone(), wanted.networks.applied(&old.networks));
        let successor = self.new_key(fresh, &Minting { name, expires_at, rights, networks, import: None });
        self.within_limit(match wanted.activation {
            Activation::Immediate => TenantKeyPlan {
                kind: EventType::TenantKeyRotated,
                changed: vec![self.superseded(old, successor.id, wanted.grace)],
                added: Some(successor),
            },
            activation => TenantKeyPlan {
                kind: EventType::TenantKeyRotationStarted,
                changed: Vec::new(),
                added: Some(self.waiting(successor, old, wanted, activation)),
            },
        })
    }

    /// Makes a key.
    pub fn mint(&self, wanted: &Minting, fresh: &Fresh) -> Result<TenantKeyPlan, ApiError> {
        self.org.caller.require_administrator()?;
        self.require_right_to_make(wanted.rights)?;
        let added = self.new_key(fresh, wanted);
        self.within_limit(TenantKeyPlan {
            kind: EventType::TenantKeyCreated,
            changed: Vec::new(),
            added: Some(added),
        })
    }

    /// Changes a key's name, its end, what it may do, or where it may be used from.
    pub fn update(&self, key_id: KeyId, wanted: &UpdateTenantKey) -> Result<TenantKeyPlan, ApiError> {
        self.org.caller.require_administrator()?;
        self.require_right_over(self.find(key_id))?;
        let key = self.find(key_id).ok_or(Code::NotFound)?;
        if !key.is_live(self.org.now) {
            return Err(Code::KeyNotLive.into());
        }
        let mut changed = key.clone();
        changed.rights = wanted.rights().applied_to(key.rights);
        self.require_right_to_make(changed.rights)?;
        changed.networks = wanted.networks().applied(&key.networks);
        if let Some(name) = &wanted.name {
            changed.name.clone_from(name);
        }
        let end = match &wanted.expires_at {
            Patch::Keep => None,
            Patch::Clear => Some(None),
            Patch::Set(end) => Some(Some(*end)),
        };
        if let Some(end) = end {
            changed.set_end(end);
        }
        check_grace(&changed)?;
        check_import(key, &changed)?;
        Ok(TenantKeyPlan::change(EventType::TenantKeyUpdated, changed))
    }

    /// Passes a change of a key that lets whoever makes it with that very key come back.
    pub fn require_way_back(&self, plan: &TenantKeyPlan, author: &Author) -> Result<(), ApiError> {
        match plan.changed.first() {
            Some(key) if self.org.caller.key_id == Some(key.id) && author.is_shut_out_by(&key.networks) => {
                Err(Code::WouldLockOut.into())
            }
            _ => Ok(()),
        }
    }

    /// Ends a key now; `None` if it had ended already. A successor that waits gives its rotation up; what one waits
    /// for is replaced by it, for else nothing would be left of either.
    pub fn revoke(&self, key_id: KeyId) -> Result<Option<TenantKeyPlan>, ApiError> {
        self.org.caller.require_administrator_or(key_id)?;
        self.require_right_over_rotation(self.find(key_id))?;
        let key = self.find(key_id).ok_or(Code::NotFound)?;
        if self.org.caller.key_id == Some(key_id) && key.pending.is_none() {
            return Err(Code::CannotRevokeSelf.into());
        }
        if !key.is_live(self.org.now) {
            return Ok(None);
        }
        if key.pending.is_some() {
            return Ok(Some(self.abandoned(key)));
        }
        if let Some((successor, pending)) =
            self.successor_of(key_id).and_then(|s| Some((s, s.pending.as_ref()?)))
        {
            self.require_right_over(Some(successor))?;
            return Ok(Some(self.confirmed(successor, pending, key, TimeDelta::zero())));
        }
        let ended = StoredTenantKey { revoked_at: Some(self.org.now), ..key.clone() };
        Ok(Some(TenantKeyPlan::change(EventType::TenantKeyRevoked, ended)))
    }

    /// The key named, else the caller's, else the only one there is to rotate.
    fn to_rotate(&self, named: Option<KeyId>) -> Result<&StoredTenantKey, ApiError> {
        if let Some(id) = named {
            return self.find(id).ok_or_else(|| Code::NotFound.into());
        }
        if let Some(id) = self.org.caller.key_id {
            return self.find(id).ok_or_else(|| Code::Unauthorized.into());
        }
        let is_candidate = |key: &&StoredTenantKey| key.is_live(self.org.now) && key.can_be_replaced();
        let mut candidates = self.keys.iter().filter(is_candidate);
        match (candidates.next(), candidates.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(Code::AmbiguousTenantKey.into()),
        }
    }

    pub(super) fn find(&self, id: KeyId) -> Option<&StoredTenantKey> {
        self.keys.iter().find(|key| key.id == id)
    }

    fn new_key(&self, fresh: &Fresh, wanted: &Minting) -> StoredTenantKey {
        StoredTenantKey {
            id: fresh.id,
            name: wanted.name.clone(),
            prefix: fresh.prefix.clone(),
            created_at: wanted.import.and_then(|import| import.created_at).unwrap_or(self.org.now),
            last_used_at: None,
            tokens_issued: 0,
            dead_uses: 0,
            dead_used_at: None,
            expires_at: wanted.expires_at,
            rotated_at: None,
            rotated_to: None,
            revoked_at: None,
            pending: None,
            rights: wanted.rights,
            networks: wanted.networks.clone(),
            origin: if wanted.import.is_some() { KeyOrigin::Imported } else { KeyOrigin::Made },
            leak: None,
        }
    }

    /// Counted after the change, so that a rotation without grace always works.
    fn within_limit(&self, plan: TenantKeyPlan) -> Result<TenantKeyPlan, ApiError> {
        let is_changed = |key: &StoredTenantKey| plan.changed.iter().any(|changed| changed.id == key.id);
        let untouched = self.keys.iter().filter(|key| !is_changed(key));
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

/// A key that was rotated or leaked has an end, at most seven days after that.
fn check_grace(key: &StoredTenantKey) -> Result<(), ApiError> {
    let rotated = key.rotated_at.map(|at| (at, "a rotated key must end within seven days of its rotation"));
    let leaked = key
        .barring_leak()
        .map(|leak| (leak.leaked_at, "a leaked key must end within seven days of its first report"));
    let is_late = |(since, _): &(DateTime<Utc>, _)| key.expires_at.is_none_or(|end| end > *since + MAX_GRACE);
    let Some((_, msg)) = [rotated, leaked].into_iter().flatten().find(is_late) else { return Ok(()) };
    Err(ApiError::Invalid(vec![Problem::body("expires_at", ProblemKind::ValueError, msg)]))
}

/// An imported key ends when it was said to, or sooner.
fn check_import(before: &StoredTenantKey, after: &StoredTenantKey) -> Result<(), ApiError> {
    let is_later = after.expires_at.is_none_or(|end| before.expires_at.is_some_and(|before| end > before));
    if before.origin == KeyOrigin::Made || !is_later {
        return Ok(());
    }
    let msg = "an imported key ends when it was said to, or sooner: rotate it";
    Err(ApiError::Invalid(vec![Problem::body("expires_at", ProblemKind::ValueError, msg)]))
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
