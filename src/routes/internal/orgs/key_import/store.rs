//! The SQL of imports.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::input::ImportKeys;
use crate::crypto::associated_data;
use crate::crypto::keyring::{Hashed, Keyring};
use crate::db::announcements;
use crate::db::news::KEY_PATTERNS;
use crate::ids::{OrgId, new_row_id};

/// Forms of imported keys in all: each costs whatever has it a hash.
const MAX_PATTERNS: i64 = 32;
/// Secrets of forms are no org's.
const NOBODY: OrgId = OrgId(Uuid::nil());

/// Lets one import run at a time.
pub async fn lock(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("LOCK TABLE key_patterns IN SHARE ROW EXCLUSIVE MODE").execute(db).await?;
    Ok(())
}

/// The id of the form with this secret, made if it is new; `None` where there are too many.
pub async fn pattern(
    db: &mut PgConnection,
    keyring: &Keyring,
    wanted: &ImportKeys,
    now: DateTime<Utc>,
) -> Result<Option<Uuid>, sqlx::Error> {
    let (pattern, id) = (&wanted.pattern, new_row_id());
    let (length, alphabet) = (i16::try_from(pattern.length()).unwrap_or(i16::MAX), pattern.alphabet().name());
    let fingerprint = wanted
        .hmac_secret
        .as_ref()
        .and_then(|secret| keyring.fingerprints(NOBODY, secret).first().map(|print| print.to_vec()));
    let sealed = wanted
        .hmac_secret
        .as_ref()
        .map(|secret| keyring.master.seal(&associated_data::key_pattern(id), secret.expose()));
    let row = sqlx::query_scalar!(
        "INSERT INTO key_patterns (id, prefix, length, alphabet, fingerprint, sealed, created_at, imported_at)
         SELECT $1, $2, $3, $4, $5, $6, $7, $7
         WHERE (SELECT count(*) FROM key_patterns) < $8 OR EXISTS (
             SELECT FROM key_patterns WHERE prefix = $2 AND length = $3 AND alphabet = $4 AND fingerprint = $5)
         ON CONFLICT ON CONSTRAINT key_patterns_form_unique DO UPDATE SET imported_at = excluded.imported_at
         RETURNING id",
        id,
        pattern.prefix(),
        length,
        alphabet,
        fingerprint.unwrap_or_default(),
        sealed.as_deref(),
        now,
        MAX_PATTERNS,
    );
    row.fetch_optional(db).await
}

/// Returns `true` if a hash is any key's, of whatever org.
pub async fn is_known(db: &mut PgConnection, hashes: &[Hashed]) -> Result<bool, sqlx::Error> {
    let digests: Vec<&[u8]> = hashes.iter().map(|hashed| &hashed.digest[..]).collect();
    let known = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM tenant_keys WHERE digest = ANY($1::bytea[])) AS "known!""#,
        &digests as &[&[u8]],
    );
    known.fetch_one(db).await
}

/// Has every replica look at the forms again.
pub async fn announce(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    announcements::announce(db, KEY_PATTERNS).await
}
