//! The replies of the tenant key routes. The type that lists a key has no field for its secret.

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::new_key::NewKey;
use super::rotation::KeyRotation;
use super::rules::{KeyOrigin, Leak, StoredTenantKey, TenantKeyPlan};
use crate::crypto::secret::{Secret, reveal_some};
use crate::error::ApiError;
use crate::http::paging::{CursorPosition, Data, Listed};
use crate::idempotency::{Made, Reply};
use crate::identity::enforcement::Enforcement;
use crate::identity::key_scopes::{KeyRights, KeyScopes};
use crate::ids::KeyId;
use crate::network::Network;
use crate::routes::leaks::rules::LeakPolicy;
use crate::routes::public_keys::delivery::{EncryptedTo, SecretDelivery, Shown};

/// A rotated key's successor. The key is shown only here.
#[derive(Debug, Serialize, ToSchema)]
pub struct RotatedTenantKey {
    /// The new key; not with `deliver_to`.
    #[serde(serialize_with = "reveal_some", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Password, pattern = "^tk_(live|test)_[0-9A-Za-z]{49}$")]
    new_tenant_api_key: Option<Secret<String>>,
    /// With `deliver_to`, the new key encrypted: an armored OpenPGP message, or a compact JWE.
    #[serde(skip_serializing_if = "Option::is_none")]
    encrypted_secret: Option<String>,
    /// With `deliver_to`, the public key that it is encrypted to.
    #[serde(skip_serializing_if = "Option::is_none")]
    encrypted_to: Option<EncryptedTo>,
    /// Until when the old key works; while the rotation waits, the end that it had, or null.
    #[schema(required)]
    previous_key_expires_at: Option<DateTime<Utc>>,
    /// Until when the rotation may be confirmed, if it waits for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmation_expires_at: Option<DateTime<Utc>>,
    /// The new key's id.
    #[schema(value_type = uuid::Uuid)]
    key_id: KeyId,
    /// The old key's id.
    #[schema(value_type = uuid::Uuid)]
    previous_key_id: KeyId,
}

impl RotatedTenantKey {
    /// `None` if the plan is not a rotation.
    pub fn of(plan: TenantKeyPlan, new: NewKey, delivery: SecretDelivery) -> Option<Self> {
        let (old_end, new_key) = (plan.replaced().and_then(|old| old.expires_at), plan.added.as_ref()?);
        let pending = new_key.pending.as_ref();
        let previous_key_id = pending.map(|pending| pending.key_id).or(plan.replaced().map(|old| old.id))?;
        let (key_id, confirmation_expires_at) = (new_key.id, pending.map(|pending| pending.confirm_by));
        let Shown { clear, encrypted_secret, encrypted_to } = delivery.shown(new.key.into_secret());
        Some(Self {
            new_tenant_api_key: clear,
            encrypted_secret,
            encrypted_to,
            previous_key_expires_at: old_end,
            confirmation_expires_at,
            key_id,
            previous_key_id,
        })
    }

    /// The reply, which is a secret's where it shows the key.
    pub fn reply(self) -> Result<Reply, ApiError> {
        let shows_key = self.new_tenant_api_key.is_some();
        let made = [("key_id", self.key_id), ("previous_key_id", self.previous_key_id)];
        let reply = Reply::new(StatusCode::OK, &Data { data: self })?;
        let made = made.map(|(field, id)| Made::new(field, id));
        Ok(if shows_key { reply.showing_secret_of(made.into()) } else { reply })
    }
}

/// A rotation that was confirmed.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConfirmedRotation {
    /// The new key's id.
    #[schema(value_type = uuid::Uuid)]
    key_id: KeyId,
    /// The old key's id.
    #[schema(value_type = uuid::Uuid)]
    previous_key_id: KeyId,
    /// Until when the old key works.
    previous_key_expires_at: DateTime<Utc>,
}

impl ConfirmedRotation {
    /// `None` if the plan is no confirmation.
    pub fn of(plan: &TenantKeyPlan) -> Option<Self> {
        let (key, old) = (plan.key()?, plan.replaced()?);
        Some(Self { key_id: key.id, previous_key_id: old.id, previous_key_expires_at: old.expires_at? })
    }
}

/// A key, and the rotation that it takes part in.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantKeyDetails {
    /// The key as lists show it.
    #[serde(flatten)]
    pub entry: TenantKeyEntry,
    /// The rotation in which it is replaced, or else the one in which it replaces another.
    #[schema(required)]
    pub rotation: Option<KeyRotation>,
    /// Where it was found, if it leaked.
    #[schema(required)]
    pub leak: Option<KeyLeak>,
}

