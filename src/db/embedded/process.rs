//! The processes of Postgres: starting one so that it cannot outlive this process, watching it,
//! and recognising one that a dead service left behind.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::future::Future;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
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
pub(super) struct Server {
    pid: u32,
    exit: watch::Receiver<Option<ExitStatus>>,
    log: Log,
}

impl Server {
    /// Starts `command` on a thread of its own, which lives as long as the process does: the
    /// kernel's promise to signal a child when its parent dies is about the parent *thread*.
    pub(super) fn spawn(mut command: Command, log: Log) -> io::Result<Self> {
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
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Completes when the process has exited.
    pub(super) fn exited(&self) -> impl Future<Output = ExitStatus> + Send + use<> {
        let mut exit = self.exit.clone();
        async move {
            let status = exit.wait_for(Option::is_some).await;
            status.ok().and_then(|status| *status).unwrap_or_default()
        }
    }

    /// Sends a signal, unless the process has exited.
    pub(super) fn signal(&self, signal: Signal) {
        if self.exit.borrow().is_none() {
            send(self.pid, signal);
        }
    }

    /// The last lines of this run's log.
    pub(super) fn log_tail(&self) -> String {
        self.log.tail()
    }
}

/// The processes of a postmaster that was killed hold its shared memory until they notice; a
/// postmaster in its last moments still has its pid file.
pub(super) fn says_still_in_use(log: &str) -> bool {
    log.contains("pre-existing shared memory block") || log.contains("\"postmaster.pid\" already exists")
}

/// Sends a signal to a process that the caller has made sure of.
pub(super) fn send(pid: u32, signal: Signal) {
    if let Some(pid) = checked(pid) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Sends a signal to a process and its children. [`bare_command`] makes such groups.
pub(super) fn send_to_group(leader: u32, signal: Signal) {
    if let Some(leader) = checked(leader) {
        let _ = rustix::process::kill_process_group(leader, signal);
    }
}

fn checked(pid: u32) -> Option<Pid> {
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
pub(super) fn stop_with_this_process(command: &mut Command, signal: Signal) {
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
pub(super) fn stop_with_this_process(_command: &mut Command, _signal: Signal) {}

/// A log file, and where this run's part of it begins.
#[derive(Debug)]
pub(super) struct Log {
    file: File,
    path: PathBuf,
    begin: u64,
}

impl Log {
    /// Opens the log at `path`, in a directory of the cluster's user: no link is followed, as
    /// this process may be root.
    pub(super) fn open(path: PathBuf, owner: Option<(u32, u32)>) -> io::Result<Self> {
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
    pub(super) fn stdio(&self) -> io::Result<Stdio> {
        Ok(self.file.try_clone()?.into())
    }

    /// The last lines that this run wrote.
    pub(super) fn tail(&self) -> String {
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

/// What the process named in `postmaster.pid` is to the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// No such process.
    Gone,
    /// A postmaster that a service of ours started.
    Orphan,
    /// Another program that was given the same number, or a zombie that nobody reaps.
    Foreign,
    /// A Postgres, and maybe this cluster's, but not started by us.
    Unclear,
}

/// Looks at the process `pid`.
pub(super) fn holder(pid: u32, cluster: &Path) -> Holder {
    match checked(pid).map(rustix::process::test_kill_process) {
        None | Some(Err(rustix::io::Errno::SRCH)) => return Holder::Gone,
        _ => {}
    }
    let directory = fs::read_link(format!("/proc/{pid}/cwd")).ok();
    classify(&arguments(pid), directory.as_deref(), cluster)
}

/// A service passes the cluster's path and a directory for sockets; somebody's own `postgres -D`
/// passes at most the former. Every process of Postgres works in its cluster's directory, but
/// not everybody may ask which.
fn classify(arguments: &[Vec<u8>], directory: Option<&Path>, cluster: &Path) -> Holder {
    let Some(program) = arguments.first() else {
        return Holder::Foreign;
    };
    let has = |wanted: &dyn Fn(&[u8]) -> bool| arguments.iter().any(|argument| wanted(argument));
    let named = has(&|argument| argument == cluster.as_os_str().as_bytes());
    let sockets = has(&|argument| argument.starts_with(b"unix_socket_directories="));
    if named && sockets {
        return Holder::Orphan;
    }
    let postgres = ["postgres", "postmaster"].map(str::as_bytes);
    let looks = postgres.iter().any(|name| program.windows(name.len()).any(|window| window == *name));
    match directory {
        Some(directory) if directory == cluster => Holder::Unclear,
        None if looks => Holder::Unclear,
        _ => Holder::Foreign,
    }
}

/// The arguments of a process; none if it has ended.
#[cfg(target_os = "linux")]
fn arguments(pid: u32) -> Vec<Vec<u8>> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    split(&line, b'\0')
}

/// Without /proc, words: good enough for a path without blanks, and cautious with others.
#[cfg(not(target_os = "linux"))]
fn arguments(pid: u32) -> Vec<Vec<u8>> {
    let output = bare_command("ps").args(["-ww", "-o", "command=", "-p", &pid.to_string()]).output();
    let line = output.map(|output| output.stdout).unwrap_or_default();
    split(line.trim_ascii_end(), b' ')
}

fn split(line: &[u8], separator: u8) -> Vec<Vec<u8>> {
    let end = line.strip_suffix(&[separator]).unwrap_or(line);
    match end.is_empty() {
        true => Vec::new(),
        false => end.split(|byte| *byte == separator).map(Vec::from).collect(),
    }
}

/// A command with nothing of this process's environment, where the master key may be.
pub(super) fn bare_command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").env("TZ", "UTC");
    // Postgres built by hand may need its libraries found.
    for kept in ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    // A Ctrl-C in the terminal is for the service, which stops Postgres when it has drained.
    command.process_group(0).stdin(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(words: &[&str]) -> Vec<Vec<u8>> {
        words.iter().map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn a_process_that_ended_holds_nothing() {
        let cluster = Path::new("/data/postgres");
        assert_eq!(classify(&[], None, cluster), Holder::Foreign);
        assert_eq!(holder(u32::MAX, cluster), Holder::Gone);
        assert_eq!(holder(std::process::id(), cluster), Holder::Foreign);
    }

    #[test]
    fn only_a_postmaster_of_ours_is_an_orphan() {
        let cluster = Path::new("/data/postgres");
        let sockets = "unix_socket_directories=/tmp/pa-1";
        let ours = arguments(&["/bin/postgres", "-D", "/data/postgres", "-c", sockets]);
        assert_eq!(classify(&ours, None, cluster), Holder::Orphan);
        let other = arguments(&["/bin/postgres", "-D", "/data/other", "-c", sockets]);
        let elsewhere = Some(Path::new("/data/other"));
        assert_eq!(classify(&other, elsewhere, cluster), Holder::Foreign);
        assert_eq!(classify(&other, None, cluster), Holder::Unclear);
    }

    #[test]
    fn a_postgres_started_by_hand_is_left_alone() {
        let cluster = Path::new("/data/postgres");
        let by_hand = arguments(&["postgres", "-D", "."]);
        assert_eq!(classify(&by_hand, Some(cluster), cluster), Holder::Unclear);
        let child = arguments(&["postgres: checkpointer "]);
        assert_eq!(classify(&child, None, cluster), Holder::Unclear);
    }

    #[test]
    fn a_pid_given_to_another_program_is_foreign() {
        let cluster = Path::new("/data/postgres");
        let sleep = arguments(&["sleep", "100"]);
        assert_eq!(classify(&sleep, None, cluster), Holder::Foreign);
        assert_eq!(classify(&sleep, Some(Path::new("/")), cluster), Holder::Foreign);
    }

    #[test]
    fn splits_a_command_line_as_the_kernel_joins_it() {
        assert_eq!(split(b"sleep\x00100\0", 0), arguments(&["sleep", "100"]));
        assert_eq!(split(b"postgres\0-c\0a=\0", 0), arguments(&["postgres", "-c", "a="]));
        assert!(split(b"", 0).is_empty());
    }

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
