//! What is said of keys that were made elsewhere.

use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use utoipa::ToSchema;

use crate::crypto::imported_key::{Alphabet, ForeignAlgorithm, ForeignHash, KeyPattern};
use crate::crypto::secret::Secret;
use crate::http::input::{Body, Field, Fields, Input, Reader};
use crate::identity::key_scopes::{KeyScope, KeyScopes};
use crate::routes::tenant_keys::rules::MAX_LIVE;

/// Characters of a secret.
const MAX_SECRET: usize = 1_024;
/// The fewest bytes of a secret that is worth the name.
const MIN_SECRET: usize = 16;
/// Characters after the pattern's prefix that lists may show.
const SHOWN: usize = 8;
const ENCODINGS: [&GeneralPurpose; 4] = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD];

/// Keys that an org had before, by the hashes that another system kept of them.
#[derive(Clone, Debug, ToSchema)]
#[schema(example = json!({
    "pattern": {"prefix": "sk_live_", "length": 32, "alphabet": "base62"},
    "keys": [{
        "name": "billing backend",
        "hash": {
            "algorithm": "sha256",
            "digest": "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683",
        },
        "expires_at": "2099-03-31T00:00:00Z",
    }],
}))]
pub struct ImportKeys {
    /// The form of the keys: what has another one is refused without a look-up.
    #[schema(value_type = ImportPattern)]
    pub pattern: KeyPattern,
    /// The secret under `hmac-sha256` hashes: as it is, or after `base64:` or `hex:`. It is stored sealed, and forgotten
    /// with the last key of this form.
    #[schema(value_type = Option<String>, format = Password, write_only, required = false, min_length = 16, max_length = 1024)]
    pub hmac_secret: Option<Secret<Vec<u8>>>,
    /// The keys.
    #[schema(value_type = Vec<ImportKey>, min_items = 1, max_items = 10)]
    pub keys: Vec<ImportKey>,
}

/// The form of keys: a prefix, and so many characters of an alphabet, which must allow 128 bits of randomness.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what is read into a `KeyPattern`")]
pub struct ImportPattern {
    /// What every key begins with: letters, digits, `_`, `-` and `.`, or nothing; not `pt_`.
    #[schema(max_length = 32, example = "sk_live_")]
    prefix: String,
    /// The number of characters after it.
    #[schema(minimum = 16, maximum = 128, example = 32)]
    length: u16,
    /// Which characters those are: `hex` (0-9a-f), `base32` (A-Z2-7), `base36` (0-9a-z), `base62` (0-9A-Za-z), `base64url`
    /// (0-9A-Za-z_-).
    #[schema(example = "base62")]
    alphabet: String,
}

/// A key that was made elsewhere.
#[derive(Clone, Debug, ToSchema)]
pub struct ImportKey {
    /// For people: where the key is used.
    #[schema(min_length = 1, max_length = 200, example = "billing backend")]
    pub name: String,
    /// What the other system kept of it.
    #[schema(value_type = ImportHash)]
    pub hash: ForeignHash,
    /// When it ends, at the latest: have it rotated until then.
    pub expires_at: DateTime<Utc>,
    /// When it was made; by default now.
    #[schema(required = false)]
    pub created_at: Option<DateTime<Utc>>,
    /// What it may do; by default everything (`*`).
    #[schema(value_type = KeyScopes, required = false)]
    pub scopes: KeyScopes,
    /// Its first characters, by which people know it: the pattern's prefix and at most 8 more.
    #[schema(value_type = Option<String>, required = false, example = "sk_live_4fZq")]
    pub prefix: Option<String>,
}

/// A hash of a key.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what is read into a `ForeignHash`")]
pub struct ImportHash {
    /// `sha256`, or `hmac-sha256`, which takes `hmac_secret`.
    #[schema(example = "sha256")]
    algorithm: String,
    /// Its 32 bytes, in hexadecimal or base64.
    #[schema(example = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683")]
    digest: String,
}

impl Input for ImportKeys {
    const BODY: Body = Body::Required;

    fn read(request: &mut Reader) -> Option<Self> {
        let (now, pattern) = (request.now(), read_pattern(request));
        let hmac_secret = request.body("hmac_secret").decoded(secret);
        let mut wrong = None;
        let keys = request
            .body("keys")
            .required()
            .list(1..=MAX_LIVE, |key| key.object(|key| read_key(key, now, &mut wrong)));
        if let Some(msg) = wrong {
            request.refuse("keys", msg);
            return None;
        }
        let (pattern, keys) = (pattern?, keys?);
        let takes_secret = keys.iter().any(|key| key.hash.algorithm == ForeignAlgorithm::HmacSha256);
        if takes_secret != hmac_secret.is_some() {
            request.refuse("hmac_secret", "goes with hashes of hmac-sha256, which cannot do without it");
            return None;
        }
        let is_part = |key: &ImportKey| key.prefix.as_ref().is_none_or(|shown| is_beginning(&pattern, shown));
        if !keys.iter().all(is_part) {
            request.refuse("keys", "prefix must be the pattern's prefix and at most 8 characters more");
            return None;
        }
        Some(Self { pattern, hmac_secret, keys })
    }
}

