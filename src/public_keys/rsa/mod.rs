//! RSA public keys: read in the four forms partners have, screened, and kept in one form.

mod form;
mod screen;

use std::fmt;

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{RefusalKind, encoding};

pub(super) use screen::{Modulus, screen};

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

    fn accept(numbers: &form::Numbers) -> Result<Self, RsaRefusal> {
        let bits = screen(&Modulus::new(&numbers.modulus), &numbers.exponent)?;
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

/// Why a text is not accepted as an RSA public key; the `Display` is meant for the partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RsaRefusal {
    #[error("is longer than 64 KiB")]
    TooLarge,
    #[error("holds a private key; it was not stored, but treat it as compromised: replace the pair")]
    PrivateKey,
    #[error("is neither PEM nor base64 of DER; send a PUBLIC KEY or RSA PUBLIC KEY block")]
    NotAKey,
    #[error("is damaged, or is not strict DER of an RSA public key")]
    Malformed,
    #[error("has something after the end of the key; send exactly one key")]
    TrailingData,
    #[error("is a certificate or a certificate request; send only its public key (openssl x509 -pubkey)")]
    Certificate,
    #[error("is an OpenPGP certificate; register it with Type PGP")]
    PgpCertificate,
    #[error("is in OpenSSH form; convert it with: ssh-keygen -e -m PKCS8")]
    OpenSsh,
    #[error("is a JSON Web Key; send the key as PEM")]
    Jwk,
    #[error("is base64 of PEM; send the PEM itself")]
    EncodedPem,
    #[error("is an elliptic curve key; only RSA keys are accepted")]
    EllipticCurve,
    #[error("is an Ed25519, X25519, Ed448 or X448 key; only RSA keys are accepted")]
    Edwards,
    #[error("is bound to RSA-PSS or RSA-OAEP only; send it as a plain RSA key (rsaEncryption)")]
    RestrictedRsa,
    #[error("is not an RSA key")]
    NotRsa,
    #[error("is shorter than 2048 bits")]
    TooShort,
    #[error("is longer than 8192 bits")]
    TooLong,
    #[error("has a public exponent that is not an odd number from 65537 to 4294967295")]
    Exponent,
    #[error("has an even modulus, so it is not an RSA key")]
    EvenModulus,
    #[error("has a modulus with a small prime factor, so its private key is easily found")]
    SmallFactor,
    #[error("has a modulus that is a perfect square, so its private key is easily found")]
    Square,
    #[error("has two primes close to each other, so its private key is easily found")]
    ClosePrimes,
    #[error("was made by a chip or library with the ROCA defect (CVE-2017-15361); make a new pair elsewhere")]
    Roca,
}

impl RsaRefusal {
    /// What the refusal is about.
    #[must_use]
    pub fn kind(self) -> RefusalKind {
        match self {
            Self::PrivateKey => RefusalKind::Private,
            Self::TooShort
            | Self::TooLong
            | Self::Exponent
            | Self::EvenModulus
            | Self::SmallFactor
            | Self::Square
            | Self::ClosePrimes
            | Self::Roca => RefusalKind::Weak,
            _ => RefusalKind::Malformed,
        }
    }
}
