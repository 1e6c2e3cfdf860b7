//! The outbox, deliveries, and the changes of credentials that events tell of.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use chrono::{DateTime, Utc};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::register::{
    Counters, Gauges, Histograms, SecondGauges, Seconds, durations, each, one, pairs, set,
};
use crate::events::targets::Reason;
use crate::events::{EventType, Stream, StreamName};

const QUEUE_TYPES: [&str; 5] = ["aws_sqs", "azure_event_hubs", "azure_storage_queue", "kafka", "webhook"];
const RESULTS: [&str; 3] = ["delivered", "retried", "failed"];
const QUEUE_STATES: [&str; 3] = ["working", "failing", "dead"];
const EVENT_STATES: [&str; 2] = ["pending", "failed"];
/// The platform's streams count as one: their names come from outside, and labels from a closed set.
const STREAMS: [&str; 3] = ["users", "credentials", "platform"];

/// The answered requests that changed a credential, and how. Read off the route because every
/// change is one request, and because a reply that is only repeated can be told from one that is
/// new.
const CHANGES: &[(&str, &str, EventType)] = &[
    ("POST", "/v1/auth/tenant-key/rotate", EventType::TenantKeyRotated),
    ("POST", "/v1/admin/org/tenant-keys", EventType::TenantKeyCreated),
    ("POST", "/v1/admin/org/tenant-keys/{key_id}/confirm", EventType::TenantKeyRotated),
    ("PATCH", "/v1/admin/org/tenant-keys/{key_id}", EventType::TenantKeyUpdated),
    ("DELETE", "/v1/admin/org/tenant-keys/{key_id}", EventType::TenantKeyRevoked),
    ("POST", "/v1/auth/signing-secret/rotate", EventType::SigningSecretRotated),
    ("POST", "/v1/auth/signing-secret/{secret_id}/confirm", EventType::SigningSecretRotated),
    ("DELETE", "/v1/auth/signing-secret/{secret_id}", EventType::SigningSecretRevoked),
    ("POST", "/api/v1/key", EventType::PublicKeyRegistered),
    ("POST", "/api/v1/key/generate", EventType::PublicKeyRegistered),
    ("PUT", "/api/v1/key/{UniqueId}/set-expiration", EventType::PublicKeyUpdated),
    ("POST", "/api/v1/key/{UniqueId}/proof", EventType::PublicKeyProven),
    ("DELETE", "/api/v1/key/{UniqueId}", EventType::PublicKeyDeleted),
];

/// The counters of the event side.
#[derive(Debug)]
pub struct EventMetrics {
    deliveries: Counters<2>,
    durations: Histograms<1>,
    failures: Counters<2>,
    pub(super) in_flight: Gauge,
    lost: Counter,
    changes: Counters<1>,
    depth: Gauges<2>,
    due: Gauges<1>,
    oldest: SecondGauges<1>,
    queues: Gauges<2>,
    measured: Seconds,
}

/// The result of an attempt to deliver.
#[derive(Clone, Copy, Debug)]
pub enum DeliveryResult {
    /// Acknowledged.
    Delivered,
    /// Not acknowledged; it comes again.
    Retried,
    /// Not acknowledged, and given up.
    Failed,
}

/// The depth of the outbox.
#[derive(Clone, Copy, Debug, Default)]
pub struct OutboxDepth([StreamDepth; STREAMS.len()]);

/// Of one stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamDepth {
    /// Events not delivered yet, whether or not there is a queue for them.
    pub pending: i64,
    /// Events given up.
    pub failed: i64,
    /// Events that are due, of queues that are not dead.
    pub due: i64,
    /// Since when the first of them is.
    pub oldest_due: Option<DateTime<Utc>>,
    /// Queues by how they do.
    pub working: i64,
    /// Of these, those whose last attempt failed.
    pub failing: i64,
    /// Of these, those that are probed with one event at a time.
    pub dead: i64,
}

impl OutboxDepth {
    /// The measurements of a stream; of the platform's, their sum.
    #[must_use]
    pub fn of(&self, stream: &StreamName) -> &StreamDepth {
        &self.0[index(stream)]
    }

    /// The entry of a stream, by name. The platform's streams share one: add to it.
    pub fn entry(&mut self, stream: &str) -> &mut StreamDepth {
        &mut self.0[index(&StreamName::stored(stream))]
    }
}

/// The position of a stream in [`STREAMS`].
fn index(stream: &StreamName) -> usize {
    match stream {
        StreamName::BuiltIn(stream) => *stream as usize,
        StreamName::Platform(_) => STREAMS.len() - 1,
    }
}

