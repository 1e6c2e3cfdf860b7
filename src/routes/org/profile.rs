//! `/v1/admin/org`: the org as its partner sees it (contract 10). Always on: it belongs to no
//! feature.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::change::OrgChange;
use super::freeze::{self, Administration};
use super::store;
use crate::changes::Mandate;
use crate::error::{ApiError, Code};
use crate::features::Feature;
use crate::http::input::{Body, Input, Patch, Reader, Valid};
use crate::http::networks::{self, NetworkChange};
use crate::http::paging::Data;
use crate::identity::Partner;
use crate::identity::enforcement::Enforcement;
use crate::identity::key_scopes::KeyScope;
use crate::identity::orgs::SignaturePolicy;
use crate::ids::OrgId;
use crate::network::Network;
use crate::routes::leaks::rules::LeakPolicy;
use crate::routes::tenant_keys::input::MAX_GRACE;
use crate::routes::users;
use crate::state::App;

/// `/v1/admin/org`.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_org, update_org)).merge(freeze::routes())
}

/// The org.
#[derive(Serialize, ToSchema)]
pub struct OrgProfile {
    /// The org's id, as in `OrgId`.
    #[schema(value_type = uuid::Uuid, example = "0192f0c1-2345-7abc-8def-0123456789ab")]
    pub id: OrgId,
    /// For people.
    #[schema(example = "Acme")]
    name: String,
    /// The org's public name, `OwnerCode` of its public keys; it never changes.
    #[schema(example = "acme")]
    key: String,
    /// How many users it has. Exact up to 10,000; above that up to a minute old.
    #[schema(example = 1)]
    member_count: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Which of the org's requests must be signed.
    #[schema(value_type = SignaturePolicyName)]
    signature_policy: String,
    /// Whether every response is signed; else those that are asked for with `Accept-Signature`.
    sign_responses: bool,
    /// Whether anything of the org may be changed.
    administration: Administration,
    /// The networks that the org's keys, signed requests and tokens may be used from, whatever a key itself allows;
    /// null for any.
    #[schema(required, example = json!(["203.0.113.0/24"]))]
    allowed_networks: Option<Vec<String>>,
    /// Whether requests from other networks are refused, or only reported.
    #[schema(value_type = Enforcement)]
    network_policy: String,
    /// What happens to a key of yours that is found where others can read it.
    leak_policy: LeakPolicy,
    /// With `grace`, how long it still works, in seconds.
    #[schema(example = 86_400)]
    leak_grace_seconds: i32,
}

impl OrgProfile {
    /// An org with this many users.
    pub fn of(org: store::Org, member_count: i64) -> Self {
        let administration = Administration::of(&org);
        Self {
            id: org.id,
            name: org.name,
            key: org.key,
            member_count,
            created_at: org.created_at,
            signature_policy: org.signature_policy,
            sign_responses: org.sign_responses,
            allowed_networks: org.allowed_networks,
            network_policy: org.network_policy,
            leak_policy: LeakPolicy::stored(&org.leak_policy),
            leak_grace_seconds: org.leak_grace_seconds,
            administration,
        }
    }
}

/// Which requests must be signed (RFC 9421) by a registered key of the usage `Authentication`.
#[derive(ToSchema)]
#[schema(as = SignaturePolicy, rename_all = "snake_case")]
pub enum SignaturePolicyName {
    /// None.
    Optional,
    /// Whatever changes credentials, queues or the org.
    Administration,
    /// All, but `POST /v1/auth/signature/check`.
    Required,
}

/// Changes to the org.
#[derive(ToSchema)]
#[schema(example = json!({"name": "Acme"}))]
pub struct UpdateOrg {
    /// For people. Cannot be cleared.
    #[schema(value_type = String, required = false, min_length = 1, max_length = 200, example = "Acme")]
    pub name: Option<String>,
    /// Which requests must be signed from now on. Changing it takes a signed request.
    #[schema(value_type = SignaturePolicyName, required = false)]
    pub signature_policy: Option<SignaturePolicy>,
    /// Whether every response is signed from now on, asked for or not.
    #[schema(value_type = bool, required = false)]
    pub sign_responses: Option<bool>,
    /// The networks (CIDR) that the org's keys, signed requests and tokens may be used from; `null` for any. Member
    /// tokens are not bound.
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 20, example = json!(["203.0.113.0/24"]))]
    pub allowed_networks: Patch<Vec<Network>>,
    /// Whether requests from other networks are refused, or only reported.
    #[schema(value_type = Enforcement, required = false)]
    pub network_policy: Option<Enforcement>,
    /// What happens from now on to a key of yours that is found where others can read it.
    #[schema(value_type = LeakPolicy, required = false)]
    pub leak_policy: Option<LeakPolicy>,
    /// With `grace`, how long it still works, in seconds.
    #[schema(value_type = i32, required = false, minimum = 0, maximum = 604_800, example = 86_400)]
    pub leak_grace_seconds: Option<i32>,
}

