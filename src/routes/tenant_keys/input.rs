//! The input of the tenant key routes.

use std::ops::RangeInclusive;

use chrono::{DateTime, TimeDelta, Utc};
use utoipa::{IntoParams, ToSchema};

use super::rules::{Activation, Minting, RightsChange, Rotation};
use crate::http::input::{Body, Field, Input, Patch, Reader};
use crate::http::networks::{self, NetworkChange};
use crate::identity::allowed_networks::AllowedNetworks;
use crate::identity::enforcement::Enforcement;
use crate::identity::key_scopes::{KeyRights, KeyScope, KeyScopes};
use crate::ids::KeyId;
use crate::network::Network;

/// Default and longest grace window, in seconds (contract 4).
pub const DEFAULT_GRACE: i64 = 86_400;
/// The longest grace window, in seconds: 7 days.
pub const MAX_GRACE: i64 = 604_800;

/// How long a confirmation may take, in seconds (contract 13.1).
pub const CONFIRM_WITHIN: RangeInclusive<i64> = 60..=604_800;
/// The same, where it is not said.
pub const DEFAULT_CONFIRM_WITHIN: i64 = 86_400;

/// Names a key.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct KeyPath {
    /// The key's id.
    #[param(value_type = uuid::Uuid, example = "0192f0c1-2345-7abc-8def-0123456789ab")]
    pub key_id: KeyId,
}

impl Input for KeyPath {
    const BODY: Body = Body::None;

    fn read(request: &mut Reader) -> Option<Self> {
        Some(Self { key_id: KeyId(request.path("key_id").required().uuid()?) })
    }
}

/// Which key to rotate, and how.
#[derive(ToSchema)]
#[schema(example = json!({"grace_period_seconds": 86_400}))]
pub struct RotateTenantKey {
    /// How long the old key goes on working, in seconds. With 0 it ends at once: if the reply is
    /// lost on its way, so is access, until the integration contact makes a key.
    #[schema(minimum = 0, maximum = 604_800, default = 86_400, example = 86_400)]
    pub grace_period_seconds: Option<i64>,
    /// The key to rotate; by default the one that authenticates this request.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub key_id: Option<KeyId>,
    /// When the successor ends. By default it gets the old key's lifetime, if that had one.
    pub expires_at: Option<DateTime<Utc>>,
    /// Encrypts the new key to a registered public key of yours: `CredentialsDownload`, or the
    /// `UniqueId` of a key with this usage.
    #[schema(min_length = 1, max_length = 200, example = "CredentialsDownload")]
    pub deliver_to: Option<String>,
    /// When the old key's grace window begins: with this request (the default), when the successor is confirmed, or when it is first
    /// used. Until then the successor works and administers nothing, and the old key is as it was.
    #[schema(value_type = Activation, required = false, example = "immediate")]
    pub activation: Option<Activation>,
    /// How long the confirmation may take, in seconds; after that the successor ends. By default a day; not with
    /// `immediate`.
    #[schema(minimum = 60, maximum = 604_800)]
    pub confirm_within_seconds: Option<i64>,
    /// What the new key may do; by default what the old one may. No more than the key that authenticates this request.
    #[schema(value_type = KeyScopes, required = false)]
    pub scopes: Option<KeyScopes>,
    /// Whether the new key is held to that, or only watched; by default as the old one is.
    #[schema(value_type = Enforcement, required = false)]
    pub scope_policy: Option<Enforcement>,
    /// The networks that the new key may be used from (CIDR); by default those of the old one.
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 20, example = json!(["203.0.113.0/24"]))]
    pub allowed_networks: Option<Vec<Network>>,
    /// Whether requests from other networks are refused, or only reported; by default as for the old key.
    #[schema(value_type = Enforcement, required = false)]
    pub network_policy: Option<Enforcement>,
}

impl Input for RotateTenantKey {
    const BODY: Body = Body::Optional;

