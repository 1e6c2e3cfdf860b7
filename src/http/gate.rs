//! The checks between the router and a handler (contract 0, steps 4 to 6), in their order.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;
use crate::features::Feature;
use crate::idempotency::header::IdempotencyKey;
use crate::identity::{self, Access, Caller};
use crate::state::App;

/// What stands before one feature's routes.
#[derive(Clone)]
pub struct Gate {
    /// The service.
    pub app: App,
    /// The feature the routes belong to; `None` for what is always on.
    pub feature: Option<&'static Feature>,
    /// Whom the routes take.
    pub access: Access,
}

/// Passes a request on, or refuses it before the body is read.
pub async fn pass(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    match check(&gate, request.method(), request.headers()).await {
        Ok((caller, key)) => {
            request.extensions_mut().insert(caller);
            if let Some(key) = key {
                request.extensions_mut().insert(key);
            }
            let mut response = next.run(request).await;
            // For the access line.
            response.extensions_mut().insert(caller);
            response
        }
        Err(error) => error.into_response(),
    }
}

async fn check(
    gate: &Gate,
    method: &Method,
    headers: &HeaderMap,
) -> Result<(Caller, Option<IdempotencyKey>), ApiError> {
    let caller = identity::identify(&gate.app, headers, gate.access).await?;
    if let Some(feature) = gate.feature {
        gate.app.features.require(feature, &gate.app.config.integration_contact)?;
    }
    let shows_secrets = method == Method::POST && gate.feature.is_some_and(|feature| feature.shows_secrets);
    Ok((caller, IdempotencyKey::of(headers, shows_secrets)?))
}
