//! The service's own keys as they are stored, and their names: a key's name, and from its second
//! generation on the generation's number behind it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;

use super::{FAMILIES, Generation, KeyringError};
use crate::crypto::associated_data;
use crate::crypto::master::{MasterKeys, random};
use crate::crypto::secret::Secret;

/// The name of a generation.
#[must_use]
pub fn name(family: &str, number: i16) -> String {
    if number == 0 { family.to_owned() } else { format!("{family}_{number:06}") }
}

/// Every generation of each of [`FAMILIES`], newest first. `None` where one has none.
pub(super) async fn generations(
    db: impl PgExecutor<'_> + Copy,
    master: &MasterKeys,
) -> Result<Option<[Vec<Generation>; FAMILIES.len()]>, KeyringError> {
    let families = FAMILIES.map(str::to_owned);
    let rows = sqlx::query!(
        r#"
        SELECT name, sealed, created_at, regexp_replace(name, '_[0-9]{6}$', '') AS "family!",
               coalesce(substring(name FROM '_([0-9]{6})$'), '0')::smallint AS "number!"
        FROM service_keys WHERE regexp_replace(name, '_[0-9]{6}$', '') = ANY($1)
        ORDER BY 5 DESC
        "#,
        &families[..],
    )
    .fetch_all(db)
    .await?;
    let mut found: HashMap<String, Vec<Generation>> = HashMap::new();
    for row in rows {
        let secret = master.open(&associated_data::service_key(&row.name), &row.sealed)?;
        found.entry(row.family).or_default().push(Generation::new(row.number, row.created_at, secret));
    }
    let all = FAMILIES.map(|family| found.remove(family).unwrap_or_default());
    Ok(if all.iter().any(Vec::is_empty) { None } else { Some(all) })
}

/// The newest generation of a key.
pub(super) async fn generation(db: impl PgExecutor<'_>, family: &str) -> Result<Option<i16>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT max(coalesce(substring(name FROM '_([0-9]{6})$'), '0')::smallint)
           FROM service_keys WHERE regexp_replace(name, '_[0-9]{6}$', '') = $1"#,
        family
    )
    .fetch_one(db)
    .await
}

/// Adds a generation to a key.
///
/// # Errors
/// When the database cannot be asked, or there is that generation already.
pub async fn add(
    db: impl PgExecutor<'_>,
    master: &MasterKeys,
    family: &str,
    number: i16,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let (name, fresh) = (name(family, number), Secret::new(random::<32>()));
    sqlx::query!(
        "INSERT INTO service_keys (name, sealed, created_at) VALUES ($1, $2, $3)",
        name,
        master.seal(&associated_data::service_key(&name), fresh.expose()),
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn find(db: impl PgExecutor<'_> + Copy, name: &str) -> Result<Option<Vec<u8>>, sqlx::Error> {
    sqlx::query_scalar!("SELECT sealed FROM service_keys WHERE name = $1", name).fetch_optional(db).await
}

pub(super) async fn is_any(db: impl PgExecutor<'_> + Copy, prefix: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM service_keys WHERE starts_with(name, $1)) AS "exists!""#,
        prefix
    )
    .fetch_one(db)
    .await
}

pub(super) async fn forget(
    db: impl PgExecutor<'_> + Copy,
    prefix: &str,
    end: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"DELETE FROM service_keys WHERE starts_with(name, $1) AND name < $2 COLLATE "C""#,
        prefix,
        end
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The key of this name, sealed; made if there is none.
///
/// # Errors
/// When the database cannot be asked.
pub(super) async fn find_or_make(
    db: impl PgExecutor<'_> + Copy,
    name: &str,
    master: &MasterKeys,
) -> Result<Vec<u8>, sqlx::Error> {
    if let Some(sealed) = find(db, name).await? {
        return Ok(sealed);
    }
    let fresh = Secret::new(random::<32>());
    sqlx::query!(
        "INSERT INTO service_keys (name, sealed) VALUES ($1, $2) ON CONFLICT ON CONSTRAINT service_keys_pkey DO NOTHING",
        name,
        master.seal(&associated_data::service_key(name), fresh.expose()),
    )
    .execute(db)
    .await?;
    find(db, name).await?.ok_or(sqlx::Error::RowNotFound)
}

/// The salt under a master passphrase: random, made once, not secret.
///
/// # Errors
/// When the database cannot be asked.
pub async fn passphrase_salt(db: impl PgExecutor<'_> + Copy) -> Result<Vec<u8>, sqlx::Error> {
    sqlx::query!(
        "INSERT INTO passphrase_salt (salt) VALUES ($1) ON CONFLICT ON CONSTRAINT passphrase_salt_pkey DO NOTHING",
        &random::<16>()[..],
    )
    .execute(db)
    .await?;
    sqlx::query_scalar!("SELECT salt FROM passphrase_salt").fetch_one(db).await
}
