//! The keys of tokens (contract 10 and 16), which follow the [calendar](crate::key_calendar).

use std::ops::Deref;

use aws_lc_rs::error::KeyRejected;

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

/// The keys in memory.
pub struct TokenKeys(KeyCalendar<TokenKey>);

impl TokenKeys {
    /// None are read yet.
    #[must_use]
    pub fn new(keyring: Keyring, db: Db, clock: Clock) -> Self {
        Self(KeyCalendar::new(keyring, db, clock))
    }

    /// Returns the claims of a token, if one of our keys signed it.
    ///
    /// # Errors
    /// As [`KeyCalendar::current`].
    pub async fn verify(&self, token: &str) -> Result<Option<Claims>, ApiError> {
        let mut keys = self.current().await?;
        if named_by(&keys, token).is_none() {
            keys = self.look_again().await?;
        }
        Ok(named_by(&keys, token).and_then(|key| key.verify(token)))
    }
}

impl Deref for TokenKeys {
    type Target = KeyCalendar<TokenKey>;

    fn deref(&self) -> &KeyCalendar<TokenKey> {
        &self.0
    }
}

fn named_by<'k>(keys: &'k KeySet<TokenKey>, token: &str) -> Option<&'k TokenKey> {
    keys.keys().find(|key| key.is_named_by(token))
}
