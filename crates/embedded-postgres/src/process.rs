//! The processes of Postgres: starting one so that it cannot outlive this process, and watching it.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::future::Future;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;

use rustix::process::{Pid, Signal};
use tokio::sync::watch;

/// Rotated at start only: it holds a few lines per start, and no errors of statements.
const LARGEST_LOG: u64 = 10 * 1024 * 1024;
const LONGEST_TAIL: u64 = 2048;

/// A running postmaster, and the part of its log that is about this run.
#[derive(Debug)]
pub(crate) struct Server {
    pid: u32,
    exit: watch::Receiver<Option<ExitStatus>>,
    log: Log,
}

impl Server {
    /// Starts `command` on a thread of its own, which lives as long as the process does: the
    /// kernel's promise to signal a child when its parent dies is about the parent *thread*.
    pub(crate) fn spawn(mut command: Command, log: Log) -> io::Result<Self> {
        let (started, start) = mpsc::sync_channel(1);
        let (exited, exit) = watch::channel(None);
        command.stdout(log.stdio()?).stderr(log.stdio()?);
        stop_with_this_process(&mut command, Signal::INT);
        thread::Builder::new().name("postgres".to_owned()).spawn(move || match command.spawn() {
            Ok(mut child) => {
                let _ = started.send(Ok(child.id()));
                // An error means that somebody else reaped it: gone, and nothing is known.
                exited.send_replace(Some(child.wait().unwrap_or_default()));
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        })?;
        let pid = start.recv().map_err(io::Error::other)??;
        Ok(Self { pid, exit, log })
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Completes when the process has exited.
    pub(crate) fn exited(&self) -> impl Future<Output = ExitStatus> + Send + use<> {
        let mut exit = self.exit.clone();
        async move {
            let status = exit.wait_for(Option::is_some).await;
            status.ok().and_then(|status| *status).unwrap_or_default()
        }
    }

    /// Sends a signal, unless the process has exited.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.exit.borrow().is_none() {
            send(self.pid, signal);
        }
    }

    /// The last lines of this run's log.
    pub(crate) fn log_tail(&self) -> String {
        self.log.tail()
    }
}

/// The processes of a postmaster that was killed hold its shared memory until they notice; a
/// postmaster in its last moments still has its pid file.
pub(crate) fn says_still_in_use(log: &str) -> bool {
    log.contains("pre-existing shared memory block") || log.contains("\"postmaster.pid\" already exists")
}

/// Sends a signal to a process that the caller has made sure of.
pub(crate) fn send(pid: u32, signal: Signal) {
    if let Some(pid) = checked(pid) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Sends a signal to a process and its children. [`bare_command`] makes such groups.
pub(crate) fn send_to_group(leader: u32, signal: Signal) {
    if let Some(leader) = checked(leader) {
        let _ = rustix::process::kill_process_group(leader, signal);
    }
}

/// A process id as the kernel takes it; none if it cannot be one.
pub(crate) fn checked(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// Has the kernel send `signal` to the command's process when this process dies. Must be the
/// last step before the program runs: changing the user clears the setting.
#[cfg(target_os = "linux")]
#[expect(
    unsafe_code,
    reason = "pre_exec is the only way into the child; the closure makes two system calls, \
              allocates nothing and takes no lock"
)]
pub(crate) fn stop_with_this_process(command: &mut Command, signal: Signal) {
    use rustix::process::{getpid, getppid, set_parent_process_death_signal};

    let parent = getpid();
    let hook = move || {
        set_parent_process_death_signal(Some(signal))?;
        // A parent that died before the call sends nothing.
        match getppid() == Some(parent) {
            true => Ok(()),
            false => Err(io::Error::from_raw_os_error(rustix::io::Errno::SRCH.raw_os_error())),
        }
    };
    // SAFETY: between fork and exec only async-signal-safe calls are allowed; these are plain
    // system calls, and the error is a number.
    unsafe { command.pre_exec(hook) };
}

/// Elsewhere the guard does it alone.
#[cfg(not(target_os = "linux"))]
pub(crate) fn stop_with_this_process(_command: &mut Command, _signal: Signal) {}

/// A log file, and where this run's part of it begins.
#[derive(Debug)]
pub(crate) struct Log {
    file: File,
    path: PathBuf,
    begin: u64,
}

impl Log {
    /// Opens the log at `path`, in a directory of the cluster's user: no link is followed, as
    /// this process may be root.
    pub(crate) fn open(path: PathBuf, owner: Option<(u32, u32)>) -> io::Result<Self> {
        let length = |path: &Path| fs::symlink_metadata(path).map_or(0, |found| found.len());
        if length(&path) > LARGEST_LOG {
            fs::rename(&path, path.with_extension("log.1"))?;
        }
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path)?;
        if let Some((uid, gid)) = owner {
            fchown(&file, Some(uid), Some(gid))?;
        }
        let begin = length(&path);
        Ok(Self { file, path, begin })
    }

    /// A handle for a program's output.
    pub(crate) fn stdio(&self) -> io::Result<Stdio> {
        Ok(self.file.try_clone()?.into())
    }

    /// The last lines that this run wrote.
    pub(crate) fn tail(&self) -> String {
        let read = || -> io::Result<String> {
            let mut file = File::open(&self.path)?;
            let end = file.metadata()?.len();
            let from = self.begin.max(end.saturating_sub(LONGEST_TAIL));
            file.seek(SeekFrom::Start(from))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
        };
        match read() {
            Ok(text) if text.is_empty() => format!("nothing in {}", self.path.display()),
            Ok(text) => text,
            Err(error) => format!("{} cannot be read: {error}", self.path.display()),
        }
    }
}

/// A command with nothing of this process's environment, where the master key may be.
pub(crate) fn bare_command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").env("TZ", "UTC");
    // Postgres built by hand may need its libraries found.
    for kept in ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    // A Ctrl-C in the terminal is for the caller, which stops Postgres when it has drained.
    command.process_group(0).stdin(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_holds_only_this_run() {
        let path = std::env::temp_dir().join(format!("pa-test-{:016x}", rand::random::<u64>()));
        fs::write(&path, "before\n").expect("writes");
        let log = Log::open(path.clone(), None).expect("opens");
        let empty = log.tail();
        io::Write::write_all(&mut &log.file, b"now\n").expect("writes");
        let tail = log.tail();
        fs::remove_file(&path).expect("cleans up");
        assert_eq!(tail, "now");
        assert!(empty.starts_with("nothing in "), "{empty}");
    }
}
