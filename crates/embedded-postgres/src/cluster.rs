//! The cluster on disk: made once, then started and started again.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{StatVfs, statvfs};
use rustix::process::Signal;

use crate::account::Account;
use crate::binaries::{Binaries, cluster_version};
use crate::guard::{self, Guard};
use crate::lock::{OwnerLock, Record};
use crate::process::{self, Log, Server};
use crate::{EmbeddedError, Name, PORT, Settings, orphan};

/// The name under which a cluster is made, beside its final place; what follows is random.
const UNFINISHED: &str = "postgres.new-";
/// Writing and syncing some fifty megabytes; minutes only on a disk that is no good.
const INITDB_PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(10);
/// The file system that Linux keeps in memory, and what must be free of it, in bytes.
const MEMORY: &str = "/dev/shm";
const PLENTY: u64 = 4 << 30;

/// A cluster that is ready to be started, and the right to start it.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) name: Name,
    directory: PathBuf,
    binaries: Binaries,
    account: Account,
    /// A directory for `initdb` to work in.
    unfinished: PathBuf,
    ephemeral: bool,
    pub(crate) guard: Guard,
    pub(crate) lock: OwnerLock,
}

impl Cluster {
    /// Takes the lock, waits for what a dead owner left behind, makes the cluster if missing.
    pub(crate) fn prepare(settings: &Settings) -> Result<Self, EmbeddedError> {
        let name = Name::parse(&settings.name)?;
        let data_dir = make_data_dir(&settings.data_dir)?;
        let directory = real(data_dir.join("postgres"));
        let account = Account::choose(&directory)?;
        let binaries = Binaries::find(settings.pg_bin.as_deref(), &directory, &account)?;
        let (lock, before) = OwnerLock::take(&data_dir)?;
        orphan::await_exit(&directory)?;
        if let Some(leftover) = before.and_then(|record| record.leftover) {
            guard::remove_leftover(&leftover);
        }
        remove_unfinished(&data_dir);
        let unfinished = data_dir.join(guard::fresh_name(UNFINISHED));
        let guard = Guard::over_cluster(&account, &unfinished)?;
        Self { name, directory, binaries, account, unfinished, ephemeral: false, guard, lock }.initialized()
    }

    /// The same in a fresh directory, which the guard removes in the end.
    pub(crate) fn prepare_ephemeral(name: &str, pg_bin: Option<&Path>) -> Result<Self, EmbeddedError> {
        let name = Name::parse(name)?;
        let data_dir = real(ephemeral_home()).join(guard::fresh_name(guard::PREFIX));
        let directory = data_dir.join("postgres");
        let account = Account::choose(&directory)?;
        let binaries = Binaries::find(pg_bin, &directory, &account)?;
        let guard = Guard::over_ephemeral(&account, &data_dir)?;
        if let Err(error) = guard::make_private(&data_dir).and_then(|()| let_through(&data_dir)) {
            guard.abandon();
            return Err(EmbeddedError::io("make", data_dir)(error));
        }
        let (lock, _) = OwnerLock::take(&data_dir)?;
        let unfinished = data_dir.join(guard::fresh_name(UNFINISHED));
        Self { name, directory, binaries, account, unfinished, ephemeral: true, guard, lock }.initialized()
    }

    fn initialized(self) -> Result<Self, EmbeddedError> {
        self.lock.write(&Record::not_ready(self.guard.sockets()))?;
        if cluster_version(&self.directory).is_none() {
            tracing::info!(directory = %self.directory.display(), "making a Postgres cluster");
            self.initdb()?;
        }
        Ok(self)
    }

    /// `initdb` works beside the final place and its result moves there in one step, so that an
    /// `initdb` that was killed half way is never mistaken for a cluster.
    fn initdb(&self) -> Result<(), EmbeddedError> {
        guard::make_private(&self.unfinished)
            .and_then(|()| self.account.own(&self.unfinished))
            .map_err(EmbeddedError::io("make", &self.unfinished))?;
        let made = self.unfinished.join("data");
        let outcome = self.run_initdb(&made).and_then(|()| {
            fs::rename(&made, &self.directory).map_err(|error| self.not_empty(error))?;
            self.sync()
        });
        let _ = fs::remove_dir_all(&self.unfinished);
        outcome
    }

    fn run_initdb(&self, target: &Path) -> Result<(), EmbeddedError> {
        let log = self.unfinished.join("initdb.log");
        let log = Log::open(log.clone(), None).map_err(EmbeddedError::io("open", log))?;
        let mut command = process::bare_command(self.binaries.path("initdb"));
        command
            .arg("-D")
            .arg(target)
            .arg(format!("--username={}", self.name.as_str()))
            .args(["--encoding=UTF8", "--locale=C"])
            .args(["--auth-local=trust", "--auth-host=reject"])
            .args(self.ephemeral.then_some("--no-sync"))
            .current_dir(&self.unfinished);
        self.account.apply(&mut command);
        process::stop_with_this_process(&mut command, Signal::KILL);
        let status = log
            .stdio()
            .and_then(|output| command.stdout(output).stderr(log.stdio()?).spawn())
            .and_then(|child| wait(child, INITDB_PATIENCE))
            .map_err(|error| self.explain(error))?;
        match status {
            Some(status) if status.success() => Ok(()),
            other => Err(initdb_failed(other, &log)),
        }
    }

    fn explain(&self, error: io::Error) -> EmbeddedError {
        self.account.explain(error, &self.directory, &self.binaries.directory)
    }

