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
    /// When you last proved that you hold the private half; null for never, and for a pair that was generated here.
    #[serde(serialize_with = "some_millis")]
    #[schema(required, example = "2026-11-21T08:00:00.000Z")]
    proven_utc: Option<DateTime<Utc>>,
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
            proven_utc: row.proven_at,
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

/// A question that only the private half answers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct PublicKeyChallenge {
    /// The key's id.
    pub unique_id: Uuid,
    /// An armored OpenPGP message or a compact JWE, whose text is the answer; or, for a key to which nothing is
    /// encrypted, a line of text to sign.
    pub challenge: String,
    /// Until when it can be answered.
    #[serde(serialize_with = "millis")]
    #[schema(example = "2026-11-21T08:10:00.000Z")]
    pub expires_utc: DateTime<Utc>,
}

/// A key that works.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct ProvenPublicKey {
    /// The key's id.
    pub unique_id: Uuid,
    /// When that was proven.
    #[serde(serialize_with = "millis")]
    #[schema(example = "2026-11-21T08:00:00.000Z")]
    pub proven_utc: DateTime<Utc>,
}

/// Instants here always have milliseconds (contract 9).
///
/// # Errors
/// As the serializer.
pub fn millis<S: Serializer>(instant: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&shown(*instant))
}

/// The same where there may be none.
///
/// # Errors
/// As the serializer.
pub fn some_millis<S: Serializer>(instant: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match instant {
        Some(instant) => millis(instant, serializer),
        None => serializer.serialize_none(),
    }
}

/// An instant as partners read it.
pub fn shown(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Millis, true)
}
