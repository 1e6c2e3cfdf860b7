//! The Postgres server of this run: the one that `DATABASE_URL` names, or a throw-away cluster.
//!
//! Tests come and go with runtimes of their own, and a connection dies with the runtime that
//! opened it, so the server has a runtime too, which lives as long as the process.

#![expect(clippy::disallowed_types, reason = "makes databases; nothing here is served")]

use std::env;
use std::iter;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use embedded_postgres::Embedded;
use partner_api::crypto::keyring::Keyring;
use partner_api::crypto::master::MasterKeys;
use partner_api::db::Db;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::runtime::{Builder, Runtime};

use super::database::MASTER_KEYS;
use super::nodes;
use super::run::{PREFIX, Run};
use super::within;

pub struct Server {
    runtime: Runtime,
    /// To make and drop databases with: those of this server, and where tables are distributed those of each worker,
    /// which has a database of the same name.
    nodes: Vec<PgPool>,
    /// Connects to the server; a database's name is added to it.
    url: String,
    run: &'static str,
    made: AtomicU32,
    /// Held for as long as the run.
    _cluster: Option<Embedded>,
}

impl Server {
    /// The run's server, started by whoever asks first.
    pub fn get() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| thread::spawn(Self::start).join().expect("the server starts"))
    }

    /// Runs `work` on the server's runtime.
    pub async fn run<T: Send + 'static>(
        &'static self,
        work: impl Future<Output = Result<T, sqlx::Error>> + Send + 'static,
    ) -> T {
        self.runtime.spawn(work).await.expect("no panic").expect("the server does as told")
    }

    /// Makes a database with the schema in it, or an empty one.
    pub async fn create(&'static self, has_schema: bool) -> String {
        let name = format!("{}{}", self.run, self.made.fetch_add(1, Ordering::Relaxed));
        let template = if has_schema { self.template() } else { "template1".to_owned() };
        let statement = format!("CREATE DATABASE {name} TEMPLATE {template}");
        // Without the schema nothing is distributed yet.
        let nodes = if has_schema { &self.nodes[..] } else { &self.nodes[..1] };
        for node in nodes {
            self.run(execute(node.clone(), statement.clone())).await;
        }
        name
    }

    /// Makes an empty database in another encoding.
    pub async fn create_encoded(&'static self, encoding: &str) -> String {
        let name = format!("{}{}", self.run, self.made.fetch_add(1, Ordering::Relaxed));
        let statement = format!(
            "CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
        );
        self.run(execute(self.nodes[0].clone(), statement)).await;
        name
    }

    /// Drops a database soon, whoever is still connected.
    pub fn drop_soon(&'static self, name: &str) {
        for node in &self.nodes {
            self.runtime.spawn(drop_database(node.clone(), name.to_owned()));
        }
    }

    /// The URL of one of the server's databases.
    pub fn url(&self, database: &str) -> String {
        at(&self.url, database)
    }

    fn template(&self) -> String {
        format!("{}template", self.run)
    }

    fn start() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let run = &Run::get().name;
        let (url, cluster) = match foreign() {
            Some(url) => (url, None),
            None => runtime.block_on(start_cluster()),
        };
        let urls = iter::once(url.clone()).chain(nodes::workers());
        let nodes = runtime.block_on(async { urls.map(|url| connect(&url, run)).collect() });
        let server = Self { runtime, nodes, url, run, made: AtomicU32::new(0), _cluster: cluster };
        server.runtime.block_on(server.prepare()).expect("the server can be prepared for the tests");
        server
    }

    /// Drops what dead runs left, and makes the template.
    async fn prepare(&self) -> Result<(), sqlx::Error> {
        let template = self.template();
        for node in &self.nodes {
            for stale in stale_databases(node).await? {
                drop_database(node.clone(), stale).await?;
            }
            execute(node.clone(), format!("CREATE DATABASE {template}")).await?;
        }
        let db = Db::new(options(&self.url(&template)), None, 1);
        db.migrate().await?;
        let master = MasterKeys::parse(MASTER_KEYS).expect("a master key");
        Keyring::open(&db.pool, master).await.expect("the service's keys are made");
        if self.nodes.len() > 1 {
            nodes::join(&self.url, &template).await?;
            db.distribute().await.expect("the template is distributed");
        }
        db.close().await;
        if self.nodes.len() > 1 {
            nodes::leave_alone(&self.nodes, &template).await?;
        }
        Ok(())
    }
}

async fn start_cluster() -> (String, Option<Embedded>) {
    let cluster = Embedded::start_ephemeral("partner_api", None).await.expect("a throw-away cluster");
    let options = cluster.connect_options();
    let sockets = options.get_socket().expect("it listens on a socket").display();
    let url = format!("postgres://{}@localhost/postgres?host={sockets}", options.get_username());
    (url, Some(cluster))
}

/// The run's name stands in `pg_stat_activity` for as long as the run lives: one connection is
/// always kept.
fn connect(url: &str, run: &str) -> PgPool {
    PgPoolOptions::new()
        .min_connections(1)
        .max_connections(3)
        .acquire_timeout(Duration::from_secs(60))
        .max_lifetime(None)
        .connect_lazy_with(options(url).application_name(run))
}

async fn execute(admin: PgPool, statement: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&admin).await.map(drop)
}

async fn drop_database(node: PgPool, name: String) -> Result<(), sqlx::Error> {
    execute(node, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
}

/// Databases of runs that have no connection any more.
async fn stale_databases(admin: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT made.datname::text FROM pg_database AS made
         WHERE starts_with(made.datname, $1) AND NOT EXISTS (
             SELECT FROM pg_stat_activity AS run
             WHERE starts_with(run.application_name, $1) AND starts_with(made.datname, run.application_name))",
    )
    .bind(PREFIX)
    .fetch_all(admin)
    .await
}

/// Drops what a dead run has on servers of somebody else's: also what its last statements, which nobody waits for any
/// more, are still making.
pub async fn drop_databases_of(run: &str) {
    for url in foreign().into_iter().chain(nodes::workers()) {
        drop_databases_at(&url, run).await;
    }
}

async fn drop_databases_at(url: &str, run: &str) {
    let admin = connect(url, "partner_api_reaper");
    let dropped = async || {
        for database in databases_of(&admin, run).await.expect("the server answers") {
            drop_database(admin.clone(), database).await.ok()?;
        }
        let question = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = $1)";
        let is_gone: bool = sqlx::query_scalar(question).bind(run).fetch_one(&admin).await.ok()?;
        let left = databases_of(&admin, run).await.ok()?;
        (is_gone && left.is_empty()).then_some(())
    };
    within(Duration::from_secs(60), "the databases are dropped", dropped).await;
}

/// The URL of a database of this server's.
pub fn at(server: &str, database: &str) -> String {
    let separator = if server.contains('?') { '&' } else { '?' };
    format!("{server}{separator}dbname={database}")
}

async fn databases_of(admin: &PgPool, run: &str) -> Result<Vec<String>, sqlx::Error> {
    let query = "SELECT datname::text FROM pg_database WHERE starts_with(datname, $1)";
    sqlx::query_scalar(query).bind(run).fetch_all(admin).await
}

/// `DATABASE_URL`, if it names a server.
fn foreign() -> Option<String> {
    env::var("DATABASE_URL").ok().filter(|url| !url.trim().is_empty())
}

/// Parses the URL of a database.
pub fn options(url: &str) -> PgConnectOptions {
    url.parse().expect("DATABASE_URL is a postgres:// URL")
}
