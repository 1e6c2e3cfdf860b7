//! Runs the service: two listeners, the tasks beside them, and the way down (contract 11).

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::app::{self, Answer, Door, MAX_HEADER_BYTES};
use crate::background::{
    expiry, key_patterns, leaks, outbox_depth, probe, publisher, queue_alerts, reports, retention, rotations,
    service_keys, streams,
};
use crate::config::Config;
use crate::db::change_feed::ChangeFeed;
use crate::http::at_once::at_once;
use crate::http::paced::Paced;
use crate::identity::client::Peer;
use crate::limits::Listener;
use crate::state::App;

/// A head that takes longer to arrive is a slow or hostile client's; so is an idle connection
/// that is kept longer.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Contract 0, step 1.
const MAX_HEADERS: usize = 200;
/// Connections taken beyond the limit, each for one request and a moment: so that a probe is
/// answered, and a client told to come back, while all others are closed without a word.
const RESERVE: usize = 64;
const RESERVE_TIMEOUT: Duration = Duration::from_secs(2);
/// The time that running requests may take to finish once the listeners are closed.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// After a failed accept (no file handles left, say), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The listeners, opened before anything else is told that the service is up.
pub struct Listeners {
    public: TcpListener,
    internal: TcpListener,
}

impl Listeners {
    /// Opens both.
    ///
    /// # Errors
    /// Names the variable and the address that cannot be had.
    pub async fn bind(config: &Config) -> io::Result<Self> {
        Ok(Self {
            public: bind("LISTEN_ADDR", config.listen_addr).await?,
            internal: bind("INTERNAL_LISTEN_ADDR", config.internal_listen_addr).await?,
        })
    }

    /// The addresses of the public listener, which partners use, and the internal one, which the
    /// gateway uses.
    ///
    /// # Errors
    /// When a socket has no address.
    pub fn addresses(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.public.local_addr()?, self.internal.local_addr()?))
    }
}

async fn bind(variable: &str, address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let message = match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("{variable}: {address} is in use by another program; stop it or choose another port")
            }
            _ => format!("{variable}: cannot listen on {address}: {error}"),
        };
        io::Error::new(error.kind(), message)
    })
}

/// Serves until `stop` resolves, then finishes what runs.
pub async fn serve(app: App, listeners: Listeners, stop: impl Future<Output = ()>) {
    // First of all: they are made of the documents, which takes a while, and look-ups that have begun have little time.
    let entrances = [
        Entrance::new(&app, Listener::Public, listeners.public),
        Entrance::new(&app, Listener::Internal, listeners.internal),
    ];
    let mut tasks = JoinSet::new();
    let (changes, clock_offset) = ChangeFeed::new(app.db.clone(), app.trust.clone(), app.clock.clone());
    tasks.spawn(changes.run(app.caches()));
    probe::probe(&app, 0).await;
    key_patterns::look(&app).await;
    // Requests need not ask; where nobody answers yet, the first that does learns it.
    let _ = app.db.is_distributed().await;
    tasks.spawn(probe::probe_forever(app.clone(), clock_offset));
    tasks.spawn(service_keys::follow(app.clone()));
    tasks.spawn(streams::follow(app.clone()));
    tasks.spawn(key_patterns::follow(app.clone()));
    let (uses, token_keys, event_keys) = (app.clone(), app.clone(), app.clone());
    tasks.spawn(async move { uses.identity.flush_forever().await });
    tasks.spawn(async move { token_keys.identity.token_keys.publish_forever().await });
    tasks.spawn(async move { event_keys.event_keys.publish_forever().await });
    tasks.spawn(expiry::run(app.clone()));
    tasks.spawn(retention::run(app.clone()));
    tasks.spawn(rotations::run(app.clone()));
    tasks.spawn(outbox_depth::run(app.clone()));
    tasks.spawn(queue_alerts::run(app.clone()));
    let attempts = app.clone();
    tasks.spawn(async move { attempts.queue_health.flush_forever(&attempts.db).await });

    let (close, closed) = watch::channel(false);
    let publisher = tokio::spawn(publisher::run(app.clone(), closed.clone()));
    let leaks = tokio::spawn(leaks::run(app.clone(), closed.clone()));
    let reports = tokio::spawn(reports::run(app.clone(), closed.clone()));
    let mut accepting = JoinSet::new();
    for entrance in entrances {
        accepting.spawn(accept(app.clone(), entrance, closed.clone()));
    }

    tokio::select! {
        () = stop => {}
        // A background task never ends by itself; if one panics, a process without it would lie.
        _ = tasks.join_next() => tracing::error!("a background task ended; stopping"),
    }
    app.draining.store(true, Ordering::Release);
    tracing::info!(delay = ?app.config.shutdown_delay, "draining");
    tokio::time::sleep(app.config.shutdown_delay).await;
    close.send_replace(true);
    if tokio::time::timeout(DRAIN_TIMEOUT, accepting.join_all()).await.is_err() {
        tracing::warn!("requests were still running after {DRAIN_TIMEOUT:?} and are cut off");
    }
    // It was told to stop with the listeners, finishes what it sends and hands back the rest.
    if publisher.await.is_err() {
        tracing::error!("the publisher did not end well");
    }
    // Likewise: what it was making begins again elsewhere.
    if reports.await.is_err() {
        tracing::error!("the maker of reports did not end well");
    }
    // What was received is looked at, within seconds.
    if leaks.await.is_err() {
        tracing::error!("looking at leaked keys did not end well");
    }
    tasks.shutdown().await;
    app.identity.keys.usage.flush(&app.db).await;
    app.queue_health.flush(&app.db).await;
    app.db.close().await;
    tracing::info!("stopped");
}

