//! `reseal`: everything that is sealed is sealed again under the first master key, while the
//! service runs. Each value is a statement of its own that changes it only if it is still what
//! was read, so it can be stopped and run again at any time.

use serde_json::json;

use super::CliError;
use super::database::with_schema;
use super::output::Output;
use crate::config::Config;
use crate::crypto::keyring;
use crate::crypto::master::MasterKeys;
use crate::db::Db;
use crate::idempotency;
use crate::ids::OrgId;
use crate::routes::{public_keys, queues, signing_secrets};

/// Values a statement reads.
const BATCH: i64 = 500;

pub async fn run(config: &Config, check: bool, output: Output) -> Result<(), CliError> {
    with_schema(config, async |opened| {
        let (db, keys) = (&opened.db, opened.master_keys().await?);
        let resealed = if check { 0 } else { reseal(db, &keys).await? };
        let left = count_left(db, &keys).await?;
        let text = format!("Resealed {resealed}; {left} are still under another master key.");
        output.done(&json!({ "resealed": resealed, "left": left }), text)?;
        if left == 0 {
            Ok(())
        } else {
            Err(format!("{left} values are not under the first master key").into())
        }
    })
    .await
}

/// A sealed value and where it stands.
struct Sealed {
    table: &'static str,
    org_id: Option<OrgId>,
    name: String,
    place: Vec<u8>,
    sealed: Vec<u8>,
}

async fn reseal(db: &Db, keys: &MasterKeys) -> Result<u64, CliError> {
    let mut resealed = 0;
    loop {
        let stale = stale(db, keys).await?;
        let mut changed = 0;
        for value in &stale {
            let what = || format!("{} {}", value.table, value.name);
            let secret =
                keys.open(&value.place, &value.sealed).map_err(|error| format!("{}: {error}", what()))?;
            changed += write(db, value, keys.seal(&value.place, secret.expose())).await?;
        }
        resealed += changed;
        if changed == 0 {
            return Ok(resealed);
        }
    }
}

/// Some of what is not under the first master key.
async fn stale(db: &Db, keys: &MasterKeys) -> Result<Vec<Sealed>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        SELECT 'service_keys' AS "table!", NULL::uuid AS org_id, name AS "name!", sealed AS "sealed!"
        FROM service_keys WHERE NOT starts_with(encode(sealed, 'hex'), $1)
        UNION ALL
        SELECT 'signing_secrets', org_id, id::text, sealed
        FROM signing_secrets WHERE NOT starts_with(encode(sealed, 'hex'), $1)
        UNION ALL
        SELECT 'event_queues', org_id, stream, sealed
        FROM event_queues WHERE NOT starts_with(encode(sealed, 'hex'), $1)
        UNION ALL
        SELECT 'public_keys', org_id, unique_id::text, sealed
        FROM public_keys WHERE NOT starts_with(encode(sealed, 'hex'), $1)
        UNION ALL
        SELECT 'idempotency_keys', org_id, encode(scope, 'hex'), sealed
        FROM idempotency_keys WHERE NOT starts_with(encode(sealed, 'hex'), $1)
        LIMIT $2
        "#,
        current(keys),
        BATCH,
    )
    .fetch_all(&db.pool)
    .await?;
    let value = |table: &str, org_id: Option<OrgId>, name: String, sealed| match (table, org_id) {
        ("signing_secrets", Some(org)) => {
            let id = name.parse().unwrap_or_default();
            Sealed { table: "signing_secrets", org_id, place: signing_secrets::place(org, id), name, sealed }
        }
        ("public_keys", Some(org)) => {
            let id = name.parse().unwrap_or_default();
            Sealed { table: "public_keys", org_id, place: public_keys::change::place(org, id), name, sealed }
        }
        ("idempotency_keys", Some(org)) => {
            let scope = hex::decode(&name).unwrap_or_default();
            Sealed { table: "idempotency_keys", org_id, place: idempotency::place(org, &scope), name, sealed }
        }
        ("event_queues", Some(org)) => {
            Sealed { table: "event_queues", org_id, place: queues::settings::place(org, &name), name, sealed }
        }
        _ => Sealed { table: "service_keys", org_id: None, place: keyring::place(&name), name, sealed },
    };
    Ok(rows.into_iter().map(|row| value(&row.table, row.org_id.map(OrgId), row.name, row.sealed)).collect())
}

async fn write(db: &Db, value: &Sealed, sealed: Vec<u8>) -> Result<u64, sqlx::Error> {
    let org_id = value.org_id.map(|org_id| org_id.0);
    let (pool, name, old) = (&db.pool, &value.name, &value.sealed);
    let done = match value.table {
        "signing_secrets" => {
            sqlx::query!(
                "UPDATE signing_secrets SET sealed = $4 WHERE org_id = $1 AND id::text = $2 AND sealed = $3",
                org_id,
                name,
                old,
                sealed
            )
            .execute(pool)
            .await
        }
        "public_keys" => sqlx::query!(
            "UPDATE public_keys SET sealed = $4 WHERE org_id = $1 AND unique_id::text = $2 AND sealed = $3",
            org_id,
            name,
            old,
            sealed
        )
        .execute(pool)
        .await,
        "idempotency_keys" => sqlx::query!(
            "UPDATE idempotency_keys SET sealed = $4 WHERE org_id = $1 AND scope = decode($2, 'hex') AND sealed = $3",
            org_id,
            name,
            old,
            sealed
        )
        .execute(pool)
        .await,
        "event_queues" => {
            sqlx::query!(
                "UPDATE event_queues SET sealed = $4 WHERE org_id = $1 AND stream = $2 AND sealed = $3",
                org_id,
                name,
                old,
                sealed
            )
            .execute(pool)
            .await
        }
        _ => {
            sqlx::query!(
                "UPDATE service_keys SET sealed = $3 WHERE name = $1 AND sealed = $2",
                name,
                old,
                sealed
            )
            .execute(pool)
            .await
        }
    };
    Ok(done?.rows_affected())
}

async fn count_left(db: &Db, keys: &MasterKeys) -> Result<i64, sqlx::Error> {
    let replies = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM idempotency_keys WHERE NOT starts_with(encode(sealed, 'hex'), $1)"#,
        current(keys),
    )
    .fetch_one(&db.pool)
    .await?;
    Ok(replies + count_lasting(db, keys).await?)
}

/// How many values are not under the first master key, but for stored replies, which are many and
/// gone within minutes.
///
/// # Errors
/// When the database cannot be asked.
pub async fn count_lasting(db: &Db, keys: &MasterKeys) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        SELECT count(*) AS "count!" FROM (
            SELECT sealed FROM service_keys
            UNION ALL SELECT sealed FROM signing_secrets WHERE sealed IS NOT NULL
            UNION ALL SELECT sealed FROM event_queues WHERE sealed IS NOT NULL
            UNION ALL SELECT sealed FROM public_keys WHERE sealed IS NOT NULL
        ) AS every WHERE NOT starts_with(encode(sealed, 'hex'), $1)
        "#,
        current(keys),
    )
    .fetch_one(&db.pool)
    .await
}

/// How everything starts that the first master key sealed.
fn current(keys: &MasterKeys) -> String {
    hex::encode(keys.current_header())
}
