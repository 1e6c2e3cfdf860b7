//! One request, from its head to its answer's: what is counted of it, and its access line.

use std::time::{Duration, Instant};

use axum::http::{Method, Request, StatusCode};
use axum::response::Response;

use crate::idempotency::IDEMPOTENT_REPLAYED;
use crate::identity::Caller;
use crate::identity::client::{ClientAddress, Peer};
use crate::request_id::{RequestId, TraceContext};
use crate::state::App;
use crate::telemetry::AccessLine;

/// Writes the access line even if the client hangs up, which drops this with the request.
pub(super) struct AccessRecord {
    pub(super) app: App,
    pub(super) request_id: RequestId,
    pub(super) client: Option<ClientAddress>,
    pub(super) trace: Option<TraceContext>,
    /// The template of its path, if the path is known.
    pub(super) route: Option<&'static str>,
    started: Instant,
    method: Method,
    is_closed: bool,
}

impl AccessRecord {
    /// Reads the head of a request that began at `started`, over a connection from `peer`.
    pub(super) fn open<B>(
        app: &App,
        started: Instant,
        peer: Option<Peer>,
        route: Option<&'static str>,
        request: &Request<B>,
    ) -> Self {
        let (headers, config) = (request.headers(), &app.config);
        Self {
            app: app.clone(),
            request_id: RequestId::of(headers),
            client: ClientAddress::of(peer, headers, &config.trusted_proxies, &config.gateway_secrets),
            trace: TraceContext::of(headers),
            route,
            started,
            method: request.method().clone(),
            is_closed: false,
        }
    }

    pub(super) fn close(mut self, response: &Response, code: Option<&'static str>) {
        self.is_closed = true;
        let took = self.started.elapsed();
        let (metrics, status) = (&self.app.metrics, response.status());
        metrics.http.answered(&self.method, self.route, status.as_u16(), took.as_secs_f64());
        // A stored reply that is sent again changed nothing this time.
        if !response.headers().contains_key(&IDEMPOTENT_REPLAYED) {
            let told = response.extensions().get().copied();
            metrics.events.answered(&self.method, self.route, status, told);
        }
        self.write(Some(status), took, response.extensions().get().copied(), code);
    }

    fn write(
        &self,
        status: Option<StatusCode>,
        took: Duration,
        caller: Option<Caller>,
        code: Option<&'static str>,
    ) {
        let access = AccessLine {
            method: &self.method,
            route: self.route,
            status,
            took,
            request_id: &self.request_id,
            client: self.client,
            trace: self.trace,
            caller,
            code,
        };
        self.app.access_log.write(&self.app.clock, &access);
    }
}

impl Drop for AccessRecord {
    fn drop(&mut self) {
        if !self.is_closed {
            let (took, closed) = (self.started.elapsed(), AccessLine::CLIENT_CLOSED);
            self.app.metrics.http.answered(&self.method, self.route, closed, took.as_secs_f64());
            self.write(None, took, None, None);
        }
    }
}
