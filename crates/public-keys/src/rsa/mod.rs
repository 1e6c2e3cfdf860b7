//! RSA public keys: read in the four forms partners have, screened, and kept in one form.

mod blocked;
mod form;
mod numbers;
mod private_key;
mod refusal;
mod screen;

use std::fmt;

use sha2::{Digest, Sha256};

use super::encoding;

pub use numbers::prepare;
pub use private_key::{NotAPrivateKey, PrivateKey};
pub use refusal::RsaRefusal;
pub(super) use screen::{Modulus, screen, screen_closely};

/// Shortest modulus accepted, in bits (NIST SP 800-131A).
pub const MIN_BITS: usize = 2048;
/// Longest modulus accepted, in bits: what aws-lc verifies, and a bound on CPU.
pub const MAX_BITS: usize = 8192;

/// An RSA public key that passed the screening.
#[derive(Clone, PartialEq, Eq)]
pub struct RsaKey {
    spki: Vec<u8>,
    bits: usize,
}

impl RsaKey {
    /// Reads `SubjectPublicKeyInfo` or PKCS#1, as PEM or as bare base64 of the DER.
    ///
    /// # Errors
    /// The first reason found not to accept it; private material is recognised first.
    pub fn parse(text: &str) -> Result<Self, RsaRefusal> {
        form::read(text).and_then(|numbers| Self::accept(&numbers))
    }

    /// Reads the DER of a `SubjectPublicKeyInfo`.
    ///
    /// # Errors
    /// As [`RsaKey::parse`].
    pub fn from_spki(der: &[u8]) -> Result<Self, RsaRefusal> {
        form::read_spki(der).and_then(|numbers| Self::accept(&numbers))
    }

    /// Reads a key that was accepted when it was stored: it is not screened again, which takes longer
    /// than any use of it.
    ///
    /// # Errors
    /// When it is no key of this kind.
    pub fn stored(pem: &str) -> Result<Self, RsaRefusal> {
        let numbers = form::read_stored(pem)?;
        let bits = Modulus::new(&numbers.modulus).bits();
        Ok(Self { spki: form::write_spki(&numbers)?, bits })
    }

    fn accept(numbers: &form::Numbers) -> Result<Self, RsaRefusal> {
        let modulus = Modulus::new(&numbers.modulus);
        let bits = screen(&modulus, &numbers.exponent)?;
        screen_closely(&modulus)?;
        let spki = form::write_spki(numbers)?;
        // The library that will use the key has the last word.
        aws_lc_rs::rsa::PublicEncryptingKey::from_der(&spki).map_err(|_| RsaRefusal::Malformed)?;
        Ok(Self { spki, bits })
    }

    /// The canonical form: SPKI PEM, 64 columns, line feeds.
    #[must_use]
    pub fn to_pem(&self) -> String {
        encoding::pem("PUBLIC KEY", &self.spki)
    }

    /// The DER of the `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// SHA-256 of the SPKI DER, lower-case hex: equal for every form of the same key.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex::encode(Sha256::digest(&self.spki))
    }

    /// Length of the modulus in bits.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// For people, such as `RSA-3072`.
    #[must_use]
    pub fn algorithm(&self) -> String {
        format!("RSA-{}", self.bits)
    }
}

impl fmt::Debug for RsaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaKey({}, {})", self.algorithm(), self.fingerprint())
    }
}
