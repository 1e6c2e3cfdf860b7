//! The service's own keys: random, and stored sealed (docs/architecture.md). Each has generations:
//! the newest makes what is new, the older ones recognise what they made. `keys renew` adds one to
//! each, for when database and master key were stolen together.

mod sample;
mod stored;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use sqlx::PgExecutor;

pub use self::sample::{SealedSample, sealed_sample};
use self::stored::find_or_make;
pub use self::stored::{add, passphrase_salt};
use super::associated_data;
use super::imported_key::ForeignHash;
use super::key_text::ApiKey;
use super::master::{MasterKeys, OpenError};
use super::secret::Secret;

use crate::crypto::audit_chain::ChainKey;
use crate::ids::OrgId;

/// Everything that is kept under the master key. Clones share it, so that a renewal reaches all.
#[derive(Clone, Debug)]
pub struct Keyring {
    /// Seals and opens what is stored.
    pub master: MasterKeys,
    keys: Arc<RwLock<Keys>>,
}

#[derive(Debug)]
struct Keys {
    pepper: Generations,
    fingerprint: Generations,
    idempotency: Generations,
    audit: ChainKey,
}

/// A key as it is looked up: useless without the pepper.
pub type KeyDigest = [u8; 32];

/// A key as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hashed {
    /// Its digest.
    pub digest: KeyDigest,
    /// The number of the pepper that made it.
    pub pepper: i16,
}

const PEPPER: &str = "tenant_key_pepper";
const FINGERPRINT_KEY: &str = "signing_secret_fingerprint";
const IDEMPOTENCY_KEY: &str = "idempotency_mac";
const AUDIT_KEY: &str = "audit_chain";
/// The families that a renewal renews, beside the keys of member tokens.
pub const FAMILIES: [&str; 4] = [PEPPER, FINGERPRINT_KEY, IDEMPOTENCY_KEY, AUDIT_KEY];

/// One of the service's keys.
#[derive(Clone, Debug)]
pub struct Generation {
    /// 0 is the first; each renewal adds one.
    pub number: i16,
    /// The time of its renewal; none for the first.
    pub since: Option<DateTime<Utc>>,
    secret: Secret<Vec<u8>>,
    keyed: KeyedHash,
}

/// HMAC-SHA-256 that has taken its key, which is two of the five rounds that a digest of an API key takes.
#[derive(Clone)]
struct KeyedHash(Hmac<Sha256>);

impl fmt::Debug for KeyedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyedHash(..)")
    }
}

/// A key and those that it replaced, newest first; never empty.
#[derive(Clone, Debug)]
struct Generations(Vec<Generation>);

/// The reasons why the keyring cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The database failed.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The wrong master key.
    #[error("the service's keys cannot be opened: {0}")]
    Sealed(#[from] OpenError),
}

impl Keyring {
    /// Opens the service's keys, or makes them if there are none yet; of several processes that
    /// try at the same time one wins.
    ///
    /// # Errors
    /// When the database cannot be asked, or was sealed under another master key.
    pub async fn open(db: impl PgExecutor<'_> + Copy, master: MasterKeys) -> Result<Self, KeyringError> {
        let keys = Keys::read(db, &master).await?;
        Ok(Self { master, keys: Arc::new(RwLock::new(keys)) })
    }

    /// Reads the keys again; gives whether they were renewed since the last time.
    ///
    /// # Errors
    /// As [`Keyring::open`]; the keys stay as they were.
    pub async fn reload(&self, db: impl PgExecutor<'_> + Copy) -> Result<bool, KeyringError> {
        let read = Keys::read(db, &self.master).await?;
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let is_renewed = read.pepper.newest().number != keys.pepper.newest().number;
        *keys = read;
        Ok(is_renewed)
    }

    /// The key that chains the rows of the audit log.
    #[must_use]
    pub fn audit(&self) -> ChainKey {
        self.keys().audit.clone()
    }

    /// Opens one more of the service's keys; where there is none it is made, or `None`.
    ///
    /// # Errors
    /// As [`Keyring::open`].
    pub async fn service_key(
        &self,
        db: impl PgExecutor<'_> + Copy,
        name: &str,
        make: bool,
    ) -> Result<Option<Secret<Vec<u8>>>, KeyringError> {
        let sealed = if make {
            Some(find_or_make(db, name, &self.master).await?)
        } else {
            stored::find(db, name).await?
        };
        Ok(sealed.map(|sealed| self.master.open(&associated_data::service_key(name), &sealed)).transpose()?)
    }

