//! Postgres: connections, migrations, transactions that outlive a client, and the signals by
//! which replicas keep their memory honest.

mod acquiring;
pub mod announcements;
pub mod batch;
pub mod cache;
pub mod change_feed;
pub mod connect;
pub mod distribution;
mod looks;
pub mod migrating;
pub mod news;
pub mod notices;
pub mod pool;
pub mod session;
pub mod snapshot;
pub mod suspects;
pub mod trust;

use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

#[expect(clippy::disallowed_types, reason = "for `Db::direct` alone, which says why")]
use sqlx::PgPool;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use self::looks::Looks;
pub use self::pool::{Pool, PoolUsage, is_over_share};
use self::session::Purpose;
use self::suspects::{DatabaseFailure, SuspectConnections};
use crate::limits::shares;

/// Every change of the schema, compiled in. A schema that a later release has changed since is taken as it is: each
/// suits the release before, to which an operator may have to go back.
pub static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!();
    migrations.set_ignore_missing(true);
    migrations
});

/// The time that a request waits for a connection before it is told to come back.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// Connections set aside for identity look-ups, so that a crowd of ordinary requests can neither
/// starve them nor be starved by a flood of unknown keys.
const LOOKUP_CONNECTIONS: u32 = 4;
/// For the whole of a look-up: the gateway's own patience ends at a second.
const LOOKUP_TIMEOUT: Duration = Duration::from_millis(800);

/// The service's connections.
#[derive(Clone, Debug)]
pub struct Db {
    /// For requests.
    pub pool: Pool,
    /// For identity look-ups.
    pub lookups: Pool,
    /// Past any pooler: LISTEN and migrations need a session of their own.
    direct: PgConnectOptions,
    suspects: Arc<SuspectConnections>,
    /// At what replicas are to forget.
    looks: Arc<Looks>,
    /// Whether tables are distributed, once that is known.
    distributed: Arc<OnceLock<bool>>,
}

/// The state of the database at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatabaseState {
    /// The number of this build's migrations that it lacks.
    pub pending_migrations: usize,
    /// `true` if it takes no writes: a standby, or made read-only.
    pub is_read_only: bool,
}

impl Db {
    /// Prepares the pools; connections are made as they are needed.
    #[must_use]
    pub fn new(options: PgConnectOptions, direct: Option<PgConnectOptions>, max_connections: u32) -> Self {
        let options = options.application_name("partner-api");
        let direct = direct.map_or_else(|| options.clone(), |o| o.application_name("partner-api"));
        let suspects = Arc::<SuspectConnections>::default();
        let lookups = Pool::new(options.clone(), LOOKUP_CONNECTIONS, LOOKUP_TIMEOUT, suspects.clone());
        Self {
            pool: Pool::new(options, max_connections, ACQUIRE_TIMEOUT, suspects.clone()),
            lookups: lookups.with_limit(LOOKUP_TIMEOUT),
            direct,
            suspects,
            looks: Arc::default(),
            distributed: Arc::default(),
        }
    }

    /// An org has at most the part `org_share` of the connections for requests.
    #[must_use]
    pub fn shared(self, org_share: f64) -> Self {
        Self { pool: self.pool.shared(org_share), ..self }
    }

    /// sqlx's own pool of one, past any pooler: the way out for what needs a session of its own, and no
    /// limit on a statement. That is migrations, and looking at a database before it is one of ours.
    #[must_use]
    #[expect(clippy::disallowed_types, reason = "the migrator takes no other")]
    pub fn direct(&self) -> PgPool {
        self.session(Purpose::Session)
    }

    /// The same for LISTEN.
    #[expect(clippy::disallowed_types, reason = "LISTEN takes no other")]
    fn listening(&self) -> PgPool {
        self.session(Purpose::Listening)
    }

    #[expect(clippy::disallowed_types, reason = "for the two above")]
    fn session(&self, purpose: Purpose) -> PgPool {
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE_TIMEOUT).after_connect(
            move |connection, _| {
                Box::pin(async move { session::set_up(connection, purpose).await.map(drop) })
            },
        );
        pool.connect_lazy_with(self.direct.clone())
    }

    /// Applies what is missing of the schema.
    ///
    /// # Errors
    /// When the database cannot be reached, or a migration fails or was edited after it ran.
    pub async fn migrate(&self) -> Result<(), sqlx::migrate::MigrateError> {
        let direct = self.direct();
        let outcome = async {
            #[expect(clippy::disallowed_methods, reason = "a pool of one, for nobody else")]
            let mut connection = direct.acquire().await?;
            if distribution::is_distributed(&mut connection).await? {
                return migrating::one_by_one(&MIGRATIONS).run(&mut *connection).await;
            }
            MIGRATIONS.run(&mut *connection).await
        }
        .await;
        direct.close().await;
        outcome
    }

    /// Counts the migrations of this build that the database lacks.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn pending_migrations(&self) -> Result<usize, sqlx::Error> {
        Ok(self.state().await?.pending_migrations)
    }

    /// Reads the database's state. While it takes no writes, no connection is used for long: the
    /// next one may reach another server.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn state(&self) -> Result<DatabaseState, sqlx::Error> {
        // Not checked at compile time: sqlx makes this table itself, outside the migrations.
        let (is_read_only, applied): (bool, Vec<i64>) = sqlx::query_as(
            "SELECT current_setting('transaction_read_only')::boolean,
                    ARRAY(SELECT version FROM _sqlx_migrations WHERE success)",
        )
        .fetch_one(&self.lookups)
        .await?;
        if is_read_only {
            self.suspects.suspect_all();
        }
        let pending_migrations = MIGRATIONS.iter().filter(|m| !applied.contains(&m.version)).count();
        Ok(DatabaseState { pending_migrations, is_read_only })
    }

    /// Closes what is connected now instead of using it again.
    pub fn suspect_connections(&self) {
        self.suspects.suspect_all();
    }

    /// Has every replica look at once at what this process has announced and committed, and waits until this one has;
    /// without that they look with their next tick.
    pub async fn wake_listeners(&self) {
        self.looks.want().await;
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
        E: From<sqlx::Error> + DatabaseFailure + Send + 'static,
        F: Future<Output = Result<T, E>> + Send,
    {
        let pool = self.pool.clone();
        let task = tokio::spawn(shares::inheriting(async move {
            let _held = pool.share().await?;
            let tx = pool.begin().await?;
            Ok(announcements::noting(pool.observing(work(tx))).await)
        }));
        match task.await {
            Ok(Ok((outcome, announced))) => {
                if announced {
                    self.wake_listeners().await;
                }
                outcome
            }
            Ok(Err(error)) => Err(error),
            Err(stopped) => match stopped.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(sqlx::Error::WorkerCrashed.into()),
            },
        }
    }
}
