//! The process that cleans up after its owner: destructors do not run when a process is
//! killed, and statics are never dropped, but the end of a pipe always comes.

use std::fs::{self, DirBuilder};
use std::io::{self, PipeWriter, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::EmbeddedError;
use crate::account::Account;

const SCRIPT: &str = include_str!("guard.sh");
/// Of names in directories that all programs share.
pub(crate) const PREFIX: &str = "pa-";
/// A socket's path ends at 107 bytes on Linux and at 103 on macOS.
const LONGEST_SOCKET: usize = 103;

/// A child process that, once this value is gone or this process dead, stops Postgres and
/// removes the directory of its sockets.
#[derive(Debug)]
pub(crate) struct Guard {
    child: Child,
    pipe: PipeWriter,
    sockets: PathBuf,
}

impl Guard {
    /// Makes a directory for sockets, and guards it and what may be in `unfinished`. In the end
    /// Postgres writes a checkpoint and stops.
    pub(crate) fn over_cluster(account: &Account, unfinished: &Path) -> Result<Self, EmbeddedError> {
        Self::over("INT", account, unfinished)
    }

    /// The same for a cluster in `data`, all of which goes: nothing there is worth a checkpoint.
    pub(crate) fn over_ephemeral(account: &Account, data: &Path) -> Result<Self, EmbeddedError> {
        Self::over("QUIT", account, data)
    }

    fn over(signal: &str, account: &Account, remove: &Path) -> Result<Self, EmbeddedError> {
        let mut tried = Vec::new();
        for parent in socket_parents() {
            let sockets = parent.join(fresh_name(PREFIX));
            // Guarded before it exists, so that no moment is left to die in.
            let guard = Self::spawn(signal, sockets, remove)?;
            match make_private(&guard.sockets).and_then(|()| account.own(&guard.sockets)) {
                Ok(()) => return Ok(guard),
                Err(error) => {
                    guard.abandon();
                    tried.push(format!("{} ({error})", parent.display()));
                }
            }
        }
        Err(EmbeddedError::NoSocketDirectory { tried: tried.join(", ") })
    }

    fn spawn(signal: &str, sockets: PathBuf, remove: &Path) -> Result<Self, EmbeddedError> {
        let failed = || EmbeddedError::io("start", "/bin/sh");
        let (reader, pipe) = io::pipe().map_err(failed())?;
        let child = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "embedded-postgres-guard", signal])
            .arg(&sockets)
            .arg(remove)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            // Neither a terminal's signals nor a directory in use, nor a test's captured output.
            .process_group(0)
            .current_dir("/")
            .stdin(reader)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed())?;
        Ok(Self { child, pipe, sockets })
    }

    /// The directory of the sockets.
    pub(crate) fn sockets(&self) -> &Path {
        &self.sockets
    }

    /// Tells the guard which process to stop.
    pub(crate) fn watch(&mut self, pid: u32) -> Result<(), EmbeddedError> {
        writeln!(self.pipe, "{pid}").map_err(EmbeddedError::io("tell the guard process", ""))
    }

    /// Cleans up now, and waits for it.
    pub(crate) fn finish(self) {
        let Self { mut child, pipe, .. } = self;
        drop(pipe);
        let _ = child.wait();
    }

    /// Gives up without touching a directory that turned out to be somebody else's.
    pub(crate) fn abandon(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Removes the sockets' directory of an owner whose guard was killed as well.
pub(crate) fn remove_leftover(sockets: &Path) {
    let ours = sockets.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()));
    if ours {
        for file in [".s.PGSQL.5432", ".s.PGSQL.5432.lock"] {
            let _ = fs::remove_file(sockets.join(file));
        }
        let _ = fs::remove_dir(sockets);
    }
}

/// Makes a directory that must not exist yet, for its owner only.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// A name that nobody else has.
pub(crate) fn fresh_name(prefix: &str) -> String {
    format!("{prefix}{:016x}", rand::random::<u64>())
}

/// Root passes over its own run-time directory: the cluster's user could not enter it.
fn socket_parents() -> Vec<PathBuf> {
    let own = std::env::var_os("XDG_RUNTIME_DIR").filter(|_| !rustix::process::geteuid().is_root());
    let shared = [PathBuf::from("/tmp"), std::env::temp_dir()];
    own.map(PathBuf::from).into_iter().chain(shared).filter(|path| fits(path)).collect()
}

/// Short enough, and free of what Postgres's list syntax would need quoted.
fn fits(parent: &Path) -> bool {
    let longest = parent.join(format!("{PREFIX}0123456789abcdef/.s.PGSQL.5432"));
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    parent.is_absolute()
        && longest.as_os_str().len() <= LONGEST_SOCKET
        && parent.to_str().is_some_and(|text| text.chars().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn socket_directories_are_short_and_plain() {
        assert!(fits(Path::new("/run/user/1000")));
        assert!(!fits(Path::new("/run/a, b")));
        assert!(!fits(Path::new("run")));
        assert!(fits(Path::new(&format!("/{}", "a".repeat(68)))));
        assert!(!fits(Path::new(&format!("/{}", "a".repeat(69)))));
    }

    #[test]
    fn only_directories_of_ours_are_removed() {
        let parent = std::env::temp_dir().join(fresh_name(PREFIX));
        let (ours, foreign) = (parent.join("pa-1"), parent.join("other"));
        for directory in [&parent, &ours, &foreign] {
            make_private(directory).expect("makes a directory");
        }
        fs::write(ours.join(".s.PGSQL.5432.lock"), "").expect("writes");
        remove_leftover(&ours);
        remove_leftover(&foreign);
        let left = (ours.exists(), foreign.exists());
        fs::remove_dir_all(&parent).expect("cleans up");
        assert_eq!(left, (false, true));
    }
}
