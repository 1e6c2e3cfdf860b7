//! The embedded Postgres's errors, in words for the operator at the terminal.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// The thing that a directory keeps the cluster's user from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocked {
    /// The cluster.
    DataDir,
    /// `initdb` and `postgres`.
    Binaries,
}

impl Blocked {
    const fn in_words(self) -> &'static str {
        match self {
            Self::DataDir => "a data directory",
            Self::Binaries => "binaries in a directory",
        }
    }
}

/// The reasons why the embedded Postgres did not start. The messages name what to do.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The name is not one that a role and a database of the cluster can have.
    #[error("`{name}` cannot name a role and a database; take at most 63 of a-z, 0-9 and _, a letter first")]
    InvalidName {
        /// The name.
        name: String,
    },
    /// The machine has no Postgres server, or not where it was looked for.
    #[error(
        "no Postgres found (`initdb` and `postgres` in one directory), looked in: {looked}. \
         Install it (Debian, Ubuntu: `apt-get install postgresql`; Fedora: `dnf install \
         postgresql-server`; macOS: `brew install postgresql@17`), or name the \
         directory that has it"
    )]
    NoBinaries {
        /// The directories, separated by commas.
        looked: String,
    },
    /// The cluster was made by another major version.
    #[error(
        "the cluster in {} is of Postgres {cluster}, but the binaries found are of Postgres \
         {found}: install Postgres {cluster} (or name its directory), or upgrade the \
         cluster with pg_upgrade", .path.display()
    )]
    WrongVersion {
        /// The cluster's directory.
        path: PathBuf,
        /// Its major version.
        cluster: u32,
        /// Versions and their directories, separated by commas.
        found: String,
    },
    /// Another living process holds the lock on the data directory.
    #[error(
        "another process{} already uses the data directory {}; stop it or use another directory",
        .pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default(), .data_dir.display()
    )]
    InUse {
        /// The owner's process id, as far as known.
        pid: Option<u32>,
        /// The directory.
        data_dir: PathBuf,
    },
    /// A directory above the cluster, or above the binaries, keeps the cluster's user out.
    #[error(
        "Postgres does not run as root, so the cluster runs as user `{user}`, and that user \
         cannot enter {} (mode {mode:04o}): choose {} that it can enter, or run `chmod o+x {}`",
        .directory.display(), .blocked.in_words(), .directory.display()
    )]
    Unreachable {
        /// The unprivileged user.
        user: String,
        /// The outermost directory that it cannot enter.
        directory: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The thing that lies behind it.
        blocked: Blocked,
    },
    /// The cluster belongs to somebody else than the user that would run it.
    #[error(
        "{} belongs to uid {owner}, but the cluster would run as `{user}` (uid {uid}): start as \
         the owner, or run `chown -R {uid} {}`", .path.display(), .path.display()
    )]
    WrongOwner {
        /// The cluster's directory.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The user's name.
        user: String,
        /// The user's id.
        uid: u32,
    },
    /// Root, and neither `postgres` nor `nobody` exists.
    #[error(
        "Postgres does not run as root, and there is neither a user `postgres` nor `nobody` to \
         run it: start as an ordinary user"
    )]
    NoAccount,
    /// Something else sits where the cluster belongs.
    #[error("{} is not a Postgres cluster: move it away or use another data directory", .path.display())]
    NotACluster {
        /// The directory.
        path: PathBuf,
    },
    /// Sockets fit nowhere.
    #[error("no directory for a socket could be made in any of: {tried}")]
    NoSocketDirectory {
        /// The directories and why not, separated by commas.
        tried: String,
    },
    /// `initdb` failed.
    #[error("initdb failed ({outcome}): {log}")]
    Initdb {
        /// Its exit status, or that it took too long.
        outcome: String,
        /// Its last lines.
        log: String,
    },
    /// Postgres exited before it was ready.
    #[error("Postgres did not start ({status}): {log}")]
    Exited {
        /// The status that it exited with.
        status: ExitStatus,
        /// The last lines of its log.
        log: String,
    },
    /// Postgres runs but does not answer.
    #[error("Postgres was not ready within {seconds} seconds: {log}")]
    NotReady {
        /// The deadline.
        seconds: u64,
        /// The last lines of its log.
        log: String,
    },
    /// Processes of an earlier Postgres do not go away.
    #[error("processes of an earlier Postgres still use the cluster: {log}")]
    StillInUse {
        /// The last lines of the log.
        log: String,
    },
    /// A Postgres that is not ours, or that ignores signals, uses the cluster.
    #[error(
        "process {pid} seems to be a Postgres that uses {}, and not one that can be stopped \
         from here: stop it; if it is another program, remove {}/postmaster.pid",
        .path.display(), .path.display()
    )]
    Occupied {
        /// The process.
        pid: u32,
        /// The cluster's directory.
        path: PathBuf,
    },
    /// Postgres answers, but with an error.
    #[error("Postgres refused a connection: {0}")]
    Refused(#[from] sqlx::Error),
    /// The operating system refused something.
    #[error("cannot {action}{}: {source}", in_words(.path))]
    Io {
        /// The action that was tried.
        action: &'static str,
        /// On what; may be empty.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl EmbeddedError {
    /// For `map_err`: says what was tried, and on what.
    pub(super) fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}

fn in_words(path: &Path) -> String {
    match path.as_os_str().is_empty() {
        true => String::new(),
        false => format!(" {}", path.display()),
    }
}
