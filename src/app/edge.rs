//! The outermost layer: everything that holds for every request, whatever it asks for.
//!
//! It gives the request its id, sheds load, limits time, turns an error into its wire shape, writes
//! the one access line, and keeps the request's permits until its answer was taken.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_RANGE, LINK, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::OwnedSemaphorePermit;

use super::access::AccessRecord;
use super::slot::EdgeSlot;
use crate::config::Config;
use crate::error::shape::{self, Shape};
use crate::error::{ApiError, Code, Failure, help};
use crate::http::held::{self, Permits};
use crate::http::{linger, ratelimit};
use crate::identity::host;
use crate::limits::shares::Share;
use crate::limits::{Limit, Listener};
use crate::page::{self, Place};
use crate::request_id::X_REQUEST_ID;
use crate::routes::internal::events;
use crate::routes::users::bulk;
use crate::routes::{errors, health};
use crate::state::App;

/// Headers in all, names and values (contract 0, step 1).
pub const MAX_HEADER_BYTES: usize = 64 * 1024;

/// The layer's state.
#[derive(Clone)]
pub struct Edge {
    /// The service.
    pub app: App,
    /// The listener that the request came through.
    pub listener: Listener,
}

/// Wraps one request from its head to its reply's.
pub async fn wrap(State(edge): State<Edge>, mut request: Request, next: Next) -> Response {
    if size(request.headers()) > MAX_HEADER_BYTES {
        return StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.into_response();
    }
    let (matched, peer) = (request.extensions().get(), request.extensions().get().copied());
    let route = matched.map(|route: &MatchedPath| edge.app.metrics.http.known(route.as_str()));
    let record = AccessRecord::open(&edge.app, Instant::now(), peer, route, &request);
    let (shape, is_api) = (shape_of(edge.listener, request.uri().path()), is_api(request.uri().path()));
    request.extensions_mut().insert(record.request_id.clone());
    record.trace.map(|trace| request.extensions_mut().insert(trace));
    record.client.map(|client| request.extensions_mut().insert(client));
    let slot = EdgeSlot::default();
    if edge.listener == Listener::Public {
        request.extensions_mut().insert(slot.clone());
    }

    let normalized = host::normalize(&mut request);
    let is_misread = normalized.is_err();
    let (permit, mut response) = match normalized {
        Ok(()) => limited(&edge, linger::wrap(request), next).await,
        Err(error) => (None, error.into_response()),
    };
    let permits = Permits::new(permit, response.extensions_mut().remove::<Arc<Share>>());
    let mut code = None;
    if let Some(error) = response.extensions_mut().remove::<Arc<ApiError>>() {
        code = Some(self::code(&error));
        response = rendered(&error, shape, response, &record);
    }
    if let Some(signer) = slot.signer() {
        let extensions = response.extensions().clone();
        response = match Box::pin(signer.sign(&edge.app, response)).await {
            Ok(signed) => signed,
            Err(error) => {
                code = Some(self::code(&error));
                let mut lost = Response::default();
                *lost.extensions_mut() = extensions;
                rendered(&error, shape, lost, &record)
            }
        };
    }
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, record.request_id.header());
    if let Some(quota) = slot.quota() {
        ratelimit::tell(headers, quota);
    }
    if is_misread {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if let Shape::Page(_) = shape {
        page::protect(headers, page::POLICY);
    }
    if is_api || shape == Shape::Platform || code.is_some() {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    record.close(&response, code);
    held::until_sent(response, permits)
}

/// The shape of a path's errors. Each place has its own listener, and on the other one its path is like any.
fn shape_of(listener: Listener, path: &str) -> Shape {
    match (Shape::of(path), listener) {
        (Shape::Page(Place::Console), Listener::Public)
        | (Shape::Page(Place::Portal), Listener::Internal) => Shape::V1,
        (shape, _) => shape,
    }
}

/// The headers as they were sent. hyper stops reading at its limit, but what came with the last
/// read before that may lie beyond; so the limit is drawn here, as bare as hyper does it.
pub(super) fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum()
}

