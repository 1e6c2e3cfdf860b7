//! Requests of an org's pages to the API's own operations (contract 17), in this process. What the gate asks of
//! credentials was asked of the session; all else holds here as it does for partners.

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;

use super::administration;
use super::gate::Gate;
use crate::error::{ApiError, Code};
use crate::features::Feature;
use crate::idempotency::IDEMPOTENT_REPLAYED;
use crate::idempotency::header::IdempotencyKey;
use crate::identity::portal::Visit;
use crate::identity::{Caller, key_scopes};

/// Passes a request on, or refuses it as the gate would.
///
/// # Errors
/// What the org, the session's scopes or the feature refuse.
pub async fn pass(gate: &Gate, visit: Visit, mut request: Request, next: Next) -> Result<Response, ApiError> {
    let Gate { app, feature, scopes, .. } = gate;
    if let Some(feature) = *feature {
        app.require_live(feature)?;
    }
    let (method, path) = (request.method().clone(), request.uri().path());
    if !visit.is_signed && administration::requires_signature(visit.policy, &method, path) {
        return Err(Code::SignatureRequired.into());
    }
    if visit.is_frozen && administration::freezes(&method, path) {
        return Err(Code::AdministrationFrozen.into());
    }
    key_scopes::require(visit.partner.scopes, scopes.scope_of(&request)?.into())?;
    let shows_secrets = method == Method::POST && feature.is_some_and(Feature::shows_secrets);
    if let Some(key) = IdempotencyKey::of(request.headers(), shows_secrets)? {
        request.extensions_mut().insert(key);
    }
    request.extensions_mut().insert(Caller::Partner(visit.partner));
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let is_refused = response.extensions().get::<Arc<ApiError>>().is_some();
    if !is_refused && !response.headers().contains_key(&IDEMPOTENT_REPLAYED) {
        let told = response.extensions().get().copied();
        let route = route.as_ref().map(MatchedPath::as_str);
        app.metrics.events.answered(&method, route, response.status(), told);
    }
    Ok(response)
}
