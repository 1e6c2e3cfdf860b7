//! Files that are believed because of whom they belong to: `.env`, and those that hold secrets.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// No file of secrets is longer, in bytes.
const LIMIT: u64 = 64 * 1024;
/// The directories where container runtimes put secrets, readable for everybody in the container:
/// nobody else is in there, and the mode is not the operator's to choose.
const MOUNTED: [&str; 2] = ["/run/secrets", "/var/run/secrets"];

/// The reasons not to trust a file. The messages name the file and the fix, never the content.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system refused.
    #[error("cannot read {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Somebody else could have written what is in it.
    #[error(
        "{} belongs to uid {owner}, who is neither this user nor root: it is not read. If it is yours, run \
         `chown $(id -u) {}`", .path.display(), .path.display()
    )]
    Owner {
        /// The file.
        path: PathBuf,
        /// The owner's user id.
        owner: u32,
    },
    /// Others can change it, or read the secret in it.
    #[error("{} can be {by} (mode {mode:04o}): it is not read. Run `chmod {fix} {}`", .path.display(), .path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The access that others have.
        by: &'static str,
        /// The argument for `chmod`.
        fix: &'static str,
    },
}

impl FileError {
    /// Returns `true` if there is no such file.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_path_buf(), source }
    }
}

/// Reads a file that holds a secret: its owner is this user, root or `also`, nobody else can write
/// it, and strangers cannot read it.
///
/// # Errors
/// When it cannot be read, or is not such a file.
pub fn read_secret(path: &Path, also: Option<u32>) -> Result<Zeroizing<String>, FileError> {
    let file = File::open(path).map_err(FileError::io(path))?;
    let found = file.metadata().map_err(FileError::io(path))?;
    check_owner(path, &found, also)?;
    let is_mounted = MOUNTED.iter().any(|directory| path.starts_with(directory));
    check_mode(path, found.mode(), !is_mounted)?;
    let mut text = Zeroizing::new(String::new());
    file.take(LIMIT).read_to_string(&mut text).map_err(FileError::io(path))?;
    Ok(text)
}

/// Opens a file of settings: its owner is this user or root, and nobody else can write it. A link
/// must belong to one of them as well.
///
/// # Errors
/// When it cannot be opened, or is not such a file.
pub fn open_settings(path: &Path) -> Result<File, FileError> {
    let link = path.symlink_metadata().map_err(FileError::io(path))?;
    check_owner(path, &link, None)?;
    let file = File::open(path).map_err(FileError::io(path))?;
    let found = file.metadata().map_err(FileError::io(path))?;
    check_owner(path, &found, None)?;
    check_mode(path, found.mode(), false)?;
    Ok(file)
}

fn check_owner(path: &Path, found: &Metadata, also: Option<u32>) -> Result<(), FileError> {
    let owner = found.uid();
    let this_user = rustix::process::geteuid().as_raw();
    if [0, this_user].contains(&owner) || also == Some(owner) {
        return Ok(());
    }
    Err(FileError::Owner { path: path.to_path_buf(), owner })
}

fn check_mode(path: &Path, mode: u32, is_secret: bool) -> Result<(), FileError> {
    let mode = mode & 0o7777;
    let (by, fix) = match mode {
        mode if mode & 0o022 != 0 => ("changed by others", if is_secret { "go-w,o=" } else { "go-w" }),
        mode if is_secret && mode & 0o007 != 0 => ("read by everybody", "o="),
        _ => return Ok(()),
    };
    Err(FileError::Mode { path: path.to_path_buf(), mode, by, fix })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};

    use super::*;

    /// A file that is removed with the value.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(mode: u32) -> Self {
            let path = std::env::temp_dir().join(format!("pa-private-{:016x}", rand::random::<u64>()));
            fs::write(&path, "s3cr3t\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn a_secret_is_read_only_from_a_file_that_strangers_neither_read_nor_write() {
        for mode in [0o600, 0o400, 0o440, 0o640] {
            assert_eq!(*read_secret(&Scratch::new(mode).0, None).unwrap(), "s3cr3t\n", "{mode:o}");
        }
        for (mode, by) in [
            (0o644, "can be read by everybody (mode 0644)"),
            (0o604, "can be read by everybody (mode 0604)"),
            (0o660, "can be changed by others (mode 0660)"),
            (0o666, "can be changed by others (mode 0666)"),
        ] {
            let file = Scratch::new(mode);
            let message = read_secret(&file.0, None).unwrap_err().to_string();
            assert!(message.contains(by) && message.contains("chmod "), "{message}");
            assert!(!message.contains("s3cr3t"), "{message}");
        }
    }

    #[test]
    fn settings_may_be_read_by_everybody_but_written_by_their_owner_alone() {
        for mode in [0o644, 0o600, 0o444] {
            assert!(open_settings(&Scratch::new(mode).0).is_ok(), "{mode:o}");
        }
        for mode in [0o664, 0o646, 0o666] {
            assert!(open_settings(&Scratch::new(mode).0).is_err(), "{mode:o}");
        }
    }

    #[test]
    fn what_somebody_else_owns_is_not_believed() {
        let file = Scratch::new(0o600);
        if lchown(&file.0, Some(4711), None).is_err() {
            return println!("SKIPPED: only root can give a file away");
        }
        let message = open_settings(&file.0).unwrap_err().to_string();
        assert!(message.contains("belongs to uid 4711, who is neither this user nor root"), "{message}");
        assert!(read_secret(&file.0, None).is_err());
        assert!(read_secret(&file.0, Some(4711)).is_ok());

        // Neither is a link of somebody else's to a file of ours.
        let (ours, link) = (Scratch::new(0o600), Scratch::new(0o600));
        fs::remove_file(&link.0).unwrap();
        symlink(&ours.0, &link.0).unwrap();
        assert!(open_settings(&link.0).is_ok());
        lchown(&link.0, Some(4711), None).unwrap();
        assert!(open_settings(&link.0).is_err());
    }

    #[test]
    fn a_missing_file_is_told_from_a_refused_one() {
        let missing = Path::new("/nonexistent/master.key");
        assert!(read_secret(missing, None).unwrap_err().is_not_found());
        assert!(!read_secret(&Scratch::new(0o666).0, None).unwrap_err().is_not_found());
    }
}
