//! Distribution over the nodes of a Citus cluster (`partner-api distribute`, docs/scaling.md): which table goes where,
//! and the statements that place it there.

mod errors;
mod shards;
mod slices;
mod tables;

use serde::Serialize;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Row as _};

pub use self::errors::{is_worker_away, or_nothing, violated};
pub use self::shards::{ask_each_part, by_shard};
pub use self::slices::{ORGS, slice_by_slice};
pub use self::tables::{Placement, TABLES, TablePlace};
use super::session::{self, Purpose};
use super::{Db, LOOKUP_TIMEOUT};

/// The table that all others by org are kept together with.
const FIRST: &str = "users";

/// The reason why a database was not distributed.
#[derive(Debug, thiserror::Error)]
pub enum DistributionError {
    /// It is plain Postgres.
    #[error(
        "the database has no extension citus: on the coordinator and on each worker load it (shared_preload_libraries \
         = 'citus'), run CREATE EXTENSION citus in this database, then on the coordinator \
         citus_set_coordinator_host and citus_add_node"
    )]
    NoExtension,
    /// Tables of the coordinator's own cannot be tied to those of all nodes.
    #[error(
        "the coordinator is not one of its cluster's nodes: run SELECT citus_set_coordinator_host('its address', its \
         port), so that workers find it"
    )]
    NoCoordinator,
    /// There is nobody to distribute to.
    #[error(
        "the cluster has no worker: run SELECT citus_add_node('its address', its port) for each, on the coordinator"
    )]
    NoWorker,
    /// A table is not where this version puts it.
    #[error(
        "{table} is {found} and this version has it {wanted}: undistribute it first (undistribute_table)"
    )]
    PlacedOtherwise {
        /// Its name.
        table: &'static str,
        /// Its place.
        found: String,
        /// The place that it should have.
        wanted: &'static str,
    },
    /// The database refused.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// What was done to a table.
#[derive(Debug, Serialize)]
pub struct Placed {
    /// Its name.
    pub table: &'static str,
    /// Where it is.
    pub placement: Placement,
    /// `false` where it was there already.
    pub is_new: bool,
    /// The reason for the place.
    pub why: &'static str,
}

impl Placement {
    /// The words for it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Reference => "on every node",
            Self::ByOrg => "distributed by org",
            Self::Coordinator => "on the coordinator",
        }
    }
}

impl Serialize for Placement {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Reference => "reference",
            Self::ByOrg => "distributed",
            Self::Coordinator => "coordinator",
        })
    }
}

impl Db {
    /// Places every table on the nodes of the database's Citus cluster; twice changes nothing. All or nothing, and what
    /// is in the tables goes with them. Nobody else should use them meanwhile.
    ///
    /// # Errors
    /// When there is no such cluster, or the database refuses.
    pub async fn distribute(&self) -> Result<Vec<Placed>, DistributionError> {
        let mut connection = self.direct.connect().await?;
        session::set_up(&mut connection, Purpose::Session).await?;
        check(&mut connection).await?;
        let mut tx = connection.begin().await?;
        // One node after the other: rows of distributed tables refer to those that are everywhere. Of triggers there
        // is the audit log's, which is as good on a worker.
        run(&mut tx, "SET LOCAL citus.multi_shard_modify_mode TO 'sequential'").await?;
        run(&mut tx, "SET LOCAL citus.enable_unsafe_triggers TO on").await?;
        let mut done = Vec::with_capacity(TABLES.len());
        for table in TABLES {
            done.push(put(&mut tx, table).await?);
        }
        // Whatever refers to another table goes before it.
        let moved = |it: &&Placed| it.is_new && it.placement != Placement::Coordinator;
        for table in done.iter().rev().filter(moved) {
            forget_here(&mut tx, table.table).await?;
        }
        tx.commit().await?;
        let _ = connection.close().await;
        Ok(done)
    }

