//! How much a target is asked at a time (contract 14), as a pure function of what it answered: no clock,
//! no I/O. `bench/pressure` draws what it does.
//!
//! Two dials. **Side by side**: starts at 4, one more after a round of successes while answers do not get
//! slower, halved by whatever says that it is too much (AIMD, RFC 5681's way of sharing a line). **Apart**:
//! a receiver that counts requests per second refuses even one at a time, so requests to it keep a
//! distance, learnt from what it took before it refused.

use std::time::Duration;

/// Deliveries that a target gets side by side to begin with.
pub const FIRST: u32 = 4;
/// The most that it ever gets.
pub const MOST: u32 = 128;
/// Answers may take so much longer, on the average of a round, than they did in the quickest round
const SLOWER: f64 = 1.5;
/// or this much longer, because near machines answer in less than any queue is long.
const SLACK: Duration = Duration::from_millis(10);
/// The first pause after a refusal that names none.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A refusal makes the distance longer by so much; where nothing at all was taken since the last one, up
/// to twice as long.
const WIDER: f64 = 1.15;
/// A success makes it shorter by so much, far from the one that was refused last,
const CLOSER: f64 = 0.9;
/// and near to it by so much,
const CREEP: f64 = 0.9995;
/// where near is within this factor.
const NEAR: f64 = 1.25;
/// A receiver that takes more than this in a second is not asked at a distance.
const NO_GAP: Duration = Duration::from_millis(2);
/// No gap is longer: the pause of a refusal does the rest.
const LONGEST_GAP: Duration = Duration::from_secs(2);

/// What a target is asked at a time.
#[derive(Clone, Debug)]
pub struct Pressure {
    limit: u32,
    /// Counts halvings: what was sent before the last one tells nothing new.
    epoch: u32,
    round: Round,
    /// The average answer of the quickest round since the last halving, in seconds.
    calm: Option<f64>,
    /// Refusals in a row that named no pause.
    refusals: u32,
    /// Between two requests; zero where the receiver counts none.
    gap: Duration,
    /// The gap at which it refused last.
    refused_at: Duration,
    /// Successes since the last refusal.
    taken: u32,
}

/// The successes since the limit was last looked at.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    successes: u32,
    seconds: f64,
}

impl Default for Pressure {
    fn default() -> Self {
        Self {
            limit: FIRST,
            epoch: 0,
            round: Round::default(),
            calm: None,
            refusals: 0,
            gap: Duration::ZERO,
            refused_at: Duration::ZERO,
            taken: 0,
        }
    }
}

impl Pressure {
    /// Deliveries side by side.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// The time between the beginnings of two.
    #[must_use]
    pub fn gap(&self) -> Duration {
        self.gap
    }

    /// To be kept with a request that begins now, and given back with its outcome.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The receiver took an event, after so long.
    pub fn succeeded(&mut self, latency: Duration) {
        self.answered();
        let seconds = self.round.seconds + latency.as_secs_f64();
        self.round = Round { successes: self.round.successes + 1, seconds };
        if self.round.successes >= self.limit {
            let mean = seconds / f64::from(self.round.successes);
            let calm = self.calm.map_or(mean, |calm| calm.min(mean));
            if mean <= (calm * SLOWER).max(calm + SLACK.as_secs_f64()) {
                self.limit = (self.limit + 1).min(MOST);
            }
            self.calm = Some(calm);
            self.round = Round::default();
        }
    }

    /// The receiver works: it refused one event, which may be quick and says nothing of the others.
    pub fn answered(&mut self) {
        self.refusals = 0;
        self.taken += 1;
        self.close_up();
    }

    /// It was too much: a timeout, a connection refused or broken, 503. Of those sent together only the
    /// first counts.
    pub fn failed(&mut self, epoch: u32) {
        if epoch == self.epoch {
            self.limit = (self.limit / 2).max(1);
            self.epoch += 1;
            (self.round, self.calm) = (Round::default(), None);
        }
    }

    /// The receiver refused to be asked so often: 429, or 503 with `Retry-After`, which is `asked`. Gives
    /// how long to leave it alone. `since` is the time since it was last left alone.
    pub fn refused(&mut self, epoch: u32, asked: Option<Duration>, since: Duration) -> Duration {
        let is_news = epoch == self.epoch;
        self.refusals += u32::from(is_news && asked.is_none());
        let nth = self.refusals.saturating_sub(1).min(6);
        let pause = asked.unwrap_or_else(|| (FIRST_PAUSE * 2u32.pow(nth)).min(LONGEST_PAUSE));
        if is_news {
            self.widen(since + pause);
        }
        self.failed(epoch);
        pause
    }

    /// Learns a distance from what was taken in a cycle, from the end of one pause to that of the next.
    fn widen(&mut self, cycle: Duration) {
        let learnt = cycle / self.taken.max(1);
        let (gap, wider) = (self.gap, self.gap.mul_f64(WIDER));
        self.gap = match self.taken {
            // One that has taken nothing yet is busy, and says nothing of how often it may be asked.
            0 if gap.is_zero() => Duration::ZERO,
            _ if gap.is_zero() => learnt,
            0 => wider.max(learnt.min(gap * 2)),
            _ => wider,
        };
        self.gap = self.gap.min(LONGEST_GAP);
        self.refused_at = gap;
        self.taken = 0;
    }

