#![doc = include_str!("../README.md")]

mod claims;
mod header;
mod object;
mod problem;
#[cfg(test)]
mod tests;

use aws_lc_rs::signature::UnparsedPublicKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use claims::Claims;
pub use header::Algorithm;
use header::Header;
pub use problem::Problem;

/// Longest assertion, in bytes.
pub const MAX_ASSERTION: usize = 8 * 1024;

/// How far ahead `exp` may be, in seconds.
pub const LIFETIME: i64 = 300;

/// How much the client's clock may be ahead of ours, in seconds, for `nbf` and `iat`.
pub const LEEWAY: i64 = 30;

/// Longest RSA signature, in bytes: 8192 bits.
const MAX_SIGNATURE: usize = 1024;

/// An assertion whose header is read: it names a key. Nothing that it says is true yet.
#[derive(Clone, Debug)]
pub struct Assertion<'a> {
    header: Header,
    signed: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
}

/// What is asked of the claims.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Identifiers of the client that holds the key: `iss` and `sub` must both be the same one of them.
    pub clients: &'a [&'a str],
    /// Names of this server: `aud` must be one, or contain one.
    pub audiences: &'a [&'a str],
    /// Seconds since the epoch.
    pub now: i64,
}

/// What a verified assertion says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The client: `iss` and `sub`.
    pub client: String,
    /// `jti`, 1 to 256 characters. It must be accepted once, and remembered until [`Self::expires_at`].
    pub id: String,
    /// `exp`, in whole seconds since the epoch, rounded up: from this second on it is not accepted.
    pub expires_at: i64,
}

impl<'a> Assertion<'a> {
    /// Takes an assertion apart and reads its header, as far as it takes to find the key.
    ///
    /// # Errors
    /// What is wrong with its form or its header.
    pub fn parse(assertion: &'a str) -> Result<Self, Problem> {
        if assertion.len() > MAX_ASSERTION {
            return Err(Problem::TooLong);
        }
        let (signed, signature) = assertion.rsplit_once('.').ok_or(Problem::NotCompact)?;
        let (header, payload) = signed.split_once('.').ok_or(Problem::NotCompact)?;
        let header = decoded(header)?;
        let signature = decoded(signature)?;
        if payload.contains('.') || signature.is_empty() || signature.len() > MAX_SIGNATURE {
            return Err(Problem::NotCompact);
        }
        Ok(Self { header: Header::parse(&header)?, signed, payload, signature })
    }

    /// The name of the key, 1 to 256 bytes.
    pub fn kid(&self) -> &str {
        &self.header.kid
    }

    /// How it is signed.
    pub fn algorithm(&self) -> Algorithm {
        self.header.algorithm
    }

    /// Verifies the signature with an RSA key of 2048 to 8192 bits, as SubjectPublicKeyInfo or PKCS#1 in DER, and
    /// then judges the claims. That `jti` was not seen before is for the caller to know.
    ///
    /// # Errors
    /// [`Problem::Signature`], or the first claim that is wrong.
    pub fn verify(&self, public_key: &[u8], expected: &Expected<'_>) -> Result<Verified, Problem> {
        UnparsedPublicKey::new(self.header.algorithm.parameters(), public_key)
            .verify(self.signed.as_bytes(), &self.signature)
            .map_err(|_| Problem::Signature)?;
        Claims::parse(&decoded(self.payload)?)?.judge(expected)
    }
}

/// Decodes base64url without padding; stray bits at the end are refused, so that one text has one form.
fn decoded(part: &str) -> Result<Vec<u8>, Problem> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Problem::NotCompact)
}
