//! The keys under an org's messages (contract 12.2, 12.3, 14), from memory: the pairs made here that sign its responses
//! and open its bodies, and the keys of the partner's that replies and events are encrypted to.

use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::rsa::KeyPair;
use chrono::{DateTime, Utc};
use message_signatures::respond::{Fields, Unsigned};
use public_keys::jwe::{self, Jwe};
use public_keys::rsa::{PrivateKey, RsaKey};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::event_recipients::EventRecipients;
use crate::crypto::associated_data;
use crate::crypto::keyring::Keyring;
use crate::crypto::secret::Secret;
use crate::db::Db;
use crate::db::cache::LookupCache;
use crate::db::trust::Trust;
use crate::ids::OrgId;
use crate::metrics::CacheMetrics;

/// Orgs whose keys are held: only those that have messages signed or encrypted. A pair takes some ten kilobytes once it
/// was used.
const KNOWN_ORGS: usize = 5_000;
/// Every org that asks has an answer, if an empty one.
const UNKNOWN_ORGS: usize = 1;

/// The keys, looked up once and then remembered. Every change of one announces the org.
#[derive(Debug)]
pub struct MessageKeyDirectory {
    cache: LookupCache<OrgId, Arc<MessageKeys>>,
    keyring: Keyring,
    require_key_proof: bool,
}

/// An org's keys, those registered last first.
#[derive(Debug)]
pub struct MessageKeys {
    pairs: Vec<Arc<Pair>>,
    recipients: Vec<Arc<Recipient>>,
    /// Those of events.
    pub event_recipients: EventRecipients,
}

/// A pair that was made here. Its private half is opened when it is first needed.
pub struct Pair {
    /// The `keyid` of its signatures and the `kid` of what is encrypted to it.
    pub unique_id: Uuid,
    org_id: OrgId,
    expires_at: DateTime<Utc>,
    signs: bool,
    decrypts: bool,
    sealed: Vec<u8>,
    keyring: Keyring,
    signing: OnceLock<Option<KeyPair>>,
    decrypting: OnceLock<Option<PrivateKey>>,
}

/// A key whose private half the partner holds, and with `REQUIRE_KEY_PROOF` has proven that it does.
#[derive(Debug)]
pub struct Recipient {
    /// The `kid` of what is encrypted to it.
    pub unique_id: Uuid,
    expires_at: DateTime<Utc>,
    key: RsaKey,
}

/// A private half that was stored cannot be used: the cause is in the log.
#[derive(Debug, thiserror::Error)]
#[error("a stored pair cannot be used")]
pub struct UnusablePair;

impl MessageKeyDirectory {
    /// An empty memory; with `require_key_proof`, of proven keys of the partners' alone.
    #[must_use]
    pub fn new(trust: Arc<Trust>, keyring: Keyring, metrics: CacheMetrics, require_key_proof: bool) -> Self {
        let cache = LookupCache::new(KNOWN_ORGS, UNKNOWN_ORGS, trust, metrics);
        Self { cache, keyring, require_key_proof }
    }

    /// The keys of an org.
    ///
    /// # Errors
    /// When memory does not know and the database cannot be asked.
    pub async fn of(&self, db: &Db, org_id: OrgId) -> Result<Arc<MessageKeys>, sqlx::Error> {
        let load = async || {
            let keys = load(db, &self.keyring, org_id, self.require_key_proof).await;
            keys.map(|keys| Some(Arc::new(keys)))
        };
        let keys = self.cache.get(org_id, |_| vec![org_id.0], load).await?;
        keys.ok_or(sqlx::Error::RowNotFound)
    }

    /// How many answers memory holds.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.cache.entries()
    }

    /// Forgets one org's.
    pub fn forget(&self, org_id: OrgId) {
        self.cache.forget(&org_id);
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.cache.clear();
    }
}

impl MessageKeys {
    /// The pair that signs responses: the live one generated last.
    #[must_use]
    pub fn signing(&self, now: DateTime<Utc>) -> Option<&Arc<Pair>> {
        self.pairs.iter().find(|pair| pair.signs && now < pair.expires_at)
    }

    /// The live pair that opens what is encrypted to it.
    #[must_use]
    pub fn decrypting(&self, unique_id: Uuid, now: DateTime<Utc>) -> Option<&Arc<Pair>> {
        self.pairs.iter().find(|pair| pair.unique_id == unique_id && pair.decrypts && now < pair.expires_at)
    }

