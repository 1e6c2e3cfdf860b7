//! The metrics that Prometheus scrapes; docs/observability.md says what to watch. Labels are from
//! closed sets: route templates, never paths; names of streams and types, never ids.
//!
//! Counters are counted where things happen. Gauges of what the process holds are read when it is
//! scraped, those of the outbox by a task of their own (`background::outbox_depth`).

mod database;
mod events;
mod http;
mod identity;
mod process;
mod register;
mod reports;
mod scrape;

use chrono::{DateTime, Utc};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub use self::database::{BatchMetrics, CacheMetrics, DatabaseMetrics, WORK};
pub use self::events::{DeliveryResult, EventMetrics, OutboxDepth, StreamDepth};
pub use self::http::{HttpMetrics, OpenConnection, method_name};
pub use self::identity::{IdentityMetrics, Refusals};
use self::process::Process;
use self::register::{Gauges, Seconds, each, one};
pub use self::reports::{ReportMetrics, ReportResult};
use crate::readiness::NotReady;

/// Every metric of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Requests and connections.
    pub http: HttpMetrics,
    /// Memory, batches, connections, workers.
    pub database: DatabaseMetrics,
    /// Keys that were refused, tokens that were issued.
    pub identity: IdentityMetrics,
    /// Outbox, deliveries, changes of credentials.
    pub events: EventMetrics,
    /// Reports.
    pub reports: ReportMetrics,
    process: Process,
    ready: Gauge,
    not_ready: Gauges<1>,
    /// Migrations of this build that the database lacks.
    pub migrations_pending: Gauge,
    /// The database's clock minus this machine's.
    pub clock_offset: Seconds,
    /// Values that `reseal` has still to move.
    pub reseal_left: Gauge,
}

impl Metrics {
    /// Everything at zero, for a process that started at `started`.
    #[must_use]
    pub fn new(started: DateTime<Utc>) -> Self {
        let mut root = Registry::default();
        let process = Process::new(&mut root, started);
        let registry = root.sub_registry_with_prefix("partner_api");
        registry.register("build", "This build", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        let reasons = NotReady::ALL.map(|reason| [("reason", reason.label())]);
        Self {
            http: HttpMetrics::new(registry),
            database: DatabaseMetrics::new(registry),
            identity: IdentityMetrics::new(registry),
            events: EventMetrics::new(registry),
            reports: ReportMetrics::new(registry),
            process,
            ready: one(registry, "ready", "1 while traffic should come"),
            not_ready: each(
                registry,
                "not_ready",
                "1 beside the reason why traffic should not come",
                reasons,
            ),
            migrations_pending: one(
                registry,
                "migrations_pending",
                "Migrations of this build that the database lacks",
            ),
            clock_offset: one(
                registry,
                "database_clock_offset_seconds",
                "The database's clock minus this machine's",
            ),
            reseal_left: one(
                registry,
                "reseal_left",
                "Sealed values that are not under the first master key; the same at every replica",
            ),
            registry: root,
        }
    }
}

fn unix_seconds(at: DateTime<Utc>) -> f64 {
    at.timestamp_micros() as f64 / 1e6
}
