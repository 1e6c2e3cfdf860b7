//! The schedule of retries (contract 6).

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// Between attempts. After the last one, the event has failed.
const STEPS: [TimeDelta; 6] = [
    TimeDelta::minutes(1),
    TimeDelta::minutes(5),
    TimeDelta::minutes(30),
    TimeDelta::hours(2),
    TimeDelta::hours(12),
    TimeDelta::hours(24),
];
/// However often it was tried.
const GIVE_UP_AFTER: TimeDelta = TimeDelta::hours(48);
/// A tenth earlier or later, so that what failed together does not come back together.
const JITTER: f64 = 0.1;

/// The time of the next try after the failed attempt number `attempt` (from 1), or `None` to give
/// up. `luck` in 0..1 spreads the retries. A receiver may ask for more time, up to the next step.
pub fn next_attempt(
    attempt: usize,
    first_attempt_at: DateTime<Utc>,
    now: DateTime<Utc>,
    retry_after: Option<Duration>,
    luck: f64,
) -> Option<DateTime<Utc>> {
    let step = *STEPS.get(attempt.checked_sub(1)?)?;
    let longest = STEPS.get(attempt).copied().unwrap_or(step);
    let asked =
        retry_after.map_or(TimeDelta::zero(), |wait| TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX));
    let spread = step.as_seconds_f64() * JITTER * (2.0 * luck - 1.0);
    let jittered = step + TimeDelta::milliseconds((spread * 1_000.0) as i64);
    let at = now + jittered.max(asked.min(longest));
    is_in_time(first_attempt_at, at).then_some(at)
}

/// Returns `false` if an attempt at `at` would come too late.
pub fn is_in_time(first_attempt_at: DateTime<Utc>, at: DateTime<Utc>) -> bool {
    at < first_attempt_at + GIVE_UP_AFTER
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    fn delay(attempt: usize, retry_after: Option<u64>, luck: f64) -> Option<i64> {
        let next = next_attempt(attempt, at(0), at(0), retry_after.map(Duration::from_secs), luck);
        next.map(|next| (next - at(0)).num_seconds())
    }

    #[test]
    fn retries_come_after_a_minute_then_later_and_later_then_never() {
        let delays: Vec<_> = (1..=7).map(|attempt| delay(attempt, None, 0.5)).collect();
        assert_eq!(delays, [Some(60), Some(300), Some(1_800), Some(7_200), Some(43_200), Some(86_400), None]);
        assert_eq!((delay(1, None, 0.0), delay(1, None, 1.0)), (Some(54), Some(66)));
    }

    #[test]
    fn a_receiver_may_ask_for_more_time_up_to_the_next_step() {
        assert_eq!(delay(1, Some(120), 0.5), Some(120));
        assert_eq!(delay(1, Some(3_600), 0.5), Some(300));
        assert_eq!(delay(1, Some(1), 0.5), Some(60));
        assert_eq!(delay(1, Some(u64::MAX), 0.5), Some(300));
    }

    #[test]
    fn an_event_is_given_up_48_hours_after_its_first_attempt() {
        assert_eq!(next_attempt(6, at(0), at(24 * 60), None, 0.5), None);
        assert!(next_attempt(6, at(0), at(24 * 60 - 1), None, 0.5).is_some());
    }
}
