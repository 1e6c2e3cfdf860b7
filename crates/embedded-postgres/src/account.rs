//! The account that the cluster runs as. Postgres refuses to run as root, so root hands it to an
//! unprivileged user, who owns the cluster's directory and nothing around it.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Blocked, EmbeddedError};
use crate::process::bare_command;

/// The user that owns and runs the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    gid: u32,
    /// `true` if this process is root and has to become that user.
    change: bool,
}

impl Account {
    /// The user for the cluster in `cluster`, which may not exist yet.
    pub(crate) fn choose(cluster: &Path) -> Result<Self, EmbeddedError> {
        let existing = fs::metadata(cluster).ok();
        let account = if rustix::process::geteuid().is_root() {
            Self::unprivileged(existing.as_ref())?
        } else {
            Self::current()
        };
        match existing.map(|found| found.uid()) {
            Some(owner) if owner != account.uid => Err(EmbeddedError::WrongOwner {
                path: cluster.to_path_buf(),
                owner,
                user: account.name,
                uid: account.uid,
            }),
            _ => Ok(account),
        }
    }

    fn current() -> Self {
        let uid = rustix::process::geteuid().as_raw();
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        Self { name: name_of(&passwd, uid), uid, gid: rustix::process::getegid().as_raw(), change: false }
    }

    /// A cluster that an ordinary user made stays theirs when root starts it.
    fn unprivileged(existing: Option<&Metadata>) -> Result<Self, EmbeddedError> {
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        if let Some(owner) = existing.filter(|found| found.uid() != 0) {
            return Ok(Self {
                name: name_of(&passwd, owner.uid()),
                uid: owner.uid(),
                gid: owner.gid(),
                change: true,
            });
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| find(&passwd, name))
            .ok_or(EmbeddedError::NoAccount)
    }

    /// Makes `command` run as this user. The standard library then drops the supplementary
    /// groups as well, and does all of it before `pre_exec`.
    pub(crate) fn apply(&self, command: &mut Command) {
        if self.change {
            command.uid(self.uid).gid(self.gid);
        }
    }

    /// User and group to give a file to; nothing if it is theirs anyway.
    pub(crate) fn ownership(&self) -> Option<(u32, u32)> {
        self.change.then_some((self.uid, self.gid))
    }

    /// Gives `path` to this user.
    pub(crate) fn own(&self, path: &Path) -> io::Result<()> {
        match self.ownership() {
            Some((uid, gid)) => lchown(path, Some(uid), Some(gid)),
            None => Ok(()),
        }
    }

    /// Tries the way to the cluster, where this process becomes somebody else for it: before
    /// anything is made there. Tried rather than judged, as access lists can allow more than modes.
    ///
    /// # Errors
    /// Names the directory that keeps that user out.
    pub(crate) fn try_way(&self, cluster: &Path) -> Result<(), EmbeddedError> {
        let nearest = cluster.ancestors().find(|directory| directory.is_dir());
        let Some(nearest) = nearest.filter(|_| self.change) else { return Ok(()) };
        let mut command = bare_command("/bin/sh");
        command.args(["-c", ":"]).current_dir(nearest);
        self.apply(&mut command);
        match command.status() {
            Err(denied) if denied.kind() == io::ErrorKind::PermissionDenied => {
                Err(self.explain(denied, cluster, cluster))
            }
            _ => Ok(()),
        }
    }

    /// Turns "permission denied" into the name of the directory that denies, if one does.
    /// Judged by mode bits and only after the fact, as access lists can allow more.
    pub(crate) fn explain(&self, denied: io::Error, cluster: &Path, binaries: &Path) -> EmbeddedError {
        if self.change && denied.kind() == io::ErrorKind::PermissionDenied {
            let targets = [(cluster, Blocked::DataDir), (binaries, Blocked::Binaries)];
            for (target, blocked) in targets {
                if let Some((directory, mode)) = self.blocker(target) {
                    return EmbeddedError::Unreachable { user: self.name.clone(), directory, mode, blocked };
                }
            }
        }
        EmbeddedError::io("run Postgres from", binaries)(denied)
    }

    /// The outermost directory on the way to `target` that this user cannot enter.
    fn blocker(&self, target: &Path) -> Option<(PathBuf, u32)> {
        let mut directories: Vec<_> = target.ancestors().collect();
        directories.reverse();
        directories.into_iter().find_map(|directory| {
            let found = fs::metadata(directory).ok()?;
            let mode = found.permissions().mode() & 0o7777;
            let enters = may_enter(mode, found.uid() == self.uid, found.gid() == self.gid);
            (!enters).then(|| (directory.to_path_buf(), mode))
        })
    }
}

/// The first class that applies decides, as in the kernel.
fn may_enter(mode: u32, owner: bool, group: bool) -> bool {
    let bit = match (owner, group) {
        (true, _) => 0o100,
        (_, true) => 0o010,
        _ => 0o001,
    };
    mode & bit != 0
}

/// Reads the file rather than asking the C library: this crate has no unsafe call for it, and
/// system users are local ones.
fn find(passwd: &str, name: &str) -> Option<Account> {
    let mut fields = passwd
        .lines()
        .map(|line| line.split(':'))
        .find_map(|mut fields| (fields.next() == Some(name)).then_some(fields))?;
    let uid = id(fields.nth(1)?)?;
    let gid = id(fields.next()?)?;
    (uid != 0).then(|| Account { name: name.to_owned(), uid, gid, change: true })
}

/// macOS writes the id of `nobody` as -2.
fn id(field: &str) -> Option<u32> {
    field.parse::<u32>().or_else(|_| field.parse::<i32>().map(i32::cast_unsigned)).ok()
}

fn name_of(passwd: &str, uid: u32) -> String {
    passwd
        .lines()
        .find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (id(fields.nth(1)?)? == uid).then(|| name.to_owned())
        })
        .unwrap_or_else(|| format!("uid {uid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0::/root:/bin/sh\n\
                          nobody:*:-2:-2::/:/bin/false\n\
                          postgres:x:101:104:PostgreSQL:/var/lib/postgresql:/bin/bash\n";

    #[test]
    fn finds_users_but_never_root() {
        let postgres = find(PASSWD, "postgres").expect("listed");
        assert_eq!((postgres.uid, postgres.gid), (101, 104));
        let nobody = find(PASSWD, "nobody").expect("listed");
        assert_eq!(nobody.uid, u32::MAX - 1);
        assert_eq!(find(PASSWD, "root"), None);
        assert_eq!(find(PASSWD, "post"), None);
    }

    #[test]
    fn names_users_or_their_number() {
        assert_eq!(name_of(PASSWD, 101), "postgres");
        assert_eq!(name_of(PASSWD, 7), "uid 7");
    }

    #[test]
    fn the_first_class_that_applies_decides() {
        assert!(may_enter(0o100, true, true));
        assert!(!may_enter(0o011, true, false));
        assert!(!may_enter(0o101, false, true));
        assert!(may_enter(0o711, false, false));
        assert!(!may_enter(0o750, false, false));
    }
}
