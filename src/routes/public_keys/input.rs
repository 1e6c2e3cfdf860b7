//! What the public key routes take.

use std::borrow::Cow;

use chrono::{DateTime, Months, SubsecRound as _, Utc};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::usage::{self, Usage};
use crate::error::Code;
use crate::http::input::{Body, Field, Input, Reader};
use crate::ids::parse_uuid;
use crate::public_keys::RefusalKind;
use crate::public_keys::accepted::{AcceptedKey, KeyType, Refusal, accept};
use crate::public_keys::generate::Length;

/// A key of 2048 bits, for the document.
const EXAMPLE_KEY: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAvMnVWt5cXDRkLhaNXF8S\n\
IG1lExlmJmaPrTaFuHfApAs+MdAl8kpJTWyoH3dM5fmZ5lCHpCTNlTL1dk8+k6yd\n\
jDcmGaMsGzN2X0gSXL1awGAF+ONkB4PMzyJcKE/fFg6/V+WOZcfKx1bgSHUv+ELa\n\
nrVOF9K9PkHV82mz//bGgBuU1ITuTRmsRG0l+c20UpU4P3QcZwhUaVoSGfGY9+Ur\n\
7C1zz7O2b0V2Nl4lG/qyY5EPGttNJSYEoPZfTRDUIfKp5Z0pMbesnHqe+HGI6NFN\n\
2DX8WeRKLaCt0utJrsL72xapwvvwpK87RU37zoYoAhM4VYAY++ZiZzz0U9iPy9f9\n\
NQIDAQAB\n\
-----END PUBLIC KEY-----\n\
";
/// Items a list of usages may have; folded, there are never more than five.
const MAX_USAGES: usize = 50;

/// Names a key.
#[derive(IntoParams)]
#[into_params(parameter_in = Path, rename_all = "PascalCase")]
pub struct PublicKeyPath {
    /// The key's `UniqueId`.
    #[param(value_type = Uuid, example = "0192f0c1-2345-7abc-8def-0123456789ab")]
    pub unique_id: Option<Uuid>,
}

impl Input for PublicKeyPath {
    const BODY: Body = Body::None;

    /// What is no UUID names no key: 404, as for one that does not exist.
    fn read(request: &mut Reader) -> Option<Self> {
        Some(Self { unique_id: parse_uuid(&request.path("UniqueId").looked_up()?) })
    }
}

/// Whose keys to list, and which.
#[derive(IntoParams)]
#[into_params(parameter_in = Path, rename_all = "PascalCase")]
pub struct OwnerPath {
    /// Your organisation's `key`.
    #[param(example = "acme")]
    pub owner_code: String,
}

impl Input for OwnerPath {
    const BODY: Body = Body::None;

    fn read(request: &mut Reader) -> Option<Self> {
        Some(Self { owner_code: request.path("OwnerCode").looked_up()? })
    }
}

/// Which keys to list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct KeyFilter {
    /// Also list keys that have expired or were deleted: of all keys the 1,000 registered last.
    #[param(default = false)]
    pub include_expired: bool,
}

impl Input for KeyFilter {
    const BODY: Body = Body::None;

    fn read(request: &mut Reader) -> Option<Self> {
        Some(Self { include_expired: request.query("includeExpired").boolean().unwrap_or(false) })
    }
}

/// A key to register.
#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub struct RegisterPublicKey {
    /// Your organisation's `key`.
    #[schema(example = "acme")]
    pub owner_code: String,
    /// What the key is for; duplicates are folded. A PGP key is for `Reports` and
    /// `CredentialsDownload`; `Unknown` stands alone.
    #[schema(value_type = Vec<Usage>, min_items = 1, max_items = 50, example = json!(["CredentialsDownload"]))]
    pub usage: Vec<Usage>,
    /// What kind of key it is.
    #[schema(value_type = KeyType, rename = "Type", example = "RSA")]
    #[expect(dead_code, reason = "judged while it is read; only its schema is used")]
    pub kind: KeyType,
    /// RSA: SubjectPublicKeyInfo or PKCS#1, as PEM or as bare base64 of the DER. PGP: one
    /// certificate, armored, or base64 of the binary or of the armor. Never a private key.
    #[schema(value_type = String, example = json!(EXAMPLE_KEY))]
    pub public_key: AcceptedKey,
    /// When the key ends: with an offset, in the future, at most three years ahead. A certificate
    /// must have a key to encrypt to that lives as long.
    #[schema(example = "2028-11-21T08:00:00.000Z")]
    pub expiration_utc: DateTime<Utc>,
    /// A name of yours for whatever uses the key.
    #[schema(max_length = 200, example = "billing")]
    pub related_client_id: Option<String>,
}

impl Input for RegisterPublicKey {
    const BODY: Body = Body::Required;
    const IS_HEAVY: bool = true;

