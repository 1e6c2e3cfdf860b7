//! A bounded memory of database look-ups that is believed only while [`Trust`] says so.

use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use uuid::Uuid;

use super::trust::Trust;
use crate::metrics::CacheMetrics;

/// The time for which "there is none" is remembered. No invalidation announces a new row, so this
/// is also how long a new one may go unseen.
const MISSING_FOR: Duration = Duration::from_secs(1);

/// Answers by key. What was found and what was not are bounded apart, so that a flood of unknown
/// keys evicts no known one.
#[derive(Debug)]
pub struct LookupCache<K, V> {
    found: Cache<K, V>,
    missing: Cache<K, Instant>,
    trust: Arc<Trust>,
    metrics: CacheMetrics,
}

impl<K: Copy + Eq + Hash, V: Clone> LookupCache<K, V> {
    /// Remembers at most `found` answers and `missing` absences.
    #[must_use]
    pub fn new(found: usize, missing: usize, trust: Arc<Trust>, metrics: CacheMetrics) -> Self {
        Self { found: Cache::new(found), missing: Cache::new(missing), trust, metrics }
    }

    /// The answer that memory has: `None` is nothing, `Some(None)` that there is no such row.
    pub fn peek(&self, key: &K) -> Option<Option<V>> {
        let known = self.recall(key)?;
        if known.is_some() { &self.metrics.hit } else { &self.metrics.refused }.inc();
        Some(known)
    }

    fn recall(&self, key: &K) -> Option<Option<V>> {
        if !self.trust.is_fresh() {
            return None;
        }
        if let Some(value) = self.found.get(key) {
            return Some(Some(value));
        }
        let noted = self.missing.get(key)?;
        (noted.elapsed() < MISSING_FOR).then_some(None)
    }

    /// Answers from memory or by `load`, which runs once however many ask at the same time.
    /// Should the one that loads be cancelled or fail, another takes its place. `subjects` names
    /// the ids whose invalidation voids a value.
    ///
    /// # Errors
    /// What `load` returns.
    pub async fn get<E>(
        &self,
        key: K,
        subjects: impl FnOnce(&V) -> Vec<Uuid>,
        load: impl AsyncFnOnce() -> Result<Option<V>, E>,
    ) -> Result<Option<V>, E> {
        self.get_at_home(key, |_| key, subjects, load).await
    }

    /// The same, where what is found may be announced under another key than it was asked for:
    /// `home` names that one, and there it is remembered.
    ///
    /// # Errors
    /// What `load` returns.
    pub async fn get_at_home<E>(
        &self,
        key: K,
        home: impl FnOnce(&V) -> K,
        subjects: impl FnOnce(&V) -> Vec<Uuid>,
        load: impl AsyncFnOnce() -> Result<Option<V>, E>,
    ) -> Result<Option<V>, E> {
        if let Some(known) = self.peek(&key) {
            return Ok(known);
        }
        if !self.trust.is_fresh() {
            self.metrics.untrusted.inc();
            return load().await;
        }
        let guard = match self.found.get_value_or_guard_async(&key).await {
            Ok(value) => {
                // Somebody else asked at the same time.
                self.metrics.hit.inc();
                return Ok(Some(value));
            }
            Err(guard) => guard,
        };
        // The one before may have found that there is none.
        if let Some(known) = self.peek(&key) {
            return Ok(known);
        }
        self.metrics.miss.inc();
        let mark = self.trust.mark();
        let value = load().await?;
        match &value {
            Some(value) => {
                let (subjects, home) = (subjects(value), home(value));
                self.trust.store_unless_invalidated(mark, &subjects, || {
                    if home == key {
                        drop(guard.insert(value.clone()));
                    } else {
                        self.found.insert(home, value.clone());
                    }
                });
            }
            None => self.missing.insert(key, Instant::now()),
        }
        Ok(value)
    }

    /// The number of answers held, absences included.
    pub fn entries(&self) -> usize {
        self.found.len() + self.missing.len()
    }

    /// Forgets what is known of `key`.
    pub fn forget(&self, key: &K) {
        self.found.remove(key);
        self.missing.remove(key);
    }

    /// Empties the memory.
    pub fn clear(&self) {
        self.found.clear();
        self.missing.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn cache() -> LookupCache<u32, &'static str> {
        let trust = Arc::new(Trust::default());
        trust.confirm(Instant::now());
        LookupCache::new(100, 10, trust, CacheMetrics::default())
    }

    async fn get(
        cache: &LookupCache<u32, &'static str>,
        key: u32,
        row: Option<&'static str>,
    ) -> Option<&'static str> {
        cache.get(key, |_| vec![Uuid::from_u128(1)], async || Ok::<_, ()>(row)).await.unwrap()
    }

    #[tokio::test]
    async fn what_was_found_is_remembered_until_forgotten() {
        let cache = cache();
        assert_eq!(get(&cache, 1, Some("old")).await, Some("old"));
        assert_eq!(get(&cache, 1, Some("new")).await, Some("old"));
        cache.forget(&1);
        assert_eq!(get(&cache, 1, Some("new")).await, Some("new"));
    }

    #[tokio::test]
    async fn nothing_is_believed_without_trust() {
        let cache = cache();
        get(&cache, 1, Some("old")).await;
        cache.trust.lose();
        assert_eq!(get(&cache, 1, Some("new")).await, Some("new"));
        assert_eq!(get(&cache, 1, None).await, None);
    }

    #[tokio::test]
    async fn a_value_voided_while_it_was_read_is_returned_but_not_kept() {
        let cache = cache();
        let read = cache.get(
            1,
            |_| vec![Uuid::from_u128(1)],
            async || {
                cache.trust.invalidate(Uuid::from_u128(1));
                Ok::<_, ()>(Some("old"))
            },
        );
        assert_eq!(read.await, Ok(Some("old")));
        assert_eq!(get(&cache, 1, Some("new")).await, Some("new"));
    }

    #[tokio::test]
    async fn a_flood_of_unknown_keys_evicts_no_known_one() {
        let cache = cache();
        get(&cache, 1, Some("known")).await;
        for key in 2..5_000 {
            get(&cache, key, None).await;
        }
        assert_eq!(cache.peek(&1), Some(Some("known")));
        assert!(cache.missing.len() <= 10);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn many_ask_at_once_and_one_loads_even_if_the_first_hangs_up() {
        let cache = Arc::new(cache());
        let loads = Arc::new(AtomicUsize::new(0));
        let ask = |hold: u64| {
            let (cache, loads) = (cache.clone(), loads.clone());
            tokio::spawn(async move {
                let load = async || {
                    loads.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(hold)).await;
                    Ok::<_, ()>(Some("row"))
                };
                cache.get(1, |_| vec![], load).await
            })
        };
        let first = ask(60_000);
        tokio::task::yield_now().await;
        let rest: Vec<_> = (0..50).map(|_| ask(1)).collect();
        tokio::task::yield_now().await;
        first.abort();
        for answer in rest {
            assert_eq!(answer.await.unwrap(), Ok(Some("row")));
        }
        assert_eq!(loads.load(Ordering::SeqCst), 2);
    }
}
