//! Pools that outlive their connections' misfortunes.
//!
//! What comes back to a pool of sqlx's is pinged first, however long that takes: a statement that
//! hangs, because its asker gave up on it, or a server that froze or vanished from the network,
//! would keep its permit in the pool for as long as it hangs. Here a permit is given back in time:
//! a connection that is not ready again by then is closed. So is one that is suspect.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{
    Connection as _, Describe, Either, Error, Execute, Executor, PgConnection, Postgres, SqlStr, Transaction,
};

use super::acquiring::{Acquiring, Finishing, MADE_WITHIN};
use super::notices;
use super::session::{self, Purpose, STATEMENT_TIMEOUT};
use super::suspects::{DatabaseFailure, SuspectConnections, is_about_the_connection};
use crate::limits::shares::{self, Share, Shares};

/// The time that a connection may take to get ready for the next use.
const RETURN_WITHIN: Duration = Duration::from_secs(1);
/// A connection that rested longer is tested before it is used: whatever befell it was not
/// noticed. A busy one is not, as that costs a fifth of the throughput (docs/performance.md).
pub const RESTED: Duration = Duration::from_secs(1);

/// The time between two attempts to connect to what hangs up.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// A pool of connections, made as they are needed.
///
/// It is an executor, and lends connections. It does not hand out sqlx's pool, whose connections know neither the
/// limit of a statement nor the orgs' shares:
///
/// ```
/// fn executor(pool: &partner_api::db::Pool) -> impl sqlx::PgExecutor<'_> { pool }
/// ```
/// ```compile_fail
/// fn past_its_limits(pool: &partner_api::db::Pool) -> &sqlx::PgPool { pool }
/// ```
#[derive(Clone, Debug)]
pub struct Pool {
    #[expect(clippy::disallowed_types, reason = "the one that all limits are around")]
    pool: sqlx::Pool<Postgres>,
    /// The time that one statement may take, its wait for a connection included.
    limit: Duration,
    suspects: Arc<SuspectConnections>,
    /// The orgs' shares of the connections, if they divide them, and how long one waits for a
    /// connection.
    shares: Option<Shares>,
    patience: Duration,
    finishing: Finishing,
}

/// The number of connections that a pool has, by use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUsage {
    /// Ready for the next statement.
    pub idle: usize,
    /// Lent out, or on their way back.
    pub in_use: usize,
    /// The most there may be.
    pub max: u32,
}

/// An org has all the connections that it may have, and none came free in time.
#[derive(Debug, thiserror::Error)]
#[error("the org's share of the connections is in use")]
pub struct OverShare;

/// Returns `true` if a statement was refused for the org's own sake.
#[must_use]
pub fn is_over_share(error: &Error) -> bool {
    matches!(error, Error::AnyDriverError(error) if error.is::<OverShare>())
}

impl Pool {
    /// At most `max` connections; whoever waits longer than `patience` for one is refused.
    #[must_use]
    pub fn new(
        options: PgConnectOptions,
        max: u32,
        patience: Duration,
        suspects: Arc<SuspectConnections>,
    ) -> Self {
        let (known, noted) = (suspects.clone(), suspects.clone());
        let pool = PgPoolOptions::new()
            .max_connections(max)
            .acquire_timeout(patience.max(MADE_WITHIN))
            .idle_timeout(Duration::from_secs(600))
            .max_lifetime(Duration::from_secs(1800))
            .test_before_acquire(false)
            .before_acquire(move |connection, rest| {
                let is_suspect = Instant::now().checked_sub(rest.age).is_none_or(|made| known.contains(made));
                Box::pin(async move {
                    Ok(!is_suspect && (rest.idle_for < RESTED || answers(connection, patience / 2).await))
                })
            })
            .after_connect(move |connection, _| {
                let noted = noted.clone();
                Box::pin(async move {
                    if session::set_up(connection, Purpose::Requests).await? {
                        noted.suspect_all();
                    }
                    Ok(())
                })
            });
        Self {
            pool: pool.connect_lazy_with(options),
            limit: STATEMENT_TIMEOUT,
            suspects,
            shares: None,
            patience,
            finishing: Finishing::default(),
        }
    }

    /// An org has at most the part `org_share` of the connections; for more it waits its turn.
    #[must_use]
    pub fn shared(self, org_share: f64) -> Self {
        let max = self.max() as usize;
        Self { shares: Some(Shares::of(max, org_share)), ..self }
    }

    /// Nobody waits longer than this for one statement.
    #[must_use]
    pub fn with_limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Takes a connection.
    ///
    /// # Errors
    /// When there is none in time.
    pub async fn acquire(&self) -> Result<Lent, Error> {
        let share = self.share().await?;
        Ok(Lent { connection: self.connection().await?, share })
    }

    /// Takes a connection's permit in the share of the org that is served, if any is: to be held for
    /// as long as the connection.
    ///
    /// # Errors
    /// [`OverShare`].
    pub async fn share(&self) -> Result<Option<Share>, Error> {
        let (Some(shares), Some(org_id)) = (&self.shares, shares::served()) else { return Ok(None) };
        let share = tokio::time::timeout(self.patience, shares.take(org_id)).await;
        share.map(Some).map_err(|_| Error::AnyDriverError(Box::new(OverShare)))
    }