impl EventMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let durations: Histograms<1> = durations();
        registry.register(
            "event_delivery_duration_seconds",
            "From signing an event to its queue's answer",
            durations.clone(),
        );
        for kind in QUEUE_TYPES {
            drop(durations.get_or_create_owned(&[("queue_type", kind)]));
        }
        let streams = STREAMS.map(|stream| [("stream", stream)]);
        let told = EventType::ALL
            .iter()
            .filter(|kind| kind.stream() == Stream::Credentials)
            .filter(|kind| !kind.is_of_a_queue() && !kind.is_of_a_report());
        Self {
            durations,
            deliveries: each(
                registry,
                "event_deliveries",
                "Attempts to deliver an event",
                pairs(("queue_type", &QUEUE_TYPES), ("result", &RESULTS)),
            ),
            failures: each(
                registry,
                "event_delivery_errors",
                "Attempts that were not acknowledged, by the class of what went wrong",
                pairs(("queue_type", &QUEUE_TYPES), ("reason", Reason::CLASSES)),
            ),
            in_flight: one(registry, "event_deliveries_in_flight", "Deliveries that run now"),
            lost: one(registry, "events_lost", "Events deleted after waiting in vain for a queue"),
            changes: each(
                registry,
                "credential_changes",
                "Changes of keys and secrets that this process answered or announced",
                told.map(|kind| [("type", kind.name())]),
            ),
            depth: each(
                registry,
                "outbox_events",
                "Events in the outbox, counted to 100,000 a state; the same at every replica",
                pairs(("stream", &STREAMS), ("state", &EVENT_STATES)),
            ),
            due: each(
                registry,
                "outbox_due_events",
                "Events that a working queue should have by now, counted to 20 a queue; the same at every replica",
                streams,
            ),
            oldest: each(
                registry,
                "outbox_oldest_due_seconds",
                "How late the latest event of a working queue is; the same at every replica",
                streams,
            ),
            queues: each(
                registry,
                "outbox_queues",
                "Registered queues: failing since the last attempt, dead after 20 in a row",
                pairs(("stream", &STREAMS), ("state", &QUEUE_STATES)),
            ),
            measured: one(registry, "outbox_measured_timestamp_seconds", "When the outbox was last measured"),
        }
    }

    /// Counts an attempt to deliver an event.
    pub fn attempted(
        &self,
        queue_type: &str,
        result: DeliveryResult,
        took: Duration,
        reason: Option<&Reason>,
    ) {
        let known = QUEUE_TYPES.iter().find(|known| **known == queue_type);
        let Some(known) = known else { return };
        let queue_type = ("queue_type", *known);
        let result = match result {
            DeliveryResult::Delivered => "delivered",
            DeliveryResult::Retried => "retried",
            DeliveryResult::Failed => "failed",
        };
        self.deliveries.get_or_create(&[queue_type, ("result", result)]).inc();
        self.durations.get_or_create(&[queue_type]).observe(took.as_secs_f64());
        if let Some(reason) = reason {
            self.failures.get_or_create(&[queue_type, ("reason", reason.class())]).inc();
        }
    }

    /// Counts events that were deleted undelivered.
    pub fn lost(&self, events: u64) {
        self.lost.inc_by(events);
    }

    /// Counts what an answered request changed, if it changed a credential: what the reply says, or else the route.
    pub fn answered(
        &self,
        method: &Method,
        route: Option<&str>,
        status: StatusCode,
        told: Option<EventType>,
    ) {
        if !status.is_success() {
            return;
        }
        let is_it = |(m, r, _): &&(&str, &str, EventType)| *m == method.as_str() && Some(*r) == route;
        if let Some((_, _, kind)) = CHANGES.iter().find(is_it) {
            self.changed(told.unwrap_or(*kind));
        }
    }

    /// Counts a change.
    pub fn changed(&self, kind: EventType) {
        self.changes.get_or_create(&[("type", kind.name())]).inc();
    }

    /// Sets what was measured of the outbox.
    pub fn measured(&self, depth: &OutboxDepth, now: DateTime<Utc>) {
        for (of, name) in depth.0.iter().zip(STREAMS) {
            let name = ("stream", name);
            for (state, count) in EVENT_STATES.into_iter().zip([of.pending, of.failed]) {
                set(&self.depth, [name, ("state", state)], count);
            }
            for (state, count) in QUEUE_STATES.into_iter().zip([of.working, of.failing, of.dead]) {
                set(&self.queues, [name, ("state", state)], count);
            }
            set(&self.due, [name], of.due);
            let late = of.oldest_due.map_or(0.0, |due| (now - due).as_seconds_f64());
            self.oldest.get_or_create(&[name]).set(late.max(0.0));
        }
        self.measured.set(super::unix_seconds(now));
    }

    /// The routes that count as changes of credentials; a test holds them against the document.
    pub fn change_routes() -> impl Iterator<Item = (&'static str, &'static str)> {
        CHANGES.iter().map(|(method, route, _)| (*method, *route))
    }
}
