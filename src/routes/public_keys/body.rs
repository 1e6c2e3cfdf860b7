//! The input of the public key routes, as the document describes it: which usages go with which
//! type, and which together, so that tools do not send what is always refused. Read by
//! [`RegisterPublicKey`](super::input::RegisterPublicKey) and
//! [`GenerateKeyPair`](super::input::GenerateKeyPair).
//!
//! No example is a key: whoever registered it unedited would have secrets encrypted to a stranger.

use chrono::{DateTime, Utc};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::input::MAX_USAGES;

/// A key to register: RSA for every usage, OpenPGP where something is encrypted to be read later.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(as = RegisterPublicKey, discriminator(property_name = "Type", mapping(
    ("RSA" = "#/components/schemas/RegisterRsaKey"),
    ("PGP" = "#/components/schemas/RegisterPgpKey"),
)))]
#[expect(dead_code, reason = "only its schema is used")]
pub enum RegisterPublicKeyBody {
    Rsa(RegisterRsaKey),
    Pgp(RegisterPgpKey),
}

/// An RSA key to register.
#[derive(ToSchema)]
#[schema(rename_all = "PascalCase", example = json!({
    "ExpirationUtc": "2028-11-21T08:00:00.000Z",
    "OwnerCode": "demo",
    "PublicKey": "-----BEGIN PUBLIC KEY-----\n<your key in base64>\n-----END PUBLIC KEY-----\n",
    "Type": "RSA",
    "Usage": ["CredentialsDownload"],
}))]
#[expect(dead_code, reason = "only its schema is used")]
pub struct RegisterRsaKey {
    /// Your organisation's `key`.
    #[schema(example = "demo")]
    owner_code: String,
    /// What the key is for.
    usage: RsaUsages,
    #[schema(inline)]
    r#type: OnlyRsa,
    /// SubjectPublicKeyInfo or PKCS#1, as PEM or as bare base64 of the DER. Never a private key.
    public_key: String,
    /// When the key ends: with an offset, in the future, at most three years ahead.
    #[schema(example = "2028-11-21T08:00:00.000Z")]
    expiration_utc: DateTime<Utc>,
    /// A name of yours for whatever uses the key.
    #[schema(max_length = 200, example = "billing")]
    related_client_id: Option<String>,
}

/// An OpenPGP certificate to register.
#[derive(ToSchema)]
#[schema(rename_all = "PascalCase", example = json!({
    "ExpirationUtc": "2028-11-21T08:00:00.000Z",
    "OwnerCode": "demo",
    "PublicKey":
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n<your certificate>\n-----END PGP PUBLIC KEY BLOCK-----\n",
    "Type": "PGP",
    "Usage": ["Reports"],
}))]
#[expect(dead_code, reason = "only its schema is used")]
pub struct RegisterPgpKey {
    /// Your organisation's `key`.
    #[schema(example = "demo")]
    owner_code: String,
    /// What the certificate is for; duplicates are folded.
    #[schema(min_items = 1, max_items = 50)]
    usage: Vec<PgpUsage>,
    #[schema(inline)]
    r#type: OnlyPgp,
    /// One certificate, armored, or base64 of the binary or of the armor. Never a private key.
    public_key: String,
    /// When the key ends: with an offset, in the future, at most three years ahead. The certificate
    /// must have a key to encrypt to that lives as long.
    #[schema(example = "2028-11-21T08:00:00.000Z")]
    expiration_utc: DateTime<Utc>,
    /// A name of yours for whatever uses the key.
    #[schema(max_length = 200, example = "billing")]
    related_client_id: Option<String>,
}

/// A pair to generate: its private half stays here.
#[derive(ToSchema)]
#[schema(as = GenerateKeyPair, rename_all = "PascalCase", example = json!({
    "ExpirationUtc": "2028-11-21T08:00:00.000Z",
    "Length": 3072,
    "OwnerCode": "demo",
    "Type": "RSA",
    "Usage": ["MessageLevelEncryption"],
}))]
#[expect(dead_code, reason = "only its schema is used")]
pub struct GenerateKeyPairBody {
    /// Your organisation's `key`.
    #[schema(example = "demo")]
    owner_code: String,
    #[schema(inline)]
    r#type: OnlyRsa,
    /// What the pair is for.
    usage: RsaUsages,
    /// Bits of the modulus.
    length: KeyLength,
    /// When the key ends: with an offset, in the future, at most three years ahead.
    #[schema(example = "2028-11-21T08:00:00.000Z")]
    expiration_utc: DateTime<Utc>,
    /// A name of yours for whatever uses the key.
    #[schema(max_length = 200, example = "billing")]
    related_client_id: Option<String>,
}

/// Usages of an RSA key.
struct RsaUsages;

impl PartialSchema for RsaUsages {
    fn schema() -> RefOr<Schema> {
        let some =
            |items: Ref| ArrayBuilder::new().items(items).min_items(Some(1)).max_items(Some(MAX_USAGES));
        OneOfBuilder::new()
            .item(some(Ref::from_schema_name(KnownUsage::name())))
            .item(some(Ref::from_schema_name(UnknownUsage::name())))
            .description(Some("Duplicates are folded. `Unknown` stands alone."))
            .into()
    }
}

impl ToSchema for RsaUsages {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((KnownUsage::name().into_owned(), KnownUsage::schema()));
        schemas.push((UnknownUsage::name().into_owned(), UnknownUsage::schema()));
    }
}

/// What we do with an RSA key.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
enum KnownUsage {
    Reports,
    Authentication,
    MessageLevelEncryption,
    CredentialsDownload,
    ResponseSignature,
}

/// Nothing in particular.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
enum UnknownUsage {
    Unknown,
}

/// What we do with an OpenPGP certificate.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
enum PgpUsage {
    Reports,
    CredentialsDownload,
}

/// What kind of key it is.
#[derive(ToSchema)]
#[schema(example = "RSA")]
#[expect(dead_code, reason = "only its schema is used")]
pub enum KeyType {
    #[schema(rename = "RSA")]
    Rsa,
    #[schema(rename = "PGP")]
    Pgp,
}

/// RSA. An OpenPGP pair cannot be generated here: it is made where its private half is used.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
enum OnlyRsa {
    #[schema(rename = "RSA")]
    Rsa,
}

/// The type of an OpenPGP certificate.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
enum OnlyPgp {
    #[schema(rename = "PGP")]
    Pgp,
}

/// Lengths on offer, in bits.
struct KeyLength;

impl PartialSchema for KeyLength {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Integer).enum_values(Some([2048, 3072, 4096])).into()
    }
}

impl ToSchema for KeyLength {}
