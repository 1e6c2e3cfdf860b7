//! Connections that wait for their next request: a bounded number, each for some seconds and a minute at
//! most, and closed when that is over whether anybody asks or not.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// The time for which a connection waits.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// The age up to which it is used again (contract 14): a minute, less what a request may take.
pub const MAX_AGE: Duration = Duration::from_secs(50);
/// Connections that wait, to one broker.
const MAX_OF_ONE: usize = 32;
/// And in all.
const MAX_IN_ALL: usize = 512;

/// Values that wait by key; the clock is tokio's.
pub struct Pool<K, T>(Arc<Mutex<Waiting<K, T>>>);

struct Waiting<K, T> {
    by_key: HashMap<K, Vec<Idle<T>>>,
    count: usize,
    /// A task closes what has waited for too long.
    is_swept: bool,
}

struct Idle<T> {
    value: T,
    born: Instant,
    since: Instant,
}

impl<T> Idle<T> {
    fn is_over(&self, now: Instant) -> bool {
        now >= self.since + IDLE_TIMEOUT || now >= self.born + MAX_AGE
    }
}

impl<K, T> Default for Pool<K, T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Waiting { by_key: HashMap::new(), count: 0, is_swept: false })))
    }
}

impl<K: Eq + Hash + Send + 'static, T: Send + 'static> Pool<K, T> {
    /// Takes the one that waits for the shortest time.
    pub fn take(&self, key: &K) -> Option<T> {
        let (now, mut waiting) = (Instant::now(), lock(&self.0));
        let of_key = waiting.by_key.get_mut(key)?;
        let found = of_key.pop();
        if of_key.is_empty() {
            waiting.by_key.remove(key);
        }
        waiting.count -= usize::from(found.is_some());
        found.filter(|idle| !idle.is_over(now)).map(|idle| idle.value)
    }

    /// Lets one wait that was made at `born`; where there is no room, it is dropped.
    pub fn put(&self, key: K, value: T, born: Instant) {
        let idle = Idle { value, born, since: Instant::now() };
        let mut waiting = lock(&self.0);
        if idle.is_over(idle.since) || waiting.count >= MAX_IN_ALL {
            return;
        }
        let of_key = waiting.by_key.entry(key).or_default();
        if of_key.len() >= MAX_OF_ONE {
            return;
        }
        of_key.push(idle);
        waiting.count += 1;
        if !std::mem::replace(&mut waiting.is_swept, true) {
            tokio::spawn(sweep(Arc::downgrade(&self.0)));
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        lock(&self.0).count
    }
}

fn lock<K, T>(waiting: &Mutex<Waiting<K, T>>) -> MutexGuard<'_, Waiting<K, T>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Drops what has waited for too long, until nothing waits.
async fn sweep<K: Eq + Hash, T>(pool: Weak<Mutex<Waiting<K, T>>>) {
    loop {
        sleep(IDLE_TIMEOUT / 5).await;
        let Some(pool) = pool.upgrade() else { return };
        let (now, mut waiting) = (Instant::now(), lock(&pool));
        waiting.by_key.retain(|_, of_key| {
            of_key.retain(|idle| !idle.is_over(now));
            !of_key.is_empty()
        });
        waiting.count = waiting.by_key.values().map(Vec::len).sum();
        if waiting.count == 0 {
            waiting.is_swept = false;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn what_came_last_is_taken_first_and_once() {
        let pool = Pool::default();
        let born = Instant::now();
        pool.put("a", 1, born);
        pool.put("a", 2, born);
        pool.put("b", 3, born);
        assert_eq!((pool.take(&"a"), pool.take(&"a"), pool.take(&"a")), (Some(2), Some(1), None));
        assert_eq!((pool.take(&"c"), pool.len()), (None, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_is_dropped_after_ten_seconds_though_nobody_asks() {
        let (pool, value) = (Pool::default(), Arc::new(()));
        pool.put("a", Arc::clone(&value), Instant::now());
        sleep(9 * SECOND).await;
        assert_eq!(Arc::strong_count(&value), 2);
        sleep(4 * SECOND).await;
        assert_eq!((Arc::strong_count(&value), pool.len()), (1, 0));
        // And again, once the sweep of the first has ended.
        pool.put("a", Arc::clone(&value), Instant::now());
        sleep(13 * SECOND).await;
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_used_all_the_time_is_dropped_within_a_minute() {
        let pool = Pool::default();
        let born = Instant::now();
        pool.put("a", 1, born);
        let mut uses = 0;
        while let Some(value) = pool.take(&"a") {
            uses += 1;
            advance(5 * SECOND).await;
            pool.put("a", value, born);
        }
        assert_eq!(uses, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_room_for_a_bounded_number() {
        let (pool, born) = (Pool::default(), Instant::now());
        (0..100).for_each(|value| pool.put(0, value, born));
        assert_eq!(pool.len(), 32);
        (0..1_000).for_each(|key| pool.put(key, 0, born));
        assert_eq!(pool.len(), 512);
    }
}
