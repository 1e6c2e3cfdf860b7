//! Pools that outlive their connections' misfortunes.
//!
//! What comes back to a pool of sqlx's is pinged first, however long that takes: a statement that
//! hangs, because its asker gave up on it, or a server that froze or vanished from the network,
//! would keep its place in the pool for as long as it hangs. Here a place is given back in time:
//! a connection that is not ready again by then is closed.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{
    AssertSqlSafe, Connection as _, Describe, Either, Error, Execute, Executor, PgConnection, PgPool,
    Postgres, SqlStr,
};

/// How long a connection may take to get ready for the next use.
const RETURN_WITHIN: Duration = Duration::from_secs(1);
/// A connection that rested longer is tested before it is used: whatever befell it was not
/// noticed. A busy one is not, as that costs a fifth of the throughput (docs/performance.md).
pub const RESTED: Duration = Duration::from_secs(1);
/// What a statement may take in the server, once nobody waits for it any more; as long as a
/// request may by default.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a transaction of a process that stopped half-way may hold its locks.
const IDLE_IN_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(30);

/// A pool of connections, made as they are needed.
#[derive(Clone, Debug)]
pub struct Pool {
    pool: PgPool,
    /// How long one statement may take, its wait for a connection included.
    limit: Duration,
}

impl Pool {
    /// At most `max` connections; whoever waits longer than `patience` for one is refused.
    #[must_use]
    pub fn new(options: PgConnectOptions, max: u32, patience: Duration) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(max)
            .acquire_timeout(patience)
            .idle_timeout(Duration::from_secs(600))
            .max_lifetime(Duration::from_secs(1800))
            .test_before_acquire(false)
            .before_acquire(move |connection, rest| {
                Box::pin(async move { Ok(rest.idle_for < RESTED || answers(connection, patience / 2).await) })
            })
            .after_connect(|connection, _| Box::pin(limit(connection)));
        Self { pool: pool.connect_lazy_with(options), limit: STATEMENT_TIMEOUT }
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
        Ok(Lent(self.pool.acquire().await?))
    }

    /// Takes a connection for good: it no longer counts.
    ///
    /// # Errors
    /// When there is none in time.
    pub async fn detach(&self) -> Result<PgConnection, Error> {
        Ok(self.pool.acquire().await?.detach())
    }
}

/// For what takes sqlx's own pool.
impl Deref for Pool {
    type Target = PgPool;

    fn deref(&self) -> &PgPool {
        &self.pool
    }
}

async fn in_time<T>(limit: Duration, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(limit, work).await.unwrap_or(Err(Error::PoolTimedOut))
}

/// Whether a connection that was not used for a while still answers.
pub async fn answers(connection: &mut PgConnection, patience: Duration) -> bool {
    matches!(tokio::time::timeout(patience, connection.ping()).await, Ok(Ok(())))
}

/// Sets limits in the server, for when it can no longer be told to stop. By statements and not by
/// parameters of the connection, which old PgBouncers refuse.
async fn limit(connection: &mut PgConnection) -> Result<(), Error> {
    let (statement, idle) = (STATEMENT_TIMEOUT.as_millis(), IDLE_IN_TRANSACTION_TIMEOUT.as_millis());
    let limits =
        format!("SET statement_timeout = {statement}; SET idle_in_transaction_session_timeout = {idle}");
    connection.execute(AssertSqlSafe(limits)).await.map(drop)
}

/// A connection that goes back to its pool in time, or is closed.
#[derive(Debug)]
pub struct Lent(PoolConnection<Postgres>);

impl Deref for Lent {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.0
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let returned = self.0.return_to_pool();
        // A process that stops has no runtime any more, and no pool.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            if tokio::time::timeout(RETURN_WITHIN, returned).await.is_err() {
                tracing::warn!("a connection did not get ready for its next use and was closed");
            }
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
        let fetched = in_time(pool.limit, async move {
            let mut lent = pool.acquire().await?;
            let fetched: Vec<_> = lent.fetch_many(query).try_collect().await?;
            Ok(stream::iter(fetched).map(Ok))
        });
        stream::once(fetched).try_flatten().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        Box::pin(in_time(pool.limit, async move { pool.acquire().await?.fetch_optional(query).await }))
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
