//! The checks between the router and a handler (contract 0, steps 4 to 6), in their order, and what
//! the org may have (contract 13.5) as soon as it is known whose the request is.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::HttpBody as _;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::USER_AGENT;
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::administration;
use super::edge::limit_of;
use super::encrypted::{self, Wanted};
use super::scopes::{Need, RequiredScopes};
use super::slot::EdgeSlot;
use super::{networks, quota, signed, signed_response, visits};
use crate::error::{ApiError, Code};
use crate::features::Feature;
use crate::idempotency::header::IdempotencyKey;
use crate::identity::client::ClientAddress;
use crate::identity::portal::Visit;
use crate::identity::signatures::{Signer, is_signed};
use crate::identity::usage::{Arrival, Judgement};
use crate::identity::{Access, Caller, Found, Identified, Partner};
use crate::ids::OrgId;
use crate::limits::shares::{self, Share};
use crate::limits::{Limit, Listener};
use crate::routes::reports;
use crate::state::App;

/// The checks before one feature's routes.
#[derive(Clone)]
pub struct Gate {
    /// The service.
    pub app: App,
    /// The feature the routes belong to; `None` for what is always on.
    pub feature: Option<Feature>,
    /// The callers that the routes take.
    pub access: Access,
    /// What the routes ask of them.
    pub scopes: Arc<RequiredScopes>,
}

/// Passes a request on, or refuses it before the body is read.
pub async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    if let Some(visit) = request.extensions().get::<Visit>().cloned() {
        return Box::pin(visits::pass(&gate, visit, request, next)).await.into_response();
    }
    let app = &gate.app;
    let (head, body) = request.into_parts();
    if is_signed(&head.headers)
        && let Err(error) = app.require_live(Feature::RequestSignatures)
    {
        return error.into_response();
    }
    let signature = app.identity.signature(&head, !body.is_end_stream());
    let identified = app.identity.identify(&head.headers, &signature, gate.access).await;
    let Identified { found, signer } = match identified {
        Ok(identified) => identified,
        Err(error) => return error.into_response(),
    };
    let signed = signature.as_ref().ok().and_then(Option::as_ref);
    let agreed = signed_response::agree(app, &found, &head, signed).await;
    let caller = found.caller;
    let mut request = Request::from_parts(head, body);
    let need = gate.scopes.need(&found, &request);
    let client = request.extensions().get().map(|ClientAddress(address)| *address);
    let network = networks::judge(&found, client);
    count(app, &found, &request, (client, network), need.as_ref().ok().copied().flatten());
    let admitted =
        networks::admit(app, &found, client, network).and_then(|()| admit(&gate, &found, need, &request));
    let mut response = match admitted {
        Ok((share, key)) => {
            request.extensions_mut().insert(caller);
            if let Some(key) = key {
                request.extensions_mut().insert(key);
            }
            let served = async {
                match agreed {
                    Ok(()) => serve(app, caller.org_id(), signer, request, next).await.into_response(),
                    Err(error) => error.into_response(),
                }
            };
            let mut response = shares::serving(caller.org_id(), served).await;
            // Until the answer was taken, as the request's permit is.
            response.extensions_mut().insert(Arc::new(share));
            response
        }
        Err(error) => error.into_response(),
    };
    // For the access line.
    response.extensions_mut().insert(caller);
    response
}

/// Counts a request with a tenant key (contract 13.2), whatever comes of it.
fn count(
    app: &App,
    found: &Found<Caller>,
    request: &Request,
    (client, network): (Option<IpAddr>, Judgement),
    need: Option<Need>,
) {
    let Some(key) = &found.key else { return };
    let agent = request.headers().get(USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
    let scope = need.map(|need| (need.scope.name(), need.judgement));
    app.identity.keys.arrived(key, &Arrival { at: app.clock.now(), client, agent, network, scope });
}

/// Runs the handler on the request as it was meant, and makes of its reply what was asked for. Each step but the
/// handler is rare: on the heap it does not make every request's future larger.
async fn serve(
    app: &App,
    org_id: OrgId,
    signer: Option<Signer>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let recipient = match Wanted::of(request.headers()) {
        Some(_) if is_encrypted_already(&request) => None,
        Some(wanted) => Some(Box::pin(encrypted::recipient(app, org_id, wanted)).await?),
        None => None,
    };
    if let Some(signer) = signer {
        request = Box::pin(signed::settle(app, request, signer)).await?;
    }
    if encrypted::is_encrypted(&request) {
        request = Box::pin(encrypted::open(app, org_id, request)).await?;
    }
    let response = next.run(request).await;
    match recipient {
        Some(recipient) => Box::pin(encrypted::seal(app, org_id, recipient, response)).await,
        None => Ok(response),
    }
}

/// A report's content is of that media type without anybody's doing, so clients accept it as the document says.
fn is_encrypted_already(request: &Request) -> bool {
    request.extensions().get::<MatchedPath>().is_some_and(|route| route.as_str() == reports::CONTENT_PATH)
}

fn admit(
    Gate { app, feature, .. }: &Gate,
    found: &Found<Caller>,
    need: Result<Option<Need>, ApiError>,
    request: &Request,
) -> Result<(Share, Option<IdempotencyKey>), ApiError> {
    let quota = quota::count(app, found);
    if let (Some(Ok(left) | Err(left)), Some(slot)) = (quota, request.extensions().get::<EdgeSlot>()) {
        slot.leave_quota(left);
    }
    if let Some(Err(quota)) = quota {
        return Err(quota::refusal(app, quota));
    }
    let caller = found.caller;
    let limit = limit_of(Listener::Public, request.extensions().get()).unwrap_or(Limit::Public);
    let share = app.limits.shares(limit).try_take(caller.org_id()).ok_or_else(|| {
        app.metrics.http.over_share(limit);
        Code::RateLimited
    })?;
    if let Some(feature) = *feature {
        app.require_live(feature)?;
    }
    if let Caller::Partner(Partner { signed_by: None, .. }) = caller
        && administration::requires_signature(
            found.org.policy.requests,
            request.method(),
            request.uri().path(),
        )
    {
        return Err(Code::SignatureRequired.into());
    }
    if found.org.is_frozen && administration::freezes(request.method(), request.uri().path()) {
        return Err(Code::AdministrationFrozen.into());
    }
    if let Some(need) = need? {
        need.settle(app, found)?;
    }
    let shows_secrets = *request.method() == Method::POST && feature.is_some_and(Feature::shows_secrets);
    Ok((share, IdempotencyKey::of(request.headers(), shows_secrets)?))
}
