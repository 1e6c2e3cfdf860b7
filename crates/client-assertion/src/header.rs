//! The header of the JWS.

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA384, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters,
};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use crate::Problem;

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
        [Self::Rs384, Self::Ps256, Self::Ps384, Self::Ps512].into_iter().find(|it| it.name() == name)
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

/// The members that may be there. Others are refused: keys and links to keys (`jwk`, `jku`, `x5u`, `x5c`), which would
/// let the sender choose the key, and whatever else changes what the rest means.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    alg: String,
    #[serde(default, deserialize_with = "present")]
    kid: Option<String>,
    #[serde(default, deserialize_with = "present")]
    typ: Option<String>,
    #[serde(default, deserialize_with = "present")]
    crit: Option<IgnoredAny>,
}

/// A member that may be absent, but not `null`.
pub fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl Header {
    /// Reads the decoded header.
    pub fn parse(header: &[u8]) -> Result<Self, Problem> {
        // A derived struct would take an array as well.
        if header.trim_ascii_start().first() != Some(&b'{') {
            return Err(Problem::Header);
        }
        let members: Members = serde_json::from_slice(header).map_err(|_| Problem::Header)?;
        if members.crit.is_some() {
            return Err(Problem::Critical);
        }
        let algorithm = Algorithm::named(&members.alg).ok_or(Problem::Algorithm)?;
        if !members.typ.is_none_or(|typ| is_our_type(&typ)) {
            return Err(Problem::Type);
        }
        match members.kid {
            Some(kid) if (1..=MAX_KID).contains(&kid.len()) => Ok(Self { kid, algorithm }),
            _ => Err(Problem::KeyId),
        }
    }
}

/// Media types have no case (RFC 7515 4.1.9).
fn is_our_type(typ: &str) -> bool {
    typ.eq_ignore_ascii_case("JWT") || typ.eq_ignore_ascii_case("client-authentication+jwt")
}
