//! The service's own keys: random, made once, and stored sealed (architecture 6).

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use sqlx::PgPool;

use super::master::{MasterKeys, OpenError, random};
use super::secret::Secret;
use super::tenant_key::TenantKey;
use crate::audit::chain::ChainKey;
use crate::ids::OrgId;

/// Everything that is kept under the master key, opened once at start.
#[derive(Clone, Debug)]
pub struct Keyring {
    /// Seals and opens what is stored.
    pub master: MasterKeys,
    pepper: Secret<Vec<u8>>,
    fingerprint_key: Secret<Vec<u8>>,
    idempotency_key: Secret<Vec<u8>>,
    audit: ChainKey,
}

/// A tenant key as it is stored and looked up: useless without the pepper.
pub type KeyDigest = [u8; 32];

const PEPPER: &str = "tenant_key_pepper";
const FINGERPRINT_KEY: &str = "signing_secret_fingerprint";
const IDEMPOTENCY_KEY: &str = "idempotency_mac";
const AUDIT_KEY: &str = "audit_chain";

/// Why the keyring cannot be opened.
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
    pub async fn open(db: &PgPool, master: MasterKeys) -> Result<Self, KeyringError> {
        let open = async |name| {
            let sealed = find_or_make(db, name, &master).await?;
            Ok::<_, KeyringError>(master.open(&place(name), &sealed)?)
        };
        let (pepper, fingerprint_key) = (open(PEPPER).await?, open(FINGERPRINT_KEY).await?);
        let idempotency_key = open(IDEMPOTENCY_KEY).await?;
        let audit = ChainKey::new(open(AUDIT_KEY).await?);
        Ok(Self { master, pepper, fingerprint_key, idempotency_key, audit })
    }

    /// What chains the rows of the audit log.
    #[must_use]
    pub fn audit(&self) -> &ChainKey {
        &self.audit
    }

    /// Opens one more of the service's keys; where there is none it is made, or `None`.
    ///
    /// # Errors
    /// As [`Keyring::open`].
    pub async fn service_key(
        &self,
        db: &PgPool,
        name: &str,
        make: bool,
    ) -> Result<Option<Secret<Vec<u8>>>, KeyringError> {
        let sealed =
            if make { Some(find_or_make(db, name, &self.master).await?) } else { find(db, name).await? };
        Ok(sealed.map(|sealed| self.master.open(&place(name), &sealed)).transpose()?)
    }

    /// Whether there is a service key whose name starts with `prefix`.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn has_service_keys(&self, db: &PgPool, prefix: &str) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM service_keys WHERE starts_with(name, $1)) AS "exists!""#,
            prefix
        )
        .fetch_one(db)
        .await
    }

    /// Drops the service keys whose names start with `prefix` and come before `end`.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn forget_service_keys(&self, db: &PgPool, prefix: &str, end: &str) -> Result<(), sqlx::Error> {
        sqlx::query!(
            r#"DELETE FROM service_keys WHERE starts_with(name, $1) AND name < $2 COLLATE "C""#,
            prefix,
            end
        )
        .execute(db)
        .await?;
        Ok(())
    }

    /// What is stored of a tenant key. Keys are random, so a keyed hash is right; a slow one
    /// would only let strangers burn our processors.
    #[must_use]
    pub fn digest(&self, key: &TenantKey) -> KeyDigest {
        keyed_hash(&self.pepper, &[key.expose().as_bytes()])
    }

    /// Recognises a signing secret that an org has had before; of two orgs with the same secret
    /// neither learns of the other.
    #[must_use]
    pub fn fingerprint(&self, org_id: OrgId, secret: &Secret<Vec<u8>>) -> [u8; 32] {
        keyed_hash(&self.fingerprint_key, &[org_id.0.as_bytes(), secret.expose()])
    }

    /// Recognises a request that is sent again, without keeping what it said.
    #[must_use]
    pub fn idempotency_mac(&self, org_id: OrgId, parts: &[&[u8]]) -> [u8; 32] {
        let lengths: Vec<_> = parts.iter().map(|part| (part.len() as u64).to_be_bytes()).collect();
        // Each part after its length, so that no two lists of parts are the same bytes.
        let framed = lengths.iter().zip(parts).flat_map(|(length, part)| [&length[..], part]);
        let framed: Vec<_> = [&org_id.0.as_bytes()[..]].into_iter().chain(framed).collect();
        keyed_hash(&self.idempotency_key, &framed)
    }
}

