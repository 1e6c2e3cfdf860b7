//! The input of the public key routes; how the document describes the larger bodies is in
//! [`body`](super::body).

use std::borrow::Cow;

use chrono::{DateTime, Months, SubsecRound as _, Utc};
use public_keys::RefusalKind;
use public_keys::accepted::{AcceptedKey, KeyType, Refusal, accept};
use public_keys::generate::Length;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::usage::{self, Usage};
use crate::error::Code;
use crate::http::input::{Body, Field, Input, Reader};
use crate::http::paging::CursorPosition;
use crate::ids::parse_uuid;

/// Items a list of usages may have; folded, there are never more than five.
pub const MAX_USAGES: usize = 50;

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

    /// Reads the id. What is no UUID names no key: 404, as for one that does not exist.
    fn read(request: &mut Reader) -> Option<Self> {
        Some(Self { unique_id: parse_uuid(&request.path("UniqueId").looked_up()?) })
    }
}

/// Whose keys to list, and which.
#[derive(IntoParams)]
#[into_params(parameter_in = Path, rename_all = "PascalCase")]
pub struct OwnerPath {
    /// Your organisation's `key`.
    #[param(example = "demo")]
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
pub struct PublicKeyFilter {
    /// Also list keys that have expired or were deleted.
    #[param(default = false, required = false)]
    pub include_expired: bool,
    /// Where the page starts: empty or absent for the start of the list, then each reply's `Next`.
    /// Opaque.
    #[param(value_type = Option<String>)]
    pub next: Option<CursorPosition>,
}

impl Input for PublicKeyFilter {
    const BODY: Body = Body::None;

    fn read(request: &mut Reader) -> Option<Self> {
        let include_expired = request.query("includeExpired").boolean().unwrap_or(false);
        let position = |text: &str| {
            CursorPosition::decode(text).map_err(|_| "must be empty, or Next of the page before")
        };
        Some(Self { include_expired, next: request.query("next").decoded(position) })
    }
}

/// A key to register, judged.
pub struct RegisterPublicKey {
    pub owner_code: String,
    pub usage: Vec<Usage>,
    pub public_key: AcceptedKey,
    pub expiration_utc: DateTime<Utc>,
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
            public_key: public_key?,
            expiration_utc: expiration_utc?,
            related_client_id,
        })
    }
}

/// A pair to generate.
pub struct GenerateKeyPair {
    pub owner_code: String,
    pub usage: Vec<Usage>,
    pub length: Length,
    pub expiration_utc: DateTime<Utc>,
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
        kind?;
        Some(Self {
            owner_code: owner_code?,
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
