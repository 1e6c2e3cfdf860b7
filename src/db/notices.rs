//! What the server says beside its answer. Where a commit waits for a synchronous standby and the wait is cancelled
//! (`pg_cancel_backend`), Postgres answers as if all were well, with a warning: the commit is on that server alone,
//! and not on the one that takes over. Nobody may be told that it is done, so a statement with that warning has failed,
//! like one whose connection broke: what became of it is not known (docs/reliability.md).
//!
//! The coordinator of a distributed database does likewise where a worker fails in the commit itself, and passes a
//! worker's own warning on as a message for whoever debugs, which is why the service's sessions there ask for those.
//!
//! sqlx gives a warning to nobody but the log, in the thread that reads it from the connection. So this listens there.

use std::cell::Cell;
use std::pin::pin;

use sqlx::Error;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// The target of sqlx's lines about such messages.
const TARGET: &str = "sqlx::postgres::notice";
/// How warnings of that kind begin, in English: they have no SQLSTATE of their own (docs/operations.md says
/// `lc_messages`). The last is Citus's.
const UNCONFIRMED: [&str; 3] = [
    "canceling wait for synchronous replication",
    "canceling the wait for synchronous replication",
    "failed to commit transaction on ",
];

thread_local! {
    /// Whether the statement that is polled in this thread was told so.
    static IS_UNCONFIRMED: Cell<bool> = const { Cell::new(false) };
}

/// A commit that no standby confirmed.
#[derive(Debug, thiserror::Error)]
#[error("the commit was not confirmed by a synchronous standby, or by a worker: it may be lost")]
pub struct Unconfirmed;

/// Returns `true` if nobody knows whether what was committed stays.
#[must_use]
pub fn is_unconfirmed(error: &Error) -> bool {
    matches!(error, Error::AnyDriverError(error) if error.is::<Unconfirmed>())
}

/// Waits for work in the database, and fails where one of its commits was not confirmed.
///
/// # Errors
/// What the work returns, or [`Unconfirmed`].
pub async fn heeding<T, E: From<Error>>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let (mut work, mut is_unconfirmed) = (pin!(work), false);
    let outcome = std::future::poll_fn(|context| {
        let of_others = IS_UNCONFIRMED.replace(false);
        let polled = work.as_mut().poll(context);
        is_unconfirmed |= IS_UNCONFIRMED.replace(of_others);
        polled
    });
    let outcome = outcome.await?;
    if is_unconfirmed { Err(Error::AnyDriverError(Box::new(Unconfirmed)).into()) } else { Ok(outcome) }
}

/// Listens to sqlx's lines, whatever else is logged.
pub fn listening<S>() -> impl Layer<S>
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span>,
{
    Listening.with_filter(Targets::new().with_target(TARGET, LevelFilter::DEBUG))
}

struct Listening;

impl<S: tracing::Subscriber> Layer<S> for Listening {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut line = Line { is_unconfirmed: false };
        event.record(&mut line);
        if line.is_unconfirmed {
            IS_UNCONFIRMED.set(true);
        }
    }
}

struct Line {
    is_unconfirmed: bool,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.is_unconfirmed |=
            field.name() == "message" && UNCONFIRMED.iter().any(|begin| value.starts_with(begin));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    const CANCELLED: &str = "canceling wait for synchronous replication due to user request";

    const WORKER_FAILED: &str = "failed to commit transaction on 10.0.0.2:5432";

    async fn told(message: &str) -> Result<u32, Error> {
        let said = tracing_subscriber::registry().with(listening());
        let _listens = tracing::subscriber::set_default(said);
        let work = async {
            tokio::task::yield_now().await;
            tracing::warn!(target: TARGET, message);
            tokio::task::yield_now().await;
            Ok(1)
        };
        heeding(work).await
    }

    #[tokio::test]
    async fn a_commit_that_no_standby_confirmed_has_failed() {
        assert!(is_unconfirmed(&told(CANCELLED).await.unwrap_err()));
        assert!(is_unconfirmed(&told(WORKER_FAILED).await.unwrap_err()));
        assert_eq!(told("Plan 7 query: SELECT 'failed to commit transaction on '").await.unwrap(), 1);
        assert_eq!(told("database \"x\" must be vacuumed within 39985967 transactions").await.unwrap(), 1);
    }

    #[tokio::test]
    async fn what_one_statement_is_told_is_nothing_to_its_neighbours() {
        let said = tracing_subscriber::registry().with(listening());
        let _listens = tracing::subscriber::set_default(said);
        let neighbour = heeding(async {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            Ok::<_, Error>(2)
        });
        let cancelled = heeding(async {
            tokio::task::yield_now().await;
            tracing::warn!(target: TARGET, message = CANCELLED);
            tokio::task::yield_now().await;
            Ok::<_, Error>(3)
        });
        let (neighbour, cancelled) = tokio::join!(neighbour, cancelled);
        assert_eq!(neighbour.unwrap(), 2);
        assert!(is_unconfirmed(&cancelled.unwrap_err()));
        assert_eq!(heeding(async { Ok::<_, Error>(4) }).await.unwrap(), 4);
    }
}
