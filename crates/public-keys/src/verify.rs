//! What a partner signed with the private half of a registered RSA key.

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, UnparsedPublicKey,
};
use thiserror::Error;

use super::rsa::RsaKey;

/// The schemes a partner may sign with. PSS is that of JWA (PS256, PS384, PS512): MGF1 with the same hash, and
/// a salt as long as the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// RSASSA-PSS with SHA-256.
    PssSha256,
    /// RSASSA-PSS with SHA-384.
    PssSha384,
    /// RSASSA-PSS with SHA-512.
    PssSha512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Pkcs1Sha256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Pkcs1Sha384,
}

/// The signature is not that of this key over this message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the signature is not valid")]
pub struct BadSignature;

/// Checks `signature` over `message`.
///
/// # Errors
/// [`BadSignature`], without saying what is wrong with it.
pub fn verify(key: &RsaKey, scheme: Scheme, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
    let parameters: &'static RsaParameters = match scheme {
        Scheme::PssSha256 => &RSA_PSS_2048_8192_SHA256,
        Scheme::PssSha384 => &RSA_PSS_2048_8192_SHA384,
        Scheme::PssSha512 => &RSA_PSS_2048_8192_SHA512,
        Scheme::Pkcs1Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        Scheme::Pkcs1Sha384 => &RSA_PKCS1_2048_8192_SHA384,
    };
    UnparsedPublicKey::new(parameters, key.spki()).verify(message, signature).map_err(|_| BadSignature)
}
