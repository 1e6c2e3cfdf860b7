//! The process's readiness for traffic, and the reason where it is not ready (contract 11).

use std::sync::RwLock;

/// The reasons why traffic should go elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReady {
    /// Nothing was probed yet.
    Starting,
    /// It answers, but not in time.
    DatabaseTooSlow,
    /// It cannot be reached.
    DatabaseAway,
    /// It takes no writes.
    DatabaseReadOnly,
    /// It lacks migrations of this build.
    MigrationsPending,
    /// Expiries and signatures would be wrong.
    ClockDiffers,
    /// The process was told to stop.
    Draining,
}

impl NotReady {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Starting,
        Self::DatabaseTooSlow,
        Self::DatabaseAway,
        Self::DatabaseReadOnly,
        Self::MigrationsPending,
        Self::ClockDiffers,
        Self::Draining,
    ];

    /// For people.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::DatabaseTooSlow => "database too slow",
            Self::DatabaseAway => "database away",
            Self::DatabaseReadOnly => "database read-only",
            Self::MigrationsPending => "migrations pending",
            Self::ClockDiffers => "clock differs from the database's",
            Self::Draining => "draining",
        }
    }

    /// For metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::DatabaseTooSlow => "database_too_slow",
            Self::DatabaseAway => "database_away",
            Self::DatabaseReadOnly => "database_read_only",
            Self::MigrationsPending => "migrations_pending",
            Self::ClockDiffers => "clock_differs",
            Self::Draining => "draining",
        }
    }
}

/// The reason why traffic should go elsewhere; `None` while it should come.
#[derive(Debug)]
pub struct Readiness(RwLock<Option<NotReady>>);

impl Default for Readiness {
    fn default() -> Self {
        Self(RwLock::new(Some(NotReady::Starting)))
    }
}

impl Readiness {
    /// The fault that the last probe found, if any.
    pub fn reason(&self) -> Option<NotReady> {
        *self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Notes what a probe found.
    pub fn set(&self, reason: Option<NotReady>) {
        let mut current = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if *current != reason {
            tracing::info!(reason = reason.map_or("ready", NotReady::text), "readiness changed");
            *current = reason;
        }
    }

    /// Returns `true` if the database took no writes when it was last asked.
    #[must_use]
    pub fn was_read_only(&self) -> bool {
        self.reason() == Some(NotReady::DatabaseReadOnly)
    }
}