    fn close_up(&mut self) {
        if self.gap.is_zero() {
            return;
        }
        let near = self.refused_at.div_f64(NEAR)..self.refused_at.mul_f64(NEAR);
        self.gap = self.gap.mul_f64(if near.contains(&self.gap) { CREEP } else { CLOSER });
        if self.gap < NO_GAP {
            self.gap = Duration::ZERO;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// After so many rounds of successes that take `latency`, given how many are side by side.
    fn after_rounds(pressure: &mut Pressure, rounds: u32, latency: impl Fn(u32) -> Duration) -> u32 {
        for _ in 0..rounds {
            for nth in 0..pressure.limit() {
                // Of a burst, the first is answered as if it were alone.
                let beside = if nth == 0 { 1 } else { pressure.limit() };
                pressure.succeeded(latency(beside));
            }
        }
        pressure.limit()
    }

    #[test]
    fn it_starts_at_four_and_grows_by_one_a_round_up_to_128() {
        let mut pressure = Pressure::default();
        assert_eq!(pressure.limit(), 4);
        assert_eq!(after_rounds(&mut pressure, 1, |_| ms(20)), 5);
        assert_eq!(after_rounds(&mut pressure, 10, |_| ms(20)), 15);
        assert_eq!(after_rounds(&mut pressure, 500, |_| ms(20)), 128);
    }

    #[test]
    fn a_receiver_that_does_one_after_the_other_soon_gets_no_more() {
        let mut pressure = Pressure::default();
        assert_eq!(after_rounds(&mut pressure, 5_000, |beside| ms(20) * beside), 6);
    }

    #[test]
    fn refusals_of_single_events_are_quick_and_tell_nothing() {
        let mut pressure = Pressure::default();
        (0..1_000).for_each(|_| pressure.answered());
        assert_eq!(after_rounds(&mut pressure, 10, |_| ms(50)), 14);
    }

    #[test]
    fn answers_within_ten_milliseconds_of_the_quickest_are_no_sign_of_a_queue() {
        let mut pressure = Pressure::default();
        assert_eq!(after_rounds(&mut pressure, 30, |beside| Duration::from_micros(250) * beside), 34);
    }

    #[test]
    fn what_was_sent_together_and_fails_together_halves_once() {
        let mut pressure = Pressure::default();
        after_rounds(&mut pressure, 36, |_| ms(20));
        let epoch = pressure.epoch();
        (0..40).for_each(|_| pressure.failed(epoch));
        assert_eq!(pressure.limit(), 20);
        (0..10).for_each(|_| pressure.failed(pressure.epoch()));
        assert_eq!(pressure.limit(), 1);
        assert_eq!(after_rounds(&mut pressure, 1, |_| ms(20)), 2);
    }

    #[test]
    fn a_receiver_is_left_alone_for_as_long_as_it_asks() {
        let mut pressure = Pressure::default();
        let epoch = pressure.epoch();
        assert_eq!(pressure.refused(epoch, Some(ms(90_000)), ms(100)), ms(90_000));
        assert_eq!(pressure.limit(), 2);
    }

    #[test]
    fn a_receiver_that_does_not_say_is_asked_again_later_and_later_up_to_a_minute() {
        let mut pressure = Pressure::default();
        let mut pause = || {
            let epoch = pressure.epoch();
            pressure.refused(epoch, None, ms(0)).as_secs()
        };
        assert_eq!(
            [pause(), pause(), pause(), pause(), pause(), pause(), pause(), pause()],
            [1, 2, 4, 8, 16, 32, 60, 60]
        );
        pressure.succeeded(ms(20));
        assert_eq!(pressure.refused(pressure.epoch(), None, ms(0)), ms(1_000));
    }

    #[test]
    fn a_distance_is_learnt_from_what_was_taken_and_kept_near_to_what_was_refused() {
        let mut pressure = Pressure::default();
        (0..5).for_each(|_| pressure.succeeded(ms(10)));
        pressure.refused(pressure.epoch(), Some(ms(1_000)), ms(50));
        assert_eq!(pressure.gap(), ms(210), "five in 1.05 s");
        // Nothing is known of what it would refuse: it comes closer quickly, until it knows.
        pressure.succeeded(ms(10));
        assert_eq!(pressure.gap(), ms(189));
        pressure.refused(pressure.epoch(), Some(ms(1_000)), ms(200));
        assert_eq!(pressure.gap().as_millis(), 217);
        (0..100).for_each(|_| pressure.succeeded(ms(10)));
        assert_eq!(pressure.gap().as_millis(), 206, "it creeps");
    }

    #[test]
    fn a_receiver_that_was_only_busy_is_asked_without_a_distance_once_it_has_time() {
        let mut pressure = Pressure::default();
        pressure.refused(pressure.epoch(), Some(ms(4_000)), ms(50));
        assert_eq!((pressure.gap(), pressure.limit()), (ms(0), 2));
    }

    #[test]
    fn a_receiver_that_counts_nothing_any_more_is_asked_without_a_distance_again() {
        let mut pressure = Pressure::default();
        pressure.succeeded(ms(10));
        pressure.refused(pressure.epoch(), Some(ms(1_000)), ms(0));
        (0..100).for_each(|_| pressure.succeeded(ms(10)));
        assert_eq!(pressure.gap(), Duration::ZERO);
    }
}
