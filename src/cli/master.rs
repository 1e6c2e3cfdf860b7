//! The source of a command's master key.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use super::{CliError, cluster};
use crate::config::{Config, private};
use crate::crypto::keyring;
use crate::crypto::master::MasterKeys;
use crate::db::Db;

/// The master key as it is configured. It is looked for before a database is touched, and tried on
/// what is sealed there before the schema is.
pub struct Master {
    keys: Option<MasterKeys>,
    passphrase: Option<Zeroizing<String>>,
    /// Keys and what the passphrase gives, which takes a while.
    derived: OnceCell<MasterKeys>,
}

impl Master {
    /// `MASTER_KEYS`, then the passphrase; the embedded default makes a key of its own before it
    /// makes a cluster.
    pub fn find(config: &Config) -> Result<Self, CliError> {
        let passphrase = config.master.passphrase_file.as_deref().map(read_passphrase).transpose()?;
        let mut keys = config.master.keys.clone();
        if keys.is_none() && passphrase.is_none() && config.database.is_none() {
            keys = Some(embedded_key(&config.data_dir)?);
        }
        Ok(Self { keys, passphrase, derived: OnceCell::new() })
    }

    /// The same, and nothing is made: for who only looks.
    pub fn existing(config: &Config) -> Result<Self, CliError> {
        let is_embedded = config.master.keys.is_none()
            && config.master.passphrase_file.is_none()
            && config.database.is_none();
        if is_embedded {
            let file = config.data_dir.join("master.key");
            let text = private::read_secret(&file, owner_of(&config.data_dir))?;
            let keys =
                MasterKeys::parse(text.trim()).map_err(|problem| format!("{}: {problem}", file.display()))?;
            return Ok(Self { keys: Some(keys), passphrase: None, derived: OnceCell::new() });
        }
        Self::required(config)
    }

    /// The same where something will be sealed.
    pub fn required(config: &Config) -> Result<Self, CliError> {
        let master = Self::find(config)?;
        if master.is_missing() {
            return Err("MASTER_KEYS or MASTER_PASSPHRASE_FILE must be set beside DATABASE_URL: without \
                        a master key nothing can be sealed. Make one with: \
                        echo \"base64:$(openssl rand -base64 32)\""
                .into());
        }
        Ok(master)
    }

    fn is_missing(&self) -> bool {
        self.keys.is_none() && self.passphrase.is_none()
    }

    /// Tries the key on what a database already has. Nothing is changed.
    pub async fn check(&self, db: &Db) -> Result<(), CliError> {
        if self.is_missing() { Ok(()) } else { self.opened(db).await.map(drop) }
    }

    /// The same; gives the keys, or none where nothing is sealed yet.
    pub async fn opened(&self, db: &Db) -> Result<Option<MasterKeys>, CliError> {
        let direct = db.direct();
        let sealed = keyring::sealed_sample(&direct).await;
        direct.close().await;
        let Some(sealed) = sealed? else { return Ok(None) };
        let keys = self.derive(sealed.salt.as_deref()).await?;
        sealed.opens_with(&keys).map(|()| Some(keys)).map_err(|error| {
            format!(
                "the master key does not open what this database holds, and nothing was changed: {error}. Set \
                 MASTER_KEYS, MASTER_KEYS_FILE or MASTER_PASSPHRASE_FILE to the key that it was made with (on the \
                 embedded default: DATA_DIR/master.key)"
            )
            .into()
        })
    }

    /// The keys, once the schema is there: a passphrase needs its salt, which is made if missing.
    pub async fn keys(&self, db: &Db) -> Result<MasterKeys, CliError> {
        let salt = match &self.passphrase {
            Some(_) if self.derived.get().is_none() => Some(keyring::passphrase_salt(&db.pool).await?),
            _ => None,
        };
        self.derive(salt.as_deref()).await
    }

    async fn derive(&self, salt: Option<&[u8]>) -> Result<MasterKeys, CliError> {
        if let Some(derived) = self.derived.get() {
            return Ok(derived.clone());
        }
        let from_passphrase = match (&self.passphrase, salt) {
            (Some(passphrase), Some(salt)) => Some(
                MasterKeys::from_passphrase(passphrase, salt)
                    .map_err(|problem| format!("MASTER_PASSPHRASE_FILE: {problem}"))?,
            ),
            _ => None,
        };
        let all_of_it = self.passphrase.is_none() || from_passphrase.is_some();
        let keys = match (self.keys.clone(), from_passphrase) {
            (Some(keys), Some(passphrase)) => keys.then(passphrase),
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => return Err("the database has no salt for MASTER_PASSPHRASE_FILE".into()),
        };
        if all_of_it {
            let _ = self.derived.set(keys.clone());
        }
        Ok(keys)
    }
}

fn read_passphrase(file: &Path) -> Result<Zeroizing<String>, CliError> {
    let text =
        private::read_secret(file, None).map_err(|error| format!("MASTER_PASSPHRASE_FILE: {error}"))?;
    let passphrase = Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned());
    MasterKeys::check_passphrase(&passphrase)
        .map_err(|problem| format!("MASTER_PASSPHRASE_FILE: {problem}"))?;
    Ok(passphrase)
}

/// The key in `DATA_DIR/master.key`; made, readable for its owner only, on the first start. A
/// cluster without it is refused: another key would open nothing there.
fn embedded_key(data_dir: &Path) -> Result<MasterKeys, CliError> {
    let file = data_dir.join("master.key");
    let owner = owner_of(data_dir);
    let text = match private::read_secret(&file, owner) {
        Err(error) if error.is_not_found() => {
            if cluster::exists(data_dir) {
                return Err(format!(
                    "{} is missing, and what the cluster beside it holds was sealed under it: nothing was changed. \
                     Put the file back from a backup, or move {} away to start over",
                    file.display(),
                    data_dir.join("postgres").display()
                )
                .into());
            }
            cluster::make_data_dir(data_dir)?;
            make_private(&file, MasterKeys::generate().expose())?;
            private::read_secret(&file, owner)?
        }
        read => read?,
    };
    MasterKeys::parse(text.trim()).map_err(|problem| format!("{}: {problem}", file.display()).into())
}

/// The owner of `DATA_DIR`: root may start a cluster that an ordinary user made, and the files
/// beside it are then that user's as well.
pub fn owner_of(data_dir: &Path) -> Option<u32> {
    fs::metadata(data_dir).ok().map(|found| found.uid())
}

/// Writes a file that only its owner can read, whole or not at all.
pub fn write_private(file: &Path, text: &str) -> Result<(), CliError> {
    let write = || written_beside(file, text).and_then(|fresh| fs::rename(&fresh, file));
    write().map_err(|error| format!("cannot write {}: {error}", file.display()).into())
}

/// The same, unless somebody else made it in the meantime: then theirs stays.
fn make_private(file: &Path, text: &str) -> Result<(), CliError> {
    let make = || {
        let fresh = written_beside(file, text)?;
        let made = match fs::hard_link(&fresh, file) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        };
        fs::remove_file(&fresh)?;
        made
    };
    make().map_err(|error: io::Error| format!("cannot write {}: {error}", file.display()).into())
}

fn written_beside(file: &Path, text: &str) -> io::Result<std::path::PathBuf> {
    let fresh = file.with_extension(format!("{:016x}", rand::random::<u64>()));
    let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    writeln!(out, "{text}")?;
    out.sync_all()?;
    Ok(fresh)
}
