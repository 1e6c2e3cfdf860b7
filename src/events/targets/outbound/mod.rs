//! The one HTTP client for all targets, and its safety (contract 6): connections go to the very
//! addresses that were checked, no redirects, no environment proxies, answers read up to a bound.
//! `stream` opens connections for other protocols.
//!
//! HTTP/1.1 with kept-alive connections, rustls with aws-lc-rs and Mozilla's roots. A connection is
//! used for a minute, so that a host that moves is followed; a request that fails on one that
//! served before, with no byte of an answer, is sent again on a new one (contract 14). Whoever gets it
//! twice sees the same event id.

mod addresses;
mod connect;
mod record;
mod stream;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use http_body_util::{BodyExt, Either, Empty, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::http::uri::Scheme;
use hyper::http::{Extensions, StatusCode};
use hyper::{Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::{Connected, capture_connection};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};

pub use addresses::is_refused;
use connect::AddressGuard;
pub use connect::{AllowedAddresses, Resolve, SystemResolver, race};
use record::{ConnectionRecord, Recording};
pub use stream::{Stream, Trust};

use super::error::{DeliveryError, Reason};
use crate::clock::Clock;

/// Our name to receivers.
pub const USER_AGENT: &str = concat!("partner-api/", env!("CARGO_PKG_VERSION"));

/// The bytes that are read of an answer; the rest is not waited for.
const MAX_ANSWER: usize = 64 * 1024;
/// The time that the rest of an acknowledged answer may take before its connection is given up.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(250);
/// Shorter than what common servers grant (Node 5 s), so that we are the ones to close.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// Idle connections kept for one host.
const MAX_IDLE: usize = 128;
/// The age up to which a connection is used again (contract 14): a minute, less what it may idle.
const MAX_AGE: TimeDelta = TimeDelta::seconds(56);
/// The largest head of an answer that is read. Of a larger one the status still counts.
const MAX_HEAD: usize = 64 * 1024;
/// The most header fields of an answer. The same holds.
const MAX_HEADERS: usize = 256;

type HttpClient = Client<Recording<HttpsConnector<AddressGuard>>, Full<Bytes>>;

/// An answer. Its body is empty where its head could not be read beyond the status.
pub type Answer = Response<Either<Incoming, Empty<Bytes>>>;

/// Over which connection a request may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// One that stands, if there is one.
    Any,
    /// A new one, which is closed afterwards: what it shows holds for whoever connects now.
    New,
}

/// An HTTP client with one [`AllowedAddresses`]; clones share its connections.
#[derive(Clone)]
pub struct Outbound {
    kept: HttpClient,
    single: HttpClient,
    guard: AddressGuard,
    tls: Arc<ClientConfig>,
    allowed: AllowedAddresses,
    clock: Clock,
}

impl Outbound {
    /// A client that trusts Mozilla's roots; nothing is connected yet.
    #[must_use]
    pub fn new(allowed: AllowedAddresses, resolver: Arc<dyn Resolve>, clock: Clock) -> Self {
        Self::with_roots(allowed, resolver, clock, webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect())
    }

