//! Postgres: connections, migrations, transactions that outlive a client, and the signals by
//! which replicas keep their memory honest.

pub mod batch;
pub mod cache;
pub mod embedded;
pub mod listener;
pub mod pool;
pub mod trust;

use std::time::Duration;

use sqlx::PgPool;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

pub use self::pool::Pool;

/// Every change of the schema, compiled in.
pub static MIGRATIONS: Migrator = sqlx::migrate!();

/// How long a request waits for a connection before it is told to come back.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// Connections set aside for identity look-ups and the heartbeat, so that a crowd of ordinary
/// requests can neither starve them nor be starved by a flood of unknown keys.
const LOOKUP_CONNECTIONS: u32 = 4;
/// For the whole of a look-up: the gateway's own patience ends at a second.
const LOOKUP_TIMEOUT: Duration = Duration::from_millis(800);

/// The service's connections.
#[derive(Clone, Debug)]
pub struct Db {
    /// For requests.
    pub pool: Pool,
    /// For identity look-ups and the heartbeat.
    pub lookups: Pool,
    /// Past any pooler: LISTEN and migrations need a session of their own.
    direct: PgConnectOptions,
}

impl Db {
    /// Prepares the pools; connections are made as they are needed.
    #[must_use]
    pub fn new(options: PgConnectOptions, direct: Option<PgConnectOptions>, max_connections: u32) -> Self {
        let options = options.application_name("partner-api");
        let direct = direct.map_or_else(|| options.clone(), |o| o.application_name("partner-api"));
        Self {
            pool: Pool::new(options.clone(), max_connections, ACQUIRE_TIMEOUT),
            lookups: Pool::new(options, LOOKUP_CONNECTIONS, LOOKUP_TIMEOUT).with_limit(LOOKUP_TIMEOUT),
            direct,
        }
    }

    /// A pool of one, past any pooler.
    #[must_use]
    pub fn direct(&self) -> PgPool {
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE_TIMEOUT);
        pool.connect_lazy_with(self.direct.clone())
    }

    /// Applies what is missing of the schema.
    ///
    /// # Errors
    /// When the database cannot be reached, or a migration fails or was edited after it ran.
    pub async fn migrate(&self) -> Result<(), sqlx::migrate::MigrateError> {
        let direct = self.direct();
        let outcome = MIGRATIONS.run(&direct).await;
        direct.close().await;
        outcome
    }

    /// How many migrations of this build the database lacks.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn pending_migrations(&self) -> Result<usize, sqlx::Error> {
        // Not checked at compile time: sqlx makes this table itself, outside the migrations.
        let applied: Vec<i64> = sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
            .fetch_all(&self.lookups)
            .await?;
        Ok(MIGRATIONS.iter().filter(|m| !applied.contains(&m.version)).count())
    }

    /// Closes every connection.
    pub async fn close(&self) {
        self.pool.close().await;
        self.lookups.close().await;
    }
}

/// A transaction on a connection of its own.
pub type Tx = sqlx::Transaction<'static, sqlx::Postgres>;

impl Db {
    /// Runs a transaction to its end even if the client hangs up: axum drops a handler's future
    /// then, and sqlx would hand the connection on with the transaction still open in it
    /// (architecture 4). `work` commits; if it does not, everything is rolled back.
    ///
    /// # Errors
    /// What `work` returns, or that there is no connection.
    pub async fn transaction<T, E, F>(&self, work: impl FnOnce(Tx) -> F + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<sqlx::Error> + Send + 'static,
        F: Future<Output = Result<T, E>> + Send,
    {
        let pool = self.pool.clone();
        let task = tokio::spawn(async move {
            #[expect(
                clippy::disallowed_methods,
                reason = "this is the one place; the task outlives the client"
            )]
            let tx = pool.begin().await?;
            work(tx).await
        });
        match task.await {
            Ok(outcome) => outcome,
            Err(stopped) => match stopped.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(sqlx::Error::WorkerCrashed.into()),
            },
        }
    }
}
