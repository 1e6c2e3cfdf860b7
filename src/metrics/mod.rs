//! What Prometheus scrapes; docs/observability.md says what to watch. Labels are from closed sets:
//! route templates, never paths; names of streams and types, never ids.
//!
//! Counters are counted where things happen. Gauges of what the process holds are read when it is
//! scraped, those of the outbox by a task of their own (`events::outbox`).

mod database;
mod events;
mod http;
mod identity;
mod process;
mod register;

use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};
use prometheus_client::encoding::text;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use sqlx::PgPool;

pub use self::database::{BatchMetrics, CacheMetrics, Database, WORK};
pub use self::events::{DeliveryResult, Events};
pub use self::http::{Http, OpenConnection, method_name};
pub use self::identity::{Identity, Refusals};
use self::process::Process;
use self::register::{Gauges, Seconds, each, one, set};
use crate::http::door::{Door, Lane};
use crate::routes::health::NotReady;
use crate::state::App;

/// Every metric of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Requests and connections.
    pub http: Http,
    /// Memory, batches, connections, workers.
    pub database: Database,
    /// Keys that were refused, tokens that were issued.
    pub identity: Identity,
    /// Outbox, deliveries, changes of credentials.
    pub events: Events,
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
            http: Http::new(registry),
            database: Database::new(registry),
            identity: Identity::new(registry),
            events: Events::new(registry),
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

impl Metrics {
    /// All metrics in the OpenMetrics text format, with the gauges as they are now.
    ///
    /// # Errors
    /// When a metric cannot be written.
    pub fn scrape(&self, app: &App) -> Result<String, std::fmt::Error> {
        self.process.observe();
        self.observe_http(app);
        self.observe_database(app);
        self.observe_readiness(app);
        self.events.in_flight.set(i64::try_from(app.publisher.in_flight()).unwrap_or(i64::MAX));
        let mut out = String::with_capacity(64 * 1024);
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }

    fn observe_http(&self, app: &App) {
        for lane in Lane::ALL {
            let (labels, limit) = ([("lane", lane.name())], app.lanes.limit(lane));
            let running = limit.saturating_sub(app.lanes.room(lane).available_permits());
            set(&self.http.in_flight, labels, running);
            set(&self.http.in_flight_limit, labels, limit);
        }
        for door in Door::ALL {
            let limit = app.config.max_client_connections;
            set(&self.http.connections_limit, [("listener", door.name())], limit);
        }
    }

    fn observe_database(&self, app: &App) {
        let database = &self.database;
        database.trusted.set(i64::from(app.trust.is_fresh()));
        let [by_digest, by_id] = app.keys.entries();
        let entries = [("keys_by_digest", by_digest), ("keys_by_id", by_id), ("orgs", app.orgs.entries())];
        for (cache, held) in entries {
            set(&database.entries, [("cache", cache)], held);
        }
        let waiting = [
            ("user_inserts", app.new_users.waiting()),
            ("user_lookups", app.users.waiting()),
            ("key_lookups", app.keys.waiting()),
            ("event_closings", app.publisher.waiting()),
        ];
        for (batch, many) in waiting {
            set(&database.waiting, [("batch", batch)], many);
        }
        for (name, pool) in database::POOLS.into_iter().zip([&app.db.pool, &app.db.lookups]) {
            self.observe_pool(name, pool);
        }
        for (name, load) in WORK.into_iter().zip(app.workers.load()) {
            let work = [("work", name)];
            set(&database.work_running, work, load.running);
            set(&database.work_waiting, work, load.waiting);
        }
    }

    fn observe_pool(&self, name: &'static str, pool: &PgPool) {
        let idle = pool.num_idle();
        let in_use = (pool.size() as usize).saturating_sub(idle);
        for (state, many) in [("idle", idle), ("in_use", in_use)] {
            set(&self.database.connections, [("pool", name), ("state", state)], many);
        }
        let max = pool.options().get_max_connections();
        set(&self.database.connections_max, [("pool", name)], max);
    }

    fn observe_readiness(&self, app: &App) {
        let draining = app.draining.load(Ordering::Acquire);
        let reason = if draining { Some(NotReady::Draining) } else { app.readiness.reason() };
        self.ready.set(i64::from(reason.is_none()));
        for each in NotReady::ALL {
            set(&self.not_ready, [("reason", each.label())], i64::from(reason == Some(each)));
        }
    }
}

fn unix_seconds(at: DateTime<Utc>) -> f64 {
    at.timestamp_micros() as f64 / 1e6
}
