//! Where a command gets the master key from.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use zeroize::Zeroizing;

use super::CliError;
use crate::config::Config;
use crate::crypto::keyring::{self, Keyring};
use crate::crypto::master::MasterKeys;
use crate::db::Db;

/// Opens the service's keys with the configured master.
pub async fn open_keyring(config: &Config, db: &Db) -> Result<Keyring, CliError> {
    let master = master_keys(config, db).await?;
    Ok(Keyring::open(&db.pool, master).await?)
}

/// `MASTER_KEYS`, then the passphrase; the embedded default makes a key of its own.
pub async fn master_keys(config: &Config, db: &Db) -> Result<MasterKeys, CliError> {
    let passphrase = match &config.master.passphrase_file {
        Some(file) => Some(from_passphrase_file(file, db).await?),
        None => None,
    };
    match (config.master.keys.clone(), passphrase) {
        (Some(keys), Some(passphrase)) => Ok(keys.then(passphrase)),
        (Some(only), None) | (None, Some(only)) => Ok(only),
        (None, None) if config.database.is_none() => embedded_key(&config.data_dir.join("master.key")),
        (None, None) => {
            Err("MASTER_KEYS or MASTER_PASSPHRASE_FILE must be set beside DATABASE_URL: without \
                             a master key nothing can be sealed"
                .into())
        }
    }
}

async fn from_passphrase_file(file: &Path, db: &Db) -> Result<MasterKeys, CliError> {
    let text = fs::read_to_string(file)
        .map_err(|error| format!("MASTER_PASSPHRASE_FILE: cannot read {}: {error}", file.display()))?;
    let text = Zeroizing::new(text);
    let salt = keyring::passphrase_salt(&db.pool).await?;
    MasterKeys::from_passphrase(text.trim_end_matches(['\r', '\n']), &salt)
        .map_err(|problem| format!("MASTER_PASSPHRASE_FILE: {problem}").into())
}

/// The file's key; made, readable for its owner only, on the first start.
fn embedded_key(file: &Path) -> Result<MasterKeys, CliError> {
    let text = match fs::read_to_string(file) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = MasterKeys::generate();
            write_private(file, key.expose())?;
            Zeroizing::new(key.expose().clone())
        }
        Err(error) => return Err(format!("cannot read {}: {error}", file.display()).into()),
    };
    MasterKeys::parse(text.trim()).map_err(|problem| format!("{}: {problem}", file.display()).into())
}

/// Writes a file that only its owner can read, whole or not at all.
pub fn write_private(file: &Path, text: &str) -> Result<(), CliError> {
    let fresh = file.with_extension("new");
    let write = || {
        let _ = fs::remove_file(&fresh);
        let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        writeln!(out, "{text}")?;
        out.sync_all()?;
        fs::rename(&fresh, file)
    };
    write().map_err(|error: io::Error| format!("cannot write {}: {error}", file.display()).into())
}
