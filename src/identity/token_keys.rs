//! The keys of tokens (contract 10 and 16), which follow the [calendar](crate::key_calendar).

use std::ops::Deref;
use std::sync::Arc;

use aws_lc_rs::error::KeyRejected;
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};

use crate::clock::Clock;
use crate::crypto::access_token::{Claims, TokenKey};
use crate::crypto::jwk::Jwk;
use crate::crypto::keyring::Keyring;
use crate::crypto::secret::Secret;
use crate::db::Db;
use crate::error::ApiError;
use crate::key_calendar::{CalendarKey, KeyCalendar, KeySet};

/// The lifetime of a member's token, in seconds; a partner's is shorter.
pub const TOKEN_LIFETIME: i64 = 3_600;
/// A dead token's key is published this much longer, in seconds: leeway, and clocks that differ.
const MARGIN: i64 = 300;

impl CalendarKey for TokenKey {
    const PREFIX: &str = "member_token_";
    const KEPT_FOR: i64 = TOKEN_LIFETIME + MARGIN;

    fn from_seed(seed: &Secret<Vec<u8>>) -> Result<Self, KeyRejected> {
        Self::from_seed(seed)
    }

    fn jwk(&self) -> &Jwk {
        self.jwk()
    }
}

/// Tokens whose signature was found good and is remembered. Some 10 MiB.
const REMEMBERED: usize = 20_000;

/// The keys in memory, and the tokens that were seen under them.
pub struct TokenKeys {
    keys: KeyCalendar<TokenKey>,
    /// By the digest of the whole token: a signature that was good under a key stays good. Only that is remembered;
    /// whether the key is still one of ours, and the token still good for anything, is asked every time.
    verified: Cache<[u8; 32], Arc<Claims>>,
}

impl TokenKeys {
    /// None are read yet.
    #[must_use]
    pub fn new(keyring: Keyring, db: Db, clock: Clock) -> Self {
        Self { keys: KeyCalendar::new(keyring, db, clock), verified: Cache::new(REMEMBERED) }
    }

    /// Returns the claims of a token, if one of our keys signed it.
    ///
    /// # Errors
    /// As [`KeyCalendar::current`].
    pub async fn verify(&self, token: &str) -> Result<Option<Arc<Claims>>, ApiError> {
        let mut keys = self.current().await?;
        if named_by(&keys, token).is_none() {
            keys = self.look_again().await?;
        }
        let Some(key) = named_by(&keys, token) else { return Ok(None) };
        let digest = Sha256::digest(token).into();
        if let Some(claims) = self.verified.get(&digest) {
            return Ok(Some(claims));
        }
        let claims = key.verify(token).map(Arc::new);
        if let Some(claims) = &claims {
            self.verified.insert(digest, claims.clone());
        }
        Ok(claims)
    }
}

impl Deref for TokenKeys {
    type Target = KeyCalendar<TokenKey>;

    fn deref(&self) -> &KeyCalendar<TokenKey> {
        &self.keys
    }
}

fn named_by<'k>(keys: &'k KeySet<TokenKey>, token: &str) -> Option<&'k TokenKey> {
    keys.keys().find(|key| key.is_named_by(token))
}
