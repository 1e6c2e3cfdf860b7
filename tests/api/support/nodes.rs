//! The workers of a Citus cluster whose coordinator `DATABASE_URL` names, for running these tests on distributed tables
//! (`tests/interop/citus`).

#![expect(clippy::disallowed_types, reason = "makes databases; nothing here is served")]

use std::env;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};

use super::server::{at, options};
use super::within;

/// Names the workers, each by its URL, separated by commas.
const WORKERS: &str = "TEST_DISTRIBUTED";

/// The URLs of the workers; none where tables are not distributed.
pub fn workers() -> Vec<String> {
    let named = env::var(WORKERS).unwrap_or_default();
    named.split(',').map(str::trim).filter(|url| !url.is_empty()).map(str::to_owned).collect()
}

/// Whether tables are distributed, where a test would say nothing for this reason; then says so.
#[expect(clippy::print_stdout, reason = "said by a test, as the others that are skipped do")]
pub fn is_skipped(why: &str) -> bool {
    let is_skipped = !workers().is_empty();
    if is_skipped {
        println!("SKIPPED: {why}");
    }
    is_skipped
}

/// As whoever owns the tables connects: distributed ones have his triggers too, and he may write to many shards of one
/// and then to a table that is on every node.
pub fn as_owner(options: PgConnectOptions) -> PgConnectOptions {
    if workers().is_empty() {
        return options;
    }
    options.options([("citus.enable_unsafe_triggers", "on"), ("citus.multi_shard_modify_mode", "sequential")])
}

/// Makes databases of this name, which every node has, one cluster.
pub async fn join(coordinator: &str, name: &str) -> Result<(), sqlx::Error> {
    let workers = workers();
    for node in workers.iter().map(String::as_str).chain([coordinator]) {
        run(node, name, "CREATE EXTENSION citus").await?;
    }
    run(coordinator, name, &format!("SELECT citus_set_coordinator_host({})", address(coordinator))).await?;
    for worker in &workers {
        run(coordinator, name, &format!("SELECT citus_add_node({})", address(worker))).await?;
    }
    Ok(())
}

/// Has nobody connect to a template any more, not even the extension's own daemon: else it could not be copied.
pub async fn leave_alone(nodes: &[PgPool], template: &str) -> Result<(), sqlx::Error> {
    for node in nodes {
        let closed = format!("ALTER DATABASE {template} ALLOW_CONNECTIONS false");
        sqlx::raw_sql(AssertSqlSafe(closed)).execute(node).await?;
        let is_alone = async || {
            let left: i64 = sqlx::query_scalar(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1",
            )
            .bind(template)
            .fetch_one(node)
            .await
            .expect("the node answers");
            (left == 0).then_some(())
        };
        within(Duration::from_secs(30), "nobody is connected to the template", is_alone).await;
    }
    Ok(())
}

async fn run(node: &str, database: &str, statement: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect_with(&options(&at(node, database))).await?;
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await?;
    connection.close().await
}

/// A node's address, as the extension's functions take it.
fn address(url: &str) -> String {
    let options = options(url);
    format!("'{}', {}", options.get_host(), options.get_port())
}
