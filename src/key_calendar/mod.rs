//! The service's keys that follow the calendar: those of tokens (contract 10 and 16) and those of events (contract 14). A
//! new one every 30 days, published a day ahead, the old one for as long as what it signed is looked at.
//!
//! A key belongs to a period and is stored under its number, so of many replicas that make the same one at the same time,
//! one wins and all use it: no lock, no leader. They are held in memory; neither what is good nor what is a stranger's
//! costs a look-up.

pub mod event_keys;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::error::KeyRejected;
use axum::body::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::crypto::jwk::{Jwk, JwkSet};
use crate::crypto::keyring::Keyring;
use crate::crypto::secret::Secret;
use crate::db::Db;
use crate::error::ApiError;

/// The time for which a key signs, in seconds.
const PERIOD: i64 = 30 * 86_400;
const PUBLISHED_AHEAD: TimeDelta = TimeDelta::days(1);
/// The age that memory may have, and must have before an unknown key is worth another look.
const FRESH_FOR: TimeDelta = TimeDelta::seconds(60);
const LOOK_AGAIN_AFTER: TimeDelta = TimeDelta::seconds(5);
/// The interval at which a process that signs nothing looks whether the next key is due.
const PUBLISH_INTERVAL: Duration = Duration::from_secs(600);

/// A kind of such keys.
pub trait CalendarKey: Sized + Send + Sync + 'static {
    /// A key's name among the service's keys, before the period's number.
    const PREFIX: &str;
    /// The time for which a key is published after it signed last, in seconds.
    const KEPT_FOR: i64;

    /// The key of a 32-byte seed.
    ///
    /// # Errors
    /// When the seed has another length.
    fn from_seed(seed: &Secret<Vec<u8>>) -> Result<Self, KeyRejected>;

    /// The published half.
    fn jwk(&self) -> &Jwk;
}

/// The keys of a kind, in memory.
pub struct KeyCalendar<K> {
    keyring: Keyring,
    db: Db,
    clock: Clock,
    known: RwLock<Arc<KeySet<K>>>,
    reading: Mutex<()>,
    /// The number of renewals while this process ran: what was being read meanwhile is void.
    renewals: AtomicU64,
}

/// The keys at an instant.
pub struct KeySet<K> {
    keys: Vec<(i64, K)>,
    read_at: DateTime<Utc>,
    /// As published.
    pub jwks: Bytes,
}

impl<K> Default for KeySet<K> {
    fn default() -> Self {
        Self { keys: Vec::new(), read_at: DateTime::default(), jwks: Bytes::new() }
    }
}

impl<K: CalendarKey> KeyCalendar<K> {
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
    pub async fn current(&self) -> Result<Arc<KeySet<K>>, ApiError> {
        self.at_most(FRESH_FOR).await
    }

    /// The keys where memory lacks one: at most a few seconds old.
    ///
    /// # Errors
    /// As [`KeyCalendar::current`].
    pub async fn look_again(&self) -> Result<Arc<KeySet<K>>, ApiError> {
        self.at_most(LOOK_AGAIN_AFTER).await
    }

    async fn at_most(&self, age: TimeDelta) -> Result<Arc<KeySet<K>>, ApiError> {
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
                tracing::warn!(keys = K::PREFIX, %error, "keys could not be read again yet");
                Ok(known)
            }
        }
    }

    /// They were renewed: those in memory sign and verify nothing any more.
    pub fn forget(&self) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        self.renewals.fetch_add(1, Ordering::SeqCst);
        *known = Arc::default();
    }

    fn known(&self) -> Arc<KeySet<K>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the keys whose signatures may be looked at, and makes those that are due.
    async fn load(&self) -> Result<KeySet<K>, ApiError> {
        let read_at = self.clock.now();
        let current = period(read_at.timestamp());
        let oldest = period(read_at.timestamp() - K::KEPT_FOR);
        let newest = period((read_at + PUBLISHED_AHEAD).timestamp());
        let mut keys = Vec::new();
        for number in oldest..=newest {
            let name = name(K::PREFIX, number);
            let seed = self.keyring.service_key(&self.db.lookups, &name, number >= current).await;
            if let Some(seed) = seed.map_err(ApiError::unavailable)? {
                keys.push((number, K::from_seed(&seed).map_err(ApiError::internal)?));
            }
        }
        let set = JwkSet { keys: keys.iter().map(|(_, key)| key.jwk().clone()).collect() };
        let jwks = serde_json::to_vec(&set).map_err(ApiError::internal)?.into();
        Ok(KeySet { keys, read_at, jwks })
    }

    /// Publishes the next key in time even if nothing is signed, and drops dead ones; for as long as the process
    /// lives.
    pub async fn publish_forever(&self) {
        let mut ticks = tokio::time::interval(PUBLISH_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.publish().await {
                tracing::warn!(keys = K::PREFIX, %error, "keys could not be kept up");
            }
        }
    }

    async fn publish(&self) -> Result<(), ApiError> {
        if !self.keyring.has_service_keys(&self.db.lookups, K::PREFIX).await? {
            return Ok(());
        }
        self.current().await?;
        // One period more than needed, for clocks that are wrong.
        let dead = name(K::PREFIX, period(self.clock.now().timestamp() - K::KEPT_FOR) - 1);
        Ok(self.keyring.forget_service_keys(&self.db.lookups, K::PREFIX, &dead).await?)
    }
}

impl<K> KeySet<K> {
    /// The key that signs at `now`.
    ///
    /// # Errors
    /// 503 when memory is so old that it has none.
    pub fn signing(&self, now: DateTime<Utc>) -> Result<&K, ApiError> {
        let period = period(now.timestamp());
        let key = self.keys.iter().find(|(number, _)| *number == period);
        key.map(|(_, key)| key).ok_or_else(|| ApiError::unavailable("no key of this period is in memory"))
    }

    /// All of them, oldest first.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.keys.iter().map(|(_, key)| key)
    }

    fn is_fresh(&self, now: DateTime<Utc>, age: TimeDelta) -> bool {
        !self.keys.is_empty() && now - self.read_at < age
    }
}

fn period(seconds: i64) -> i64 {
    seconds.div_euclid(PERIOD)
}

/// Names sort as their numbers do.
fn name(prefix: &str, period: i64) -> String {
    format!("{prefix}{period:06}")
}
