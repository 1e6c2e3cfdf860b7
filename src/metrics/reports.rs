//! The making of reports.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::register::{Counters, each, one, pairs};

const TYPES: [&str; 4] = ["users", "audit_log", "events", "credentials"];
const RESULTS: [&str; 4] = ["ready", "failed", "retried", "handed_back"];

/// The counters of reports.
#[derive(Debug)]
pub struct ReportMetrics {
    made: Counters<2>,
    rows: Counter,
    /// Reports that this process is making.
    pub making: Gauge,
    waiting: Gauge,
    stored: Gauge,
}

/// The result of an attempt to make a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportResult {
    /// It can be fetched.
    Ready,
    /// It is given up.
    Failed,
    /// It is tried again.
    Retried,
    /// The process stops; another one begins again.
    HandedBack,
}

impl ReportMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        Self {
            made: each(
                registry,
                "reports",
                "Attempts of this process to make a report",
                pairs(("type", &TYPES), ("result", &RESULTS)),
            ),
            rows: one(registry, "report_rows", "Rows in the reports that this process finished"),
            making: one(registry, "reports_making", "Reports that this process is making now"),
            waiting: one(
                registry,
                "reports_waiting",
                "Reports that wait or are being made; the same at every replica",
            ),
            stored: one(
                registry,
                "reports_stored_bytes",
                "Content of reports that can be fetched; the same at every replica",
            ),
        }
    }

    /// Counts an attempt to make a report of type `kind`.
    pub fn attempted(&self, kind: &str, result: ReportResult) {
        let Some(kind) = TYPES.into_iter().find(|known| *known == kind) else { return };
        let result = RESULTS[result as usize];
        self.made.get_or_create(&[("type", kind), ("result", result)]).inc();
    }

    /// Counts the rows of a report that was finished.
    pub fn finished(&self, rows: u64) {
        self.rows.inc_by(rows);
    }

    /// Sets what was measured of all reports.
    pub fn measured(&self, waiting: i64, stored: i64) {
        self.waiting.set(waiting);
        self.stored.set(stored);
    }
}
