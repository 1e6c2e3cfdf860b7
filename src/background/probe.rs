//! Asks the database whether this process can work, once a second (contract 11).

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::rounds::ticks;
use crate::db::DatabaseState;
use crate::readiness::NotReady;
use crate::state::App;

const PROBE_INTERVAL: Duration = Duration::from_secs(1);
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// Clocks further apart make expiries and signatures wrong (architecture 3).
const OFFSET_WARN_MS: i64 = 500;
const OFFSET_LIMIT_MS: i64 = 5_000;

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
            app.db.suspect_connections();
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
    let mut ticks = ticks(PROBE_INTERVAL);
    loop {
        ticks.tick().await;
        let offset_ms = *clock_offset.borrow();
        if offset_ms.abs() > OFFSET_WARN_MS {
            tracing::warn!(offset_ms, "this machine's clock differs from the database's");
        }
        probe(&app, offset_ms).await;
    }
}
