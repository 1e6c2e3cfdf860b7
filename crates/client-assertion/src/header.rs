//! The header of the JWS.

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA384, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters,
};
use serde::{Deserialize, Deserializer};

use crate::Problem;
use crate::object::Object;

/// Longest `kid`, in bytes.
const MAX_KID: usize = 256;

/// The algorithms that are taken (RFC 7518 3.3, 3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PSS with SHA-256, and a salt as long as the hash.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rs384, Self::Ps256, Self::Ps384, Self::Ps512];

    /// The registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs384 => "RS384",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
        }
    }

    pub(crate) fn parameters(self) -> &'static RsaParameters {
        match self {
            Self::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
            Self::Ps256 => &RSA_PSS_2048_8192_SHA256,
            Self::Ps384 => &RSA_PSS_2048_8192_SHA384,
            Self::Ps512 => &RSA_PSS_2048_8192_SHA512,
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}

/// A header that is accepted.
#[derive(Clone, Debug)]
pub struct Header {
    /// The key's name.
    pub kid: String,
    /// The algorithm.
    pub algorithm: Algorithm,
}

/// A member that may be absent, but not `null`.
pub fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl Header {
    /// Reads the decoded header.
    ///
    /// Members that are not named here are ignored, as RFC 7515 4 wants: libraries send `x5t` and `x5c` unasked.
    /// Keys and ways to keys among them (`jwk`, `jku`) change nothing, for the key is the one that is registered.
    pub fn parse(header: &[u8]) -> Result<Self, Problem> {
        let members = Object::read(header).ok_or(Problem::Header)?;
        if members.get("crit").is_some() {
            return Err(Problem::Critical);
        }
        let text = |name| members.get(name).map(|value| value.as_str().ok_or(Problem::Header)).transpose();
        let algorithm = Algorithm::named(text("alg")?.ok_or(Problem::Header)?).ok_or(Problem::Algorithm)?;
        if !text("typ")?.is_none_or(is_our_type) {
            return Err(Problem::Type);
        }
        match text("kid")? {
            Some(kid) if (1..=MAX_KID).contains(&kid.len()) => Ok(Self { kid: kid.to_owned(), algorithm }),
            _ => Err(Problem::KeyId),
        }
    }
}

/// Media types have no case, and `application/` may stand before them (RFC 7515 4.1.9).
fn is_our_type(typ: &str) -> bool {
    let typ = match typ.split_at_checked("application/".len()) {
        Some((prefix, bare)) if prefix.eq_ignore_ascii_case("application/") => bare,
        _ => typ,
    };
    typ.eq_ignore_ascii_case("JWT") || typ.eq_ignore_ascii_case("client-authentication+jwt")
}
