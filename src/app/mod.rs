//! The service's routers and its document. `serve` and the tests build both here.
//!
//! Layers, from the outside in, each with the reason for its place:
//! 1. `edge`: request id, load shedding, timeout, error shapes, access line. Outermost, because
//!    every answer needs them.
//! 2. `CatchPanic`: inside the edge, so that a panic gets an id, a shape and a line as well.
//! 3. the router: 404 and 405 need no credentials, the routes are public knowledge.
//! 4. `gate`: identity, the feature table, what the key may do (`scopes`). On matched routes only.
//! 5. the handler: media type, size, then all problems of path, query and body.
//!
//! Before all of it stands the `door`, which answers the gateway's question from memory where it can.
//!
//! Around the handler the gate opens and makes encrypted bodies (`encrypted`), and settles signatures of requests
//! (`signed`); responses are signed at the edge (`signed_response`), where they are what will be sent.

mod access;
mod administration;
mod body;
mod door;
mod edge;
mod encrypted;
mod features;
mod gate;
mod networks;
mod platform_gate;
mod quota;
mod scopes;
mod signed;
mod signed_response;
mod slot;
mod visits;

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub use self::door::{Answer, Door};
use self::edge::Edge;
pub use self::edge::MAX_HEADER_BYTES;
use self::gate::Gate;
use self::platform_gate::PlatformGate;
use self::scopes::RequiredScopes;
use crate::console;
use crate::crypto::tenant_key::KeyPrefix;
use crate::error::{ApiError, Code};
use crate::features::Feature;
use crate::identity::Access;
use crate::limits::Listener;
use crate::openapi;
use crate::portal::{self, Operations};
use crate::routes::{
    self, claims, docs, errors, event_keys, gateway, health, index, internal, leaks, member_tokens, oauth,
    org,
};
use crate::state::App;

/// What answers at the public listener.
pub fn public(app: &App) -> Door {
    let (api, document) = api(Some(app));
    let operations = Operations::new(api.clone().with_state(app.clone()));
    let pages = index::routes().merge(errors::routes()).merge(docs::routes(openapi::to_json(&document)));
    let router = api.merge(pages).merge(health::probes()).merge(portal::routes(app, &operations));
    finish(app, Listener::Public, router)
}

/// What answers at the internal listener.
pub fn internal(app: &App) -> Door {
    let (platform, document) = platform(Some(app));
    // What the console's pages ask: the platform's operations, and the API's for an org.
    let operations = Operations::new(platform.clone().merge(api(Some(app)).0).with_state(app.clone()));
    let router = health::probes().merge(health::metrics()).merge(gateway::routes()).merge(platform);
    let router = router.merge(docs::internal(openapi::to_json(&document)));
    finish(app, Listener::Internal, router.merge(console::routes(app, &operations))).asked(app)
}

/// What answers at a listener that has all the connections it may have: it answers probes, and tells
/// clients to come back.
pub fn overloaded(app: &App, listener: Listener) -> Door {
    let router = health::probes().fallback(async || ApiError::new(Code::ServiceUnavailable));
    let router = if listener == Listener::Internal { router.merge(health::metrics()) } else { router };
    edged(app, listener, router)
}

/// The OpenAPI document.
#[must_use]
pub fn document() -> OpenApi {
    api(None).1
}

/// The OpenAPI document of the platform's own side.
#[must_use]
pub fn internal_document() -> OpenApi {
    platform(None).1
}

/// The platform's own routes, behind their gate; without `app` for the document alone.
fn platform(app: Option<&App>) -> (Router<App>, OpenApi) {
    let mut router = OpenApiRouter::with_openapi(openapi::platform::info());
    for (mut routes, required) in internal::routes() {
        openapi::platform::guard(routes.get_openapi_mut(), required);
        router = router.merge(match app {
            Some(app) => {
                let gate = PlatformGate { app: app.clone(), required };
                routes.route_layer(from_fn_with_state(gate, platform_gate::pass))
            }
            None => routes,
        });
    }
    let (router, mut document) = router.split_for_parts();
    openapi::complete(&mut document, prefix(app));
    (router, document)
}

/// Every feature's routes behind its gate; without `app` for the document alone.
fn api(app: Option<&App>) -> (Router<App>, OpenApi) {
    let gated = |mut router: OpenApiRouter<App>, feature: Option<Feature>, access: Access| {
        let shows_secrets = feature.is_some_and(Feature::shows_secrets);
        openapi::guard(router.get_openapi_mut(), access, shows_secrets);
        let Some(app) = app else { return router };
        let scopes = Arc::new(RequiredScopes::declared(router.get_openapi()));
        router.route_layer(from_fn_with_state(Gate { app: app.clone(), feature, access, scopes }, gate::pass))
    };
    let always_on = routes::features::routes().merge(org::routes());
    let keys = member_tokens::keys().merge(event_keys::routes());
    let open = keys.merge(oauth::routes()).merge(claims::routes()).merge(leaks::routes());
    let mut router = OpenApiRouter::with_openapi(openapi::info()).merge(open).merge(gated(
        always_on,
        None,
        Access::Partners,
    ));
    for feature in Feature::ALL {
        if let Some(routes) = features::routes(feature) {
            router = router.merge(gated(routes, Some(feature), Access::Partners));
        }
        if let Some(routes) = features::routes_for_members(feature) {
            router = router.merge(gated(routes, Some(feature), Access::PartnersAndMembers));
        }
    }
    let (router, mut document) = router.split_for_parts();
    openapi::complete(&mut document, prefix(app));
    openapi::webhooks::add(&mut document);
    (router, document)
}

/// How the keys in a document begin.
fn prefix(app: Option<&App>) -> KeyPrefix {
    app.map_or(KeyPrefix::DEFAULT, |app| app.config.key_form.prefix)
}

/// The layers that are the same for all routes, around `router`.
pub fn finish(app: &App, listener: Listener, router: Router<App>) -> Door {
    let router = router
        .fallback(async |state, request| unrouted(state, request, Code::NotFound).await)
        .method_not_allowed_fallback(async |state, request| {
            unrouted(state, request, Code::MethodNotAllowed).await
        });
    edged(app, listener, router)
}

/// Refuses what no route takes: to anybody, and signed to whom that was promised.
async fn unrouted(State(app): State<App>, request: Request, code: Code) -> ApiError {
    signed_response::agree_without_a_route(&app, request).await;
    code.into()
}

fn edged(app: &App, listener: Listener, router: Router<App>) -> Door {
    // Both as one: axum boxes what a layer wraps, and copies the boxes for every request.
    let layers = ServiceBuilder::new()
        .layer(from_fn_with_state(Edge { app: app.clone(), listener }, edge::wrap))
        .layer(CatchPanicLayer::custom(panicked));
    Door::routed(router.layer(layers).with_state(app.clone()))
}

/// A panic is one request's 500. Its message goes to the log only.
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let message = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    let message = message.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    ApiError::internal(format!("panic: {message}")).into_response()
}
