//! Classes of database failures: those that are ours (500) and those that pass by themselves (503).

use super::{ApiError, Code};
use crate::db::batch::BatchError;
use crate::db::distribution::is_worker_away;
use crate::db::is_over_share;
use crate::db::notices::is_unconfirmed;
use crate::db::suspects::{DatabaseFailure, is_about_the_connection};

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        if is_over_share(&error) {
            Self::new(Code::RateLimited)
        } else if is_away(&error) {
            Self::away(error)
        } else if is_transient(&error) {
            Self::unavailable(error)
        } else {
            Self::internal(error)
        }
    }
}

impl From<BatchError> for ApiError {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::OverShare => Self::new(Code::RateLimited),
            BatchError::Database(error) if is_away(&error) => Self::away(error),
            BatchError::Database(error) if !is_transient(&error) => Self::internal(error),
            transient => Self::unavailable(transient),
        }
    }
}

impl DatabaseFailure for ApiError {
    fn of_database(&self) -> Option<&sqlx::Error> {
        let Self::Failed(super::Failure { cause: Some(cause), .. }) = self else { return None };
        cause.downcast_ref()
    }
}

/// True where the database may be another server by the next time.
fn is_away(error: &sqlx::Error) -> bool {
    is_about_the_connection(error)
        || is_unconfirmed(error)
        || is_worker_away(error)
        || matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed)
}

/// True where the same request may succeed a moment later: the server is away, starting,
/// stopping, out of a resource, read-only after a failover, or a lock could not be had.
pub fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        // A connection that breaks in mid-message is reported as a protocol error.
        | sqlx::Error::Protocol(_) => true,
        error if is_over_share(error) || is_unconfirmed(error) || is_worker_away(error) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|state| is_transient_state(&state)),
        _ => false,
    }
}

/// SQLSTATE classes from Postgres's appendix A.
fn is_transient_state(state: &str) -> bool {
    const TRANSIENT: &[&str] = &[
        "08",    // connection exception
        "53",    // insufficient resources
        "57P",   // operator intervention: shutdown, crash, starting up
        "57014", // statement cancelled by a timeout
        "58",    // system error, such as a failing disk
        "25006", // read-only transaction: a replica, or a full disk
        "40001", // serialization failure
        "40P01", // deadlock
        "55P03", // lock not available
    ];
    TRANSIENT.iter().any(|prefix| state.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::notices::Unconfirmed;
    use crate::error::FAIL_OVER;

    #[test]
    fn what_passes_by_itself_is_told_from_what_is_our_fault() {
        for state in ["08006", "53300", "53100", "57P01", "57P03", "57014", "25006", "40P01"] {
            assert!(is_transient_state(state), "{state}");
        }
        for state in ["23505", "42601", "22021", "57000", "XX000"] {
            assert!(!is_transient_state(state), "{state}");
        }
        assert!(is_transient(&sqlx::Error::PoolTimedOut));
        assert!(is_transient(&over_share()));
        assert!(is_transient(&sqlx::Error::AnyDriverError(Box::new(Unconfirmed))));
        assert!(!is_transient(&sqlx::Error::RowNotFound));
    }

    #[test]
    fn whoever_finds_no_database_is_told_to_come_when_there_is_one() {
        let retry_after = |error: sqlx::Error| match ApiError::from(error) {
            ApiError::Failed(failure) => (failure.code, failure.retry_after),
            ApiError::Invalid(problems) => panic!("{problems:?}"),
        };
        let hung_up = sqlx::Error::Io(std::io::ErrorKind::UnexpectedEof.into());
        for away in [hung_up, sqlx::Error::PoolTimedOut] {
            assert_eq!(retry_after(away), (Code::ServiceUnavailable, Some(FAIL_OVER)));
        }
        assert_eq!(retry_after(sqlx::Error::RowNotFound), (Code::InternalError, None));
    }

    #[test]
    fn what_an_org_has_too_much_of_is_its_own_fault() {
        for error in [ApiError::from(over_share()), ApiError::from(BatchError::OverShare)] {
            let ApiError::Failed(failure) = error else { panic!("it has a code") };
            assert_eq!((failure.code, failure.retry_after), (Code::RateLimited, Some(1)));
        }
    }

    fn over_share() -> sqlx::Error {
        sqlx::Error::AnyDriverError(Box::new(crate::db::pool::OverShare))
    }
}