/// Runs the request if there is a permit, and for no longer than the timeout. A queue in front of a
/// busy server only makes every answer late, so there is none: the client hears at once.
async fn limited(
    Edge { app, listener }: &Edge,
    request: Request,
    next: Next,
) -> (Option<OwnedSemaphorePermit>, Response) {
    let limit = limit_of(*listener, request.extensions().get());
    let permit = limit.map(|limit| app.limits.permits(limit).clone().try_acquire_owned().map_err(|_| limit));
    let permit = match permit {
        Some(Err(limit)) => {
            app.metrics.http.shed(limit);
            return (None, ApiError::new(Code::ServiceUnavailable).into_response());
        }
        admitted => admitted.and_then(Result::ok),
    };
    if limit == Some(Limit::Bulk) {
        // It limits its own waiting: between two chunks, not in all.
        return (permit, next.run(request).await);
    }
    let wait = if limit == Some(Limit::Poll) {
        crate::routes::queues::messages::LONGEST_WAIT
    } else {
        Duration::ZERO
    };
    let response = match tokio::time::timeout(app.config.request_timeout + wait, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::unavailable("the request timed out").into_response(),
    };
    (permit, response)
}

/// The concurrency limit of a request; `None` for probes and scrapes, which cost next to nothing
/// and must be answered above all while the rest is not.
pub fn limit_of(listener: Listener, route: Option<&MatchedPath>) -> Option<Limit> {
    let route = route.map(MatchedPath::as_str).unwrap_or_default();
    if health::ALWAYS_ANSWERED.contains(&route) {
        return None;
    }
    Some(match listener {
        Listener::Internal if route == events::bulk::PATH => Limit::Bulk,
        Listener::Internal => Limit::Internal,
        Listener::Public if route == bulk::PATH => Limit::Bulk,
        Listener::Public if route == crate::routes::queues::messages::PATH => Limit::Poll,
        Listener::Public => Limit::Public,
    })
}

/// Gives an error its shape, and says what was wrong where that is our fault.
fn rendered(error: &ApiError, shape: Shape, original: Response, record: &AccessRecord) -> Response {
    let mut rendered = shape::render(error, shape, record.request_id.as_str());
    if let Some(link) = help_link(error, shape, &record.app.config) {
        rendered.headers_mut().insert(LINK, link);
    }
    log_failure(error, rendered.status(), record);
    count_failure(&record.app, error);
    with_kept_parts(rendered, original, shape)
}

/// The way to the error's entry in the pages (contract 1); none where the service does not know its own address.
fn help_link(error: &ApiError, shape: Shape, config: &Config) -> Option<HeaderValue> {
    let base = config.is_public_url_set.then_some(config.public_url.trim_end_matches('/'))?;
    let link = format!("<{base}{}#{}>; rel=\"help\"", errors::PATH, help::anchor(error, shape));
    HeaderValue::try_from(link).ok()
}

/// Restores the parts that a layer below put beside the error: the methods a 405 allows, the length that a 416 names,
/// and the caller.
fn with_kept_parts(mut rendered: Response, original: Response, shape: Shape) -> Response {
    for name in [ALLOW, CONTENT_RANGE] {
        if let Some(kept) = original.headers().get(&name) {
            rendered.headers_mut().insert(name, kept.clone());
        }
    }
    if let Some(challenge) = shape.challenge().filter(|_| rendered.status() == StatusCode::UNAUTHORIZED) {
        rendered.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    *rendered.extensions_mut() = original.extensions().clone();
    rendered
}

fn is_api(path: &str) -> bool {
    ["/v1", "/api"]
        .iter()
        .any(|root| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

fn code(error: &ApiError) -> &'static str {
    match error {
        ApiError::Invalid(_) => "validation",
        ApiError::Failed(failure) => failure.code.name(),
    }
}

/// One line for what is our fault, with its cause. A client's own mistake is in the access line.
fn log_failure(error: &ApiError, status: StatusCode, record: &AccessRecord) {
    let ApiError::Failed(Failure { cause: Some(cause), .. }) = error else { return };
    let (request_id, route) = (record.request_id.as_str(), record.route);
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(request_id, route, %cause, "request failed");
    } else if status.is_server_error() {
        tracing::warn!(request_id, route, %cause, "request could not be served");
    }
}

fn count_failure(app: &App, error: &ApiError) {
    if let ApiError::Failed(Failure { cause: Some(cause), .. }) = error
        && matches!(cause.downcast_ref(), Some(sqlx::Error::PoolTimedOut))
    {
        app.metrics.database.connection_timeouts.inc();
    }
}
