//! The replies of the public key routes. No type here has a field for a private half.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use uuid::Uuid;

use super::store::Row;

/// A registered key.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct RegisteredPublicKey {
    /// The key's id.
    pub unique_id: Uuid,
}

/// A key as it is shown.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct PublicKeyEntry {
    /// The organisation's `key`.
    #[schema(example = "acme")]
    owner_code: String,
    /// In canonical form: SPKI PEM, or an armored certificate without third-party signatures.
    public_key: String,
    /// The key's id.
    unique_id: Uuid,
    /// What it is for.
    #[schema(value_type = Vec<super::usage::Usage>)]
    usage: Vec<String>,
    /// What kind of key it is.
    #[serde(rename = "Type")]
    #[schema(value_type = super::body::KeyType)]
    kind: String,
    /// When it ends, or ended.
    #[serde(serialize_with = "millis")]
    #[schema(example = "2028-11-21T08:00:00.000Z")]
    expiration_utc: DateTime<Utc>,
    /// A name of yours.
    #[schema(required, example = "billing")]
    related_client_id: Option<String>,
    /// Whether the pair was generated here, and its private half stayed.
    has_private_key: bool,
    /// RSA: SHA-256 of the SubjectPublicKeyInfo in lower-case hex. PGP: OpenPGP's own in upper-case hex.
    fingerprint: String,
    /// For people.
    #[schema(example = "RSA-3072")]
    algorithm: String,
}

impl PublicKeyEntry {
    /// The entry for a row.
    pub fn of(owner_code: &str, row: Row) -> Self {
        Self {
            owner_code: owner_code.to_owned(),
            public_key: row.public_key,
            unique_id: row.unique_id,
            usage: row.usages,
            kind: row.kind,
            expiration_utc: row.expires_at,
            related_client_id: row.related_client_id,
            has_private_key: row.has_private_key,
            fingerprint: row.fingerprint,
            algorithm: row.algorithm,
        }
    }
}

/// An organisation's keys.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct PublicKeyList {
    /// Oldest first: at most 100, and fewer where their `PublicKey`s have more than 1 MiB together.
    pub items: Vec<PublicKeyEntry>,
    /// The next page's `next`; null on the last one.
    #[schema(required)]
    pub next: Option<String>,
}

/// A key's new end.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct PublicKeyExpiration {
    /// The key's id.
    pub unique_id: Uuid,
    /// When it ends.
    #[serde(serialize_with = "millis")]
    #[schema(example = "2028-11-21T08:00:00.000Z")]
    pub expiration_utc: DateTime<Utc>,
}

/// A pair that was generated here.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct GeneratedKeyPair {
    /// The key's id.
    pub unique_id: Uuid,
    /// The public half: SPKI PEM.
    pub key: String,
    /// When it ends.
    #[serde(serialize_with = "millis")]
    #[schema(example = "2028-11-21T08:00:00.000Z")]
    pub expiration_utc: DateTime<Utc>,
    /// For people.
    #[schema(example = "RSA-3072")]
    pub algorithm: String,
}

/// Instants here always have milliseconds (contract 9).
fn millis<S: Serializer>(instant: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&instant.to_rfc3339_opts(SecondsFormat::Millis, true))
}
