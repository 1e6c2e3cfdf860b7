//! Whether the process lives, and whether it should get traffic (contract 11).

use std::sync::RwLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::watch;

use crate::error::ApiError;
use crate::state::App;

const PROBE_INTERVAL: Duration = Duration::from_secs(1);
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// Clocks further apart make expiries and signatures wrong (architecture.md 3).
const OFFSET_WARN_MS: i64 = 500;
const OFFSET_LIMIT_MS: i64 = 5_000;

/// Why traffic should go elsewhere; `None` while it should come.
#[derive(Debug)]
pub struct Readiness(RwLock<Option<&'static str>>);

impl Default for Readiness {
    fn default() -> Self {
        Self(RwLock::new(Some("starting")))
    }
}

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
    let reason = if app.draining.load(Ordering::Acquire) { Some("draining") } else { app.readiness.reason() };
    match reason {
        None => ([(CACHE_CONTROL, "no-store")], "ok\n").into_response(),
        Some(reason) => {
            let headers = [(CACHE_CONTROL, "no-store"), (RETRY_AFTER, "1")];
            (StatusCode::SERVICE_UNAVAILABLE, headers, format!("{reason}\n")).into_response()
        }
    }
}

async fn scrape(State(app): State<App>) -> Result<Response, ApiError> {
    let text = app.metrics.encode().map_err(ApiError::internal)?;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(CONTENT_TYPE, content_type)], text).into_response())
}

impl Readiness {
    fn reason(&self) -> Option<&'static str> {
        *self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn set(&self, reason: Option<&'static str>) {
        let mut current = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if *current != reason {
            tracing::info!(reason = reason.unwrap_or("ready"), "readiness changed");
            *current = reason;
        }
    }
}

/// Probes once; `serve` calls it before it listens.
pub async fn probe(app: &App, clock_offset_ms: i64) {
    app.readiness.set(match tokio::time::timeout(PROBE_TIMEOUT, app.db.pending_migrations()).await {
        Err(_) => Some("database too slow"),
        Ok(Err(_)) => Some("database away"),
        Ok(Ok(1..)) => Some("migrations pending"),
        Ok(Ok(0)) if clock_offset_ms.abs() > OFFSET_LIMIT_MS => Some("clock differs from the database's"),
        Ok(Ok(0)) => None,
    });
}

/// Probes for as long as the process lives.
pub async fn probe_forever(app: App, clock_offset: watch::Receiver<i64>) {
    let mut ticks = tokio::time::interval(PROBE_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let offset_ms = *clock_offset.borrow();
        if offset_ms.abs() > OFFSET_WARN_MS {
            tracing::warn!(offset_ms, "this machine's clock differs from the database's");
        }
        probe(&app, offset_ms).await;
    }
}
