//! Runs the service: two listeners, the tasks beside them, and the way down (contract 11).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::app;
use crate::config::Config;
use crate::db::listener::Listener;
use crate::events::{expiry, publisher, retention};
use crate::identity::{token_keys, usage};
use crate::routes::health;
use crate::state::App;

/// A head that takes longer to arrive is a slow or hostile client's; so is an idle connection
/// that is kept longer.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Contract 0, step 1.
const MAX_HEADERS: usize = 200;
pub const MAX_HEADER_BYTES: usize = 64 * 1024;
/// How long running requests may take to finish once the door is closed.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// After a failed accept (no file handles left, say), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The doors, opened before anything else is told that the service is up.
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

    /// Where partners connect, and where the gateway asks.
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
    let mut tasks = JoinSet::new();
    let (listener, clock_offset) = Listener::new(app.db.clone(), app.trust.clone(), app.clock.clone());
    tasks.spawn(listener.run(app.caches()));
    health::probe(&app, 0).await;
    tasks.spawn(health::probe_forever(app.clone(), clock_offset));
    tasks.spawn(usage::flush_forever(app.clone()));
    tasks.spawn(token_keys::publish_forever(app.clone()));
    tasks.spawn(expiry::run(app.clone()));
    tasks.spawn(retention::run(app.clone()));

    let (close, closed) = watch::channel(false);
    let publisher = tokio::spawn(publisher::run(app.clone(), closed.clone()));
    let mut doors = JoinSet::new();
    doors.spawn(accept(app.clone(), listeners.public, app::public(&app), closed.clone()));
    doors.spawn(accept(app.clone(), listeners.internal, app::internal(&app), closed));

    tokio::select! {
        () = stop => {}
        // A background task never ends by itself; if one panics, a process without it would lie.
        _ = tasks.join_next() => tracing::error!("a background task ended; stopping"),
    }
    app.draining.store(true, Ordering::Release);
    tracing::info!(delay = ?app.config.shutdown_delay, "draining");
    tokio::time::sleep(app.config.shutdown_delay).await;
    close.send_replace(true);
    if tokio::time::timeout(DRAIN_TIMEOUT, doors.join_all()).await.is_err() {
        tracing::warn!("requests were still running after {DRAIN_TIMEOUT:?} and are cut off");
    }
    // It was told to stop with the doors, finishes what it sends and hands back the rest.
    if publisher.await.is_err() {
        tracing::error!("the publisher did not end well");
    }
    tasks.shutdown().await;
    app.keys.usage.flush(&app.db).await;
    app.db.close().await;
    tracing::info!("stopped");
}

/// Takes connections until told to close, then waits for those that are open.
async fn accept(app: App, door: TcpListener, router: Router, mut closed: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(app.config.max_client_connections));
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEADER_BYTES);
    loop {
        let accepted = tokio::select! {
            accepted = door.accept() => accepted,
            _ = closed.wait_for(|closed| *closed) => break,
        };
        let Some(stream) = taken(accepted).await else { continue };
        let Ok(permit) = room.clone().try_acquire_owned() else {
            app.metrics.connections_refused.inc();
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            // Whatever goes wrong with a connection is between hyper and the client.
            let _ = connection.await;
            drop(permit);
        });
    }
    drop(door);
    graceful.shutdown().await;
}

async fn taken(accepted: io::Result<(TcpStream, SocketAddr)>) -> Option<TcpStream> {
    match accepted {
        Ok((stream, _)) => {
            // Replies are written whole; waiting for more only delays them.
            let _ = stream.set_nodelay(true);
            Some(stream)
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
