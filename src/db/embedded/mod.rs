//! A private Postgres for whoever sets no `DATABASE_URL`: made in `DATA_DIR/postgres` from the
//! binaries on this machine, started with the service and stopped with it.
//!
//! Who holds what:
//!
//! * an exclusive lock on `DATA_DIR/service.lock` says that a living service owns the directory
//!   (module `lock`);
//! * a child process, the guard (module `guard`), holds a pipe to the service: when the service
//!   dies, however it dies, the guard stops Postgres and removes what must not stay;
//! * on Linux the kernel stops Postgres as well (`PR_SET_PDEATHSIG`, module `process`), which
//!   helps when the guard dies together with the service.

mod account;
mod binaries;
mod cluster;
mod error;
mod guard;
mod lock;
mod process;

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{Connection, PgConnection};

use account::Account;
use cluster::Cluster;
pub use cluster::make_data_dir;
pub use error::EmbeddedError;
use guard::Guard;
use lock::{Record, ServiceLock};
use process::Server;

/// The name of the database, and of the cluster's only role.
const NAME: &str = "partner_api";
/// Only a file name here, as nothing listens on TCP.
const PORT: u16 = 5432;
/// Crash recovery replays at most a few checkpoints' worth of log; past this something is wrong.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// How long a dead service's Postgres may take to go away.
const ORPHAN_PATIENCE: Duration = Duration::from_secs(30);
/// A fast shutdown that takes longer is cut short; the next start then recovers from the log.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);
const LONGEST_POLL: Duration = Duration::from_millis(250);

/// Where the cluster lives and what runs it.
#[derive(Debug, Clone)]
pub struct Options {
    /// `DATA_DIR`, made if missing. The cluster is its subdirectory `postgres`.
    pub data_dir: PathBuf,
    /// `PG_BIN`: the directory of `initdb` and `postgres`, looked for when not set.
    pub pg_bin: Option<PathBuf>,
}

/// A running cluster and its owner. Dropping it stops Postgres without waiting; [`Self::stop`]
/// waits.
#[derive(Debug)]
pub struct Embedded {
    server: Server,
    // Before the lock, so that the next owner finds Postgres already told to stop.
    guard: Guard,
    lock: ServiceLock,
}

impl Embedded {
    /// Makes the cluster if there is none, starts it, and waits until its database
    /// `partner_api` accepts connections.
    ///
    /// # Errors
    /// Another service owns the directory, no usable binaries, a directory that the cluster's
    /// user cannot enter, or a Postgres that does not start (with the last lines of its log).
    /// Never hangs: the longest wait is for a dead service's Postgres and then for recovery.
    pub async fn start(options: &Options) -> Result<Self, EmbeddedError> {
        let options = options.clone();
        launch(blocking(move || Cluster::prepare(&options)).await?).await
    }

    /// A cluster for tests: in a fresh directory under the system's temporary one, without
    /// durability. It vanishes with this process, even when that is killed.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_ephemeral(pg_bin: Option<PathBuf>) -> Result<Self, EmbeddedError> {
        launch(blocking(move || Cluster::prepare_ephemeral(pg_bin)).await?).await
    }

    /// How to connect to the database `partner_api`.
    pub fn connect_options(&self) -> PgConnectOptions {
        connect_options(self.guard.sockets(), NAME)
    }

    /// Completes when Postgres has exited, be it by [`Self::stop`] or on its own. The future
    /// does not borrow: a supervisor can hold it while the owner stops the cluster.
    pub fn died(&self) -> impl Future<Output = ExitStatus> + Send + use<> {
        self.server.exited()
    }

    /// Ends all sessions, writes a checkpoint and stops Postgres. After ten seconds it stops
    /// without the checkpoint, which costs the next start a recovery and loses nothing.
    pub async fn stop(self) {
        // Others should not find it any more; if they do, they get an error of the connection.
        let _ = self.lock.write(&Record::not_ready(self.guard.sockets()));
        for signal in [Signal::INT, Signal::QUIT, Signal::KILL] {
            self.server.signal(signal);
            if tokio::time::timeout(STOP_PATIENCE, self.died()).await.is_ok() {
                break;
            }
            tracing::warn!(?signal, "the embedded Postgres did not stop in time");
        }
        let _ = blocking(move || {
            self.guard.finish();
            Ok(())
        })
        .await;
    }
}

/// Whether the user that the cluster would run as can get to `data_dir`. Nothing is made.
///
/// # Errors
/// Names the directory that keeps that user out, and the fix.
pub fn try_way(data_dir: &Path) -> Result<(), EmbeddedError> {
    let cluster =
        std::path::absolute(data_dir).map_err(EmbeddedError::io("name", data_dir))?.join("postgres");
    Account::choose(&cluster)?.try_way(&cluster)
}

