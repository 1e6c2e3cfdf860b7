//! Sweeps: events that were passed by. One whose transaction ended after that of a later event lies before the
//! place that its queue was read up to.

use std::time::{Duration, Instant as Clock};

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use uuid::Uuid;

use super::{LOOK_INTERVAL, Publisher};
use crate::outbox::QueueId;
use crate::outbox::reading::{self, Passed};

/// A sweep is at least so many times its own length after the one before.
const SHARE: u32 = 20;
/// The same of one that is over so soon that it waited more than it worked.
const SHORT: Duration = Duration::from_millis(5);
const SHARE_OF_SHORT: u32 = 5;
/// Between two sweeps of what is being read.
const PAUSE: Duration = Duration::from_millis(20);
/// However long the one before took: whoever was passed by waits for the next.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A queue is being read for so long after its last event: transactions that overlap end within that, nearly all. The
/// others are found by the sweep of all that was ever read, once a second.
const AFTERWARDS: Duration = Duration::from_millis(500);

/// When to sweep.
pub struct Sweeps {
    running: Option<BoxFuture<'static, Swept>>,
    /// No sweep before that.
    after: Instant,
    /// All that was ever read is to be swept.
    of_all: bool,
    /// Something is being read until then.
    moving_until: Instant,
}

/// What a sweep found.
pub struct Swept {
    passed: Result<Vec<Passed>, sqlx::Error>,
    took: Duration,
}

impl Sweeps {
    pub fn new(now: Instant) -> Self {
        Self { running: None, after: now, of_all: false, moving_until: now }
    }

    /// Asks for a sweep of all that was ever read.
    pub fn all(&mut self) {
        self.of_all = true;
    }

    /// Events were read.
    pub fn moved(&mut self) {
        self.moving_until = Instant::now() + AFTERWARDS;
    }

    /// When to look whether one is due.
    pub fn due_at(&self) -> Option<Instant> {
        let is_wanted = self.of_all || Instant::now() < self.moving_until;
        (self.running.is_none() && is_wanted).then_some(self.after)
    }

    /// Ends when the sweep that runs does.
    pub async fn swept(&mut self) -> Swept {
        let swept = super::pending_or(&mut self.running).await;
        self.running = None;
        self.after = Instant::now() + swept.pause();
        swept
    }
}

impl Swept {
    /// The time until the next one.
    fn pause(&self) -> Duration {
        if self.passed.is_err() {
            // It waited for a database that was away, and looked at nothing.
            return LOOK_INTERVAL;
        }
        let share = if self.took < SHORT { SHARE_OF_SHORT } else { SHARE };
        (self.took * share).clamp(PAUSE, LONGEST_PAUSE)
    }
}

impl Publisher {
    /// Begins a sweep if one is due.
    pub(super) fn sweep_if_due(&mut self) {
        if self.sweeps.due_at().is_none_or(|at| Instant::now() < at) {
            return;
        }
        let of_all = std::mem::take(&mut self.sweeps.of_all);
        let is_meant = |lane: &super::Lane| lane.cursor() > 0 && (of_all || lane.is_moving(AFTERWARDS));
        let lanes = self.lanes.iter().filter(|(_, lane)| is_meant(lane));
        let mut questions: Vec<_> = lanes.map(|(queue, lane)| (queue.clone(), lane.swept_up_to())).collect();
        if of_all {
            let remembered =
                self.remembered.iter().map(|(queue, memory)| (queue.clone(), (memory.cursor, 1)));
            questions.extend(remembered.filter(|(queue, _)| !self.lanes.contains_key(queue)));
        }
        if questions.is_empty() {
            self.sweeps.after = Instant::now() + PAUSE;
            return;
        }
        let app = self.app.clone();
        self.sweeps.running = Some(Box::pin(async move {
            let began = Clock::now();
            let passed = reading::passed(&app.db, &questions).await;
            Swept { passed, took: began.elapsed() }
        }));
    }

    pub(super) fn swept(&mut self, swept: Swept) {
        let passed = match swept.passed {
            Ok(passed) => passed,
            Err(error) => {
                tracing::warn!(%error, "events that were passed by could not be looked for");
                return;
            }
        };
        for Passed { queue, id, seq } in passed {
            self.found_behind(queue, id, seq);
        }
    }

    fn found_behind(&mut self, queue: QueueId, id: Uuid, seq: i64) {
        if let Some(lane) = self.lanes.get_mut(&queue) {
            if seq <= lane.cursor() && !lane.is_open(id) {
                lane.rewind(seq);
                self.enqueue(queue);
            }
        } else if let Some(memory) = self.remembered.get_mut(&queue)
            && seq <= memory.cursor
        {
            memory.cursor = seq - 1;
            self.wanted.insert(queue);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause_after(passed: Result<Vec<Passed>, sqlx::Error>, took_ms: u64) -> u128 {
        Swept { passed, took: Duration::from_millis(took_ms) }.pause().as_millis()
    }

    #[test]
    fn the_longer_a_sweep_took_the_later_comes_the_next_but_within_five_seconds() {
        assert_eq!(pause_after(Ok(Vec::new()), 1), 20);
        assert_eq!(pause_after(Ok(Vec::new()), 40), 800);
        assert_eq!(pause_after(Ok(Vec::new()), 3_000), 5_000);
    }

    #[test]
    fn a_sweep_that_waited_for_a_database_that_is_away_does_not_put_off_the_next() {
        assert_eq!(pause_after(Err(sqlx::Error::PoolTimedOut), 10_000), 1_000);
    }
}
