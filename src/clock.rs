//! The one source of wall-clock time, so that tests can move it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::Serializer;

/// UTC instants in whole microseconds, the precision Postgres keeps.
///
/// Cloning is cheap and every clone of a manual clock moves with it.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until [`Clock::advance`].
    #[must_use]
    pub fn manual(start: DateTime<Utc>) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(start.timestamp_micros()))))
    }

    /// Now, cut to microseconds so that what is compared in memory equals what Postgres stored.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        let micros = match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is the one place")]
            Source::System => Utc::now().timestamp_micros(),
            Source::Manual(micros) => micros.load(Ordering::SeqCst),
        };
        DateTime::from_timestamp_micros(micros).unwrap_or_default()
    }

    /// Moves a manual clock forward; the system's clock cannot be moved.
    ///
    /// # Panics
    /// On the system's clock.
    pub fn advance(&self, by: TimeDelta) {
        match &self.0 {
            #[expect(clippy::panic, reason = "a test that moves the machine's clock is wrong")]
            Source::System => panic!("only a manual clock can be advanced"),
            Source::Manual(micros) => {
                micros.fetch_add(by.num_microseconds().unwrap_or(i64::MAX), Ordering::SeqCst);
            }
        }
    }
}

/// Has serde write an instant as it would by itself, by `serialize_with`: as one text and not letter by letter, which is a
/// tenth of what it takes to serve a user (docs/performance.md).
///
/// # Errors
/// The serializer's.
pub fn in_rfc3339<S: Serializer>(instant: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*instant))
}

/// An instant as replies write it.
#[must_use]
pub fn rfc3339(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_as_serde_writes_it_by_itself() {
        for micros in
            [0, 1, 999_999, 1_000, 1_795_248_000_000_000, 1_795_248_000_123_450, -1, 253_402_300_800_000_000]
        {
            let instant = DateTime::from_timestamp_micros(micros).expect("an instant");
            let mut written = Vec::new();
            in_rfc3339(&instant, &mut serde_json::Serializer::new(&mut written)).expect("JSON");
            assert_eq!(written, serde_json::to_vec(&instant).expect("JSON"));
        }
        assert_eq!(rfc3339(DateTime::UNIX_EPOCH), "1970-01-01T00:00:00Z");
    }
}