    fn read(request: &mut Reader) -> Option<Self> {
        let (activation, confirm_within_seconds) =
            read_activation(request, "must be immediate, on_confirm or on_first_use", Activation::parse);
        let (allowed_networks, network_policy) = networks::read(request);
        Some(Self {
            activation,
            confirm_within_seconds,
            allowed_networks,
            network_policy,
            grace_period_seconds: request.body("grace_period_seconds").integer(0..=MAX_GRACE),
            key_id: request.body("key_id").uuid().map(KeyId),
            expires_at: request.body("expires_at").future(),
            deliver_to: request.body("deliver_to").text(1..=200),
            scopes: read_scopes(request, |field| field),
            scope_policy: read_policy(request.body("scope_policy")),
        })
    }
}

/// When a rotation takes hold, and how long that may take.
pub fn read_activation(
    request: &mut Reader,
    msg: &'static str,
    parse: impl FnOnce(&str) -> Option<Activation>,
) -> (Option<Activation>, Option<i64>) {
    let activation = request.body("activation");
    let activation = activation.choice(msg, parse);
    let within = request.body("confirm_within_seconds").integer(CONFIRM_WITHIN);
    if within.is_some() && activation.unwrap_or_default() == Activation::Immediate {
        request.refuse("confirm_within_seconds", "goes with an activation that is not immediate");
    }
    (activation, within)
}

/// A set of scopes; `prepare` judges the field before it is read.
fn read_scopes(request: &mut Reader, prepare: impl FnOnce(Field<'_>) -> Field<'_>) -> Option<KeyScopes> {
    let field = prepare(request.body("scopes"));
    let msg = "must be * or a scope of the list";
    let named = field.list(1..=KeyScope::ALL.len(), |name| name.choice(msg, KeyScopes::named))?;
    match KeyScopes::together(&named) {
        Ok(scopes) => Some(scopes),
        Err(msg) => {
            request.refuse("scopes", msg);
            None
        }
    }
}

fn read_policy(field: Field<'_>) -> Option<Enforcement> {
    field.choice("must be enforce or report", Enforcement::parse)
}

impl RotateTenantKey {
    /// The rotation that is asked for.
    pub fn rotation(&self) -> Rotation {
        Rotation {
            key_id: self.key_id,
            grace: self.grace(),
            expires_at: self.expires_at,
            activation: self.activation.unwrap_or_default(),
            confirm_within: TimeDelta::seconds(self.confirm_within_seconds.unwrap_or(DEFAULT_CONFIRM_WITHIN)),
            rights: RightsChange { scopes: self.scopes, policy: self.scope_policy },
            networks: NetworkChange::new(self.allowed_networks.clone(), self.network_policy),
        }
    }

    /// The grace window.
    pub fn grace(&self) -> TimeDelta {
        TimeDelta::seconds(self.grace_period_seconds.unwrap_or(DEFAULT_GRACE))
    }
}

/// A key to mint.
#[derive(ToSchema)]
#[schema(example = json!({"name": "billing backend", "scopes": ["users:read", "users:write"]}))]
pub struct CreateTenantKey {
    /// For people: where the key is used.
    #[schema(min_length = 1, max_length = 200, example = "billing backend")]
    pub name: String,
    /// When it ends; by default never.
    pub expires_at: Option<DateTime<Utc>>,
    /// Encrypts the key to a registered public key of yours: `CredentialsDownload`, or the
    /// `UniqueId` of a key with this usage.
    #[schema(min_length = 1, max_length = 200, example = "CredentialsDownload")]
    pub deliver_to: Option<String>,
    /// What it may do; by default everything (`*`). No more than the key that authenticates this request.
    #[schema(value_type = KeyScopes, required = false)]
    pub scopes: Option<KeyScopes>,
    /// Whether it is held to that, or only watched: with `report` it may do everything, and what its scopes do not
    /// allow is counted.
    #[schema(value_type = Enforcement, required = false)]
    pub scope_policy: Option<Enforcement>,
    /// The networks that it may be used from (CIDR); by default any.
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 20, example = json!(["203.0.113.0/24"]))]
    pub allowed_networks: Option<Vec<Network>>,
    /// Whether requests from other networks are refused (the default), or only reported.
    #[schema(value_type = Enforcement, required = false)]
    pub network_policy: Option<Enforcement>,
}

