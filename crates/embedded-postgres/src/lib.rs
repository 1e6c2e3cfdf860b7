#![doc = include_str!("../README.md")]

mod account;
mod binaries;
mod cluster;
mod error;
mod guard;
mod lock;
mod name;
mod orphan;
mod process;
mod readiness;

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use account::Account;
use cluster::Cluster;
pub use cluster::make_data_dir;
pub use error::{Blocked, EmbeddedError};
use guard::Guard;
use lock::{OwnerLock, Record};
use name::Name;
use process::Server;

/// Only a file name here, as nothing listens on TCP.
const PORT: u16 = 5432;
/// The time that a dead owner's Postgres may take to go away.
const ORPHAN_PATIENCE: Duration = Duration::from_secs(30);
/// A fast shutdown that takes longer is cut short; the next start then recovers from the log.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// The cluster's name, the directory that it lives in, and that of the binaries that run it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name of the cluster's role and of its database: at most 63 of a-z, 0-9 and `_`, a letter first.
    pub name: String,
    /// Made if missing. The cluster is its subdirectory `postgres`.
    pub data_dir: PathBuf,
    /// The directory of `initdb` and `postgres`, looked for when not given.
    pub pg_bin: Option<PathBuf>,
}

/// A running cluster and its owner. Dropping it stops Postgres without waiting; [`Self::stop`]
/// waits.
#[derive(Debug)]
pub struct Embedded {
    name: Name,
    server: Server,
    // Before the lock, so that the next owner finds Postgres already told to stop.
    guard: Guard,
    lock: OwnerLock,
}

impl Embedded {
    /// Makes the cluster if there is none, starts it, and waits until its database accepts connections.
    ///
    /// # Errors
    /// Another process owns the directory, no usable binaries, a directory that the cluster's
    /// user cannot enter, or a Postgres that does not start (with the last lines of its log).
    /// Never hangs: the longest wait is for a dead owner's Postgres and then for recovery.
    pub async fn start(settings: &Settings) -> Result<Self, EmbeddedError> {
        let settings = settings.clone();
        readiness::launch(blocking(move || Cluster::prepare(&settings)).await?).await
    }

    /// A cluster for tests: in a fresh directory in memory or under the system's temporary one, without
    /// durability. It vanishes with this process, even when that is killed.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_ephemeral(name: &str, pg_bin: Option<&Path>) -> Result<Self, EmbeddedError> {
        let (name, pg_bin) = (name.to_owned(), pg_bin.map(Path::to_path_buf));
        let prepare = move || Cluster::prepare_ephemeral(&name, pg_bin.as_deref());
        readiness::launch(blocking(prepare).await?).await
    }

    /// The options to connect to the database with.
    #[must_use]
    pub fn connect_options(&self) -> PgConnectOptions {
        connect_options(&self.name, self.guard.sockets(), self.name.as_str())
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

/// Tries whether the user that the cluster would run as can get to `data_dir`. Nothing is made.
///
/// # Errors
/// Names the directory that keeps that user out, and the fix.
pub fn try_way(data_dir: &Path) -> Result<(), EmbeddedError> {
    let cluster =
        std::path::absolute(data_dir).map_err(EmbeddedError::io("name", data_dir))?.join("postgres");
    Account::choose(&cluster)?.try_way(&cluster)
}

/// Looks for the binaries, and tries the way to the cluster, as a start would; gives the binaries' directory. Nothing is
/// made or started.
///
/// # Errors
/// As [`Embedded::start`], as far as it would come.
pub fn look(settings: &Settings) -> Result<PathBuf, EmbeddedError> {
    let directory = &settings.data_dir;
    let cluster =
        std::path::absolute(directory).map_err(EmbeddedError::io("name", directory))?.join("postgres");
    let account = Account::choose(&cluster)?;
    account.try_way(&cluster)?;
    Ok(binaries::Binaries::find(settings.pg_bin.as_deref(), &cluster, &account)?.directory)
}

/// Returns `true` if a cluster was made under `data_dir`.
#[must_use]
pub fn has_cluster(data_dir: &Path) -> bool {
    binaries::cluster_version(&data_dir.join("postgres")).is_some()
}

/// The options to connect with to the cluster of a living owner, in this process or another, if there
/// is one that accepts connections.
#[must_use]
pub fn running(settings: &Settings) -> Option<PgConnectOptions> {
    let name = Name::parse(&settings.name).ok()?;
    let sockets = lock::read_if_held(&settings.data_dir)?.sockets?;
    Some(connect_options(&name, &sockets, name.as_str()))
}

fn connect_options(name: &Name, sockets: &Path, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(sockets)
        .port(PORT)
        .username(name.as_str())
        .database(database)
        .ssl_mode(PgSslMode::Disable)
}

/// Runs what waits for the disk or for other processes beside the runtime.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EmbeddedError> + Send + 'static,
) -> Result<T, EmbeddedError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(failed) => Err(EmbeddedError::io("run a background task", "")(io::Error::other(failed))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connects_by_the_socket_only() {
        let name = Name::parse("acme").expect("a name");
        let options = connect_options(&name, Path::new("/tmp/pa-0"), "acme");
        assert_eq!(options.get_socket().map(|p| p.as_path()), Some(Path::new("/tmp/pa-0")));
        assert_eq!(options.get_username(), "acme");
        assert_eq!(options.get_database(), Some("acme"));
    }
}
