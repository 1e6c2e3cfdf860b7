//! The parts between requests and Postgres: memory, batches, connections; and the worker threads.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::register::{Counters, Gauges, Histograms, duration, each, one, pairs, sizes};

/// The memories that answer in place of the database.
const CACHES: [&str; 7] =
    ["keys_by_digest", "keys_by_id", "message_keys", "org_names", "orgs", "platform_tokens", "signers"];
const ANSWERS: [&str; 4] = ["hit", "refused", "miss", "untrusted"];
/// The batchers' names.
const BATCHES: [&str; 7] = [
    "user_inserts",
    "user_lookups",
    "key_lookups",
    "signer_lookups",
    "event_inserts",
    "event_closings",
    "signature_nonces",
];
pub(super) const POOLS: [&str; 2] = ["requests", "lookups"];
/// Work of worker threads.
pub const WORK: [&str; 3] = ["judging", "key_pairs", "messages"];

/// The counts of memory, batches, connections and workers.
#[derive(Debug)]
pub struct DatabaseMetrics {
    lookups: Counters<2>,
    pub(super) entries: Gauges<1>,
    pub(super) trusted: Gauge,
    sizes: Histograms<1>,
    batches_refused: Counters<1>,
    pub(super) waiting: Gauges<1>,
    pub(super) connections: Gauges<2>,
    pub(super) connections_max: Gauges<1>,
    /// Requests that were refused because no connection came free in time.
    pub connection_timeouts: Counter,
    /// The time that the readiness probe's question took, waiting for a connection included.
    pub probe: Histogram,
    pub(super) work_running: Gauges<1>,
    pub(super) work_waiting: Gauges<1>,
    work_refused: Counters<1>,
}

/// The counters of one cache.
#[derive(Clone, Debug, Default)]
pub struct CacheMetrics {
    /// Found.
    pub hit: Counter,
    /// Known not to be there.
    pub refused: Counter,
    /// Not known: the database was asked.
    pub miss: Counter,
    /// Not to be believed at the time: the database was asked.
    pub untrusted: Counter,
}

/// The counters of one batcher.
#[derive(Clone, Debug)]
pub struct BatchMetrics {
    /// Questions in a statement.
    pub size: Histogram,
    /// Questions turned away because too many waited.
    pub refused: Counter,
}

impl DatabaseMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let (probe, sizes) = (duration(), sizes());
        registry.register("batch_size", "Questions that shared a statement", sizes.clone());
        registry.register(
            "database_probe_duration_seconds",
            "The readiness probe's question, once a second, waiting for a connection included",
            probe.clone(),
        );
        let of =
            |label, values: &[&'static str]| -> Vec<_> { values.iter().map(|v| [(label, *v)]).collect() };
        let (batches, work) = (of("batch", &BATCHES), of("work", &WORK));
        Self {
            sizes,
            probe,
            lookups: each(
                registry,
                "cache_lookups",
                "Questions put to memory; miss and untrusted ones went on to the database",
                pairs(("cache", &CACHES), ("answer", &ANSWERS)),
            ),
            entries: each(registry, "cache_entries", "What memory holds", of("cache", &CACHES)),
            trusted: one(registry, "cache_trusted", "1 while memory may be believed"),
            batches_refused: each(
                registry,
                "batch_refused",
                "Questions turned away because too many waited for the database",
                batches.clone(),
            ),
            waiting: each(registry, "batch_waiting", "Questions that wait for a statement", batches),
            connections: each(
                registry,
                "database_connections",
                "Connections of the pools",
                pairs(("pool", &POOLS), ("state", &["idle", "in_use"])),
            ),
            connections_max: each(
                registry,
                "database_connections_max",
                "Connections a pool may have",
                of("pool", &POOLS),
            ),
            connection_timeouts: one(
                registry,
                "database_connection_timeouts",
                "Requests refused because no connection came free in time",
            ),
            work_running: each(registry, "work_running", "Worker threads that are busy", work.clone()),
            work_waiting: each(registry, "work_waiting", "Work that waits for a thread", work.clone()),
            work_refused: each(registry, "work_refused", "Work turned away or given up", work),
        }
    }

    /// The counters of the memory of this name.
    #[must_use]
    pub fn cache(&self, name: &'static str) -> CacheMetrics {
        debug_assert!(CACHES.contains(&name), "{name} has no series");
        let counter = |answer| self.lookups.get_or_create_owned(&[("cache", name), ("answer", answer)]);
        let [hit, refused, miss, untrusted] = ANSWERS.map(counter);
        CacheMetrics { hit, refused, miss, untrusted }
    }

    /// The counters of the batcher of this name.
    #[must_use]
    pub fn batch(&self, name: &'static str) -> BatchMetrics {
        debug_assert!(BATCHES.contains(&name), "{name} has no series");
        let labels = [("batch", name)];
        BatchMetrics {
            size: self.sizes.get_or_create_owned(&labels),
            refused: self.batches_refused.get_or_create_owned(&labels),
        }
    }

    /// The counter of the workers of this name.
    #[must_use]
    pub fn work_refused(&self, name: &'static str) -> Counter {
        debug_assert!(WORK.contains(&name), "{name} has no series");
        self.work_refused.get_or_create_owned(&[("work", name)])
    }
}
