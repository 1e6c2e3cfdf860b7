//! The database that a command works on: the operator's, the cluster of a running service, or a
//! cluster started for as long as the command runs. What is wrong with it, or with the master key,
//! is found out before anything is changed.

use embedded_postgres::Embedded;

use super::master::Master;
use super::output::{Output, note};
use super::{CliError, cluster};
use crate::config::Config;
use crate::crypto::keyring::Keyring;
use crate::crypto::master::MasterKeys;
use crate::db::connect::{CheckedDatabase, connect};
use crate::db::{DatabaseState, Db};

/// An open database, the master key to it, and the cluster under it if this process runs it.
pub struct OpenedDatabase {
    pub db: Db,
    pub cluster: Option<Embedded>,
    master: Master,
}

impl OpenedDatabase {
    /// Connects; without `DATABASE_URL` starts the embedded cluster. What needs no schema is
    /// checked.
    pub async fn own(config: &Config) -> Result<Self, CliError> {
        Self::open(config, Master::required(config)?, false).await
    }

    /// The same, but joins the cluster of a running service if there is one.
    pub async fn shared(config: &Config) -> Result<Self, CliError> {
        Self::open(config, Master::required(config)?, true).await
    }

    async fn open(config: &Config, master: Master, join: bool) -> Result<Self, CliError> {
        let mut own = None;
        let db = match &config.database {
            Some(database) => {
                let checked = connect("DATABASE_URL", database.options.clone()).await?;
                let direct = match &database.direct {
                    Some(direct) => Some(connect("DATABASE_DIRECT_URL", direct.clone()).await?.options),
                    None => None,
                };
                if direct.is_some() {
                    warn_about_settings(&checked);
                }
                Db::new(checked.options, direct, config.max_connections)
            }
            None => {
                let running = if join { cluster::running(config) } else { None };
                let options = match running {
                    Some(running) => running,
                    None => {
                        let started = cluster::start(config).await?;
                        own.insert(started).connect_options()
                    }
                };
                Db::new(options, None, config.max_connections)
            }
        };
        let opened = Self { db, cluster: own, master };
        match opened.master.check(&opened.db).await {
            Ok(()) => Ok(opened),
            Err(error) => {
                opened.close().await;
                Err(error)
            }
        }
    }

    /// Brings the schema up to date, unless `MIGRATE_ON_START` says no.
    pub async fn prepare(&self, config: &Config) -> Result<(), CliError> {
        if config.migrate_on_start { self.migrate().await } else { Ok(()) }
    }

    async fn migrate(&self) -> Result<(), CliError> {
        // A standby, or a server that takes no writes for a while, is no reason not to start.
        if let Ok(DatabaseState { pending_migrations: 0, is_read_only: true }) = self.db.state().await {
            return Ok(());
        }
        Ok(self.db.migrate().await?)
    }

    /// Opens the service's keys, or makes them if there are none yet.
    pub async fn keyring(&self) -> Result<Keyring, CliError> {
        Ok(Keyring::open(&self.db.pool, self.master_keys().await?).await?)
    }

    /// The configured master keys.
    pub async fn master_keys(&self) -> Result<MasterKeys, CliError> {
        self.master.keys(&self.db).await
    }

    /// Closes connections, and the cluster if this process started it.
    pub async fn close(self) {
        self.db.close().await;
        if let Some(cluster) = self.cluster {
            cluster.stop().await;
        }
    }
}

fn warn_about_settings(checked: &CheckedDatabase) {
    if !checked.unfit.is_empty() {
        let user = checked.options.get_username();
        let lines: Vec<_> =
            checked.unfit.iter().map(|setting| format!("ALTER ROLE \"{user}\" SET {setting};")).collect();
        note(format!(
            "partner-api: DATABASE_DIRECT_URL says that there is a pooler. In transaction mode it does not keep what \
             the service sets on its connections; then run: {}",
            lines.join(" ")
        ));
    }
}

/// Runs `work` on a database whose schema is up to date (unless `MIGRATE_ON_START` says no).
pub async fn with_schema<T>(
    config: &Config,
    work: impl AsyncFnOnce(&OpenedDatabase) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let opened = OpenedDatabase::shared(config).await?;
    let outcome = async {
        opened.prepare(config).await?;
        work(&opened).await
    }
    .await;
    opened.close().await;
    outcome
}

/// Opens the database for a command that needs no master key, because it seals and opens nothing.
pub async fn without_keys(config: &Config) -> Result<OpenedDatabase, CliError> {
    OpenedDatabase::open(config, Master::find(config)?, true).await
}

/// The `migrate` command.
pub async fn migrate(config: &Config, output: Output) -> Result<(), CliError> {
    let opened = without_keys(config).await?;
    let outcome = async {
        opened.db.migrate().await?;
        Ok::<_, CliError>(opened.db.pending_migrations().await?)
    }
    .await;
    opened.close().await;
    let pending = outcome?;
    output.done(&serde_json::json!({ "pending_migrations": pending }), "The schema is up to date.")
}
