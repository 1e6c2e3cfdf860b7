//! So many requests in a minute, for each of whoever is told apart. For the few routes that anybody may call.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

/// Callers that are told apart in one minute; a flood from more is refused as a whole.
const MAX_CALLERS: usize = 10_000;
const WINDOW: TimeDelta = TimeDelta::minutes(1);

/// Counts requests by caller, each in a minute of its own.
pub struct Quota<K> {
    most: u32,
    callers: Mutex<HashMap<K, (DateTime<Utc>, u32)>>,
}

impl<K: Hash + Eq> Quota<K> {
    /// `most` requests a minute.
    #[must_use]
    pub fn per_minute(most: u32) -> Self {
        Self { most, callers: Mutex::default() }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// The seconds until the next one is taken.
    pub fn take(&self, caller: K, now: DateTime<Utc>) -> Result<(), u32> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if callers.len() >= MAX_CALLERS && !callers.contains_key(&caller) {
            callers.retain(|_, (since, _)| now - *since < WINDOW);
            if callers.len() >= MAX_CALLERS {
                return Err(rest(now, now));
            }
        }
        let (since, taken) = callers.entry(caller).or_insert((now, 0));
        if now - *since >= WINDOW {
            (*since, *taken) = (now, 0);
        }
        if *taken >= self.most {
            return Err(rest(*since, now));
        }
        *taken += 1;
        Ok(())
    }
}

fn rest(since: DateTime<Utc>, now: DateTime<Utc>) -> u32 {
    let left = (since + WINDOW - now).num_milliseconds().max(1);
    u32::try_from((left + 999) / 1_000).unwrap_or(60)
}

impl<K> fmt::Debug for Quota<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quota").field("most", &self.most).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn each_caller_has_so_many_in_a_minute() {
        let quota = Quota::per_minute(2);
        assert_eq!([quota.take("a", at(0)), quota.take("a", at(1))], [Ok(()); 2]);
        assert_eq!(quota.take("a", at(20)), Err(40));
        assert_eq!(quota.take("b", at(20)), Ok(()));
        assert_eq!([quota.take("a", at(60)), quota.take("a", at(61))], [Ok(()); 2]);
        assert_eq!(quota.take("a", at(62)), Err(58));
    }

    #[test]
    fn a_flood_of_callers_takes_no_memory_without_end() {
        let quota = Quota::per_minute(1);
        for caller in 0..MAX_CALLERS {
            assert_eq!(quota.take(caller, at(0)), Ok(()));
        }
        assert_eq!(quota.take(MAX_CALLERS, at(30)), Err(60));
        assert_eq!(quota.take(MAX_CALLERS, at(60)), Ok(()));
        assert_eq!(quota.callers.lock().expect("no panic").len(), 1);
    }
}
