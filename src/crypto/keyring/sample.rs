//! The test that a master key is the one of a database, before anything is changed.

use sqlx::PgExecutor;

use super::super::associated_data;
use super::PEPPER;
use crate::crypto::master::{MasterKeys, OpenError};

/// Something that a database holds sealed, to try a master key on.
#[derive(Debug)]
pub struct SealedSample {
    /// A pepper, and its name.
    pepper: Option<(String, Vec<u8>)>,
    has_tenant_keys: bool,
    /// The salt under a master passphrase, if one was ever made.
    pub salt: Option<Vec<u8>>,
}

impl SealedSample {
    /// Checks that these keys are those of the database.
    ///
    /// # Errors
    /// That they are not, or that the database has lost what they would open.
    pub fn opens_with(&self, master: &MasterKeys) -> Result<(), OpenError> {
        match &self.pepper {
            Some((name, sealed)) => master.open(&associated_data::service_key(name), sealed).map(drop),
            None if self.has_tenant_keys => Err(OpenError::Damaged),
            None => Ok(()),
        }
    }
}

/// Reads what there is to try a master key on; `None` before the first migration. Changes nothing.
///
/// # Errors
/// When the database cannot be asked.
pub async fn sealed_sample(db: impl PgExecutor<'_> + Copy) -> Result<Option<SealedSample>, sqlx::Error> {
    // Not checked at compile time: there may be no tables yet, or those of an older version.
    let tables: Vec<bool> = sqlx::query_scalar(
        "SELECT to_regclass(name) IS NOT NULL
         FROM unnest(ARRAY['service_keys', 'tenant_keys', 'passphrase_salt']) WITH ORDINALITY AS wanted (name, n)
         ORDER BY n",
    )
    .fetch_all(db)
    .await?;
    let [true, has_tenant_keys, has_salt] = tables[..] else { return Ok(None) };
    // The newest: the first may have been retired.
    let pepper = sqlx::query_as(
        "SELECT name, sealed FROM service_keys WHERE regexp_replace(name, '_[0-9]{6}$', '') = $1
         ORDER BY name DESC LIMIT 1",
    );
    let pepper = pepper.bind(PEPPER).fetch_optional(db).await?;
    let has_tenant_keys = has_tenant_keys
        && sqlx::query_scalar("SELECT EXISTS (SELECT FROM tenant_keys)").fetch_one(db).await?;
    let salt = match has_salt {
        true => sqlx::query_scalar("SELECT salt FROM passphrase_salt").fetch_optional(db).await?,
        false => None,
    };
    Ok(Some(SealedSample { pepper, has_tenant_keys, salt }))
}
