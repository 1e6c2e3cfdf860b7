//! The keys of tokens (contract 10 and 16): a new one every 30 days, published a day ahead, the
//! old one until its tokens have died.
//!
//! A key belongs to a period of the calendar and is stored under its number, so of many replicas
//! that make the same one at the same time, one wins and all use it: no lock, no leader. They are
//! held in memory; neither a good token nor a stranger's costs a look-up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::body::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use crate::clock::Clock;
use crate::crypto::access_token::{Claims, Jwk, TokenKey};
use crate::crypto::keyring::Keyring;
use crate::db::Db;
use crate::error::ApiError;

/// The lifetime of a member's token, in seconds; a partner's is shorter.
pub const TOKEN_LIFETIME: i64 = 3_600;
/// The time for which a key signs, in seconds.
const PERIOD: i64 = 30 * 86_400;
const PUBLISHED_AHEAD: TimeDelta = TimeDelta::days(1);
/// A dead token's key is published this much longer: leeway, and clocks that differ.
const MARGIN: i64 = 300;
/// The age that memory may have, and must have before an unknown key is worth another look.
const FRESH_FOR: TimeDelta = TimeDelta::seconds(60);
const LOOK_AGAIN_AFTER: TimeDelta = TimeDelta::seconds(5);
/// The interval at which a process that issues no tokens looks whether the next key is due.
const PUBLISH_INTERVAL: Duration = Duration::from_secs(600);
/// A key's name among the service's keys, before the period's number.
pub const PREFIX: &str = "member_token_";

/// The keys in memory.
pub struct TokenKeys {
    keyring: Keyring,
    db: Db,
    clock: Clock,
    known: RwLock<Arc<KeySet>>,
    reading: Mutex<()>,
    /// The number of renewals while this process ran: what was being read meanwhile is void.
    renewals: AtomicU64,
}

/// The keys at an instant.
#[derive(Default)]
pub struct KeySet {
    keys: Vec<(i64, TokenKey)>,
    read_at: DateTime<Utc>,
    /// As published.
    pub jwks: Bytes,
}

/// The published keys (RFC 7517).
#[derive(Serialize, ToSchema)]
pub struct JwkSet {
    keys: Vec<Jwk>,
}

impl TokenKeys {
    /// None are read yet.
    #[must_use]
    pub fn new(keyring: Keyring, db: Db, clock: Clock) -> Self {
        let (known, reading, renewals) = <_>::default();
        Self { keyring, db, clock, known, reading, renewals }
    }

    /// The keys, at most a minute old; made if there are none.
    ///
    /// # Errors
    /// 503 when there are none in memory and the database cannot be asked.
    pub async fn current(&self) -> Result<Arc<KeySet>, ApiError> {
        self.at_most(FRESH_FOR).await
    }

    /// Returns the claims of a token, if one of our keys signed it.
    ///
    /// # Errors
    /// As [`TokenKeys::current`].
    pub async fn verify(&self, token: &str) -> Result<Option<Claims>, ApiError> {
        let mut keys = self.current().await?;
        if keys.named_by(token).is_none() {
            keys = self.at_most(LOOK_AGAIN_AFTER).await?;
        }
        Ok(keys.named_by(token).and_then(|key| key.verify(token)))
    }

    async fn at_most(&self, age: TimeDelta) -> Result<Arc<KeySet>, ApiError> {
        let known = self.known();
        if known.is_fresh(self.clock.now(), age) {
            return Ok(known);
        }
        let _alone = match self.reading.try_lock() {
            Ok(alone) => alone,
            // Somebody is at it; what is known is good enough meanwhile.
            Err(_) if !known.keys.is_empty() => return Ok(known),
            Err(_) => self.reading.lock().await,
        };
        let known = self.known();
        if known.is_fresh(self.clock.now(), age) {
            return Ok(known);
        }
        let renewals = self.renewals.load(Ordering::SeqCst);
        match self.load().await {
            Ok(read) => {
                let read = Arc::new(read);
                let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
                if self.renewals.load(Ordering::SeqCst) == renewals {
                    *known = read.clone();
                }
                Ok(read)
            }
            Err(error) if known.keys.is_empty() => Err(error),
            Err(error) => {
                tracing::warn!(%error, "the keys of tokens could not be read again yet");
                Ok(known)
            }
        }
    }

    /// They were renewed: those in memory verify nothing any more.
    pub fn forget(&self) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        self.renewals.fetch_add(1, Ordering::SeqCst);
        *known = Arc::default();
    }

    fn known(&self) -> Arc<KeySet> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the keys whose tokens may live, and makes those that are due.
    async fn load(&self) -> Result<KeySet, ApiError> {
        let read_at = self.clock.now();
        let current = period(read_at.timestamp());
        let oldest = period(read_at.timestamp() - TOKEN_LIFETIME - MARGIN);
        let newest = period((read_at + PUBLISHED_AHEAD).timestamp());
        let mut keys = Vec::new();
        for number in oldest..=newest {
            let seed = self.keyring.service_key(&self.db.lookups, &name(number), number >= current).await;
            if let Some(seed) = seed.map_err(ApiError::unavailable)? {
                keys.push((number, TokenKey::from_seed(&seed).map_err(ApiError::internal)?));
            }
        }
        let set = JwkSet { keys: keys.iter().map(|(_, key)| key.jwk().clone()).collect() };
        let jwks = serde_json::to_vec(&set).map_err(ApiError::internal)?.into();
        Ok(KeySet { keys, read_at, jwks })
    }

    /// Publishes the next key in time even if nobody asks for a token, and drops dead ones; for as long as
    /// the process lives.
    pub async fn publish_forever(&self) {
        let mut ticks = tokio::time::interval(PUBLISH_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.publish().await {
                tracing::warn!(%error, "the keys of tokens could not be kept up");
            }
        }
    }

    async fn publish(&self) -> Result<(), ApiError> {
        if !self.keyring.has_service_keys(&self.db.lookups, PREFIX).await? {
            return Ok(());
        }
        self.current().await?;
        // One period more than needed, for clocks that are wrong.
        let dead = name(period(self.clock.now().timestamp()) - 1);
        Ok(self.keyring.forget_service_keys(&self.db.lookups, PREFIX, &dead).await?)
    }
}

impl KeySet {
    /// The key that signs at `now`.
    ///
    /// # Errors
    /// 503 when memory is so old that it has none.
    pub fn signing(&self, now: DateTime<Utc>) -> Result<&TokenKey, ApiError> {
        let period = period(now.timestamp());
        let key = self.keys.iter().find(|(number, _)| *number == period);
        key.map(|(_, key)| key).ok_or_else(|| ApiError::unavailable("no key of this period is in memory"))
    }

    fn named_by(&self, token: &str) -> Option<&TokenKey> {
        self.keys.iter().map(|(_, key)| key).find(|key| key.is_named_by(token))
    }

    fn is_fresh(&self, now: DateTime<Utc>, age: TimeDelta) -> bool {
        !self.keys.is_empty() && now - self.read_at < age
    }
}

fn period(seconds: i64) -> i64 {
    seconds.div_euclid(PERIOD)
}

/// Names sort as their numbers do.
fn name(period: i64) -> String {
    format!("{PREFIX}{period:06}")
}
