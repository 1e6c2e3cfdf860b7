//! Which database a command works on: the operator's, the cluster of a running service, or a
//! cluster started for as long as the command runs.

use super::CliError;
use crate::config::Config;
use crate::db::Db;
use crate::db::embedded::{self, Embedded};

/// An open database, and the cluster under it if this process runs it.
pub struct Opened {
    pub db: Db,
    pub cluster: Option<Embedded>,
}

impl Opened {
    /// Connects; without `DATABASE_URL` starts the embedded cluster.
    pub async fn own(config: &Config) -> Result<Self, CliError> {
        if let Some(database) = &config.database {
            let db = Db::new(database.options.clone(), database.direct.clone(), config.max_connections);
            return Ok(Self { db, cluster: None });
        }
        let options = embedded::Options { data_dir: config.data_dir.clone(), pg_bin: config.pg_bin.clone() };
        let cluster = Embedded::start(&options).await?;
        Ok(Self {
            db: Db::new(cluster.connect_options(), None, config.max_connections),
            cluster: Some(cluster),
        })
    }

    /// The same, but joins the cluster of a running service if there is one.
    pub async fn shared(config: &Config) -> Result<Self, CliError> {
        if config.database.is_none()
            && let Some(options) = embedded::running(&config.data_dir)
        {
            return Ok(Self { db: Db::new(options, None, config.max_connections), cluster: None });
        }
        Self::own(config).await
    }

    /// Closes connections, and the cluster if this process started it.
    pub async fn close(self) {
        self.db.close().await;
        if let Some(cluster) = self.cluster {
            cluster.stop().await;
        }
    }
}

/// Runs `work` on a database whose schema is up to date (unless `MIGRATE_ON_START` says no).
pub async fn with_schema<T>(
    config: &Config,
    work: impl AsyncFnOnce(&Db) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let opened = Opened::shared(config).await?;
    let outcome = async {
        if config.migrate_on_start {
            opened.db.migrate().await?;
        }
        work(&opened.db).await
    }
    .await;
    opened.close().await;
    outcome
}

/// The `migrate` command.
pub async fn migrate(config: &Config) -> Result<(), CliError> {
    let opened = Opened::shared(config).await?;
    let outcome = opened.db.migrate().await;
    opened.close().await;
    outcome?;
    eprintln!("The schema is up to date.");
    Ok(())
}
