//! Reports that wait to be looked at. Whoever reports hears the same, as fast, whether the key is anybody's or not:
//! all that differs happens behind this.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::input::LeakReport;
use crate::error::ApiError;
use crate::identity::usage::SourceNetwork;
use crate::limits::quota::Quota;

/// Reports that may wait: two of GitHub's largest.
const MAX_WAITING: usize = 20_000;
/// Reports that one network may make in a minute (contract 13.4).
const PER_NETWORK: u32 = 10;

/// The reports that wait.
pub struct LeakQueue {
    waiting: Mutex<VecDeque<LeakReport>>,
    noted: Notify,
    /// How much strangers report.
    pub quota: Quota<SourceNetwork>,
}

impl Default for LeakQueue {
    fn default() -> Self {
        Self { waiting: Mutex::default(), noted: Notify::new(), quota: Quota::per_minute(PER_NETWORK) }
    }
}

impl LeakQueue {
    /// Takes reports in.
    ///
    /// # Errors
    /// 503 where too many wait already.
    pub fn push(&self, reports: Vec<LeakReport>) -> Result<(), ApiError> {
        let mut waiting = self.waiting();
        if waiting.len() + reports.len() > MAX_WAITING {
            return Err(ApiError::unavailable("too many reports of leaked keys wait"));
        }
        waiting.extend(reports);
        drop(waiting);
        self.noted.notify_one();
        Ok(())
    }

    /// Waits until there is one.
    pub async fn noted(&self) {
        self.noted.notified().await;
    }

    /// Takes the oldest.
    pub fn take(&self, most: usize) -> Vec<LeakReport> {
        let mut waiting = self.waiting();
        let count = waiting.len().min(most);
        waiting.drain(..count).collect()
    }

    /// Gives back what could not be looked at.
    pub fn give_back(&self, reports: impl DoubleEndedIterator<Item = LeakReport>) {
        let mut waiting = self.waiting();
        reports.rev().for_each(|report| waiting.push_front(report));
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<LeakReport>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LeakQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeakQueue").finish_non_exhaustive()
    }
}
