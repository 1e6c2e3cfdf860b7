//! A database for one test.

use partner_api::db::Db;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use super::nodes;
use super::server::{Server, options};

/// What the service's own keys are sealed under in every database made from the template.
pub const MASTER_KEYS: &str = "base64:dGVzdCBtYXN0ZXIga2V5LCAzMiBieXRlcyBsb25nISE=";

/// Dropped with the value.
pub struct Database {
    server: &'static Server,
    name: String,
}

impl Database {
    /// One with the schema in it.
    pub async fn new() -> Self {
        Self::make(true).await
    }

    /// One with the schema as the migrations make it, never distributed: that adds to the catalogue, and to plans.
    pub async fn of_one_node() -> Self {
        if nodes::workers().is_empty() {
            return Self::new().await;
        }
        let database = Self::empty().await;
        let db = database.db();
        db.migrate().await.expect("an empty database takes the schema");
        db.close().await;
        database
    }

    /// One with nothing in it.
    pub async fn empty() -> Self {
        Self::make(false).await
    }

    async fn make(has_schema: bool) -> Self {
        let server = Self::server().await;
        Self { server, name: server.create(has_schema).await }
    }

    /// An empty one in another encoding.
    pub async fn encoded(encoding: &str) -> Self {
        let server = Self::server().await;
        Self { server, name: server.create_encoded(encoding).await }
    }

    async fn server() -> &'static Server {
        // The first call starts the server, which takes seconds.
        tokio::task::spawn_blocking(Server::get).await.expect("the server starts")
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As another user of the server's would name it.
    pub fn url_as(&self, user: &str) -> String {
        format!("{}&user={user}", self.url())
    }

    /// Runs statements in it, as its owner.
    pub async fn execute(&self, statements: &str) {
        let statements = sqlx::AssertSqlSafe(statements.to_owned());
        sqlx::raw_sql(statements)
            .execute(&mut self.connect().await)
            .await
            .expect("the database does as told");
    }

    /// Has the audit log take changes, as whoever owns the database can.
    pub async fn unlock_audit_log(&self) {
        self.execute("ALTER TABLE audit_log DISABLE TRIGGER audit_log_append_only").await;
        if !nodes::workers().is_empty() {
            // The parts of a distributed table have triggers of their own.
            let parts = "SELECT run_command_on_shards('audit_log', 'ALTER TABLE %s DISABLE TRIGGER USER')";
            self.execute(parts).await;
        }
    }

    /// As `DATABASE_URL` would name it.
    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }

    /// How to connect.
    pub fn options(&self) -> PgConnectOptions {
        options(&self.url())
    }

    /// The service's view of it.
    pub fn db(&self) -> Db {
        Db::new(self.options(), None, 5)
    }

    /// A connection of the test's own.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect_with(&nodes::as_owner(self.options())).await.expect("the database answers")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.server.drop_soon(&self.name);
    }
}
