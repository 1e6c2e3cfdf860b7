//! A tenant key as its row has it, and the rotation that it may wait for.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::identity::allowed_networks::AllowedNetworks;
use crate::identity::key_scopes::KeyRights;
use crate::identity::stage::KeyStage;
use crate::ids::KeyId;
use crate::routes::leaks::rules::LeakPolicy;

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
    /// The rotation that it waits for.
    pub pending: Option<Pending>,
    /// What it may do.
    #[serde(flatten)]
    pub rights: KeyRights,
    /// Where it may be used from.
    #[serde(flatten)]
    pub networks: AllowedNetworks,
    /// Where it comes from.
    pub origin: KeyOrigin,
    /// That it was found where others can read it.
    pub leak: Option<Leak>,
}

/// Where a key comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyOrigin {
    /// It was made here.
    #[default]
    Made,
    /// It was made elsewhere, and taken over by its hash (contract 15).
    Imported,
}

impl KeyOrigin {
    /// The name in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Imported => "imported",
        }
    }

    /// As it is stored.
    #[must_use]
    pub fn stored(name: &str) -> Self {
        if name == Self::Imported.name() { Self::Imported } else { Self::Made }
    }
}

/// What is known of a key's leak (contract 13.4). The text is strangers'.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leak {
    /// The first report.
    pub leaked_at: DateTime<Utc>,
    /// Who reported it.
    pub source: String,
    /// Where it was found.
    pub url: Option<String>,
    /// What was said of it.
    pub note: Option<String>,
    /// What was done.
    pub response: LeakPolicy,
    /// The end that it had before.
    pub own_end: Option<DateTime<Utc>>,
}

/// The rotation that a key waits for, in which it is the successor (contract 13.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pending {
    /// The key that it succeeds.
    pub key_id: KeyId,
    /// What confirms it.
    pub activation: Activation,
    /// Until when; its own end until then.
    pub confirm_by: DateTime<Utc>,
    /// The old key's grace window from the confirmation on, in seconds.
    pub grace_seconds: i32,
    /// The end that it has once it is confirmed.
    pub ends_at: Option<DateTime<Utc>>,
}

/// When a rotation takes hold (contract 13.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// With the request.
    #[default]
    Immediate,
    /// When somebody confirms it.
    OnConfirm,
    /// When the successor is first used, or somebody confirms it.
    OnFirstUse,
}

impl Activation {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Immediate, Self::OnConfirm, Self::OnFirstUse];

    /// The name on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Immediate => "immediate",
            Self::OnConfirm => "on_confirm",
            Self::OnFirstUse => "on_first_use",
        }
    }

    /// The activation of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|activation| activation.name() == name)
    }
}

impl StoredTenantKey {
    /// Returns `true` if it authenticates at `now`.
    pub fn is_live(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    /// What it may do while it is alive.
    pub fn stage(&self) -> KeyStage {
        KeyStage::of(self.rotated_at.is_some(), self.pending.is_some(), self.barring_leak().is_some())
    }

    /// Its leak, if it administers nothing since.
    pub fn barring_leak(&self) -> Option<&Leak> {
        self.leak.as_ref().filter(|leak| leak.response.bars())
    }

    /// The end that it was given, whatever a leak made of that.
    pub fn own_end(&self) -> Option<DateTime<Utc>> {
        self.barring_leak().map_or(self.expires_at, |leak| leak.own_end)
    }

    /// Returns `true` if it can be replaced: neither was it before, nor does it wait to replace another.
    pub fn can_be_replaced(&self) -> bool {
        self.rotated_at.is_none() && self.pending.is_none()
    }

    /// Sets the end; that of a successor that waits comes with its confirmation.
    pub fn set_end(&mut self, end: Option<DateTime<Utc>>) {
        if let Some(pending) = &mut self.pending {
            pending.ends_at = end;
        }
        self.expires_at = self.pending.as_ref().map_or(end, Pending::end);
    }
}

impl Pending {
    /// The end of the key while it waits.
    pub fn end(&self) -> Option<DateTime<Utc>> {
        Some(self.ends_at.map_or(self.confirm_by, |end| end.min(self.confirm_by)))
    }
}
