//! What is done again and again for as long as the process lives.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};

/// Ticks at an interval, the first at once; ticks that a long round missed are not made up for.
pub fn ticks(interval: Duration) -> Interval {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Tells of a round that failed; the next one comes in its time.
pub fn tell<T, E: Display>(outcome: Result<T, E>, failed: &'static str) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "{failed}");
    }
}

/// Tells of failures once, until something succeeds.
#[derive(Debug, Default)]
pub struct Outage {
    lasts: bool,
}

impl Outage {
    /// Notes how a round went.
    pub fn note<T, E: Display>(&mut self, outcome: &Result<T, E>, failed: &'static str) {
        if let (Err(error), false) = (outcome, self.lasts) {
            tracing::warn!(%error, "{failed}");
        }
        self.lasts = outcome.is_err();
    }
}
