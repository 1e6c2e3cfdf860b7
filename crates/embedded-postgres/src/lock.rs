//! The ownership of the data directory. The lock on `service.lock` goes away with its owner however
//! that ends, so it tells a living owner from what a dead one left; the file's content tells others
//! how to reach the living one.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::EmbeddedError;

const FILE: &str = "service.lock";

/// The content of the lock file: believed only while the lock is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pid: u32,
    /// The directory of the sockets; `None` while Postgres is not ready.
    pub(crate) sockets: Option<PathBuf>,
    /// The directory to remove if the owner died before it could.
    pub(crate) leftover: Option<PathBuf>,
}

impl Record {
    /// The directory of the sockets exists, but nobody should connect: not yet, or not any more.
    pub(crate) fn not_ready(sockets: &Path) -> Self {
        Self { pid: std::process::id(), sockets: None, leftover: Some(sockets.to_path_buf()) }
    }

    /// Postgres accepts connections.
    pub(crate) fn ready(sockets: &Path) -> Self {
        Self { sockets: Some(sockets.to_path_buf()), ..Self::not_ready(sockets) }
    }
}

/// Held for the owner's life. The descriptor closes on exec, so that no child prolongs it.
#[derive(Debug)]
pub(crate) struct OwnerLock {
    file: File,
    path: PathBuf,
}

impl OwnerLock {
    /// Takes the lock, and hands out what the owner before wrote.
    pub(crate) fn take(data_dir: &Path) -> Result<(Self, Option<Record>), EmbeddedError> {
        let path = data_dir.join(FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            // Root may be given a directory of somebody who would like it to write elsewhere.
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path)
            .map_err(EmbeddedError::io("open", &path))?;
        // Whoever only asks whether the lock is held takes it for an instant.
        for attempt in 0.. {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if attempt < 5 => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(EmbeddedError::InUse {
                        pid: read(&mut file).map(|record| record.pid),
                        data_dir: data_dir.to_path_buf(),
                    });
                }
                Err(TryLockError::Error(error)) => {
                    return Err(EmbeddedError::io("lock", &path)(error));
                }
            }
        }
        let before = read(&mut file);
        Ok((Self { file, path }, before))
    }

    /// Replaces the content.
    pub(crate) fn write(&self, record: &Record) -> Result<(), EmbeddedError> {
        let text = serde_json::to_vec(record).unwrap_or_default();
        let mut file = &self.file;
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(&text))
            .map_err(EmbeddedError::io("write", &self.path))
    }
}

/// Reads what the living owner of `data_dir` wrote, if there is one.
pub(crate) fn read_if_held(data_dir: &Path) -> Option<Record> {
    let mut file = File::open(data_dir.join(FILE)).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => read(&mut file),
        _ => None,
    }
}

fn read(file: &mut File) -> Option<Record> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_owner_at_a_time_whose_record_others_can_read() {
        let directory = scratch();
        assert_eq!(read_if_held(&directory), None);
        let (lock, before) = OwnerLock::take(&directory).expect("free");
        assert_eq!(before, None);
        let record = Record::ready(Path::new("/tmp/pa-1"));
        lock.write(&Record::not_ready(Path::new("/tmp/pa-with-a-longer-name")))
            .and_then(|()| lock.write(&record))
            .expect("writes");
        assert_eq!(read_if_held(&directory), Some(record.clone()));
        let refused = OwnerLock::take(&directory).expect_err("taken").to_string();
        let pid = format!("(pid {})", std::process::id());
        assert!(refused.contains(&pid), "{refused}");
        drop(lock);
        assert_eq!(read_if_held(&directory), None);
        let (_lock, before) = OwnerLock::take(&directory).expect("free again");
        assert_eq!(before, Some(record));
        std::fs::remove_dir_all(&directory).expect("cleans up");
    }

    fn scratch() -> PathBuf {
        let path = std::env::temp_dir().join(format!("pa-test-{:016x}", rand::random::<u64>()));
        std::fs::create_dir(&path).expect("makes a directory");
        path
    }
}