/// Whether a cluster was made under `data_dir`.
#[must_use]
pub fn has_cluster(data_dir: &Path) -> bool {
    binaries::cluster_version(&data_dir.join("postgres")).is_some()
}

/// How to connect to the cluster of a living service under `data_dir`, if there is one that
/// accepts connections.
pub fn running(data_dir: &Path) -> Option<PgConnectOptions> {
    let sockets = lock::read_if_held(data_dir)?.sockets?;
    Some(connect_options(&sockets, NAME))
}

fn connect_options(sockets: &Path, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(sockets)
        .port(PORT)
        .username(NAME)
        .database(database)
        .ssl_mode(PgSslMode::Disable)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EmbeddedError> + Send + 'static,
) -> Result<T, EmbeddedError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(failed) => Err(EmbeddedError::io("run a background task", "")(io::Error::other(failed))),
    }
}

/// Starts Postgres, again if need be: processes that outlived their postmaster hold on to the
/// cluster's shared memory until they notice, and Postgres rightly refuses to start meanwhile.
async fn launch(cluster: Cluster) -> Result<Embedded, EmbeddedError> {
    let mut cluster = cluster;
    let began = Instant::now();
    loop {
        let (returned, server) = blocking(move || cluster.spawn()).await?;
        cluster = returned;
        match ready(&server, cluster.guard.sockets(), began + START_PATIENCE).await {
            Ok(()) => return own(cluster, server).await,
            Err(Unready::Exited(status)) => {
                let log = server.log_tail();
                let held = process::says_still_in_use(&log);
                if !held {
                    return Err(EmbeddedError::Exited { status, log });
                }
                if began.elapsed() > ORPHAN_PATIENCE {
                    return Err(EmbeddedError::StillInUse { log });
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(Unready::TimedOut) => {
                server.signal(Signal::QUIT);
                return Err(EmbeddedError::NotReady {
                    seconds: START_PATIENCE.as_secs(),
                    log: server.log_tail(),
                });
            }
            Err(Unready::Refused(error)) => return Err(error.into()),
        }
    }
}

async fn own(cluster: Cluster, server: Server) -> Result<Embedded, EmbeddedError> {
    blocking(move || {
        let Cluster { guard, lock, .. } = cluster;
        lock.write(&Record::ready(guard.sockets()))?;
        Ok(Embedded { server, guard, lock })
    })
    .await
}

enum Unready {
    Exited(ExitStatus),
    TimedOut,
    Refused(sqlx::Error),
}

async fn ready(server: &Server, sockets: &Path, deadline: Instant) -> Result<(), Unready> {
    let left = deadline.saturating_duration_since(Instant::now());
    tokio::select! {
        // Last words of a dying Postgres look like "not yet": the exit decides.
        biased;
        status = server.exited() => Err(Unready::Exited(status)),
        outcome = connectable(sockets) => outcome.map_err(Unready::Refused),
        () = tokio::time::sleep(left) => Err(Unready::TimedOut),
    }
}

/// Connects until it works, ever less often: during a recovery each attempt is a line in the log. The first start finds no database of ours, and makes it.
async fn connectable(sockets: &Path) -> Result<(), sqlx::Error> {
    let mut pause = POLL;
    loop {
        match PgConnection::connect_with(&connect_options(sockets, NAME)).await {
            Ok(connection) => return connection.close().await,
            Err(error) if code(&error) == Some("3D000".into()) => create_database(sockets).await?,
            Err(error) if starting_up(&error) => {
                tokio::time::sleep(pause).await;
                pause = (pause * 5 / 4).min(LONGEST_POLL);
            }
            Err(error) => return Err(error),
        }
    }
}

async fn create_database(sockets: &Path) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect_with(&connect_options(sockets, "postgres")).await?;
    sqlx::query("CREATE DATABASE partner_api").execute(&mut connection).await?;
    connection.close().await
}

fn code(error: &sqlx::Error) -> Option<std::borrow::Cow<'_, str>> {
    error.as_database_error()?.code()
}

/// No socket yet, or `cannot_connect_now` (57P03: recovery, or a shutdown that will exit).
fn starting_up(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(_)) || code(error) == Some("57P03".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_that_is_not_up_yet_is_waited_for() {
        let missing = sqlx::Error::Io(io::Error::from(io::ErrorKind::NotFound));
        assert!(starting_up(&missing));
        assert!(!starting_up(&sqlx::Error::PoolClosed));
    }

    #[test]
    fn connects_by_the_socket_only() {
        let options = connect_options(Path::new("/tmp/pa-0"), NAME);
        assert_eq!(options.get_socket().map(|p| p.as_path()), Some(Path::new("/tmp/pa-0")));
        assert_eq!(options.get_username(), "partner_api");
        assert_eq!(options.get_database(), Some("partner_api"));
    }
}
