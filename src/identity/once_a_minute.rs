//! What deserves a line of the log, but not at every request.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

/// Subjects that are told of in one minute; further ones wait for the next.
const MAX_SUBJECTS: usize = 1_000;

/// The subjects that were told of in the running minute.
#[derive(Debug)]
pub struct OnceAMinute<T>(Mutex<(i64, HashSet<T>)>);

impl<T> Default for OnceAMinute<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Eq + Hash> OnceAMinute<T> {
    /// Returns `true` for a subject's first time in a minute.
    pub fn is_due(&self, subject: T, now: DateTime<Utc>) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.timestamp().div_euclid(60);
        if told.0 != minute {
            *told = (minute, HashSet::new());
        }
        told.1.len() < MAX_SUBJECTS && told.1.insert(subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_due_once_a_minute_and_only_so_many_are() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let told = OnceAMinute::default();
        assert!(told.is_due(1, at(0)) && told.is_due(2, at(1)));
        assert!(!told.is_due(1, at(59)) && told.is_due(1, at(60)));
        for subject in 2..=1_000 {
            assert!(told.is_due(subject, at(61)));
        }
        assert!(!told.is_due(1_001, at(61)) && told.is_due(1_001, at(120)));
    }
}
