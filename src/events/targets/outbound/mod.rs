//! The one HTTP client for all targets, and its safety (contract 6): connections go to the very
//! addresses that were checked, no redirects, no environment proxies, answers read up to a bound.
//!
//! HTTP/1.1 with kept-alive connections, rustls with aws-lc-rs and Mozilla's roots.

mod addresses;
mod connect;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::http::uri::Scheme;
use hyper::{Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};

pub use addresses::is_refused;
use connect::Guard;
pub use connect::{Reach, Resolve, SystemResolver};

use super::error::{DeliveryError, Reason};

/// How we name ourselves to receivers.
pub const USER_AGENT: &str = concat!("partner-api/", env!("CARGO_PKG_VERSION"));

/// What is read of an answer; the rest is not waited for.
const MAX_ANSWER: usize = 64 * 1024;
/// How long the rest of an acknowledged answer may take before its connection is given up.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(250);
/// Shorter than what common servers grant (Node 5 s), so that we are the ones to close.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// Idle connections kept for one host.
const MAX_IDLE: usize = 128;

/// An HTTP client with one [`Reach`]; clones share its connections.
#[derive(Clone)]
pub struct Outbound {
    client: Client<HttpsConnector<Guard>, Full<Bytes>>,
    reach: Reach,
}

impl Outbound {
    /// A client that trusts Mozilla's roots; nothing is connected yet.
    #[must_use]
    pub fn new(reach: Reach, resolver: Arc<dyn Resolve>) -> Self {
        Self::with_roots(reach, resolver, webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect())
    }

    fn with_roots(reach: Reach, resolver: Arc<dyn Resolve>, roots: RootCertStore) -> Self {
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls(roots))
            .https_or_http()
            .enable_http1()
            .wrap_connector(Guard::new(reach, resolver));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE)
            .build(https);
        Self { client, reach }
    }

    /// Sends a request and waits for the head of its answer, whatever its status.
    ///
    /// # Errors
    /// Everything that goes wrong before that head is there.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Reason> {
        if self.reach == Reach::Public && request.uri().scheme() != Some(&Scheme::HTTPS) {
            return Err(Reason::Settings("url must start with https://"));
        }
        self.client.request(request).await.map_err(|error| classify(&error))
    }
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
pub async fn within<T, E: Into<DeliveryError>>(
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
pub async fn read(body: Incoming) -> Result<Bytes, Reason> {
    match Limited::new(body, MAX_ANSWER).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Reason::InvalidResponse),
        Err(_) => Err(Reason::Closed),
    }
}

/// Reads and forgets an answer's body, so that its connection can serve again; one that is too
/// large or too slow costs the connection.
pub async fn drain(body: Incoming) {
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
