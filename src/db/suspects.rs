//! Connections that are not used again. After a fail-over a connection may lead to a server that
//! only reads, or is on its way out, and work as far as it can tell for as long as it lives.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::Error;

use super::distribution::is_worker_away;

/// The time after a suspicion in which new connections are suspect too: they may have reached the
/// same server. It also bounds how often a server that stays that way is connected to anew.
const LASTING: Duration = Duration::from_millis(250);

/// The moment before which no connection is trusted, shared by all pools to one database.
#[derive(Debug)]
pub struct SuspectConnections {
    /// Base of the instant below.
    epoch: Instant,
    /// Connections made before this are closed instead of used, in microseconds since `epoch`.
    before: AtomicU64,
}

impl Default for SuspectConnections {
    fn default() -> Self {
        Self { epoch: Instant::now(), before: AtomicU64::new(0) }
    }
}

impl SuspectConnections {
    /// Suspects all connections made up to now, or in the next moment: none of them is used any more.
    pub fn suspect_all(&self) {
        let now = self.micros(Instant::now());
        if now >= self.before.load(Ordering::Relaxed) {
            let lasting = u64::try_from(LASTING.as_micros()).unwrap_or(u64::MAX);
            self.before.store(now.saturating_add(lasting), Ordering::Relaxed);
        }
    }

    /// Suspects the connections so far if that is what an error is about. A worker that is away says nothing of the
    /// coordinator.
    pub fn observe(&self, error: &Error) {
        if is_about_the_connection(error) && !is_worker_away(error) {
            self.suspect_all();
        }
    }

    /// Returns `true` if a connection made at `made` should be closed.
    #[must_use]
    pub fn contains(&self, made: Instant) -> bool {
        self.micros(made) < self.before.load(Ordering::Relaxed)
    }

    fn micros(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_micros()).unwrap_or(u64::MAX)
    }
}

/// An error that may hold one of the database's.
pub trait DatabaseFailure {
    /// The database's error, if that is what it comes from.
    fn of_database(&self) -> Option<&Error>;
}

impl DatabaseFailure for Error {
    fn of_database(&self) -> Option<&Error> {
        Some(self)
    }
}

impl DatabaseFailure for Box<dyn std::error::Error + Send + Sync> {
    fn of_database(&self) -> Option<&Error> {
        self.downcast_ref()
    }
}

/// Returns `true` if the next connection may fare better.
#[must_use]
pub fn is_about_the_connection(error: &Error) -> bool {
    match error {
        Error::Io(_) | Error::Protocol(_) | Error::WorkerCrashed => true,
        Error::Database(error) => error.code().is_some_and(|state| is_state_of_the_connection(&state)),
        _ => false,
    }
}

/// SQLSTATEs from Postgres's appendix A.
fn is_state_of_the_connection(state: &str) -> bool {
    const STATES: &[&str] = &[
        "08",    // connection exception
        "25006", // read-only transaction: a standby, or a server that was made one
        "26000", // a prepared statement is gone: a pooler, or DISCARD ALL
        "57P",   // shutdown, crash, starting up, database dropped, idle too long
    ];
    STATES.iter().any(|prefix| state.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_connected_up_to_a_suspicion_is_suspect_and_a_moment_longer() {
        let suspects = SuspectConnections::default();
        let before = Instant::now();
        assert!(!suspects.contains(before));
        suspects.suspect_all();
        let after = Instant::now();
        assert!(suspects.contains(before) && suspects.contains(after));
        assert!(!suspects.contains(after + LASTING));
    }

    #[test]
    fn a_refused_row_makes_no_connection_suspect_and_a_standby_does() {
        for state in ["25006", "57P01", "57P02", "57P03", "08006", "08P01", "26000"] {
            assert!(is_state_of_the_connection(state), "{state}");
        }
        for state in ["23505", "40001", "40P01", "55P03", "57014", "53300", "42601"] {
            assert!(!is_state_of_the_connection(state), "{state}");
        }
        let suspects = SuspectConnections::default();
        suspects.observe(&Error::RowNotFound);
        assert!(!suspects.contains(Instant::now()));
        suspects.observe(&Error::Io(std::io::ErrorKind::ConnectionReset.into()));
        assert!(suspects.contains(Instant::now()));
    }
}