    /// Takes a connection for good: it no longer counts.
    ///
    /// # Errors
    /// When there is none in time.
    pub async fn detach(&self) -> Result<PgConnection, Error> {
        Ok(self.connection().await?.detach())
    }

    /// The use of the pool at the moment.
    #[must_use]
    pub fn usage(&self) -> PoolUsage {
        let idle = self.pool.num_idle();
        PoolUsage { idle, in_use: (self.pool.size() as usize).saturating_sub(idle), max: self.max() }
    }

    fn max(&self) -> u32 {
        self.pool.options().get_max_connections()
    }

    /// Closes every connection; those that are lent out as they come back.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Begins a transaction. Only for a task that outlives the client (architecture 4): it is not returned
    /// in time, and the caller holds the [`Pool::share`].
    ///
    /// # Errors
    /// When there is no connection in time.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Postgres>, Error> {
        let begun = Transaction::begin(self.connection().await?, None).await;
        begun.inspect_err(|error| self.suspects.observe(error))
    }

    /// Waits for work on a connection that was lent, and observes what its error says of it.
    ///
    /// # Errors
    /// What the work returns, or that its commit was not confirmed ([`notices`]).
    pub async fn observing<T, E>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E>
    where
        E: DatabaseFailure + From<Error>,
    {
        let outcome = notices::heeding(work).await;
        if let Err(error) = &outcome
            && let Some(error) = error.of_database()
        {
            self.suspects.observe(error);
        }
        outcome
    }

    /// The connections that are not used again.
    #[must_use]
    pub fn suspects(&self) -> &SuspectConnections {
        &self.suspects
    }

    /// Where nobody listens, sqlx waits for somebody to come. So it is here where somebody does and hangs up: a proxy
    /// that has no primary to lead to, or a server on its way out. A fail-over in good order takes no longer than that.
    async fn connection(&self) -> Result<PoolConnection<Postgres>, Error> {
        let until = Instant::now() + self.patience;
        let mut pause = FIRST_PAUSE;
        loop {
            #[expect(
                clippy::disallowed_methods,
                reason = "this is the one place; what it gives goes back in time, or never"
            )]
            let acquiring = Acquiring::new(self.pool.acquire(), &self.finishing);
            let acquired = tokio::time::timeout_at(until.into(), acquiring).await;
            match acquired.unwrap_or(Err(Error::PoolTimedOut)) {
                Err(error) if is_about_the_connection(&error) && Instant::now() + pause < until => {
                    tokio::time::sleep(pause).await;
                    pause = LONGEST_PAUSE.min(pause * 2);
                }
                outcome => return outcome,
            }
        }
    }

    /// A connection for one statement, and when that has to be done. Where none can be had, that says nothing of those
    /// that there are: a new primary is not left because requests still wait for it.
    async fn lend(&self) -> Result<(Lent, Instant), Error> {
        let until = Instant::now() + self.limit;
        let lent = tokio::time::timeout_at(until.into(), self.acquire()).await;
        Ok((lent.unwrap_or(Err(Error::PoolTimedOut))?, until))
    }

    /// Runs a statement in time, and observes what its error says of the connection.
    async fn run<T>(
        &self,
        until: Instant,
        statement: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let began = Instant::now();
        let Ok(outcome) = tokio::time::timeout_at(until.into(), notices::heeding(statement)).await else {
            if began.elapsed() > self.limit / 2 {
                self.suspects.suspect_all();
            }
            return Err(Error::PoolTimedOut);
        };
        outcome.inspect_err(|error| self.suspects.observe(error))
    }
}

/// Returns `true` if a connection that was not used for a while still answers.
pub async fn answers(connection: &mut PgConnection, patience: Duration) -> bool {
    matches!(tokio::time::timeout(patience, connection.ping()).await, Ok(Ok(())))
}

/// A connection that goes back to its pool in time, or is closed.
#[derive(Debug)]
pub struct Lent {
    connection: PoolConnection<Postgres>,
    share: Option<Share>,
}

impl Deref for Lent {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let (returned, share) = (self.connection.return_to_pool(), self.share.take());
        // A process that stops has no runtime any more, and no pool.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            if tokio::time::timeout(RETURN_WITHIN, returned).await.is_err() {
                tracing::warn!("a connection did not get ready for its next use and was closed");
            }
            drop(share);
        });
    }
}

/// One statement on a connection of its own.
impl<'p> Executor<'p> for &Pool {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        let fetched = async move {
            let (mut lent, until) = pool.lend().await?;
            let fetched = pool.run(until, lent.fetch_many(query).try_collect::<Vec<_>>());
            Ok::<_, Error>(stream::iter(fetched.await?).map(Ok))
        };
        stream::once(fetched).try_flatten().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        Box::pin(async move {
            let (mut lent, until) = pool.lend().await?;
            pool.run(until, lent.fetch_optional(query)).await
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'p: 'e,
    {
        let pool = self.clone();
        Box::pin(async move { pool.acquire().await?.prepare_with(sql, parameters).await })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, Error>> {
        let pool = self.clone();
        Box::pin(async move { pool.acquire().await?.describe(sql).await })
    }
}
