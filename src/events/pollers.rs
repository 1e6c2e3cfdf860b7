//! Who waits for the events of a queue that is fetched from (contract 14), and from where on it is worth
//! to look for them. Memory of this process alone: what it does not know costs a look a second.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use quick_cache::sync::Cache;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::ids::OrgId;

/// Queues whose cursor is remembered. Of one that is pushed out, the next look is a whole one.
const MAX_CURSORS: usize = 4_096;
/// Between looks at all that a queue has, at least.
const LEAST_PAUSE: Duration = Duration::from_secs(1);
/// They may take this part of the time, one in so many.
const PART: u32 = 20;

type Key = (OrgId, String);

/// The callers that wait for events, by queue.
#[derive(Debug)]
pub struct Pollers {
    /// Queues with somebody who waits.
    queues: Mutex<HashMap<Key, Waiting>>,
    /// How many those are: whoever writes an event asks this first.
    waiting: AtomicUsize,
    cursors: Cache<Key, Arc<Mutex<Cursor>>>,
}

#[derive(Debug, Default)]
struct Waiting {
    callers: usize,
    woken: Arc<Notify>,
}

/// The place up to which a queue has been looked through. What lies before it was handed out, or is on its
/// way to somebody else; rarely, a transaction that took its number early commits late, or a hand-out is
/// broken off. So every now and then a look starts at the beginning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cursor {
    /// The number of the last event that was new.
    pub seq: i64,
    /// What was to come again before then has come.
    pub due: DateTime<Utc>,
    /// Of the last look from the beginning: when, and how long it took.
    whole: Option<(Instant, Duration)>,
}

impl Cursor {
    /// The beginning.
    const START: Self = Self { seq: 0, due: DateTime::UNIX_EPOCH, whole: None };

    fn is_whole_due(&self, now: Instant) -> bool {
        self.whole.is_none_or(|(at, took)| now - at >= LEAST_PAUSE.max(took * PART))
    }
}

/// A look at a queue.
#[derive(Debug)]
pub struct Look {
    cursor: Arc<Mutex<Cursor>>,
    began: Instant,
    /// It starts at the beginning.
    pub is_whole: bool,
    /// Where it starts.
    pub seq: i64,
    /// The same among those that come again.
    pub due: DateTime<Utc>,
}

impl Look {
    /// Notes up to where there is nothing more to find.
    pub fn found(self, seq: Option<i64>, due: DateTime<Utc>) {
        let mut cursor = lock(&self.cursor);
        cursor.seq = cursor.seq.max(seq.unwrap_or_default());
        cursor.due = cursor.due.max(due);
        if self.is_whole {
            cursor.whole = Some((self.began, self.began.elapsed()));
        }
    }
}

impl Default for Pollers {
    fn default() -> Self {
        Self { queues: Mutex::default(), waiting: AtomicUsize::new(0), cursors: Cache::new(MAX_CURSORS) }
    }
}

impl Pollers {
    /// Says that the org's queues may have something new: one who waits for each looks at once.
    pub fn wake(&self, org_id: OrgId) {
        if self.waiting.load(Ordering::Acquire) == 0 {
            return;
        }
        let queues = lock(&self.queues);
        let waiting = queues.iter().filter(|((of, _), _)| *of == org_id);
        waiting.for_each(|(_, waiting)| waiting.woken.notify_one());
    }

    /// Counts a caller in. Whatever is written from then on wakes one of those who wait.
    #[must_use]
    pub fn enter(&self, org_id: OrgId, stream: &str) -> Poller<'_> {
        let key = (org_id, stream.to_owned());
        let mut queues = lock(&self.queues);
        let waiting = queues.entry(key.clone()).or_default();
        waiting.callers += 1;
        let woken = waiting.woken.clone();
        self.waiting.store(queues.len(), Ordering::Release);
        drop(queues);
        Poller { pollers: self, key, woken }
    }

    /// Starts a look at a queue.
    #[must_use]
    pub fn look(&self, org_id: OrgId, stream: &str) -> Look {
        let key = (org_id, stream.to_owned());
        let made = || Ok::<_, std::convert::Infallible>(Arc::new(Mutex::new(Cursor::START)));
        let cursor = self.cursors.get_or_insert_with(&key, made).unwrap_or_else(|never| match never {});
        let began = Instant::now();
        let seen = *lock(&cursor);
        let is_whole = seen.is_whole_due(began);
        let from = if is_whole { Cursor::START } else { seen };
        Look { cursor, began, is_whole, seq: from.seq, due: from.due }
    }
}

/// A caller who waits, for as long as it lives.
#[derive(Debug)]
pub struct Poller<'a> {
    pollers: &'a Pollers,
    key: Key,
    woken: Arc<Notify>,
}

impl Poller<'_> {
    /// Resolves when the queue may have something new.
    pub async fn woken(&self) {
        self.woken.notified().await;
    }

    /// Passes on that the queue may have more.
    pub fn pass_on(&self) {
        self.woken.notify_one();
    }
}

impl Drop for Poller<'_> {
    fn drop(&mut self) {
        let mut queues = lock(&self.pollers.queues);
        if let Entry::Occupied(mut waiting) = queues.entry(self.key.clone()) {
            waiting.get_mut().callers -= 1;
            if waiting.get().callers == 0 {
                waiting.remove();
            }
        }
        self.pollers.waiting.store(queues.len(), Ordering::Release);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use uuid::Uuid;

    use super::*;

    const ACME: OrgId = OrgId(Uuid::from_u128(1));
    const ZETA: OrgId = OrgId(Uuid::from_u128(2));

    #[test]
    fn a_wake_reaches_one_who_waits_for_a_queue_of_the_org_and_nobody_is_remembered() {
        let pollers = Pollers::default();
        let first = pollers.enter(ACME, "users");
        let (second, other) = (pollers.enter(ACME, "users"), pollers.enter(ZETA, "users"));
        // Before anybody looks: it is kept.
        pollers.wake(ACME);
        assert!(first.woken().now_or_never().is_some());
        assert!(second.woken().now_or_never().is_none() && other.woken().now_or_never().is_none());
        first.pass_on();
        assert!(second.woken().now_or_never().is_some());
        drop((first, second, other));
        assert!(lock(&pollers.queues).is_empty());
        assert_eq!(pollers.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_starts_where_the_last_one_ended_and_once_a_second_at_the_beginning() {
        let pollers = Pollers::default();
        let at = |seconds| DateTime::from_timestamp(seconds, 0).expect("an instant");
        let look = || pollers.look(ACME, "users");
        let first = look();
        assert!(first.is_whole && first.seq == 0);
        first.found(Some(7), at(60));
        let second = look();
        assert_eq!((second.is_whole, second.seq, second.due), (false, 7, at(60)));
        second.found(None, at(30));
        assert_eq!((look().seq, look().due), (7, at(60)), "never backwards");
        tokio::time::advance(LEAST_PAUSE).await;
        let whole = look();
        assert_eq!((whole.is_whole, whole.seq, whole.due), (true, 0, DateTime::UNIX_EPOCH));
        // A whole look that takes long is not taken again soon.
        tokio::time::advance(Duration::from_secs(1)).await;
        whole.found(Some(9), at(90));
        tokio::time::advance(Duration::from_secs(18)).await;
        assert!(!look().is_whole);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(look().is_whole);
    }
}
