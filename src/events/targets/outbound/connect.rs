//! From a host to a connection: resolve, judge every address, connect to those very addresses,
//! one a little after the other until one answers (RFC 8305).
//!
//! Nothing asks the resolver again between the judgement and the connection, so an answer that
//! changes in between (DNS rebinding) changes nothing. A literal address is judged the same way.
//!
//! A name that is refused is told like one that does not exist, and as late: a partner must not
//! learn which names exist inside.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hyper::Uri;
use hyper::http::uri::Scheme;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tower::Service;

use super::addresses::is_refused;
use crate::events::targets::error::Reason;

/// One address gets this long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The delay until the next address is tried as well (RFC 8305 section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// A host's further addresses are ignored.
const MAX_ADDRESSES: usize = 8;
/// A name that leads nowhere is told after a whole number of these, so that the time tells little.
const TELL_INTERVAL: Duration = Duration::from_secs(1);

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The addresses that connections may go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllowedAddresses {
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
pub struct AddressGuard {
    allowed: AllowedAddresses,
    resolver: Arc<dyn Resolve>,
}

impl AddressGuard {
    pub fn new(allowed: AllowedAddresses, resolver: Arc<dyn Resolve>) -> Self {
        Self { allowed, resolver }
    }

    async fn connect(&self, uri: &Uri) -> Result<TokioIo<TcpStream>, Reason> {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let default_port = if uri.scheme() == Some(&Scheme::HTTP) { 80 } else { 443 };
        let port = uri.port_u16().unwrap_or(default_port);
        self.dial(host, port).await.map(TokioIo::new)
    }

    /// Connects to one of a host's addresses, if none of them is refused.
    pub async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, Reason> {
        let addresses = self.addresses(host).await?;
        race(addresses.into_iter().map(|address| open(SocketAddr::new(address, port))), ATTEMPT_DELAY).await
    }

    /// A host's addresses, none of which is refused, in the order in which they are tried.
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Reason> {
        let began = Instant::now();
        let judged = self.judge(host).await;
        if judged.is_err() && self.allowed == AllowedAddresses::Public {
            let intervals = began.elapsed().as_millis() / TELL_INTERVAL.as_millis() + 1;
            sleep_until(began + TELL_INTERVAL * u32::try_from(intervals).unwrap_or(1)).await;
        }
        Ok(interleave(judged?))
    }

    async fn judge(&self, host: &str) -> Result<Vec<IpAddr>, Reason> {
        let addresses = match host.parse() {
            Ok(literal) => vec![literal],
            Err(_) => self.resolver.resolve(host).await.map_err(|_| Reason::Dns)?,
        };
        // One refused address condemns the host: it is either a mistake or an attempt.
        if self.allowed == AllowedAddresses::Public && addresses.iter().copied().any(is_refused) {
            return Err(Reason::Blocked);
        }
        if addresses.is_empty() { Err(Reason::Dns) } else { Ok(addresses) }
    }
}

/// The order of RFC 8305 section 4: families take turns, beginning with the resolver's first choice.
fn interleave(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let is_v6_first = addresses.first().is_some_and(IpAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == is_v6_first);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut ordered = Vec::new();
    while ordered.len() < MAX_ADDRESSES {
        let turn = [first.next(), second.next()];
        if turn == [None, None] {
            break;
        }
        ordered.extend(turn.into_iter().flatten());
    }
    ordered.dedup();
    ordered.truncate(MAX_ADDRESSES);
    ordered
}

/// Gives what the first attempt that succeeds gives. One begins once the one before it has failed, or
/// has had `delay`; the others are then given up.
pub async fn race<T, F: Future<Output = Result<T, Reason>>>(
    attempts: impl ExactSizeIterator<Item = F>,
    delay: Duration,
) -> Result<T, Reason> {
    let mut left = attempts;
    let mut attempts = FuturesUnordered::new();
    let mut failed = Reason::Dns;
    loop {
        attempts.extend(left.next());
        if attempts.is_empty() {
            return Err(failed);
        }
        tokio::select! {
            Some(outcome) = attempts.next() => match outcome {
                Ok(found) => return Ok(found),
                Err(reason) => failed = reason,
            },
            () = sleep(delay), if left.len() > 0 => {}
        }
    }
}

async fn open(address: SocketAddr) -> Result<TcpStream, Reason> {
    let connected = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await;
    let stream = connected.map_err(|_| Reason::Timeout)?.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => Reason::Refused,
        io::ErrorKind::TimedOut => Reason::Timeout,
        _ => Reason::Unreachable,
    })?;
    // Requests are written whole; waiting for more to send only costs latency.
    stream.set_nodelay(true).map_err(|_| Reason::Unreachable)?;
    Ok(stream)
}

impl Service<Uri> for AddressGuard {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_beginning_with_the_resolvers_first_choice() {
        let ordered = |list: &str| -> String {
            let parsed = list.split(' ').filter_map(|address| address.parse().ok()).collect();
            interleave(parsed).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(ordered("::1 ::2 ::3 1.1.1.1 2.2.2.2"), "::1 1.1.1.1 ::2 2.2.2.2 ::3");
        assert_eq!(ordered("1.1.1.1 ::1 ::2"), "1.1.1.1 ::1 ::2");
        assert_eq!(ordered("1.1.1.1 1.1.1.1 2.2.2.2"), "1.1.1.1 2.2.2.2");
        assert_eq!(ordered(""), "");
        let many = (1..=40).map(|n| format!("10.0.0.{n}")).collect::<Vec<_>>().join(" ");
        assert_eq!(ordered(&format!("{many} ::1")).split(' ').count(), MAX_ADDRESSES);
        assert!(ordered(&format!("{many} ::1")).starts_with("10.0.0.1 ::1 10.0.0.2"));
    }
}
