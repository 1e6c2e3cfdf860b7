//! A Postgres that outlived the process that started it: recognising it, and waiting for its end.
//! Nothing but the pid file names it, and a pid may have been given to another program since.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::process::{self, checked};
use crate::{EmbeddedError, ORPHAN_PATIENCE};

/// An orphan that is still at its checkpoint by then is stopped without it.
const CHECKPOINT_PATIENCE: Duration = Duration::from_secs(20);
/// A postmaster writes its pid file right after it has made it.
const PID_PATIENCE: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(10);

/// A dead owner's Postgres is on its way out; wait for it, and press it if it lingers. A pid
/// file that would keep Postgres from starting without reason is removed.
pub(crate) fn await_exit(cluster: &Path) -> Result<(), EmbeddedError> {
    let began = Instant::now();
    let mut sent = None;
    while let Some(named) = pid_file(cluster) {
        let pid = match named {
            Some(pid) => pid,
            // Created and not yet written; or never, because the machine lost power.
            None if began.elapsed() < PID_PATIENCE => {
                thread::sleep(POLL);
                continue;
            }
            None => return remove_pid_file(cluster),
        };
        match holder(pid, cluster) {
            // The pid file of a dead process is Postgres's own to judge: it knows to look for
            // that process's children first.
            Holder::Gone => return Ok(()),
            Holder::Foreign => return remove_pid_file(cluster),
            Holder::Orphan if began.elapsed() < ORPHAN_PATIENCE => {
                let next = (pid, pressure(began.elapsed()));
                if sent.replace(next) != Some(next) {
                    process::send(pid, next.1);
                }
                thread::sleep(POLL);
            }
            Holder::Orphan | Holder::Unclear => {
                return Err(EmbeddedError::Occupied { pid, path: cluster.to_path_buf() });
            }
        }
    }
    Ok(())
}

fn pressure(waited: Duration) -> Signal {
    match waited < CHECKPOINT_PATIENCE {
        true => Signal::INT,
        false => Signal::QUIT,
    }
}

fn remove_pid_file(cluster: &Path) -> Result<(), EmbeddedError> {
    let file = cluster.join("postmaster.pid");
    fs::remove_file(&file).map_err(EmbeddedError::io("remove", &file))
}

/// The pid in the pid file, if there is a file, and if there is a pid in it. A standalone backend
/// writes its own with a minus sign.
fn pid_file(cluster: &Path) -> Option<Option<u32>> {
    let text = fs::read_to_string(cluster.join("postmaster.pid")).ok()?;
    let line = text.lines().next().unwrap_or_default();
    Some(line.trim().trim_start_matches('-').parse().ok())
}

/// The relation of the process named in `postmaster.pid` to the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    /// No such process.
    Gone,
    /// A postmaster that this crate started.
    Orphan,
    /// Another program that was given the same number, or a zombie that nobody reaps.
    Foreign,
    /// A Postgres, and maybe this cluster's, but not started by us.
    Unclear,
}

/// Looks at the process `pid`.
pub(crate) fn holder(pid: u32, cluster: &Path) -> Holder {
    match checked(pid).map(rustix::process::test_kill_process) {
        None | Some(Err(rustix::io::Errno::SRCH)) => return Holder::Gone,
        _ => {}
    }
    let directory = fs::read_link(format!("/proc/{pid}/cwd")).ok();
    classify(&arguments(pid), directory.as_deref(), cluster)
}

/// This crate passes the cluster's path and a directory for sockets; somebody's own `postgres -D`
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
    let output = process::bare_command("ps").args(["-ww", "-o", "command=", "-p", &pid.to_string()]).output();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard;

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
    fn reads_the_pid_of_a_postmaster_and_of_a_standalone_backend() {
        let directory = std::env::temp_dir().join(guard::fresh_name(guard::PREFIX));
        guard::make_private(&directory).expect("makes a directory");
        let file = directory.join("postmaster.pid");
        let mut read = Vec::new();
        for content in ["4711\n/data\n", "-4711\n", "", "x\n"] {
            fs::write(&file, content).expect("writes");
            read.push(pid_file(&directory));
        }
        fs::remove_dir_all(&directory).expect("cleans up");
        assert_eq!(read, [Some(Some(4711)), Some(Some(4711)), Some(None), Some(None)]);
        assert_eq!(pid_file(&directory), None);
    }
}