/// A key as lists show it.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantKeyEntry {
    /// The key's id.
    #[schema(value_type = uuid::Uuid)]
    id: KeyId,
    /// For people: where the key is used.
    #[schema(example = "billing backend")]
    name: String,
    /// The key's first characters.
    #[schema(example = "tk_test_4fZq1B")]
    prefix: String,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it was last used, exactly; up to a minute late.
    #[schema(required)]
    last_used_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    #[schema(required)]
    revoked_at: Option<DateTime<Utc>>,
    /// When it ends.
    #[schema(required)]
    expires_at: Option<DateTime<Utc>>,
    /// Its successor's id.
    #[schema(required, value_type = Option<uuid::Uuid>)]
    rotated_to: Option<KeyId>,
    /// What it may do.
    scopes: KeyScopes,
    /// Whether it is held to that (`enforce`), or may do everything and is watched (`report`).
    scope_policy: Enforcement,
    /// The networks that it may be used from; null for any.
    #[schema(required, value_type = Option<Vec<String>>, example = json!(["203.0.113.0/24"]))]
    allowed_networks: Option<Vec<Network>>,
    /// Whether requests from other networks are refused, or only reported.
    network_policy: Enforcement,
    /// Whether it was made here, or elsewhere and imported.
    origin: KeyOrigin,
    /// When it was first reported to be where others can read it.
    #[schema(required)]
    leaked_at: Option<DateTime<Utc>>,
    /// Whether it authenticated this request.
    is_current: bool,
}

/// What is known of a key's leak. Url and note are what the reporter says, who may be anybody.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyLeak {
    /// Who reported it: `report` (anybody), `github`, or a name that an operator gave.
    #[schema(example = "github")]
    source: String,
    /// Where it was found.
    #[schema(required, example = "https://example.com/acme/app/blob/main/.env")]
    url: Option<String>,
    /// What was said of it.
    #[schema(required)]
    note: Option<String>,
    /// What was done: the org's `leak_policy` at that time.
    response: LeakPolicy,
}

impl KeyLeak {
    /// As the key's row has it.
    pub fn of(leak: &Leak) -> Self {
        let Leak { source, url, note, response, .. } = leak.clone();
        Self { source, url, note, response }
    }
}

impl Listed for TenantKeyEntry {
    fn cursor_position(&self) -> CursorPosition {
        CursorPosition { created_at: self.created_at, id: self.id.0 }
    }
}

impl TenantKeyEntry {
    /// The entry for `key`, as the holder of `caller` sees it.
    pub fn of(key: StoredTenantKey, caller: Option<KeyId>) -> Self {
        let KeyRights { scopes, policy: scope_policy } = key.rights;
        Self {
            is_current: caller == Some(key.id),
            id: key.id,
            name: key.name,
            prefix: key.prefix,
            created_at: key.created_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
            expires_at: key.expires_at,
            rotated_to: key.rotated_to,
            scopes,
            scope_policy,
            allowed_networks: key.networks.networks,
            network_policy: key.networks.policy,
            origin: key.origin,
            leaked_at: key.leak.map(|leak| leak.leaked_at),
        }
    }
}

/// A new key. `secret` is shown only here.
#[derive(Debug, Serialize, ToSchema)]
pub struct MintedTenantKey {
    /// The key as lists show it.
    #[serde(flatten)]
    entry: TenantKeyEntry,
    /// The key itself; not with `deliver_to`.
    #[serde(serialize_with = "reveal_some", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Password, pattern = "^tk_(live|test)_[0-9A-Za-z]{49}$")]
    secret: Option<Secret<String>>,
    /// With `deliver_to`, the key encrypted: an armored OpenPGP message, or a compact JWE.
    #[serde(skip_serializing_if = "Option::is_none")]
    encrypted_secret: Option<String>,
    /// With `deliver_to`, the public key that it is encrypted to.
    #[serde(skip_serializing_if = "Option::is_none")]
    encrypted_to: Option<EncryptedTo>,
}

impl MintedTenantKey {
    /// `None` if the plan adds no key.
    pub fn of(plan: TenantKeyPlan, new: NewKey, delivery: SecretDelivery) -> Option<Self> {
        let entry = TenantKeyEntry::of(plan.added?, None);
        let Shown { clear: secret, encrypted_secret, encrypted_to } = delivery.shown(new.key.into_secret());
        Some(Self { entry, secret, encrypted_secret, encrypted_to })
    }

    /// The reply, which is a secret's where it shows the key.
    pub fn reply(self) -> Result<Reply, ApiError> {
        let (shows_key, id) = (self.secret.is_some(), self.entry.id);
        let reply = Reply::new(StatusCode::CREATED, &Data { data: self })?;
        Ok(if shows_key { reply.showing_secret_of(vec![Made::new("id", id)]) } else { reply })
    }
}
