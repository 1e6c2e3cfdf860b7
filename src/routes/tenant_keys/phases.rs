//! The rules of rotation in two phases (contract 13.1): what waits, what confirms it, and what gives it up.

use chrono::TimeDelta;

use super::rules::{OrgTenantKeys, Rotation, TenantKeyPlan};
use super::stored::{Activation, Pending, StoredTenantKey};
use crate::error::{ApiError, Code};
use crate::events::EventType;
use crate::ids::KeyId;

impl OrgTenantKeys {
    /// Confirms the rotation to `key_id`: the old key's grace window begins.
    pub fn confirm(&self, key_id: KeyId) -> Result<TenantKeyPlan, ApiError> {
        self.org.caller.require_administrator_or(key_id)?;
        self.require_right_over_rotation(self.find(key_id))?;
        let successor = self.find(key_id).ok_or(Code::NotFound)?;
        if !successor.is_live(self.org.now) {
            return Err(Code::KeyNotLive.into());
        }
        let pending = successor.pending.as_ref().ok_or(Code::RotationNotPending)?;
        let old = self.find(pending.key_id).ok_or_else(|| ApiError::internal("a successor of no key"))?;
        Ok(self.confirmed(successor, pending, old, TimeDelta::seconds(pending.grace_seconds.into())))
    }

    /// Gives up the rotation to `key_id`, whose time is over; `None` if it does not wait, or may still be confirmed.
    pub fn abandon(&self, key_id: KeyId) -> Result<Option<TenantKeyPlan>, ApiError> {
        self.org.caller.require_administrator()?;
        let waits = |key: &&StoredTenantKey| key.pending.is_some() && key.revoked_at.is_none();
        let successor = self.find(key_id).filter(waits).filter(|key| !key.is_live(self.org.now));
        Ok(successor.map(|key| self.abandoned(key)))
    }

    /// Gives up the rotation to `key_id`, whatever its time; `None` if it does not wait.
    pub fn give_up(&self, key_id: KeyId) -> Option<TenantKeyPlan> {
        let waits = |key: &&StoredTenantKey| key.pending.is_some() && key.revoked_at.is_none();
        self.find(key_id).filter(waits).map(|key| self.abandoned(key))
    }

    /// One rotation of a key at a time.
    pub(super) fn require_no_wait_for(&self, old: &StoredTenantKey) -> Result<(), ApiError> {
        let waiting = if old.pending.is_some() { Some(old) } else { self.successor_of(old.id) };
        match waiting {
            Some(key) => Err(ApiError::new(Code::RotationPending).detail(
                "key_id",
                "rotation_pending",
                key.id.to_string(),
            )),
            None => Ok(()),
        }
    }

    /// The live key that waits to succeed this one.
    pub(super) fn successor_of(&self, key_id: KeyId) -> Option<&StoredTenantKey> {
        let succeeds = |key: &&StoredTenantKey| key.pending.as_ref().is_some_and(|p| p.key_id == key_id);
        self.keys.iter().filter(succeeds).find(|key| key.is_live(self.org.now))
    }

    /// The old key, as its grace window leaves it.
    pub(super) fn superseded(
        &self,
        old: &StoredTenantKey,
        successor: KeyId,
        grace: TimeDelta,
    ) -> StoredTenantKey {
        // Never later than its own earlier expiry.
        let end = self.org.now + grace;
        let end = old.expires_at.map_or(end, |own| own.min(end));
        StoredTenantKey {
            expires_at: Some(end),
            rotated_at: Some(self.org.now),
            rotated_to: Some(successor),
            // Immediate ends are states, so that no clock can disagree.
            revoked_at: old.revoked_at.or((end <= self.org.now).then_some(self.org.now)),
            ..old.clone()
        }
    }

    /// The successor, as it waits: its end is the wait's.
    pub(super) fn waiting(
        &self,
        successor: StoredTenantKey,
        old: &StoredTenantKey,
        wanted: &Rotation,
        activation: Activation,
    ) -> StoredTenantKey {
        let (confirm_by, ends_at) = (self.org.now + wanted.confirm_within, successor.expires_at);
        let grace_seconds = wanted.grace.num_seconds().try_into().unwrap_or(i32::MAX);
        let pending = Pending { key_id: old.id, activation, confirm_by, grace_seconds, ends_at };
        StoredTenantKey { expires_at: pending.end(), pending: Some(pending), ..successor }
    }

    pub(super) fn confirmed(
        &self,
        successor: &StoredTenantKey,
        pending: &Pending,
        old: &StoredTenantKey,
        grace: TimeDelta,
    ) -> TenantKeyPlan {
        let key = StoredTenantKey { expires_at: pending.ends_at, pending: None, ..successor.clone() };
        let changed = vec![key, self.superseded(old, successor.id, grace)];
        TenantKeyPlan { kind: EventType::TenantKeyRotated, changed, added: None }
    }

    pub(super) fn abandoned(&self, successor: &StoredTenantKey) -> TenantKeyPlan {
        let ended = StoredTenantKey { revoked_at: Some(self.org.now), ..successor.clone() };
        TenantKeyPlan::change(EventType::TenantKeyRotationAbandoned, ended)
    }
}