fn keyed_hash(key: &Secret<Vec<u8>>, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// Where a service key is stored.
#[must_use]
pub fn place(name: &str) -> Vec<u8> {
    format!("service_keys/{name}").into_bytes()
}

async fn find(db: &PgPool, name: &str) -> Result<Option<Vec<u8>>, sqlx::Error> {
    sqlx::query_scalar!("SELECT sealed FROM service_keys WHERE name = $1", name).fetch_optional(db).await
}

async fn find_or_make(db: &PgPool, name: &str, master: &MasterKeys) -> Result<Vec<u8>, sqlx::Error> {
    if let Some(sealed) = find(db, name).await? {
        return Ok(sealed);
    }
    let fresh = Secret::new(random::<32>());
    sqlx::query!(
        "INSERT INTO service_keys (name, sealed) VALUES ($1, $2) ON CONFLICT ON CONSTRAINT service_keys_pkey DO NOTHING",
        name,
        master.seal(&place(name), fresh.expose()),
    )
    .execute(db)
    .await?;
    find(db, name).await?.ok_or(sqlx::Error::RowNotFound)
}

/// Something that a database holds sealed, to try a master key on.
#[derive(Debug)]
pub struct SealedSample {
    pepper: Option<Vec<u8>>,
    has_tenant_keys: bool,
    /// The salt under a master passphrase, if one was ever made.
    pub salt: Option<Vec<u8>>,
}

impl SealedSample {
    /// Whether these keys are those of the database.
    ///
    /// # Errors
    /// That they are not, or that the database has lost what they would open.
    pub fn opens_with(&self, master: &MasterKeys) -> Result<(), OpenError> {
        match &self.pepper {
            Some(sealed) => master.open(&place(PEPPER), sealed).map(drop),
            None if self.has_tenant_keys => Err(OpenError::Damaged),
            None => Ok(()),
        }
    }
}

/// What there is to try a master key on; `None` before the first migration. Changes nothing.
///
/// # Errors
/// When the database cannot be asked.
pub async fn sealed_sample(db: &PgPool) -> Result<Option<SealedSample>, sqlx::Error> {
    // Not checked at compile time: there may be no tables yet, or those of an older version.
    let tables: Vec<bool> = sqlx::query_scalar(
        "SELECT to_regclass(name) IS NOT NULL
         FROM unnest(ARRAY['service_keys', 'tenant_keys', 'passphrase_salt']) WITH ORDINALITY AS wanted (name, n)
         ORDER BY n",
    )
    .fetch_all(db)
    .await?;
    let [true, has_tenant_keys, has_salt] = tables[..] else { return Ok(None) };
    let pepper = sqlx::query_scalar("SELECT sealed FROM service_keys WHERE name = $1");
    let pepper = pepper.bind(PEPPER).fetch_optional(db).await?;
    let has_tenant_keys = has_tenant_keys
        && sqlx::query_scalar("SELECT EXISTS (SELECT FROM tenant_keys)").fetch_one(db).await?;
    let salt = match has_salt {
        true => sqlx::query_scalar("SELECT salt FROM passphrase_salt").fetch_optional(db).await?,
        false => None,
    };
    Ok(Some(SealedSample { pepper, has_tenant_keys, salt }))
}

/// The salt under a master passphrase: random, made once, not secret.
///
/// # Errors
/// When the database cannot be asked.
pub async fn passphrase_salt(db: &PgPool) -> Result<Vec<u8>, sqlx::Error> {
    sqlx::query!(
        "INSERT INTO passphrase_salt (salt) VALUES ($1) ON CONFLICT ON CONSTRAINT passphrase_salt_pkey DO NOTHING",
        &random::<16>()[..],
    )
    .execute(db)
    .await?;
    sqlx::query_scalar!("SELECT salt FROM passphrase_salt").fetch_one(db).await
}