    /// The partner's key to encrypt to: this one, or the live one registered last.
    #[must_use]
    pub fn recipient(&self, unique_id: Option<Uuid>, now: DateTime<Utc>) -> Option<&Arc<Recipient>> {
        let is_meant = |recipient: &Recipient| unique_id.is_none_or(|id| id == recipient.unique_id);
        self.recipients.iter().find(|recipient| is_meant(recipient) && now < recipient.expires_at)
    }
}

impl Pair {
    /// Signs a response: a millisecond of RSA and more, for a worker thread.
    ///
    /// # Errors
    /// When the stored pair is no use.
    pub fn sign(&self, response: Unsigned) -> Result<Fields, UnusablePair> {
        let key = self.signing.get_or_init(|| self.opened("signs", |der| KeyPair::from_pkcs8(der).ok()));
        let key = key.as_ref().ok_or(UnusablePair)?;
        response.sign(key).map_err(|error| self.is_of_no_use("signs", &error))
    }

    /// Opens a body that was encrypted to it: RSA, for a worker thread.
    ///
    /// # Errors
    /// When the stored pair is no use; the inner one when the body cannot be opened.
    pub fn open(&self, body: &Jwe<'_>) -> Result<Result<Zeroizing<Vec<u8>>, jwe::Refused>, UnusablePair> {
        let read = |der: &[u8]| PrivateKey::from_pkcs8(der).ok();
        let key = self.decrypting.get_or_init(|| self.opened("decrypts", read));
        Ok(body.open(key.as_ref().ok_or(UnusablePair)?))
    }

    fn opened<K>(&self, work: &str, read: impl FnOnce(&[u8]) -> Option<K>) -> Option<K> {
        let associated_data = associated_data::public_key(self.org_id, self.unique_id);
        let opened = self.keyring.master.open(&associated_data, &self.sealed);
        let der: Secret<Vec<u8>> = opened.map_err(|error| self.is_of_no_use(work, &error)).ok()?;
        let key = read(der.expose());
        if key.is_none() {
            self.is_of_no_use(work, &"it is no RSA key in PKCS#8");
        }
        key
    }

    fn is_of_no_use(&self, work: &str, error: &dyn fmt::Display) -> UnusablePair {
        let (org_id, unique_id) = (self.org_id, self.unique_id);
        tracing::error!(%org_id, %unique_id, work, %error, "a pair cannot be used");
        UnusablePair
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").field("unique_id", &self.unique_id).finish_non_exhaustive()
    }
}

impl Recipient {
    /// Encrypts a body of JSON to the key, for a worker thread.
    ///
    /// # Errors
    /// When the library fails.
    pub fn encrypt(&self, json: &[u8]) -> Result<String, jwe::SealError> {
        jwe::seal(&self.key, &self.unique_id.to_string(), json)
    }
}

async fn load(
    db: &Db,
    keyring: &Keyring,
    org_id: OrgId,
    require_key_proof: bool,
) -> Result<MessageKeys, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        SELECT unique_id, type AS kind, usages, public_key, sealed, expires_at,
               'ResponseSignature' = ANY (usages) AS "signs!", 'MessageLevelEncryption' = ANY (usages) AS "encrypts!"
        FROM public_keys
        WHERE org_id = $1 AND deleted_at IS NULL
            AND usages && ARRAY['ResponseSignature', 'MessageLevelEncryption', 'Reports', 'CredentialsDownload']
            AND (proven_at IS NOT NULL OR sealed IS NOT NULL OR NOT $2)
        ORDER BY created_at DESC, unique_id DESC
        "#,
        org_id.0,
        require_key_proof,
    )
    .fetch_all(&db.lookups)
    .await?;
    let mut keys = MessageKeys {
        pairs: Vec::new(),
        recipients: Vec::new(),
        event_recipients: EventRecipients::default(),
    };
    for row in rows {
        let (unique_id, expires_at) = (row.unique_id, row.expires_at);
        if row.sealed.is_none() {
            keys.event_recipients.add(unique_id, &row.kind, &row.usages, &row.public_key, expires_at);
        }
        match row.sealed {
            Some(sealed) => keys.pairs.push(Arc::new(Pair {
                unique_id,
                org_id,
                expires_at,
                signs: row.signs,
                decrypts: row.encrypts,
                sealed,
                keyring: keyring.clone(),
                signing: OnceLock::new(),
                decrypting: OnceLock::new(),
            })),
            // Nobody here can sign with a key of the partner's.
            None if !row.encrypts => {}
            None => match RsaKey::stored(&row.public_key) {
                Ok(key) => keys.recipients.push(Arc::new(Recipient { unique_id, expires_at, key })),
                Err(error) => {
                    tracing::error!(%org_id, %unique_id, %error, "a public key cannot be read");
                }
            },
        }
    }
    Ok(keys)
}