fn read_pattern(request: &mut Reader) -> Option<KeyPattern> {
    const ALPHABETS: &str = "must be hex, base32, base36, base62 or base64url";
    let [least, most] = KeyPattern::LENGTHS.map(i64::from);
    let (prefix, length, alphabet) = request.body("pattern").required().object(|pattern| {
        let prefix = pattern.field("prefix").decoded(|text| Ok(text.to_owned())).unwrap_or_default();
        let length = pattern.field("length").required().integer(least..=most);
        let alphabet = pattern.field("alphabet").required().choice(ALPHABETS, Alphabet::parse);
        Some((prefix, u16::try_from(length?).ok()?, alphabet?))
    })?;
    match KeyPattern::new(&prefix, length, alphabet) {
        Ok(pattern) => Some(pattern),
        Err(msg) => {
            request.refuse("pattern", msg);
            None
        }
    }
}

fn read_key(key: &mut Fields<'_>, now: DateTime<Utc>, wrong: &mut Option<&'static str>) -> Option<ImportKey> {
    let name = key.field("name").required().text(1..=200);
    let hash = key.field("hash").required().object(read_hash);
    let expires_at = key.field("expires_at").required().future();
    let created_at = key.field("created_at").decoded(|text| past(text, now));
    let scopes = read_scopes(key.field("scopes"), wrong);
    let prefix = key.field("prefix").line(1..=64);
    Some(ImportKey {
        name: name?,
        hash: hash?,
        expires_at: expires_at?,
        created_at,
        scopes: scopes.unwrap_or(KeyScopes::ALL),
        prefix,
    })
}

fn past(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, &'static str> {
    const MSG: &str = "must be an RFC 3339 date and time with an offset that has come";
    let at = DateTime::parse_from_rfc3339(text).map_err(|_| MSG)?.to_utc();
    let earliest = DateTime::UNIX_EPOCH;
    if (earliest..=now).contains(&at) { Ok(at) } else { Err(MSG) }
}

fn read_hash(hash: &mut Fields<'_>) -> Option<ForeignHash> {
    let algorithm =
        hash.field("algorithm").required().choice("must be sha256 or hmac-sha256", ForeignAlgorithm::parse);
    let digest = hash.field("digest").required().decoded(digest);
    Some(ForeignHash { algorithm: algorithm?, digest: digest? })
}

/// The scopes; what is wrong with them together is noted in `wrong`.
fn read_scopes(field: Field<'_>, wrong: &mut Option<&'static str>) -> Option<KeyScopes> {
    let msg = "must be * or a scope of the list";
    let named = field.list(1..=KeyScope::ALL.len(), |name| name.choice(msg, KeyScopes::named))?;
    KeyScopes::together(&named).map_err(|msg| *wrong = Some(msg)).ok()
}

fn digest(text: &str) -> Result<[u8; 32], &'static str> {
    let bytes = hex::decode(text).ok().or_else(|| ENCODINGS.iter().find_map(|it| it.decode(text).ok()));
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or("must be 32 bytes in hexadecimal or base64")
}

fn secret(text: &str) -> Result<Secret<Vec<u8>>, &'static str> {
    const MSG: &str = "must be a secret of 16 bytes or more: as it is, or after base64: or hex:";
    if text.len() > MAX_SECRET {
        return Err("must be a secret of at most 1024 characters");
    }
    let bytes = match text.split_once(':') {
        Some(("base64", encoded)) => ENCODINGS.iter().find_map(|it| it.decode(encoded).ok()).ok_or(MSG)?,
        Some(("hex", encoded)) => hex::decode(encoded).map_err(|_| MSG)?,
        _ => text.as_bytes().to_vec(),
    };
    let secret = Secret::new(bytes);
    if secret.expose().len() >= MIN_SECRET { Ok(secret) } else { Err(MSG) }
}

fn is_beginning(pattern: &KeyPattern, shown: &str) -> bool {
    shown.strip_prefix(pattern.prefix()).is_some_and(|rest| {
        rest.len() <= SHOWN && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_32_bytes_in_hexadecimal_or_any_base64() {
        let bytes = [0xfb_u8; 32];
        let texts = ENCODINGS.iter().map(|it| it.encode(bytes));
        for text in texts.chain([hex::encode(bytes), hex::encode_upper(bytes)]) {
            assert_eq!(digest(&text), Ok(bytes), "{text}");
        }
        for bad in ["", "fb", &hex::encode([1_u8; 31]), &STANDARD.encode([1_u8; 33]), "zz"] {
            assert!(digest(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_is_16_bytes_or_more_however_it_is_written() {
        let expected = b"0123456789abcdef".to_vec();
        for text in
            ["0123456789abcdef", "base64:MDEyMzQ1Njc4OWFiY2RlZg", "hex:30313233343536373839616263646566"]
        {
            assert_eq!(secret(text).unwrap().expose(), &expected, "{text}");
        }
        for bad in ["", "short", "base64:MDEy", "base64:*", "hex:3", &"a".repeat(1_025)] {
            assert!(secret(bad).is_err(), "{bad}");
        }
    }
}