impl CreateTenantKey {
    /// The key that is asked for.
    pub fn minting(&self) -> Minting {
        let rights = KeyRights {
            scopes: self.scopes.unwrap_or(KeyScopes::ALL),
            policy: self.scope_policy.unwrap_or_default(),
        };
        let networks = NetworkChange::new(self.allowed_networks.clone(), self.network_policy);
        let networks = networks.applied(&AllowedNetworks::ANY);
        Minting { name: self.name.clone(), expires_at: self.expires_at, rights, networks, import: None }
    }
}

impl Input for CreateTenantKey {
    const BODY: Body = Body::Required;

    fn read(request: &mut Reader) -> Option<Self> {
        let name = request.body("name").required().text(1..=200);
        let expires_at = request.body("expires_at").future();
        let deliver_to = request.body("deliver_to").text(1..=200);
        let scopes = read_scopes(request, |field| field);
        let scope_policy = read_policy(request.body("scope_policy"));
        let (allowed_networks, network_policy) = networks::read(request);
        Some(Self {
            name: name?,
            expires_at,
            deliver_to,
            scopes,
            scope_policy,
            allowed_networks,
            network_policy,
        })
    }
}

/// Changes to a key.
#[derive(ToSchema)]
#[schema(example = json!({"name": "billing backend"}))]
pub struct UpdateTenantKey {
    /// For people: where the key is used. Cannot be cleared.
    #[schema(value_type = String, required = false, min_length = 1, max_length = 200, example = "billing backend")]
    pub name: Option<String>,
    /// When it ends; `null` for never. A rotated key ends within seven days of its rotation.
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub expires_at: Patch<DateTime<Utc>>,
    /// What it may do. Cannot be cleared.
    #[schema(value_type = KeyScopes, required = false)]
    pub scopes: Option<KeyScopes>,
    /// Whether it is held to that, or only watched. Cannot be cleared.
    #[schema(value_type = Enforcement, required = false)]
    pub scope_policy: Option<Enforcement>,
    /// The networks that it may be used from (CIDR); `null` for any.
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 20, example = json!(["203.0.113.0/24"]))]
    pub allowed_networks: Patch<Vec<Network>>,
    /// Whether requests from other networks are refused, or only reported. Cannot be cleared.
    #[schema(value_type = Enforcement, required = false)]
    pub network_policy: Option<Enforcement>,
}

impl UpdateTenantKey {
    /// What it changes of where the key may be used from.
    pub fn networks(&self) -> NetworkChange {
        NetworkChange { networks: self.allowed_networks.clone(), policy: self.network_policy }
    }

    /// What it changes of the key's rights.
    pub fn rights(&self) -> RightsChange {
        RightsChange { scopes: self.scopes, policy: self.scope_policy }
    }
}

impl Input for UpdateTenantKey {
    const BODY: Body = Body::Optional;

    fn read(request: &mut Reader) -> Option<Self> {
        let name = request.body("name").not_null().text(1..=200);
        let expires_at = request.body("expires_at").change(|field| field.future());
        let scopes = read_scopes(request, |field| field.not_null());
        let scope_policy = read_policy(request.body("scope_policy").not_null());
        let networks = networks::read_change(request);
        let (expires_at, NetworkChange { networks: allowed_networks, policy: network_policy }) =
            (expires_at?, networks?);
        Some(Self { name, expires_at, scopes, scope_policy, allowed_networks, network_policy })
    }
}

/// Which keys to list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TenantKeyFilter {
    /// Also list revoked and expired keys.
    #[param(default = false, required = false)]
    pub include_revoked: bool,
}

impl Input for TenantKeyFilter {
    const BODY: Body = Body::None;

    fn read(request: &mut Reader) -> Option<Self> {
        Some(Self { include_revoked: request.query("include_revoked").boolean().unwrap_or(false) })
    }
}