    fn not_empty(&self, error: io::Error) -> EmbeddedError {
        match error.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotADirectory => {
                EmbeddedError::NotACluster { path: self.directory.clone() }
            }
            _ => EmbeddedError::io("move the new cluster to", &self.directory)(error),
        }
    }

    /// Makes the move durable.
    fn sync(&self) -> Result<(), EmbeddedError> {
        let Some(parent) = self.directory.parent().filter(|_| !self.ephemeral) else {
            return Ok(());
        };
        File::open(parent)
            .and_then(|directory| directory.sync_all())
            .map_err(EmbeddedError::io("sync", parent))
    }

    /// Starts a postmaster and tells the guard about it. Does not wait until it is ready.
    pub(crate) fn spawn(mut self) -> Result<(Self, Server), EmbeddedError> {
        let path = self.directory.join("postgres.log");
        let log =
            Log::open(path.clone(), self.account.ownership()).map_err(EmbeddedError::io("open", &path))?;
        let mut command = process::bare_command(self.binaries.path("postgres"));
        command
            .arg("-D")
            .arg(&self.directory)
            .args(arguments(&self.name, self.guard.sockets(), self.ephemeral))
            .current_dir(&self.directory);
        self.account.apply(&mut command);
        let server = Server::spawn(command, log).map_err(|error| self.explain(error))?;
        if let Err(error) = self.guard.watch(server.pid()) {
            server.signal(Signal::QUIT);
            return Err(error);
        }
        Ok((self, server))
    }
}

/// Given on the command line, they win over what the cluster's files say.
/// Where throw-away clusters are made: in memory where there is plenty, since their databases come and go by the hundred,
/// and half of the time that takes is a disk's file system's. Elsewhere, and where `TMPDIR` says so, among temporary files.
fn ephemeral_home() -> PathBuf {
    let is_roomy = |memory: StatVfs| memory.f_bavail.saturating_mul(memory.f_frsize) >= PLENTY;
    if std::env::var_os("TMPDIR").is_none() && statvfs(MEMORY).is_ok_and(is_roomy) {
        MEMORY.into()
    } else {
        std::env::temp_dir()
    }
}

fn arguments(name: &Name, sockets: &Path, ephemeral: bool) -> Vec<OsString> {
    let mut directories = OsString::from("unix_socket_directories=");
    directories.push(sockets);
    let port = format!("port={PORT}");
    let cluster_name = format!("cluster_name={}", name.as_str());
    let mut settings = vec![
        // No TCP: the socket's directory is what keeps others out, so local trust is enough.
        "listen_addresses=",
        &port,
        "unix_socket_permissions=0700",
        &cluster_name,
        "max_connections=200",
        "shared_buffers=128MB",
        "timezone=UTC",
        "log_timezone=UTC",
        "log_destination=stderr",
        "logging_collector=off",
        // Personal data stands in statements, parameters and details. Errors of statements are
        // the caller's to log: here a client that repeats one would fill the disk.
        "log_min_messages=log",
        "log_min_error_statement=panic",
        "log_parameter_max_length=0",
        "log_parameter_max_length_on_error=0",
        "log_error_verbosity=terse",
        "log_statement=none",
        "log_min_duration_statement=-1",
        "log_checkpoints=off",
    ];
    if ephemeral {
        settings.extend([
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "max_wal_size=256MB",
        ]);
    }
    settings
        .into_iter()
        .map(OsString::from)
        .chain([directories])
        .flat_map(|setting| [OsString::from("-c"), setting])
        .collect()
}

/// Makes the data directory, so that others can pass through. A directory that exists is left as its owner
/// wants it.
///
/// # Errors
/// When it cannot be made.
pub fn make_data_dir(path: &Path) -> Result<PathBuf, EmbeddedError> {
    let made = match path.exists() {
        true => Ok(()),
        false => fs::create_dir_all(path).and_then(|()| let_through(path)),
    };
    made.and_then(|()| path.canonicalize()).map_err(EmbeddedError::io("make", path))
}

/// Lets the cluster's user through, and shows nobody a list.
fn let_through(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o711))
}

/// Without links, as the kernel names a process's directory; itself if it does not exist.
fn real(path: PathBuf) -> PathBuf {
    path.canonicalize().unwrap_or(path)
}

/// Removes what an owner before left whose guard was killed as well.
fn remove_unfinished(data_dir: &Path) {
    for entry in fs::read_dir(data_dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn initdb_failed(status: Option<ExitStatus>, log: &Log) -> EmbeddedError {
    EmbeddedError::Initdb {
        outcome: match status {
            Some(status) => status.to_string(),
            None => format!("not done after {} seconds", INITDB_PATIENCE.as_secs()),
        },
        log: log.tail(),
    }
}

/// `None` if it took too long and was killed, with its own children.
fn wait(mut child: Child, patience: Duration) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(POLL);
    }
    process::send_to_group(child.id(), Signal::KILL);
    child.wait()?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(ephemeral: bool) -> String {
        let name = Name::parse("acme").expect("a name");
        let arguments = arguments(&name, Path::new("/tmp/pa-0"), ephemeral);
        let words: Vec<_> = arguments.iter().filter_map(|word| word.to_str()).collect();
        words.join(" ")
    }

    #[test]
    fn listens_on_a_private_socket_only() {
        let settings = text(false);
        assert!(settings.contains("-c listen_addresses= "), "{settings}");
        assert!(settings.ends_with("-c unix_socket_directories=/tmp/pa-0"), "{settings}");
    }

    #[test]
    fn only_an_ephemeral_cluster_gives_up_durability() {
        assert!(!text(false).contains("fsync"));
        assert!(!text(false).contains("synchronous_commit"));
        assert!(text(true).contains("-c fsync=off"));
    }
}