    /// Returns `true` if the tables are distributed; asked until it is known.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn is_distributed(&self) -> Result<bool, sqlx::Error> {
        if let Some(is_distributed) = self.distributed.get() {
            return Ok(*is_distributed);
        }
        // Nobody waits for another's question, which may be one of his own that he does not drive any more.
        let asked = async {
            let mut connection = self.lookups.acquire().await?;
            is_distributed(&mut connection).await
        };
        let answer = tokio::time::timeout(LOOKUP_TIMEOUT, asked).await;
        let is_distributed = answer.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
        Ok(*self.distributed.get_or_init(|| is_distributed))
    }
}

/// Returns `true` if the tables are distributed now.
pub(super) async fn is_distributed(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    Ok(has_extension(connection).await? && found(connection, FIRST).await? == Some(Placement::ByOrg))
}

async fn has_extension(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    // Of the catalogue, which every database has.
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'citus')")
        .fetch_one(connection)
        .await
}

async fn check(connection: &mut PgConnection) -> Result<(), DistributionError> {
    if !has_extension(connection).await? {
        return Err(DistributionError::NoExtension);
    }
    let nodes = sqlx::query(
        "SELECT coalesce(bool_or(groupid = 0), false) AS has_coordinator,
                coalesce(bool_or(groupid <> 0), false) AS has_worker
         FROM pg_catalog.pg_dist_node WHERE isactive",
    )
    .fetch_one(connection)
    .await?;
    if !nodes.try_get::<bool, _>("has_coordinator")? {
        return Err(DistributionError::NoCoordinator);
    }
    if !nodes.try_get::<bool, _>("has_worker")? {
        return Err(DistributionError::NoWorker);
    }
    Ok(())
}

/// Where a table is now; `None` for one that the coordinator alone knows.
async fn found(connection: &mut PgConnection, table: &str) -> Result<Option<Placement>, sqlx::Error> {
    let method: Option<String> = sqlx::query_scalar(
        "SELECT CASE WHEN partmethod = 'h' THEN 'distributed' WHEN repmodel = 't' THEN 'reference' ELSE 'local' END
         FROM pg_catalog.pg_dist_partition WHERE logicalrelid = to_regclass($1)",
    )
    .bind(table)
    .fetch_optional(connection)
    .await?;
    Ok(method.and_then(|method| match &*method {
        "distributed" => Some(Placement::ByOrg),
        "reference" => Some(Placement::Reference),
        // Known to the workers because it refers to a table that they have, and still where it was.
        _ => None,
    }))
}

/// Puts a table in its place, if it is not there.
async fn put(tx: &mut PgConnection, table: &TablePlace) -> Result<Placed, DistributionError> {
    let TablePlace { name, placement, why } = *table;
    let is = found(tx, name).await?.unwrap_or(Placement::Coordinator);
    let is_new = is != placement;
    if is_new {
        if is != Placement::Coordinator {
            let (found, wanted) = (is.text().to_owned(), placement.text());
            return Err(DistributionError::PlacedOtherwise { table: name, found, wanted });
        }
        match placement {
            Placement::Reference => run(tx, &format!("SELECT create_reference_table('{name}')")).await?,
            Placement::ByOrg => {
                // The rows of an org are on one worker, whatever their table.
                let with = if name == FIRST { "none" } else { FIRST };
                let made =
                    format!("SELECT create_distributed_table('{name}', 'org_id', colocate_with => '{with}')");
                run(tx, &made).await?;
            }
            Placement::Coordinator => {}
        }
    }
    Ok(Placed { table: name, placement, is_new, why })
}

/// Rows that were copied to the nodes are still where they were, unseen: without this a user that is purged later would
/// not be.
async fn forget_here(tx: &mut PgConnection, table: &str) -> Result<(), sqlx::Error> {
    // It refuses whoever empties it, which is right but for this once.
    let guard = if table == "audit_log" { Some("audit_log_append_only") } else { None };
    if let Some(guard) = guard {
        run(tx, &format!("ALTER TABLE {table} DISABLE TRIGGER {guard}")).await?;
    }
    run(tx, &format!("SELECT truncate_local_data_after_distributing_table('{table}')")).await?;
    if let Some(guard) = guard {
        run(tx, &format!("ALTER TABLE {table} ENABLE TRIGGER {guard}")).await?;
    }
    Ok(())
}

async fn run(connection: &mut PgConnection, statement: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(connection).await.map(drop)
}
