//! Whether the process lives, and whether it should get traffic (contract 11).

use std::sync::RwLock;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::watch;

use crate::db::State as DatabaseState;
use crate::error::ApiError;
use crate::state::App;

const PROBE_INTERVAL: Duration = Duration::from_secs(1);
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// Clocks further apart make expiries and signatures wrong (architecture 3).
const OFFSET_WARN_MS: i64 = 500;
const OFFSET_LIMIT_MS: i64 = 5_000;

/// What is answered however much else runs: it costs next to nothing, and is never more important
/// than when the rest is refused.
pub const ALWAYS_ANSWERED: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// Why traffic should go elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReady {
    Starting,
    DatabaseTooSlow,
    DatabaseAway,
    DatabaseReadOnly,
    MigrationsPending,
    ClockDiffers,
    Draining,
}

impl NotReady {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Starting,
        Self::DatabaseTooSlow,
        Self::DatabaseAway,
        Self::DatabaseReadOnly,
        Self::MigrationsPending,
        Self::ClockDiffers,
        Self::Draining,
    ];

    /// For people.
    fn text(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::DatabaseTooSlow => "database too slow",
            Self::DatabaseAway => "database away",
            Self::DatabaseReadOnly => "database read-only",
            Self::MigrationsPending => "migrations pending",
            Self::ClockDiffers => "clock differs from the database's",
            Self::Draining => "draining",
        }
    }

    /// For metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::DatabaseTooSlow => "database_too_slow",
            Self::DatabaseAway => "database_away",
            Self::DatabaseReadOnly => "database_read_only",
            Self::MigrationsPending => "migrations_pending",
            Self::ClockDiffers => "clock_differs",
            Self::Draining => "draining",
        }
    }
}

/// Why traffic should go elsewhere; `None` while it should come.
#[derive(Debug)]
pub struct Readiness(RwLock<Option<NotReady>>);

impl Default for Readiness {
    fn default() -> Self {
        Self(RwLock::new(Some(NotReady::Starting)))
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

impl Readiness {
    /// What the last probe found wrong, if anything.
    pub fn reason(&self) -> Option<NotReady> {
        *self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn set(&self, reason: Option<NotReady>) {
        let mut current = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if *current != reason {
            tracing::info!(reason = reason.map_or("ready", NotReady::text), "readiness changed");
            *current = reason;
        }
    }

    /// Whether the database took no writes when it was last asked.
    fn was_read_only(&self) -> bool {
        self.reason() == Some(NotReady::DatabaseReadOnly)
    }
}

/// Probes once; `serve` calls it before it listens.
pub async fn probe(app: &App, clock_offset_ms: i64) {
    let asked = Instant::now();
    let state = tokio::time::timeout(PROBE_TIMEOUT, app.db.state()).await;
    app.metrics.database.probe.observe(asked.elapsed().as_secs_f64());
    app.metrics.clock_offset.set(clock_offset_ms as f64 / 1e3);
    if let Ok(Ok(state)) = &state {
        app.metrics.migrations_pending.set(i64::try_from(state.pending_migrations).unwrap_or(i64::MAX));
        if !state.is_read_only && app.readiness.was_read_only() {
            // Others may still lead to the server that took no writes.
            app.db.doubt();
        }
    }
    app.readiness.set(match state {
        Err(_) => Some(NotReady::DatabaseTooSlow),
        Ok(Err(_)) => Some(NotReady::DatabaseAway),
        Ok(Ok(DatabaseState { is_read_only: true, .. })) => Some(NotReady::DatabaseReadOnly),
        Ok(Ok(DatabaseState { pending_migrations: 1.., .. })) => Some(NotReady::MigrationsPending),
        Ok(Ok(_)) if clock_offset_ms.abs() > OFFSET_LIMIT_MS => Some(NotReady::ClockDiffers),
        Ok(Ok(_)) => None,
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
