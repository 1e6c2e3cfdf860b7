//! `/.well-known/webhook-keys.json`: the keys that verify events without a shared secret (contract 14).

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::crypto::jwk::JwkSet;
use crate::error::ApiError;
use crate::http::input::Valid;
use crate::state::App;

/// Far less than the day by which a key is published ahead, so no copy misses one.
const CACHING: HeaderValue = HeaderValue::from_static("public, max-age=3600");

/// Always on: what was signed lies on queues.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_event_keys))
}

/// List the keys that verify events.
///
/// A JWK set. Every message has a signature `v1a` (Standard Webhooks, Ed25519) by one of them, and
/// `webhook-signature-key-id` says which. A key is here a day before it signs, and for 14 days after.
#[utoipa::path(
    get, path = "/.well-known/webhook-keys.json", tag = "Events",
    responses((status = 200, description = "The keys.", body = JwkSet)),
)]
async fn list_event_keys(State(app): State<App>, Valid(()): Valid<()>) -> Result<Response, ApiError> {
    let keys = app.event_keys.current().await?;
    let headers = [(CACHE_CONTROL, CACHING), (CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok((headers, keys.jwks.clone()).into_response())
}
