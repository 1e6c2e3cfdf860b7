//! The conditions under which memory may be believed.
//!
//! A cached answer is only as good as the news of its end. [`Trust`] holds two facts: until when
//! this process is known to have heard every invalidation (a look at Postgres that came
//! back), and which subjects were invalidated lately, so that an answer read before an
//! invalidation is not stored after it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

/// Memory is believed while the last look that came back was sent less than this ago; with the
/// interval of 300 ms a revocation holds everywhere within a second of its commit (contract 4).
pub const TRUSTED_FOR: Duration = Duration::from_millis(800);
/// Invalidations remembered; a read that spans more of them is not stored.
const REMEMBERED: usize = 1024;

/// Shared by every cache of the process.
#[derive(Debug)]
pub struct Trust {
    /// Base of the instants below.
    epoch: Instant,
    /// The time when the newest look that came back was sent, in microseconds since `epoch`
    /// plus one; 0 is never.
    confirmed: AtomicU64,
    log: Mutex<InvalidationLog>,
}

#[derive(Debug, Default)]
struct InvalidationLog {
    /// Invalidations so far.
    count: u64,
    /// The last of them, oldest first.
    recent: VecDeque<Uuid>,
}

/// A point in the sequence of invalidations, taken before a read.
#[derive(Clone, Copy, Debug)]
pub struct Mark(u64);

impl Default for Trust {
    fn default() -> Self {
        Self { epoch: Instant::now(), confirmed: AtomicU64::new(0), log: Mutex::default() }
    }
}

impl Trust {
    /// Returns `true` if memory may be believed now.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        let confirmed = self.confirmed.load(Ordering::Acquire);
        let sent = self.epoch + Duration::from_micros(confirmed.saturating_sub(1));
        confirmed != 0 && sent.elapsed() < TRUSTED_FOR
    }

    /// A look sent at `sent` came back: everything committed before it has been heard.
    pub fn confirm(&self, sent: Instant) {
        let micros = sent.saturating_duration_since(self.epoch).as_micros();
        self.confirmed
            .fetch_max(u64::try_from(micros).unwrap_or(u64::MAX).saturating_add(1), Ordering::AcqRel);
    }

    /// News may have been missed: nothing is believed, and nothing being read now is stored.
    pub fn lose(&self) {
        self.confirmed.store(0, Ordering::Release);
        let mut log = self.log();
        log.recent.clear();
        // As if more had happened than is remembered.
        log.count += 1 + REMEMBERED as u64;
    }

    /// Notes that what was known of `subject` is void. Call it before emptying the caches.
    pub fn invalidate(&self, subject: Uuid) {
        let mut log = self.log();
        log.count += 1;
        if log.recent.len() == REMEMBERED {
            log.recent.pop_front();
        }
        log.recent.push_back(subject);
    }

    /// Taken before a read of the database.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(self.log().count)
    }

    /// Runs `store` if none of `subjects` was invalidated since `mark`. An invalidation waits
    /// meanwhile, and so removes what was stored.
    pub fn store_unless_invalidated(&self, mark: Mark, subjects: &[Uuid], store: impl FnOnce()) {
        let log = self.log();
        let Ok(since) = usize::try_from(log.count - mark.0) else { return };
        let heard = log.recent.len();
        if since <= heard && log.recent.iter().skip(heard - since).all(|id| !subjects.contains(id)) {
            store();
        }
    }

    fn log(&self) -> std::sync::MutexGuard<'_, InvalidationLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stores(trust: &Trust, mark: Mark, subject: Uuid) -> bool {
        let mut stored = false;
        trust.store_unless_invalidated(mark, &[subject], || stored = true);
        stored
    }

    #[test]
    fn memory_is_believed_only_after_a_recent_echo() {
        let trust = Trust::default();
        assert!(!trust.is_fresh());
        trust.confirm(Instant::now());
        assert!(trust.is_fresh());
        trust.lose();
        assert!(!trust.is_fresh());
    }

    #[test]
    fn an_answer_read_before_an_invalidation_is_not_stored_after_it() {
        let trust = Trust::default();
        let (mine, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mark = trust.mark();
        assert!(stores(&trust, mark, mine));
        trust.invalidate(other);
        assert!(stores(&trust, mark, mine));
        trust.invalidate(mine);
        assert!(!stores(&trust, mark, mine));
        assert!(stores(&trust, trust.mark(), mine));
    }

    #[test]
    fn more_news_than_is_remembered_counts_as_news_of_everything() {
        let trust = Trust::default();
        let mine = Uuid::from_u128(1);
        let mark = trust.mark();
        for _ in 0..=REMEMBERED {
            trust.invalidate(Uuid::from_u128(2));
        }
        assert!(!stores(&trust, mark, mine));
        let mark = trust.mark();
        trust.lose();
        assert!(!stores(&trust, mark, mine));
        assert!(stores(&trust, trust.mark(), mine));
    }
}
