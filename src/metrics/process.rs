//! The process itself, by the names that every Prometheus client library uses; from /proc, and
//! left out where there is none.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::register::{Seconds, one};

/// The unit of time in /proc: 100 a second on every Linux, whatever the kernel ticks at.
const TICKS_PER_SECOND: f64 = 100.0;

/// The process's own numbers.
#[derive(Debug)]
pub struct Process {
    resident: Gauge,
    open_files: Gauge,
    max_files: Gauge,
    cpu: Counter<f64, AtomicU64>,
}

impl Process {
    pub(super) fn new(registry: &mut Registry, started: DateTime<Utc>) -> Self {
        let start: Seconds =
            one(registry, "process_start_time_seconds", "When the process started, since the epoch");
        start.set(super::unix_seconds(started));
        Self {
            resident: one(registry, "process_resident_memory_bytes", "Resident memory"),
            open_files: one(registry, "process_open_fds", "Open file descriptors"),
            max_files: one(registry, "process_max_fds", "File descriptors that may be open"),
            cpu: one(registry, "process_cpu_seconds", "Processor time used"),
        }
    }

    pub(super) fn observe(&self) {
        set(&self.resident, resident_bytes());
        set(&self.open_files, fs::read_dir("/proc/self/fd").ok().map(Iterator::count));
        set(&self.max_files, max_files());
        if let Some(seconds) = cpu_seconds() {
            // Counted by the kernel: taken over, not added up.
            self.cpu.inner().store(seconds.to_bits(), Ordering::Relaxed);
        }
    }
}

fn set<N: TryInto<i64>>(gauge: &Gauge, value: Option<N>) {
    if let Some(value) = value.and_then(|value| value.try_into().ok()) {
        gauge.set(value);
    }
}

fn resident_bytes() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: i64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

fn max_files() -> Option<i64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// User and system time: fields 14 and 15, counted after the program's name, which may hold spaces.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks: f64 = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
    Some(ticks / TICKS_PER_SECOND)
}