    fn with_roots(
        allowed: AllowedAddresses,
        resolver: Arc<dyn Resolve>,
        clock: Clock,
        roots: RootCertStore,
    ) -> Self {
        let (tls, guard) = (tls(roots), AddressGuard::new(allowed, resolver));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls.clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(guard.clone());
        let connector = Recording { connector: https, clock: clock.clone() };
        let client = |max_idle| {
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE_TIMEOUT)
                .pool_max_idle_per_host(max_idle)
                .http1_max_buf_size(MAX_HEAD)
                .http1_max_headers(MAX_HEADERS)
                .http1_allow_obsolete_multiline_headers_in_responses(true)
                .http1_allow_spaces_after_header_name_in_responses(true)
                .http1_ignore_invalid_headers_in_responses(true)
                .build(connector.clone())
        };
        Self { kept: client(MAX_IDLE), single: client(0), guard, tls: Arc::new(tls), allowed, clock }
    }

    /// Sends a request and waits for the head of its answer, whatever its status.
    ///
    /// # Errors
    /// Everything that goes wrong before that head is there.
    pub async fn send(&self, request: Request<Full<Bytes>>, over: Over) -> Result<Answer, Reason> {
        if self.allowed == AllowedAddresses::Public && request.uri().scheme() != Some(&Scheme::HTTPS) {
            return Err(Reason::Settings("url must start with https://"));
        }
        if over == Over::New {
            return self.exchange(&self.single, request).await.map_err(|failed| failed.reason);
        }
        let again = request.clone();
        match self.exchange(&self.kept, request).await {
            Err(Failed { is_stale: true, .. }) => {
                self.exchange(&self.single, again).await.map_err(|failed| failed.reason)
            }
            answered => answered.map_err(|failed| failed.reason),
        }
    }

    async fn exchange(
        &self,
        client: &HttpClient,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Answer, Failed> {
        let captured = capture_connection(&mut request);
        let answered = client.request(request).await;
        let connected = captured.connection_metadata();
        let record = connected.as_ref().and_then(record_of);
        match answered {
            // Some servers say so as they close an idle connection (RFC 9110 15.5.9).
            Ok(answer) if answer.status() == StatusCode::REQUEST_TIMEOUT && is_reused(record.as_ref()) => {
                Err(Failed { reason: Reason::Status(408), is_stale: true })
            }
            Ok(answer) => {
                if let (Some(connected), Some(record)) = (&*connected, record)
                    && record.born + MAX_AGE <= self.clock.now()
                {
                    connected.poison();
                }
                Ok(answer.map(Either::Left))
            }
            Err(error) => match (classify(&error), record) {
                (Reason::InvalidResponse, Some(record)) => bare(&record),
                (reason, record) => {
                    let is_silent = record.is_some_and(|record| record.is_reused_and_silent());
                    Err(Failed { is_stale: is_silent && !error.is_connect(), reason })
                }
            },
        }
    }
}

/// A request without an answer.
struct Failed {
    reason: Reason,
    /// The connection had served before and was given up by the other side.
    is_stale: bool,
}

fn record_of(connected: &Connected) -> Option<ConnectionRecord> {
    let mut extras = Extensions::new();
    connected.get_extras(&mut extras);
    extras.remove()
}

fn is_reused(record: Option<&ConnectionRecord>) -> bool {
    record.is_some_and(ConnectionRecord::is_reused)
}

/// The answer that a head too odd or too large to read begins with: the receiver has decided.
fn bare(record: &ConnectionRecord) -> Result<Answer, Failed> {
    let unreadable = Failed { reason: Reason::InvalidResponse, is_stale: false };
    let status = record.status().filter(|status| !status.is_informational()).ok_or(unreadable)?;
    let mut answer = Answer::new(Either::Right(Empty::new()));
    *answer.status_mut() = status;
    Ok(answer)
}

/// TLS by aws-lc-rs, named here because a second provider in the tree would make rustls' choice a
/// panic.
fn tls(roots: RootCertStore) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("aws-lc-rs supports rustls' default versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Ends `work` as [`Reason::Timeout`] if it takes longer.
///
/// # Errors
/// The timeout, or what `work` ends with.
pub async fn with_timeout<T, E: Into<DeliveryError>>(
    timeout: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, DeliveryError> {
    match tokio::time::timeout(timeout, work).await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => Err(Reason::Timeout.into()),
    }
}

/// Reads an answer's body whole.
///
/// # Errors
/// [`Reason::InvalidResponse`] if it is larger than we read, [`Reason::Closed`] if it breaks off.
pub async fn read(body: Either<Incoming, Empty<Bytes>>) -> Result<Bytes, Reason> {
    match Limited::new(body, MAX_ANSWER).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Reason::InvalidResponse),
        Err(_) => Err(Reason::Closed),
    }
}

/// Reads and forgets an answer's body, so that its connection can serve again; one that is too
/// large or too slow costs the connection.
pub async fn drain(body: Either<Incoming, Empty<Bytes>>) {
    let mut body = Limited::new(body, MAX_ANSWER);
    let rest = async { while let Some(Ok(_)) = body.frame().await {} };
    // Late is as good as done: dropping the body closes the connection.
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, rest).await;
}

/// The class of an error of the HTTP client.
fn classify(error: &legacy::Error) -> Reason {
    let causes = || std::iter::successors(error.source(), |&cause| cause.source());
    if error.is_connect() {
        // Connecting is the guard's work, then a handshake.
        return causes().find_map(|cause| cause.downcast_ref().cloned()).unwrap_or(Reason::Tls);
    }
    match causes().find_map(|cause| cause.downcast_ref::<hyper::Error>()) {
        Some(error) if error.is_parse() => Reason::InvalidResponse,
        _ => Reason::Closed,
    }
}
