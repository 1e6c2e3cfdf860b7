//! How long attempts took, in few numbers that can be added.

use std::time::Duration;

/// Upper bounds in milliseconds, each at most half as much again as the one before from 2 on; an attempt ends at 10 s.
const BOUNDS: [u64; 28] = [
    1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1_000, 1_500, 2_000, 3_000,
    4_000, 6_000, 8_000, 10_000, 16_000,
];

/// Attempts by how long they took: one number for each bound. What took longer counts under the last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations([i32; BOUNDS.len()]);

impl Durations {
    /// Counts an attempt.
    pub fn add(&mut self, took: Duration) {
        let millis = u64::try_from(took.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX);
        let place = BOUNDS.partition_point(|bound| *bound < millis).min(BOUNDS.len() - 1);
        self.0[place] = self.0[place].saturating_add(1);
    }

    /// Adds others.
    pub fn add_all(&mut self, others: &Self) {
        self.0.iter_mut().zip(others.0).for_each(|(count, more)| *count = count.saturating_add(more));
    }

    /// The number of attempts.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.0.iter().copied().map(i64::from).sum()
    }

    /// As Postgres reads an array.
    #[must_use]
    pub fn literal(&self) -> String {
        let numbers: Vec<_> = self.0.iter().map(i32::to_string).collect();
        format!("{{{}}}", numbers.join(","))
    }

    /// The milliseconds within which 95 of 100 attempts were over, of sums in the order of the bounds; `None` if there
    /// were none.
    #[must_use]
    pub fn p95(sums: &[i64]) -> Option<i64> {
        let total: i64 = sums.iter().sum();
        let rank = (total * 95 + 99) / 100;
        let mut passed = 0;
        let bounds = BOUNDS.iter().chain(std::iter::repeat(&BOUNDS[BOUNDS.len() - 1]));
        let (_, bound) = sums.iter().zip(bounds).find(|(count, _)| {
            passed += **count;
            total > 0 && passed >= rank
        })?;
        i64::try_from(*bound).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(durations: &Durations) -> Vec<i64> {
        durations.0.iter().copied().map(i64::from).collect()
    }

    #[test]
    fn the_95th_of_100_attempts_is_shown_by_its_bound() {
        let mut durations = Durations::default();
        (0..95).for_each(|_| durations.add(Duration::from_micros(1_900)));
        (0..4).for_each(|_| durations.add(Duration::from_millis(300)));
        assert_eq!(Durations::p95(&sums(&durations)), Some(2));
        durations.add(Duration::from_secs(10));
        assert_eq!(Durations::p95(&sums(&durations)), Some(2));
        durations.add(Duration::from_secs(10));
        assert_eq!(Durations::p95(&sums(&durations)), Some(384), "96 of 101");
        assert_eq!(durations.total(), 101);
    }

    #[test]
    fn every_duration_has_its_place_and_nothing_has_none() {
        for (took, expected) in [(0, 1), (1_000, 1), (1_001, 2), (10_000_000, 10_000), (60_000_000, 16_000)] {
            let mut durations = Durations::default();
            durations.add(Duration::from_micros(took));
            assert_eq!(Durations::p95(&sums(&durations)), Some(expected), "{took}");
        }
        assert_eq!((Durations::p95(&[]), Durations::p95(&[0; 28])), (None, None));
    }

    #[test]
    fn postgres_reads_it_as_an_array() {
        let mut durations = Durations::default();
        durations.add(Duration::from_millis(2));
        assert_eq!(&durations.literal()[..8], "{0,1,0,0");
    }
}
