//! The checks between the router and a handler (contract 0, steps 4 to 6), in their order, and the
//! caller's share of the limit (contract 13.5) as soon as it is known whose it is.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::edge::limit_of;
use crate::error::{ApiError, Code};
use crate::features::Feature;
use crate::idempotency::header::IdempotencyKey;
use crate::identity::{Access, Caller};
use crate::limits::shares::{self, Share};
use crate::limits::{Limit, Listener};
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
}

/// Passes a request on, or refuses it before the body is read.
pub async fn pass(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let caller = match gate.app.identity.identify(request.headers(), gate.access).await {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    let mut response = match admit(&gate, caller, &request) {
        Ok((share, key)) => {
            request.extensions_mut().insert(caller);
            if let Some(key) = key {
                request.extensions_mut().insert(key);
            }
            let mut response = shares::serving(caller.org_id(), next.run(request)).await;
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

fn admit(
    Gate { app, feature, .. }: &Gate,
    caller: Caller,
    request: &Request,
) -> Result<(Share, Option<IdempotencyKey>), ApiError> {
    let limit = limit_of(Listener::Public, request.extensions().get()).unwrap_or(Limit::Public);
    let share = app.limits.shares(limit).try_take(caller.org_id()).ok_or_else(|| {
        app.metrics.http.over_share(limit);
        Code::RateLimited
    })?;
    if let Some(feature) = *feature {
        app.features.require(feature, &app.config.integration_contact)?;
    }
    let shows_secrets = *request.method() == Method::POST && feature.is_some_and(Feature::shows_secrets);
    Ok((share, IdempotencyKey::of(request.headers(), shows_secrets)?))
}