    fn read(request: &mut Reader) -> Option<Self> {
        let now = request.now();
        let owner_code = request.body("OwnerCode").required().looked_up();
        let kind = request.body("Type").required().choice("must be RSA or PGP", KeyType::parse);
        let usage = usages(request, kind);
        let expiration_utc = expiration(request.body("ExpirationUtc"));
        let related_client_id = request.body("RelatedClientId").text(0..=200);
        let key = request.body("PublicKey").required();
        let public_key = match kind {
            Some(kind) => key.judged(|text| accept(kind, text, now, expiration_utc).map_err(refused)),
            // Without its type there is nothing to hold it to.
            None => key.judged(|_| Ok(None)).flatten(),
        };
        Some(Self {
            owner_code: owner_code?,
            usage: usage?,
            kind: kind?,
            public_key: public_key?,
            expiration_utc: expiration_utc?,
            related_client_id,
        })
    }
}

/// A pair to generate.
#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub struct GenerateKeyPair {
    /// Your organisation's `key`.
    #[schema(example = "acme")]
    pub owner_code: String,
    /// Only `RSA`: an OpenPGP key is made where its private half is used.
    #[schema(value_type = KeyType, rename = "Type", example = "RSA")]
    #[expect(dead_code, reason = "judged while it is read; only its schema is used")]
    pub kind: KeyType,
    /// What the pair is for; duplicates are folded. `Unknown` stands alone.
    #[schema(value_type = Vec<Usage>, min_items = 1, max_items = 50, example = json!(["MessageLevelEncryption"]))]
    pub usage: Vec<Usage>,
    /// Bits of the modulus: 2048, 3072 or 4096.
    #[schema(value_type = i64, example = 3072)]
    pub length: Length,
    /// When the key ends: with an offset, in the future, at most three years ahead.
    #[schema(example = "2028-11-21T08:00:00.000Z")]
    pub expiration_utc: DateTime<Utc>,
    /// A name of yours for whatever uses the key.
    #[schema(max_length = 200, example = "billing")]
    pub related_client_id: Option<String>,
}

impl Input for GenerateKeyPair {
    const BODY: Body = Body::Required;

    fn read(request: &mut Reader) -> Option<Self> {
        let owner_code = request.body("OwnerCode").required().looked_up();
        let only_rsa = |name: &str| KeyType::parse(name).filter(|kind| *kind == KeyType::Rsa);
        let kind = request.body("Type").required().choice("must be RSA", only_rsa);
        let usage = usages(request, kind);
        let bits = request.body("Length").required().integer(0..=i64::MAX);
        let length = bits.and_then(Length::from_bits);
        if bits.is_some() && length.is_none() {
            request.refuse("Length", "must be 2048, 3072 or 4096");
        }
        let expiration_utc = expiration(request.body("ExpirationUtc"));
        let related_client_id = request.body("RelatedClientId").text(0..=200);
        Some(Self {
            owner_code: owner_code?,
            kind: kind?,
            usage: usage?,
            length: length?,
            expiration_utc: expiration_utc?,
            related_client_id,
        })
    }
}

/// A key's new end.
#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub struct SetExpiration {
    /// When the key ends: with an offset, in the future, at most three years ahead.
    #[schema(example = "2028-11-21T08:00:00.000Z")]
    pub expiration_utc: DateTime<Utc>,
}

impl Input for SetExpiration {
    const BODY: Body = Body::Required;

    fn read(request: &mut Reader) -> Option<Self> {
        Some(Self { expiration_utc: expiration(request.body("ExpirationUtc"))? })
    }
}

fn expiration(field: Field<'_>) -> Option<DateTime<Utc>> {
    let end = field.required().future_within(Some(Months::new(36)), "must be at most 3 years ahead")?;
    // To the precision of replies, so that what is shown is what holds.
    Some(end.trunc_subsecs(3))
}

fn usages(request: &mut Reader, kind: Option<KeyType>) -> Option<Vec<Usage>> {
    const MSG: &str = "must hold only Unknown, Reports, Authentication, MessageLevelEncryption, \
                       CredentialsDownload and ResponseSignature";
    let sent = request.body("Usage").required();
    let usages = usage::folded(sent.list(1..=MAX_USAGES, |item| item.choice(MSG, Usage::parse))?);
    match usage::check(&usages, kind) {
        Ok(()) => Some(usages),
        Err(msg) => {
            request.refuse("Usage", msg);
            None
        }
    }
}

/// The code of a refusal: a key that is merely of no use has none of its own.
pub fn refused(refusal: Refusal) -> (Option<Code>, Cow<'static, str>) {
    let code = match refusal.kind {
        RefusalKind::Private => Some(Code::PrivateKey),
        RefusalKind::Weak => Some(Code::WeakKey),
        RefusalKind::Malformed | RefusalKind::Unusable => None,
    };
    (code, refusal.reason)
}
