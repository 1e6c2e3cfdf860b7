//! The SQL of `partner-api reseal`: everything that is sealed is sealed again under the first master key,
//! while the service runs. Each value is a statement of its own that changes it only if it is still what
//! was read, so it can be stopped and run again at any time.

use sqlx::PgExecutor;

use super::associated_data;
use super::master::{MasterKeys, OpenError};
use crate::ids::OrgId;

/// Values a statement reads.
const BATCH: i64 = 500;

/// The reasons why not everything could be sealed again.
#[derive(Debug, thiserror::Error)]
pub enum ResealError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// No master key opens a value.
    #[error("{table} {name}: {error}")]
    Unopened {
        /// The table that holds it.
        table: String,
        /// Its row.
        name: String,
        /// The reason why it does not open.
        error: OpenError,
    },
}

/// A sealed value and where it stands.
struct SealedValue {
    table: String,
    /// None of the service's own keys.
    org_id: Option<OrgId>,
    /// The row's name in its org, as text.
    name: String,
    sealed: Vec<u8>,
}

impl SealedValue {
    fn associated_data(&self) -> Vec<u8> {
        match self.org_id {
            Some(org_id) => associated_data::row(&self.table, org_id, &self.name),
            None => associated_data::service_key(&self.name),
        }
    }
}

/// Seals everything again under the first master key; gives how many values were.
///
/// # Errors
/// Names the value that no master key opens.
pub async fn reseal(db: impl PgExecutor<'_> + Copy, keys: &MasterKeys) -> Result<u64, ResealError> {
    let mut resealed = 0;
    loop {
        let stale = stale(db, keys).await?;
        let mut changed = 0;
        for value in &stale {
            let associated_data = value.associated_data();
            let secret = keys.open(&associated_data, &value.sealed).map_err(|error| {
                ResealError::Unopened { table: value.table.clone(), name: value.name.clone(), error }
            })?;
            changed += write(db, value, keys.seal(&associated_data, secret.expose())).await?;
        }
        resealed += changed;
        if changed == 0 {
            return Ok(resealed);
        }
    }
}

/// Some of what is not under the first master key.
async fn stale(db: impl PgExecutor<'_> + Copy, keys: &MasterKeys) -> Result<Vec<SealedValue>, sqlx::Error> {
    sqlx::query_as!(
        SealedValue,
        r#"
        SELECT 'service_keys' AS "table!", NULL::uuid AS "org_id: OrgId", name AS "name!", sealed AS "sealed!"
        FROM service_keys WHERE NOT starts_with(encode(sealed, 'hex'), $1)
        UNION ALL
        SELECT 'key_patterns', NULL::uuid, 'key_patterns/' || id, sealed
        FROM key_patterns WHERE NOT starts_with(encode(sealed, 'hex'), $1)
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
    .fetch_all(db)
    .await
}

async fn write(pool: impl PgExecutor<'_>, value: &SealedValue, sealed: Vec<u8>) -> Result<u64, sqlx::Error> {
    let org_id = value.org_id.map(|org_id| org_id.0);
    let (name, old) = (&value.name, &value.sealed);
    let done = match value.table.as_str() {
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
        "key_patterns" => {
            sqlx::query!(
                "UPDATE key_patterns SET sealed = $3 WHERE 'key_patterns/' || id = $1 AND sealed = $2",
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

/// Counts the values that are not under the first master key.
///
/// # Errors
/// When the database cannot be asked.
pub async fn count_left(db: impl PgExecutor<'_> + Copy, keys: &MasterKeys) -> Result<i64, sqlx::Error> {
    let replies = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM idempotency_keys WHERE NOT starts_with(encode(sealed, 'hex'), $1)"#,
        current(keys),
    )
    .fetch_one(db)
    .await?;
    Ok(replies + count_lasting(db, keys).await?)
}

/// Counts the values that are not under the first master key, but for stored replies, which are
/// many and gone within minutes.
///
/// # Errors
/// When the database cannot be asked.
pub async fn count_lasting(db: impl PgExecutor<'_> + Copy, keys: &MasterKeys) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        SELECT count(*) AS "count!" FROM (
            SELECT sealed FROM service_keys
            UNION ALL SELECT sealed FROM key_patterns WHERE sealed IS NOT NULL
            UNION ALL SELECT sealed FROM signing_secrets WHERE sealed IS NOT NULL
            UNION ALL SELECT sealed FROM event_queues WHERE sealed IS NOT NULL
            UNION ALL SELECT sealed FROM public_keys WHERE sealed IS NOT NULL
        ) AS every WHERE NOT starts_with(encode(sealed, 'hex'), $1)
        "#,
        current(keys),
    )
    .fetch_one(db)
    .await
}

/// The prefix of everything that the first master key sealed.
fn current(keys: &MasterKeys) -> String {
    hex::encode(keys.current_header())
}
