//! The key that verifies.

use std::fmt;
use std::sync::OnceLock;

use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPssSaltLength,
    UnparsedPublicKey,
};

use crate::{Algorithm, Problem};

/// A public RSA key of 2048 to 8192 bits, as SubjectPublicKeyInfo or PKCS#1 in DER. It is read when it is first used, and
/// once for each way of signing: keep it, reading costs a sixth of verifying.
pub struct VerifyingKey {
    der: Vec<u8>,
    pss: OnceLock<Option<ParsedPublicKey>>,
    pkcs1: OnceLock<Option<ParsedPublicKey>>,
}

impl VerifyingKey {
    /// Takes the key; one that is no such key verifies nothing.
    #[must_use]
    pub fn new(der: Vec<u8>) -> Self {
        Self { der, pss: OnceLock::new(), pkcs1: OnceLock::new() }
    }

    /// The key as it was given.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    fn read(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        let (read, parameters): (_, &'static RsaParameters) = match algorithm {
            Algorithm::RsaPssSha512 => (&self.pss, &RSA_PSS_2048_8192_SHA512),
            Algorithm::RsaV15Sha256 => (&self.pkcs1, &RSA_PKCS1_2048_8192_SHA256),
        };
        read.get_or_init(|| ParsedPublicKey::new(parameters, &self.der).ok()).as_ref()
    }

    /// Verifies a signature over the bytes of a signature base.
    pub(crate) fn verify(&self, algorithm: Algorithm, base: &[u8], signature: &[u8]) -> Result<(), Problem> {
        let key = self.read(algorithm).ok_or(Problem::Signature)?;
        if key.verify_sig(base, signature).is_ok() {
            return Ok(());
        }
        // What Node, Go and OpenSSL make unless told otherwise: refused, but its maker is told why.
        let longest = const { &RSA_PSS_2048_8192_SHA512.with_pss_salt_length(RsaPssSaltLength::Max) };
        let has_longest = || UnparsedPublicKey::new(longest, &self.der).verify(base, signature).is_ok();
        if algorithm == Algorithm::RsaPssSha512 && has_longest() {
            return Err(Problem::Salt);
        }
        Err(Problem::Signature)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").field("length", &self.der.len()).finish_non_exhaustive()
    }
}
