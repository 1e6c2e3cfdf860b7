//! Liveness, and readiness for traffic (contract 11).

use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::error::ApiError;
use crate::readiness::NotReady;
use crate::state::App;

/// The paths that are answered however much else runs: they cost next to nothing, and are never
/// more important than when the rest is refused.
pub const ALWAYS_ANSWERED: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// `/livez` and `/readyz`, on both listeners.
pub fn probes() -> Router<App> {
    Router::new().route("/livez", get(live)).route("/readyz", get(ready))
}

/// `/metrics`, on the internal listener.
pub fn metrics() -> Router<App> {
    Router::new().route("/metrics", get(scrape))
}

/// The process runs; whether it can work is another question.
async fn live() -> &'static str {
    "ok\n"
}

/// Answers from what the last probe found, so that no flood of questions reaches Postgres.
async fn ready(State(app): State<App>) -> Response {
    let draining = app.draining.load(Ordering::Acquire);
    match if draining { Some(NotReady::Draining) } else { app.readiness.reason() } {
        None => ([(CACHE_CONTROL, "no-store")], "ok\n").into_response(),
        Some(reason) => {
            let headers = [(CACHE_CONTROL, "no-store"), (RETRY_AFTER, "1")];
            (StatusCode::SERVICE_UNAVAILABLE, headers, format!("{}\n", reason.text())).into_response()
        }
    }
}

async fn scrape(State(app): State<App>) -> Result<Response, ApiError> {
    let text = app.metrics.scrape(&app).map_err(ApiError::internal)?;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(CONTENT_TYPE, content_type)], text).into_response())
}