impl Input for UpdateOrg {
    const BODY: Body = Body::Optional;

    fn read(request: &mut Reader) -> Option<Self> {
        request.body("id").immutable();
        request.body("key").immutable();
        let name = request.body("name").not_null().text(1..=200);
        let policy = request.body("signature_policy").not_null();
        let signature_policy =
            policy.choice("must be optional, administration or required", SignaturePolicy::parse);
        let sign_responses = request.body("sign_responses").not_null().boolean();
        let leak_policy = request.body("leak_policy").not_null();
        let leak_policy = leak_policy.choice("must be notify, grace or revoke", LeakPolicy::parse);
        let leak_grace = request.body("leak_grace_seconds").not_null().integer(0..=MAX_GRACE);
        let leak_grace_seconds = leak_grace.and_then(|seconds| i32::try_from(seconds).ok());
        let NetworkChange { networks: allowed_networks, policy: network_policy } =
            networks::read_change(request)?;
        Some(Self {
            name,
            signature_policy,
            sign_responses,
            allowed_networks,
            network_policy,
            leak_policy,
            leak_grace_seconds,
        })
    }
}

impl UpdateOrg {
    /// What it changes of where the org may be called from.
    #[must_use]
    pub fn networks(&self) -> NetworkChange {
        NetworkChange { networks: self.allowed_networks.clone(), policy: self.network_policy }
    }

    fn changes_by(self, partner: Partner) -> Vec<OrgChange> {
        let is_signed = partner.signed_by.is_some();
        let policy = self.signature_policy.map(|policy| OrgChange::SetSignaturePolicy { policy, is_signed });
        let (policy_on_leaks, grace_seconds) = (self.leak_policy, self.leak_grace_seconds);
        let leaks = (policy_on_leaks.is_some() || grace_seconds.is_some())
            .then_some(OrgChange::RespondToLeaks { policy: policy_on_leaks, grace_seconds });
        let networks = self.networks();
        let changes = [
            policy,
            self.sign_responses.map(OrgChange::SignResponses),
            networks.is_change().then_some(OrgChange::SetNetworks(networks)),
            leaks,
            self.name.map(OrgChange::Rename),
        ];
        changes.into_iter().flatten().collect()
    }
}

/// Show the org.
///
/// And how many users it has.
#[utoipa::path(
    get, path = "/v1/admin/org", tag = "Org",
    extensions(("x-required-scope" = json!(KeyScope::OrgRead))),
    responses((status = 200, description = "The org.", body = Data<OrgProfile>)),
)]
async fn get_org(
    State(app): State<App>,
    partner: Partner,
    Valid(()): Valid<()>,
) -> Result<Json<Data<OrgProfile>>, ApiError> {
    show(&app, partner.org_id).await
}

/// Change the org.
///
/// Its name, what is signed, and where it may be called from. Its `id` and `key` never change.
#[utoipa::path(
    patch, path = "/v1/admin/org", tag = "Org", request_body = UpdateOrg,
    extensions(("x-required-scope" = json!(KeyScope::OrgWrite))),
    responses(
        (status = 200, description = "The org as it is now.", body = Data<OrgProfile>),
        (status = 403, description = "`forbidden`, or `key_superseded`: the key that authenticates is in its grace window."),
        (status = 409, description = "`no_response_key`: there is no live pair to sign responses with; \
                                      `would_lock_out`: the new networks shut out the address that you send from."),
    ),
)]
async fn update_org(
    State(app): State<App>,
    partner: Partner,
    mandate: Mandate,
    Valid(changes): Valid<UpdateOrg>,
) -> Result<Json<Data<OrgProfile>>, ApiError> {
    let org_id = mandate.org_id;
    // Also where nothing is to be changed.
    partner.require_administrator()?;
    let changes = changes.changes_by(partner);
    if changes.iter().any(|change| matches!(change, OrgChange::SignResponses(true))) {
        app.require_live(Feature::ResponseSignatures)?;
    }
    super::change_all(&app, mandate, changes).await?;
    show(&app, org_id).await
}

async fn show(app: &App, org_id: OrgId) -> Result<Json<Data<OrgProfile>>, ApiError> {
    // It can only have been deleted since the gate: then it is refused as the gate would.
    let (org, users) = store::find(&app.db.pool, org_id).await?.ok_or(Code::Forbidden)?;
    let member_count = users::total(app, org_id, users).await?;
    Ok(Json(Data { data: OrgProfile::of(org, member_count) }))
}