    /// Returns `true` if there is a service key whose name starts with `prefix`.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn has_service_keys(
        &self,
        db: impl PgExecutor<'_> + Copy,
        prefix: &str,
    ) -> Result<bool, sqlx::Error> {
        stored::is_any(db, prefix).await
    }

    /// Drops the service keys whose names start with `prefix` and come before `end`.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn forget_service_keys(
        &self,
        db: impl PgExecutor<'_> + Copy,
        prefix: &str,
        end: &str,
    ) -> Result<(), sqlx::Error> {
        stored::forget(db, prefix, end).await
    }

    /// The pepper that hashes new keys, and how many older ones there are.
    #[must_use]
    pub fn pepper(&self) -> (Generation, usize) {
        let keys = self.keys();
        (keys.pepper.newest().clone(), keys.pepper.older().count())
    }

    /// The number of the pepper that hashes new keys.
    #[must_use]
    pub fn pepper_number(&self) -> i16 {
        self.keys().pepper.newest().number
    }

    /// The digests that a key is looked up by, newest first.
    #[must_use]
    pub fn digests(&self, key: &impl ApiKey) -> Vec<KeyDigest> {
        self.keys().pepper.0.iter().map(|pepper| pepper.hash(key).digest).collect()
    }

    /// Hashes a key for storage. Keys are random, so a keyed hash is right; a slow one would
    /// only let strangers burn our processors.
    #[must_use]
    pub fn hash(&self, key: &impl ApiKey) -> Hashed {
        self.keys().pepper.newest().hash(key)
    }

    /// The hashes stored of a key before the pepper was renewed, newest first, and before an imported one was used;
    /// empty where there was neither.
    #[must_use]
    pub fn older_hashes(&self, key: &impl ApiKey) -> Vec<Hashed> {
        let mut hashes: Vec<_> = self.keys().pepper.older().map(|pepper| pepper.hash(key)).collect();
        hashes.extend(self.foreign_hashes(key.foreign()));
        hashes
    }

    /// What is stored of keys whose hashes another system made: those hashed with every pepper, newest first.
    #[must_use]
    pub fn foreign_hashes(&self, foreign: &[ForeignHash]) -> Vec<Hashed> {
        let keys = self.keys();
        let hashed =
            foreign.iter().flat_map(|hash| keys.pepper.0.iter().map(move |pepper| pepper.hash_foreign(hash)));
        hashed.collect()
    }

    /// Recognises a signing secret that an org has had before; of two orgs with the same secret
    /// neither learns of the other. The first is stored, the others are from before renewals.
    #[must_use]
    pub fn fingerprints(&self, org_id: OrgId, secret: &Secret<Vec<u8>>) -> Vec<[u8; 32]> {
        self.keys().fingerprint.hash(&[org_id.0.as_bytes(), secret.expose()])
    }

    /// Recognises a request that is sent again, without keeping what it said. The first is stored,
    /// the others are from before renewals.
    #[must_use]
    pub fn idempotency_macs(&self, org_id: OrgId, parts: &[&[u8]]) -> Vec<[u8; 32]> {
        let lengths: Vec<_> = parts.iter().map(|part| (part.len() as u64).to_be_bytes()).collect();
        // Each part after its length, so that no two lists of parts are the same bytes.
        let framed = lengths.iter().zip(parts).flat_map(|(length, part)| [&length[..], part]);
        let framed: Vec<_> = [&org_id.0.as_bytes()[..]].into_iter().chain(framed).collect();
        self.keys().idempotency.hash(&framed)
    }

    fn keys(&self) -> RwLockReadGuard<'_, Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keys {
    /// Reads all generations; the first of a key that there is none of yet is made.
    async fn read(db: impl PgExecutor<'_> + Copy, master: &MasterKeys) -> Result<Self, KeyringError> {
        let [pepper, fingerprint, idempotency, audit] = match stored::generations(db, master).await? {
            Some(found) => found,
            None => {
                for family in FAMILIES {
                    if stored::generation(db, family).await?.is_none() {
                        find_or_make(db, family, master).await?;
                    }
                }
                stored::generations(db, master).await?.ok_or(sqlx::Error::RowNotFound)?
            }
        };
        Ok(Self {
            pepper: Generations(pepper),
            fingerprint: Generations(fingerprint),
            idempotency: Generations(idempotency),
            audit: ChainKey::of(audit.into_iter().map(|key| (key.number, key.secret))),
        })
    }
}

impl Generations {
    fn newest(&self) -> &Generation {
        &self.0[0]
    }

    fn older(&self) -> impl Iterator<Item = &Generation> {
        self.0.iter().skip(1)
    }

    fn hash(&self, parts: &[&[u8]]) -> Vec<[u8; 32]> {
        self.0.iter().map(|generation| generation.keyed.of(parts)).collect()
    }
}

impl Generation {
    fn new(number: i16, since: Option<DateTime<Utc>>, secret: Secret<Vec<u8>>) -> Self {
        let keyed = KeyedHash::new(&secret);
        Self { number, since, secret, keyed }
    }

    fn hash(&self, key: &impl ApiKey) -> Hashed {
        Hashed { digest: self.keyed.of(&[key.text().as_bytes()]), pepper: self.number }
    }

    /// No key's text begins so: what is stored of a hash can be no key's own.
    fn hash_foreign(&self, foreign: &ForeignHash) -> Hashed {
        let parts: [&[u8]; 4] =
            [b"\0imported/", foreign.algorithm.name().as_bytes(), b"/", &foreign.digest[..]];
        Hashed { digest: self.keyed.of(&parts), pepper: self.number }
    }
}

impl KeyedHash {
    fn new(key: &Secret<Vec<u8>>) -> Self {
        Self(Hmac::new_from_slice(key.expose()).expect("HMAC takes keys of any length"))
    }

    fn of(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }
}