/// A listener, and what answers there.
struct Entrance {
    listener: Listener,
    socket: TcpListener,
    door: Door,
    overloaded: Door,
}

impl Entrance {
    fn new(app: &App, listener: Listener, socket: TcpListener) -> Self {
        let door = match listener {
            Listener::Public => app::public(app),
            Listener::Internal => app::internal(app),
        };
        Self { listener, socket, door, overloaded: app::overloaded(app, listener) }
    }
}

/// Takes connections until told to close, then waits for those that are open.
async fn accept(app: App, entrance: Entrance, mut closed: watch::Receiver<bool>) {
    let Entrance { listener, socket, door, overloaded } = entrance;
    let (connections, reserve) = (permits(app.config.max_client_connections), permits(RESERVE));
    // Closed once every connection has ended.
    let (open, mut all_ended) = mpsc::channel::<()>(1);
    let http = protocol(HEADER_TIMEOUT);
    let mut brief = protocol(RESERVE_TIMEOUT);
    brief.keep_alive(false);
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            _ = closed.wait_for(|closed| *closed) => break,
        };
        let Some((stream, peer)) = taken(accepted).await else { continue };
        let stream = TokioIo::new(Paced::new(stream));
        if let Ok(permit) = connections.clone().try_acquire_owned() {
            let service = Visitor { peer, door: door.clone() };
            let connection = converse(http.serve_connection(stream, service), closed.clone());
            let counted = (app.metrics.http.connected(listener), open.clone());
            let app = app.clone();
            tokio::spawn(async move {
                if at_once(connection).await == Ended::GivenUp {
                    app.metrics.http.gave_up(listener);
                }
                drop((permit, counted));
            });
            continue;
        }
        app.metrics.http.connection_refused(listener);
        if let Ok(permit) = reserve.clone().try_acquire_owned() {
            let service = Visitor { peer, door: overloaded.clone() };
            let connection = converse(brief.serve_connection(stream, service), closed.clone());
            let open = open.clone();
            tokio::spawn(async move {
                let _ = tokio::time::timeout(RESERVE_TIMEOUT, connection).await;
                drop((permit, open));
            });
        }
    }
    drop((socket, open));
    let _ = all_ended.recv().await;
}

/// Serves a connection to its end. Told to close, it finishes the request that runs.
async fn converse(mut connection: Connection, mut closed: watch::Receiver<bool>) -> Ended {
    let finished = tokio::select! {
        ended = &mut connection => Some(ended),
        () = async { drop(closed.wait_for(|closed| *closed).await) } => None,
    };
    let ended = match finished {
        Some(ended) => ended,
        None => {
            Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
    };
    let Err(error) = ended else { return Ended::Closed };
    let parts = connection.into_parts();
    let mut stream = parts.io.into_inner();
    // Nothing of a head is not half a head: a client that keeps a connection open for later would
    // take the answer for that of its next request.
    if error.is_timeout() && !parts.read_buf.is_empty() {
        let _ = tokio::time::timeout(GOODBYE_TIMEOUT, stream.get_mut().write_all(TOO_SLOW)).await;
    }
    // Whatever else goes wrong with a connection is between hyper and the client.
    let Some(stream) = stream.given_up() else { return Ended::Closed };
    // What the kernel still has for this client would stay in its memory for minutes.
    let _ = stream.set_zero_linger();
    Ended::GivenUp
}

/// The end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// In any other way.
    Closed,
    /// The client did not take its answer.
    GivenUp,
}

type Connection = http1::Connection<TokioIo<Paced<TcpStream>>, Visitor>;

/// One who is connected.
struct Visitor {
    peer: Peer,
    door: Door,
}

impl Service<Request<Incoming>> for Visitor {
    type Response = Response;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request<Incoming>) -> Answer {
        self.door.answer(Some(self.peer), request)
    }
}

/// hyper hangs up on a head that dribbles; contract 0, step 1, has an answer for it.
const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// HTTP as it is spoken here (contract 0, step 1).
fn protocol(header_timeout: Duration) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEADER_BYTES);
    http
}

fn permits(count: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(count))
}

async fn taken(accepted: io::Result<(TcpStream, SocketAddr)>) -> Option<(TcpStream, Peer)> {
    match accepted {
        Ok((stream, peer)) => {
            // Replies are written whole; waiting for more only delays them.
            let _ = stream.set_nodelay(true);
            Some((stream, Peer(peer.ip())))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// SIGTERM and Ctrl-C, heard from the moment this is made.
pub struct StopSignal {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignal {
    /// Starts to listen; before that, a signal ends the process as it ends any other.
    ///
    /// # Errors
    /// When the process cannot listen for signals.
    pub fn listen() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Resolves on either.
    pub async fn received(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
