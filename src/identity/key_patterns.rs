//! The forms of imported keys (contract 15), in memory. What has no shape of ours is answered without a look-up, unless
//! it has one of these: they are few, and where nothing was imported there are none to try.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgExecutor;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::crypto::associated_data;
use crate::crypto::imported_key::{Alphabet, ForeignHash, KeyPattern};
use crate::crypto::keyring::Keyring;
use crate::crypto::secret::Secret;
use crate::crypto::tenant_key::TenantKey;
use crate::db::Db;
use crate::error::ApiError;

/// Forms that are remembered after their last live key ended: an import may be using one.
const FORGOTTEN_AFTER: TimeDelta = TimeDelta::days(1);

/// A form, and the secret under its hashes.
struct KnownPattern {
    pattern: KeyPattern,
    secret: Option<Secret<Vec<u8>>>,
}

/// The forms that some live key has.
pub struct KeyPatterns {
    /// `None` until they are read.
    known: RwLock<Option<Arc<[KnownPattern]>>>,
    /// Whether they are known and there are none: all that a request pays where nothing was imported.
    is_empty: AtomicBool,
    /// Told when one was added somewhere.
    pub changed: Notify,
    db: Db,
    keyring: Keyring,
    clock: Clock,
}

impl KeyPatterns {
    /// None are read yet.
    #[must_use]
    pub fn new(db: Db, keyring: Keyring, clock: Clock) -> Self {
        let (known, is_empty, changed) = (RwLock::default(), AtomicBool::new(false), Notify::new());
        Self { known, is_empty, changed, db, keyring, clock }
    }

    /// The key that a text is: one of ours, or one of the form of imported ones, with the hashes under which it may be
    /// stored.
    ///
    /// # Errors
    /// When it may be an imported one, forms were never read, and they cannot be read now.
    pub async fn key(&self, text: &[u8]) -> Result<Option<TenantKey>, ApiError> {
        let ours = TenantKey::parse(text);
        match self.imported(text).await {
            // Another installation of this service makes keys of our own form.
            Ok(imported) => Ok(imported.or(ours)),
            Err(_) if ours.is_some() => Ok(ours),
            Err(error) => Err(error),
        }
    }

    async fn imported(&self, text: &[u8]) -> Result<Option<TenantKey>, ApiError> {
        if self.is_empty.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let text = std::str::from_utf8(text).ok().filter(|text| KeyPattern::may_fit(text));
        let Some(text) = text else { return Ok(None) };
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        let known = match known {
            Some(known) => known,
            None => self.read().await?,
        };
        let mut fitting = known.iter().filter(|known| known.pattern.fits(text)).peekable();
        if fitting.peek().is_none() {
            return Ok(None);
        }
        let keyed = fitting.filter_map(|known| known.secret.as_ref());
        let keyed = keyed.map(|secret| ForeignHash::hmac_sha256(text, secret));
        let hashes = [ForeignHash::sha256(text)].into_iter().chain(keyed).collect();
        Ok(Some(TenantKey::imported(text.to_owned(), hashes)))
    }

    /// Reads them again.
    ///
    /// # Errors
    /// When the database cannot be asked, or the master key opens no secret of theirs; what was known stays.
    pub async fn refresh(&self) -> Result<(), ApiError> {
        self.read().await.map(drop)
    }

    async fn read(&self) -> Result<Arc<[KnownPattern]>, ApiError> {
        let found: Arc<[KnownPattern]> =
            load(&self.db.lookups, &self.keyring, self.clock.now()).await?.into();
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(found.clone());
        self.is_empty.store(found.is_empty(), Ordering::Relaxed);
        Ok(found)
    }
}

impl std::fmt::Debug for KeyPatterns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyPatterns").finish_non_exhaustive()
    }
}

async fn load(
    db: impl PgExecutor<'_>,
    keyring: &Keyring,
    now: DateTime<Utc>,
) -> Result<Vec<KnownPattern>, ApiError> {
    let rows = sqlx::query!(
        "SELECT id, prefix, length, alphabet, sealed FROM key_patterns p
         WHERE EXISTS (SELECT FROM tenant_keys k
                       WHERE k.pattern_id = p.id AND k.revoked_at IS NULL AND k.expires_at > $1)
         ORDER BY created_at, id",
        now,
    )
    .fetch_all(db)
    .await?;
    let mut known = Vec::with_capacity(rows.len());
    for row in rows {
        let pattern = u16::try_from(row.length).ok().zip(Alphabet::parse(&row.alphabet));
        let pattern =
            pattern.and_then(|(length, alphabet)| KeyPattern::new(&row.prefix, length, alphabet).ok());
        // Of a later version's kind, say.
        let Some(pattern) = pattern else { continue };
        let opened = row
            .sealed
            .map(|sealed| keyring.master.open(&associated_data::key_pattern(row.id), &sealed))
            .transpose();
        known.push(KnownPattern { pattern, secret: opened.map_err(ApiError::internal)? });
    }
    Ok(known)
}

/// Forgets forms that no live key has, with their secrets.
///
/// # Errors
/// When the database cannot be asked.
pub async fn forget_unused(db: impl PgExecutor<'_>, now: DateTime<Utc>) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query!(
        "DELETE FROM key_patterns p WHERE imported_at < $2 AND NOT EXISTS (
             SELECT FROM tenant_keys k WHERE k.pattern_id = p.id AND k.revoked_at IS NULL AND k.expires_at > $1)",
        now,
        now - FORGOTTEN_AFTER,
    )
    .execute(db)
    .await?;
    Ok(forgotten.rows_affected())
}
