//! The location of this machine's Postgres.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::EmbeddedError;
use crate::account::Account;
use crate::process::bare_command;

/// Packages put a major version's directory under these: parent, prefix of the name, tail.
const VERSIONED: [(&str, &str, &str); 7] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/usr/lib", "postgresql", "bin"),
    ("/usr/libexec", "postgresql", ""),
    ("/opt/homebrew/opt", "postgresql", "bin"),
    ("/usr/local/opt", "postgresql", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
];
/// For a process that was started with a poor PATH.
const PLAIN: [&str; 4] = ["/usr/bin", "/usr/local/bin", "/usr/local/pgsql/bin", "/opt/homebrew/bin"];

/// A directory with a working `initdb` and `postgres`.
#[derive(Debug, Clone)]
pub(crate) struct Binaries {
    pub(crate) directory: PathBuf,
}

impl Binaries {
    /// The binaries for the cluster in `cluster`: those of its major version if it exists, else
    /// the first found (the given directory alone, else PATH, then the usual places).
    ///
    /// Whatever is found is run as the cluster's user and without this process's environment: it
    /// may be anybody's program.
    pub(crate) fn find(
        pg_bin: Option<&Path>,
        cluster: &Path,
        account: &Account,
    ) -> Result<Self, EmbeddedError> {
        let looked = match pg_bin {
            Some(directory) => vec![std::path::absolute(directory).unwrap_or(directory.into())],
            None => places(),
        };
        let wanted = cluster_version(cluster);
        let (mut others, mut denied) = (Vec::new(), None);
        for directory in looked.iter().filter_map(|place| complete(place)) {
            let version = match version(&directory, account) {
                Ok(Some(version)) => version,
                Ok(None) => continue,
                Err(error) => {
                    denied = Some((error, directory));
                    continue;
                }
            };
            if wanted.is_none_or(|wanted| wanted == version) {
                return Ok(Self { directory });
            }
            let other = format!("{version} in {}", directory.display());
            if !others.contains(&other) {
                others.push(other);
            }
        }
        Err(match wanted {
            Some(wanted) if !others.is_empty() => EmbeddedError::WrongVersion {
                path: cluster.to_path_buf(),
                cluster: wanted,
                found: others.join(", "),
            },
            _ => match denied {
                Some((error, directory)) => account.explain(error, cluster, &directory),
                None => EmbeddedError::NoBinaries { looked: in_words(&looked, pg_bin.is_some()) },
            },
        })
    }

    /// The path of one of them.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

fn in_words(looked: &[PathBuf], only_there: bool) -> String {
    let listed: Vec<_> = looked.iter().map(|p| p.display().to_string()).collect();
    match only_there {
        true => listed.join(", "),
        false => {
            let usual: Vec<_> =
                VERSIONED.iter().map(|(parent, prefix, tail)| format!("{parent}/{prefix}*/{tail}")).collect();
            format!("PATH and {}, {}", listed.join(", "), usual.join(", "))
        }
    }
}

/// Relative entries of PATH are skipped: root should not run what lies in the current directory.
fn places() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<_> = std::env::split_paths(&path).filter(|entry| entry.is_absolute()).collect();
    for (parent, prefix, tail) in VERSIONED {
        places.extend(newest_first(Path::new(parent), prefix, tail));
    }
    for plain in PLAIN.map(PathBuf::from) {
        if !places.contains(&plain) {
            places.push(plain);
        }
    }
    places
}

fn newest_first(parent: &Path, prefix: &str, tail: &str) -> Vec<PathBuf> {
    let names = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut versions: Vec<_> = names
        .filter_map(|name| {
            let rest = name.strip_prefix(prefix)?.trim_start_matches('@');
            let number = if rest.is_empty() { 0 } else { leading_number(rest)? };
            Some((number, name))
        })
        .collect();
    versions.sort_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, name)| parent.join(name).join(tail)).collect()
}

/// `place` itself, or where its `postgres` really is: a link from `/usr/local/bin` leads to a
/// directory that has everything, while beside the link there may be nothing else.
fn complete(place: &Path) -> Option<PathBuf> {
    let real = place.join("postgres").canonicalize().ok()?;
    let named = real.file_name() == Some(OsStr::new("postgres"));
    let home = real.parent().filter(|_| named).map(Path::to_path_buf);
    home.into_iter()
        .chain([place.to_path_buf()])
        .find(|directory| executable(directory, "postgres") && executable(directory, "initdb"))
}

fn executable(directory: &Path, name: &str) -> bool {
    fs::metadata(directory.join(name))
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Asking is also the proof that the program runs on this machine, and that the cluster's user may
/// run it.
fn version(directory: &Path, account: &Account) -> io::Result<Option<u32>> {
    let mut command = bare_command(directory.join("postgres"));
    account.apply(&mut command);
    match command.arg("--version").current_dir("/").output() {
        Ok(output) if output.status.success() => Ok(major(&String::from_utf8_lossy(&output.stdout))),
        Err(denied) if denied.kind() == io::ErrorKind::PermissionDenied => Err(denied),
        _ => Ok(None),
    }
}

/// From `postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)` or `... 18devel`.
fn major(answer: &str) -> Option<u32> {
    leading_number(answer.split_once("(PostgreSQL)")?.1.trim_start())
}

fn leading_number(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// The major version of the cluster in `directory`; `None` if that is no cluster.
pub(crate) fn cluster_version(directory: &Path) -> Option<u32> {
    let text = fs::read_to_string(directory.join("PG_VERSION")).ok()?;
    leading_number(text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions_as_distributions_print_them() {
        let debian = "postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)\n";
        assert_eq!(major(debian), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 18devel\n"), Some(18));
        assert_eq!(major("postgres (EnterpriseDB) 9.2\n"), None);
        assert_eq!(major(""), None);
    }

    #[test]
    fn newer_versions_come_first_by_number_not_by_letter() {
        let parent = scratch();
        for name in ["9.6", "15", "100", "17", "common"] {
            fs::create_dir(parent.join(name)).expect("makes a directory");
        }
        let found = newest_first(&parent, "", "bin");
        let expected: Vec<_> = ["100", "17", "15", "9.6"].map(|name| parent.join(name).join("bin")).into();
        fs::remove_dir_all(&parent).expect("cleans up");
        assert_eq!(found, expected);
    }

    #[test]
    fn the_unversioned_name_comes_last() {
        let parent = scratch();
        for name in ["postgresql", "postgresql@17", "postgresql@9.6"] {
            fs::create_dir(parent.join(name)).expect("makes a directory");
        }
        let found = newest_first(&parent, "postgresql", "bin");
        fs::remove_dir_all(&parent).expect("cleans up");
        assert_eq!(found.first(), Some(&parent.join("postgresql@17/bin")));
        assert_eq!(found.last(), Some(&parent.join("postgresql/bin")));
    }

    #[test]
    fn an_empty_directory_has_no_binaries_and_the_message_names_it() {
        let empty = scratch();
        let account = Account::choose(Path::new("/nowhere")).expect("somebody");
        let error = Binaries::find(Some(&empty), Path::new("/nowhere"), &account).expect_err("empty");
        fs::remove_dir(&empty).expect("cleans up");
        let message = error.to_string();
        assert!(message.contains(&empty.display().to_string()), "{message}");
        assert!(message.contains("apt-get install postgresql"), "{message}");
    }

    fn scratch() -> PathBuf {
        let path = std::env::temp_dir().join(format!("pa-test-{:016x}", rand::random::<u64>()));
        fs::create_dir(&path).expect("makes a directory");
        path
    }
}
