//! How the rotation of a key stands (contract 13.2), as a pure function of the keys that take part in it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::rules::StoredTenantKey;
use crate::ids::KeyId;

/// A rotation, seen from either of its keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct KeyRotation {
    /// How it stands.
    pub state: RotationState,
    /// The new key.
    #[schema(value_type = uuid::Uuid)]
    pub successor_id: KeyId,
    /// The old key.
    #[schema(value_type = uuid::Uuid)]
    pub previous_key_id: KeyId,
    /// Until when it may be confirmed, while it waits for that.
    #[schema(required)]
    pub confirmation_expires_at: Option<DateTime<Utc>>,
    /// When the old key ends or ended; null where it has no end.
    #[schema(required)]
    pub ends_at: Option<DateTime<Utc>>,
}

/// How a rotation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RotationState {
    /// The successor waits for its confirmation.
    Pending,
    /// The old key is in its grace window.
    Grace,
    /// The old key has ended.
    Completed,
}

impl KeyRotation {
    /// The rotation that `key` takes part in; `keys` are those that it may share one with. What replaces it tells
    /// more than what it replaced.
    #[must_use]
    pub fn of(key: &StoredTenantKey, keys: &[StoredTenantKey], now: DateTime<Utc>) -> Option<Self> {
        if let Some(successor) = successor_of(key, keys, now) {
            return Some(Self::between(key, successor, now));
        }
        keys.iter().find(|old| replaces(key, old, now)).map(|old| Self::between(old, key, now))
    }

    fn between(old: &StoredTenantKey, successor: &StoredTenantKey, now: DateTime<Utc>) -> Self {
        let confirmation_expires_at =
            successor.pending.as_ref().filter(|_| old.rotated_to.is_none()).map(|pending| pending.confirm_by);
        let state = match confirmation_expires_at {
            Some(_) => RotationState::Pending,
            None if old.is_live(now) => RotationState::Grace,
            None => RotationState::Completed,
        };
        let ends_at = match (old.revoked_at, old.expires_at) {
            (Some(revoked), Some(end)) => Some(revoked.min(end)),
            (revoked, end) => revoked.or(end),
        };
        Self { state, successor_id: successor.id, previous_key_id: old.id, confirmation_expires_at, ends_at }
    }
}

/// The key that replaces this one, or waits to.
pub fn successor_of<'k>(
    key: &StoredTenantKey,
    keys: &'k [StoredTenantKey],
    now: DateTime<Utc>,
) -> Option<&'k StoredTenantKey> {
    keys.iter().find(|other| replaces(other, key, now))
}

fn replaces(successor: &StoredTenantKey, old: &StoredTenantKey, now: DateTime<Utc>) -> bool {
    let waits_for_it = successor.pending.as_ref().is_some_and(|pending| pending.key_id == old.id);
    old.rotated_to == Some(successor.id) || waits_for_it && successor.is_live(now)
}
