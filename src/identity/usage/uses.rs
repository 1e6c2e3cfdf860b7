//! The uses of one key: numbers that any thread adds to, and the requests behind a lock of its own.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use super::requests::Requests;

/// The uses of one key. Whoever remembers the key holds them, so that a use costs no look-up.
#[derive(Debug, Default)]
pub struct Uses {
    last: AtomicI64,
    tokens: AtomicI64,
    dead: AtomicI64,
    dead_last: AtomicI64,
    /// Too many keys are counted already: nobody would write them.
    pub(super) is_not_counted: bool,
    /// Those that are not written yet. Held for as long as it takes to add one.
    requests: Mutex<Option<Box<Requests>>>,
    /// The part of the numbers that is in the database.
    written: Mutex<Tally>,
}

/// Instants in microseconds, 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The last time that the key opened something.
    pub last: i64,
    /// Member tokens that it issued.
    pub tokens: i64,
    /// Times that it was sent after its end.
    pub dead: i64,
    /// The last of these.
    pub dead_last: i64,
}

impl Uses {
    /// Those of a key that is one too many to be counted.
    pub(super) fn of_nobody() -> Self {
        Self { is_not_counted: true, ..Self::default() }
    }

    /// The key opened something.
    pub fn opened(&self, now: DateTime<Utc>) {
        self.last.fetch_max(now.timestamp_micros(), Ordering::Relaxed);
    }

    /// The key issued a member token.
    pub fn issued(&self) {
        self.tokens.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody sent the key after its end.
    pub fn refused(&self, now: DateTime<Utc>) {
        self.dead_last.fetch_max(now.timestamp_micros(), Ordering::Relaxed);
        self.dead.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn tally(&self) -> Tally {
        Tally {
            last: self.last.load(Ordering::Relaxed),
            tokens: self.tokens.load(Ordering::Relaxed),
            dead: self.dead.load(Ordering::Relaxed),
            dead_last: self.dead_last.load(Ordering::Relaxed),
        }
    }

    pub(super) fn written(&self) -> MutexGuard<'_, Tally> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn requests(&self) -> MutexGuard<'_, Option<Box<Requests>>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_due(&self) -> bool {
        self.tally() != *self.written() || self.requests().is_some()
    }
}
