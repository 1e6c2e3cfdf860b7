//! `/v1/admin/org/freeze` and `/thaw`: the brake on an org's administration (contract 13.4). Whoever holds any live key
//! pulls it, for who found out first may be who has the least; only a signature releases it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::change::OrgChange;
use super::store;
use crate::changes::Mandate;
use crate::error::{ApiError, Code};
use crate::http::input::{Body, Input, Reader};
use crate::http::paging::Data;
use crate::idempotency::{self, Claim, Once, Reply};
use crate::identity::Partner;
use crate::identity::key_scopes::KeyScope;
use crate::state::App;

/// The routes, which are the administration's own way in and out.
pub const FREEZE_PATH: &str = "/v1/admin/org/freeze";
/// See [`FREEZE_PATH`].
pub const THAW_PATH: &str = "/v1/admin/org/thaw";

/// `/v1/admin/org/freeze` and `/v1/admin/org/thaw`.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(freeze_administration)).routes(routes!(thaw_administration))
}

/// Whether keys, secrets, queues and the org may be changed. Reading, users and tokens are never frozen.
#[derive(Debug, Serialize, ToSchema)]
pub struct Administration {
    /// Since when they may not; null while they may.
    #[schema(required)]
    frozen_at: Option<DateTime<Utc>>,
    /// What was said when it was frozen.
    #[schema(required, example = "our key was in a public repository")]
    reason: Option<String>,
}

impl Administration {
    /// As the org's row has it.
    pub fn of(org: &store::Org) -> Self {
        Self { frozen_at: org.frozen_at, reason: org.freeze_reason.clone() }
    }
}

/// Why.
#[derive(ToSchema)]
#[schema(example = json!({"reason": "our key was in a public repository"}))]
pub struct FreezeAdministration {
    /// For people, and for the integration contact.
    #[schema(min_length = 1, max_length = 200, example = "our key was in a public repository")]
    pub reason: Option<String>,
}

impl Input for FreezeAdministration {
    const BODY: Body = Body::Optional;

    fn read(request: &mut Reader) -> Option<Self> {
        Some(Self { reason: request.body("reason").line(1..=200) })
    }
}

/// Freeze the administration.
///
/// From now on every change of keys, secrets, public keys, queues and the org is answered 403
/// `administration_frozen`, while users, tokens, events and all reading go on. Any live key of the org may do
/// this, whatever its scopes, also one that was rotated, waits for its confirmation or leaked. Again it changes nothing.
#[utoipa::path(
    post, path = "/v1/admin/org/freeze", tag = "Org", request_body = FreezeAdministration,
    extensions(("x-required-scope" = json!(KeyScope::OrgWrite))),
    responses((status = 200, description = "Frozen, since when and why.", body = Data<Administration>)),
)]
async fn freeze_administration(
    State(app): State<App>,
    mandate: Mandate,
    Once { input, claim }: Once<FreezeAdministration>,
) -> Result<Response, ApiError> {
    settle(&app, mandate, claim, OrgChange::Freeze { reason: input.reason }).await
}

/// Thaw the administration.
///
/// Takes a signed request (RFC 9421): whoever stole a tenant key cannot sign. Without a key that signs, ask the
/// integration contact.
#[utoipa::path(
    post, path = "/v1/admin/org/thaw", tag = "Org",
    extensions(("x-required-scope" = json!(KeyScope::OrgWrite))),
    responses(
        (status = 200, description = "It may be changed again, or it was not frozen.", body = Data<Administration>),
        (status = 403, description = "`signature_required`: it is frozen, and the request is not signed; else `forbidden`, \
                                      `key_superseded` or `key_not_confirmed`."),
    ),
)]
async fn thaw_administration(
    State(app): State<App>,
    partner: Partner,
    mandate: Mandate,
    Once { input: (), claim }: Once<()>,
) -> Result<Response, ApiError> {
    settle(&app, mandate, claim, OrgChange::Thaw { is_signed: partner.signed_by.is_some() }).await
}

async fn settle(
    app: &App,
    mandate: Mandate,
    claim: Option<Claim>,
    change: OrgChange,
) -> Result<Response, ApiError> {
    let org_id = mandate.org_id;
    if let Some(kind) = change.by(mandate, &app.clock).execute(&app.db).await? {
        app.metrics.events.changed(kind);
        app.outbox.wake(org_id, kind.stream());
    }
    app.identity.forget_org(org_id);
    let (org, _) = store::find(&app.db.pool, org_id).await?.ok_or(Code::Forbidden)?;
    let reply = Reply::new(StatusCode::OK, &Data { data: Administration::of(&org) })?;
    idempotency::keep(app, claim, reply).await
}
