//! From a host to a connection: resolve, judge every address, connect to those very addresses.
//!
//! Nothing asks the resolver again between the judgement and the connection, so an answer that
//! changes in between (DNS rebinding) changes nothing. A literal address is judged the same way.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper::http::uri::Scheme;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::Service;

use super::addresses::is_refused;
use crate::events::targets::error::Reason;

/// One address gets this long before the next is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A host's further addresses are ignored.
const MAX_ADDRESSES: usize = 8;

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How far connections may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// https to public addresses.
    Public,
    /// Anywhere, plain http too: `ALLOW_PRIVATE_TARGETS`, or an endpoint the operator set.
    Anywhere,
}

/// Turns a name into addresses; tests bring their own.
pub trait Resolve: Send + Sync + 'static {
    /// All addresses of `host`.
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The operating system's resolver.
#[derive(Clone, Copy, Debug)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
        })
    }
}

/// Opens the TCP connections of a client.
#[derive(Clone)]
pub struct Guard {
    reach: Reach,
    resolver: Arc<dyn Resolve>,
}

impl Guard {
    pub fn new(reach: Reach, resolver: Arc<dyn Resolve>) -> Self {
        Self { reach, resolver }
    }

    async fn connect(&self, uri: &Uri) -> Result<TokioIo<TcpStream>, Reason> {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let default_port = if uri.scheme() == Some(&Scheme::HTTP) { 80 } else { 443 };
        let port = uri.port_u16().unwrap_or(default_port);
        let mut reason = Reason::Dns;
        for address in self.addresses(host).await? {
            match open(SocketAddr::new(address, port)).await {
                Ok(stream) => return Ok(TokioIo::new(stream)),
                Err(failed) => reason = failed,
            }
        }
        Err(reason)
    }

    /// A host's addresses, none of which is refused.
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Reason> {
        let mut addresses = match host.parse() {
            Ok(literal) => vec![literal],
            Err(_) => self.resolver.resolve(host).await.map_err(|_| Reason::Dns)?,
        };
        // One refused address condemns the host: it is either a mistake or an attempt.
        if self.reach == Reach::Public && addresses.iter().copied().any(is_refused) {
            return Err(Reason::Blocked);
        }
        addresses.truncate(MAX_ADDRESSES);
        Ok(addresses)
    }
}

async fn open(address: SocketAddr) -> Result<TcpStream, Reason> {
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await;
    let stream = connected.map_err(|_| Reason::Timeout)?.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => Reason::Refused,
        io::ErrorKind::TimedOut => Reason::Timeout,
        _ => Reason::Unreachable,
    })?;
    // Requests are written whole; waiting for more to send only costs latency.
    stream.set_nodelay(true).map_err(|_| Reason::Unreachable)?;
    Ok(stream)
}

impl Service<Uri> for Guard {
    type Response = TokioIo<TcpStream>;
    type Error = Reason;
    type Future = BoxFuture<'static, Result<Self::Response, Reason>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let guard = self.clone();
        Box::pin(async move { guard.connect(&uri).await })
    }
}
