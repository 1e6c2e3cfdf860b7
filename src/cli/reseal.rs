//! `reseal`: everything that is sealed is sealed again under the first master key, while the
//! service runs. Each value is a statement of its own that changes it only if it is still what
//! was read, so it can be stopped and run again at any time.

use serde_json::json;

use super::{CliError, database, master};
use crate::config::Config;
use crate::crypto::keyring;
use crate::crypto::master::MasterKeys;
use crate::db::Db;

pub async fn run(config: &Config, check: bool, json: bool) -> Result<(), CliError> {
    database::with_schema(config, async |db| {
        let keys = master::master_keys(config, db).await?;
        let resealed = if check { 0 } else { service_keys(db, &keys).await? };
        let left = count_left(db, &keys).await?;
        if json {
            println!("{}", json!({ "resealed": resealed, "left": left }));
        } else {
            eprintln!("Resealed {resealed}; {left} are still under another master key.");
        }
        if left == 0 {
            Ok(())
        } else {
            Err(format!("{left} values are not under the first master key").into())
        }
    })
    .await
}

async fn service_keys(db: &Db, keys: &MasterKeys) -> Result<u64, CliError> {
    let stale = sqlx::query!(
        "SELECT name, sealed FROM service_keys WHERE NOT starts_with(encode(sealed, 'hex'), $1) ORDER BY name",
        current(keys),
    );
    let mut resealed = 0;
    for row in stale.fetch_all(&db.pool).await? {
        let place = keyring::place(&row.name);
        let secret =
            keys.open(&place, &row.sealed).map_err(|error| format!("service key {}: {error}", row.name))?;
        let sealed = keys.seal(&place, secret.expose());
        let update = sqlx::query!(
            "UPDATE service_keys SET sealed = $3 WHERE name = $1 AND sealed = $2",
            row.name,
            row.sealed,
            sealed,
        );
        resealed += update.execute(&db.pool).await?.rows_affected();
    }
    Ok(resealed)
}

async fn count_left(db: &Db, keys: &MasterKeys) -> Result<i64, CliError> {
    let left = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM service_keys WHERE NOT starts_with(encode(sealed, 'hex'), $1)"#,
        current(keys),
    );
    Ok(left.fetch_one(&db.pool).await?)
}

/// How everything starts that the first master key sealed.
fn current(keys: &MasterKeys) -> String {
    hex::encode(keys.current_header())
}
