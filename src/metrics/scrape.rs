//! A scrape: every counter as it stands, and the gauges of what the process holds, read now.

use std::sync::atomic::Ordering;

use prometheus_client::encoding::text;

use super::register::set;
use super::{Metrics, WORK, database};
use crate::db::{Pool, PoolUsage};
use crate::limits::{Limit, Listener};
use crate::readiness::NotReady;
use crate::state::App;

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
        self.events.in_flight.set(i64::try_from(app.outbox.in_flight()).unwrap_or(i64::MAX));
        let mut out = String::with_capacity(64 * 1024);
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }

    fn observe_http(&self, app: &App) {
        for limit in Limit::ALL {
            let (labels, capacity) = ([("lane", limit.name())], app.limits.capacity(limit));
            let running = capacity.saturating_sub(app.limits.permits(limit).available_permits());
            set(&self.http.in_flight, labels, running);
            set(&self.http.in_flight_limit, labels, capacity);
        }
        for listener in Listener::ALL {
            let limit = app.config.max_client_connections;
            set(&self.http.connections_limit, [("listener", listener.name())], limit);
        }
    }

    fn observe_database(&self, app: &App) {
        let database = &self.database;
        database.trusted.set(i64::from(app.trust.is_fresh()));
        let [by_digest, by_id] = app.identity.keys.entries();
        let entries = [
            ("keys_by_digest", by_digest),
            ("keys_by_id", by_id),
            ("message_keys", app.identity.message_keys.entries()),
            ("org_names", app.identity.org_names.entries()),
            ("orgs", app.identity.orgs.entries()),
            ("platform_tokens", app.identity.platform_tokens.entries()),
            ("signers", app.identity.signers.entries()),
        ];
        for (cache, held) in entries {
            set(&database.entries, [("cache", cache)], held);
        }
        let waiting = [
            ("user_inserts", app.new_users.waiting()),
            ("user_lookups", app.users.waiting()),
            ("key_lookups", app.identity.keys.waiting()),
            ("signer_lookups", app.identity.signers.waiting()),
            ("event_inserts", app.publishing.waiting()),
            ("event_closings", app.outbox.waiting()),
            ("signature_nonces", app.nonces.waiting()),
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

    fn observe_pool(&self, name: &'static str, pool: &Pool) {
        let PoolUsage { idle, in_use, max } = pool.usage();
        for (state, many) in [("idle", idle), ("in_use", in_use)] {
            set(&self.database.connections, [("pool", name), ("state", state)], many);
        }
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
