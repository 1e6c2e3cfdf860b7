//! What Prometheus scrapes. Labels are bounded: route templates, never paths or ids.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

use axum::http::{Method, StatusCode};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Seconds; from a memory hit to the request timeout.
const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 10.0];

/// Every metric of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
    /// Route templates seen so far.
    routes: RwLock<HashSet<&'static str>>,
    deliveries: Family<DeliveryLabels, Counter>,
    /// Requests refused because too many were running.
    pub shed: Counter,
    /// Connections refused because too many were open.
    pub connections_refused: Counter,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: &'static str,
    status: u16,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    route: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DeliveryLabels {
    queue_type: String,
    result: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("partner_api");
        let requests = Family::default();
        let durations = Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        let (shed, connections_refused) = (Counter::default(), Counter::default());
        registry.register("http_requests", "Requests answered", requests.clone());
        registry.register("http_request_duration_seconds", "Time to answer", durations.clone());
        registry.register("http_requests_shed", "Requests refused under overload", shed.clone());
        registry.register(
            "connections_refused",
            "Connections refused at the cap",
            connections_refused.clone(),
        );
        let deliveries = Family::default();
        registry.register("event_deliveries", "Attempts to deliver an event", deliveries.clone());
        Self {
            deliveries,
            registry,
            requests,
            durations,
            routes: RwLock::default(),
            shed,
            connections_refused,
        }
    }
}

impl Metrics {
    /// Counts an answered request.
    pub fn answered(&self, method: &Method, route: Option<&str>, status: StatusCode, seconds: f64) {
        let route = route.map_or("none", |route| self.known(route));
        let labels = RequestLabels { method: method_name(method), route, status: status.as_u16() };
        self.requests.get_or_create(&labels).inc();
        self.durations.get_or_create(&RouteLabels { route }).observe(seconds);
    }

    /// Counts an attempt to deliver an event.
    pub fn delivered(&self, queue_type: &str, is_delivered: bool) {
        let result = if is_delivered { "delivered" } else { "failed" };
        self.deliveries.get_or_create(&DeliveryLabels { queue_type: queue_type.to_owned(), result }).inc();
    }

    /// All metrics in the OpenMetrics text format.
    ///
    /// # Errors
    /// When a metric cannot be written.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }

    /// The template for as long as the process lives. There are only as many as routes, so
    /// leaking each once is bounded, and a label costs no allocation.
    fn known(&self, route: &str) -> &'static str {
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
