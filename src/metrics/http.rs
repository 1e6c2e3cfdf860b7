//! Requests and connections.

use std::collections::{HashMap, HashSet};
use std::sync::{PoisonError, RwLock};

use axum::http::Method;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::register::{Counters, Gauges, durations, each, one};
use crate::limits::{Limit, Listener};

/// The counters of the HTTP side.
#[derive(Debug)]
pub struct HttpMetrics {
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
    /// Route templates seen so far.
    routes: RwLock<HashSet<&'static str>>,
    /// What counts the answers seen so far: of both families at one look.
    answers: RwLock<HashMap<RequestLabels, Answers>>,
    shed: Counters<1>,
    over_share: Counters<1>,
    /// Requests refused because their org had made as many as it may in this time.
    pub over_rate: Counter,
    pub(super) in_flight: Gauges<1>,
    pub(super) in_flight_limit: Gauges<1>,
    connections: Gauges<1>,
    pub(super) connections_limit: Gauges<1>,
    connections_refused: Counters<1>,
    given_up: Counters<1>,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: &'static str,
    status: u16,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: &'static str,
}

/// Counts answers of one kind.
#[derive(Debug)]
struct Answers {
    requests: Counter,
    durations: Histogram,
}

impl Answers {
    fn count(&self, seconds: f64) {
        self.requests.inc();
        self.durations.observe(seconds);
    }
}

/// Counts a connection as open for as long as it lives.
#[derive(Debug)]
pub struct OpenConnection(prometheus_client::metrics::gauge::Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl HttpMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let (requests, durations) = (Family::default(), durations());
        registry.register(
            "http_requests",
            "Requests answered; 499 is a client that hung up",
            requests.clone(),
        );
        registry.register(
            "http_request_duration_seconds",
            "From the head of a request to the head of its reply",
            durations.clone(),
        );
        let limits = Limit::ALL.map(|limit| [("lane", limit.name())]);
        let listeners = Listener::ALL.map(|listener| [("listener", listener.name())]);
        Self {
            requests,
            durations,
            routes: RwLock::default(),
            answers: RwLock::default(),
            shed: each(
                registry,
                "http_requests_shed",
                "Requests refused because too many were running",
                limits,
            ),
            over_share: each(
                registry,
                "http_requests_over_share",
                "Requests refused because their org had its share already",
                limits,
            ),
            over_rate: one(
                registry,
                "http_requests_over_rate",
                "Requests refused because their org made too many in too short a time",
            ),
            in_flight: each(registry, "http_requests_in_flight", "Requests that run now", limits),
            in_flight_limit: each(
                registry,
                "http_requests_in_flight_limit",
                "Requests that may run at the same time",
                limits,
            ),
            connections: each(registry, "connections", "Client connections open now", listeners),
            connections_limit: each(
                registry,
                "connections_limit",
                "Client connections that may be open",
                listeners,
            ),
            given_up: each(
                registry,
                "connections_given_up",
                "Connections closed because the client did not take its answer",
                listeners,
            ),
            connections_refused: each(
                registry,
                "connections_refused",
                "Connections beyond the limit: told to come back, or closed",
                listeners,
            ),
        }
    }

    /// Counts an answered request.
    pub fn answered(&self, method: &Method, route: Option<&'static str>, status: u16, seconds: f64) {
        let (method, route) = (method_name(method), route.unwrap_or("none"));
        let labels = RequestLabels { method, route, status };
        if let Some(known) = self.answers.read().unwrap_or_else(PoisonError::into_inner).get(&labels) {
            return known.count(seconds);
        }
        let answers = Answers {
            requests: self.requests.get_or_create_owned(&labels),
            durations: self.durations.get_or_create_owned(&RouteLabels { method, route }),
        };
        answers.count(seconds);
        self.answers.write().unwrap_or_else(PoisonError::into_inner).insert(labels, answers);
    }

    /// Counts a request that was refused because its limit was full.
    pub fn shed(&self, limit: Limit) {
        self.shed.get_or_create(&[("lane", limit.name())]).inc();
    }

    /// Counts a request that was refused because its org had its share of the limit.
    pub fn over_share(&self, limit: Limit) {
        self.over_share.get_or_create(&[("lane", limit.name())]).inc();
    }

    /// Counts a connection that was closed because its client did not take its answer.
    pub fn gave_up(&self, listener: Listener) {
        self.given_up.get_or_create(&[("listener", listener.name())]).inc();
    }

    /// Counts a connection in, and out again when the guard is dropped.
    pub fn connected(&self, listener: Listener) -> OpenConnection {
        let open = self.connections.get_or_create_owned(&[("listener", listener.name())]);
        open.inc();
        OpenConnection(open)
    }

    /// Counts a connection beyond the limit.
    pub fn connection_refused(&self, listener: Listener) {
        self.connections_refused.get_or_create(&[("listener", listener.name())]).inc();
    }

    /// The template for as long as the process lives. There are only as many as routes, so
    /// leaking each once is bounded, and a label costs no allocation.
    pub fn known(&self, route: &str) -> &'static str {
        if let Some(known) = self.routes.read().unwrap_or_else(PoisonError::into_inner).get(route) {
            return known;
        }
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = routes.get(route) {
            return known;
        }
        let leaked: &'static str = Box::leak(route.to_owned().into_boxed_str());
        routes.insert(leaked);
        leaked
    }
}

/// The method as a label: any client can invent others.
#[must_use]
pub fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}
