//! The embedded Postgres, as the environment configures it: its settings, and errors that name the
//! variable to set.

use std::path::{Path, PathBuf};

use embedded_postgres::{Blocked, Embedded, EmbeddedError, Settings};
use sqlx::postgres::PgConnectOptions;

use super::CliError;
use crate::config::Config;

/// Starts the cluster in `DATA_DIR`.
pub async fn start(config: &Config) -> Result<Embedded, CliError> {
    Embedded::start(&settings(config)).await.map_err(in_words)
}

/// The cluster of a running service on the same `DATA_DIR`, if there is one.
pub fn running(config: &Config) -> Option<PgConnectOptions> {
    embedded_postgres::running(&settings(config))
}

/// Returns `true` if a cluster was made in `DATA_DIR`.
pub fn exists(data_dir: &Path) -> bool {
    embedded_postgres::has_cluster(data_dir)
}

/// The directory of the binaries that the cluster would run from. Nothing is made or started.
pub fn look(config: &Config) -> Result<PathBuf, CliError> {
    embedded_postgres::look(&settings(config)).map_err(in_words)
}

/// Makes `DATA_DIR`, if the user that the cluster would run as can get to it.
pub fn make_data_dir(data_dir: &Path) -> Result<(), CliError> {
    embedded_postgres::try_way(data_dir)
        .and_then(|()| embedded_postgres::make_data_dir(data_dir))
        .map(drop)
        .map_err(in_words)
}

fn settings(config: &Config) -> Settings {
    Settings {
        name: "partner_api".to_owned(),
        data_dir: config.data_dir.clone(),
        pg_bin: config.pg_bin.clone(),
    }
}

/// The error, and the variables that answer it.
fn in_words(error: EmbeddedError) -> CliError {
    let set = match &error {
        EmbeddedError::NoBinaries { .. } => {
            "set PG_BIN to the directory that has them, or DATABASE_URL to use another database"
        }
        EmbeddedError::WrongVersion { .. }
        | EmbeddedError::Unreachable { blocked: Blocked::Binaries, .. } => "set PG_BIN to another directory",
        EmbeddedError::InUse { .. }
        | EmbeddedError::NotACluster { .. }
        | EmbeddedError::Unreachable { blocked: Blocked::DataDir, .. } => "set DATA_DIR to another directory",
        _ => return error.into(),
    };
    format!("{error} ({set})").into()
}
