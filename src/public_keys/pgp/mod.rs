//! OpenPGP certificates (RFC 9580): read, verified against the [`policy`], and kept in canonical armor
//! with nothing in it that the primary key did not sign. No private operation exists here.

mod certificate;
mod keys;
mod packets;
mod policy;
mod signatures;

use std::fmt;

use ::pgp::types::{Fingerprint, KeyDetails};
use chrono::{DateTime, Utc};
use thiserror::Error;

use super::RefusalKind;
use super::rsa::RsaRefusal;
pub use certificate::SubkeyFault;
pub(super) use certificate::{Certificate, RecipientKey};

/// A certificate that may be stored.
#[derive(Clone, PartialEq, Eq)]
pub struct PgpCertificate {
    armored: String,
    fingerprint: String,
    algorithm: String,
    encryption_keys: Vec<EncryptionKey>,
    fault: Option<SubkeyFault>,
}

/// A key of the certificate that can be encrypted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptionKey {
    /// Upper-case hex.
    pub fingerprint: String,
    /// For people, such as `X25519` or `RSA-3072`.
    pub algorithm: String,
    /// The earlier of its own and the primary key's expiry.
    pub expires: Option<DateTime<Utc>>,
}

impl PgpCertificate {
    /// Reads one certificate: armored, base64 of the binary, or base64 of the armor.
    ///
    /// # Errors
    /// The first reason found not to accept it at `now`; private material is recognised first. A
    /// certificate without encryption keys is no error here, see [`Self::require_encryption`].
    pub fn parse(text: &str, now: DateTime<Utc>) -> Result<Self, PgpRefusal> {
        let certificate = Certificate::read(text, now)?;
        let encryption_keys = certificate
            .recipients()
            .into_iter()
            .map(|recipient| EncryptionKey {
                fingerprint: hex_of(&recipient.key.fingerprint()),
                algorithm: recipient.algorithm.to_owned(),
                expires: recipient.expires,
            })
            .collect();
        Ok(Self {
            armored: certificate.to_armor().ok_or(PgpRefusal::Malformed)?,
            fingerprint: hex_of(&certificate.primary.fingerprint()),
            algorithm: certificate.algorithm,
            encryption_keys,
            fault: certificate.faults.into_iter().min_by_key(|fault| policy::fault_rank(*fault)),
        })
    }

    /// For `Reports` and `CredentialsDownload`: some key can be encrypted to from now until `until`.
    ///
    /// # Errors
    /// That there is none, and why.
    pub fn require_encryption(&self, until: DateTime<Utc>) -> Result<(), PgpRefusal> {
        let outlives = |key: &EncryptionKey| key.expires.is_none_or(|at| at >= until);
        if self.encryption_keys.iter().any(outlives) {
            Ok(())
        } else if self.encryption_keys.is_empty() {
            Err(PgpRefusal::NoEncryptionKey(self.fault))
        } else {
            Err(PgpRefusal::ExpiresTooSoon)
        }
    }

    /// The canonical form: armor with verified self-signatures only.
    #[must_use]
    pub fn armored(&self) -> &str {
        &self.armored
    }

    /// The primary key's fingerprint, upper-case hex.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The primary key's algorithm, for people.
    #[must_use]
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// The keys that can be encrypted to; the first is the one that is used.
    #[must_use]
    pub fn encryption_keys(&self) -> &[EncryptionKey] {
        &self.encryption_keys
    }
}

impl fmt::Debug for PgpCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PgpCertificate({}, {})", self.algorithm, self.fingerprint)
    }
}

fn hex_of(fingerprint: &Fingerprint) -> String {
    hex::encode_upper(fingerprint.as_bytes())
}

/// Why a text is not accepted as an OpenPGP certificate; the `Display` is meant for the partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PgpRefusal {
    #[error("is longer than 64 KiB; export it minimal (gpg --export-options export-minimal)")]
    TooLarge,
    #[error("holds a private key; it was not stored, but treat it as compromised: revoke and replace it")]
    PrivateKey,
    #[error("is neither an armored OpenPGP certificate nor base64 of one")]
    NotPgp,
    #[error("is damaged or cut short")]
    Malformed,
    #[error("has something after the end of the certificate; send exactly one certificate")]
    TrailingData,
    #[error("holds several certificates; send exactly one")]
    SeveralCertificates,
    #[error("is OpenPGP, but a message or a signature and not a certificate")]
    NotACertificate,
    #[error("has too many packets, user ids, subkeys or signatures; export it minimal")]
    TooComplex,
    #[error("is a version 3 key, which is insecure; make a new key")]
    OldVersion,
    #[error("is of a key version other than 4 and 6")]
    UnknownVersion,
    #[error("has a DSA primary key, which is no longer accepted; make a new key")]
    Dsa,
    #[error("has an ElGamal primary key, which is not accepted; make a new key")]
    Elgamal,
    #[error("has a primary key of an algorithm or curve that is not supported")]
    UnsupportedAlgorithm,
    #[error("has an RSA primary key that {0}")]
    WeakRsa(RsaRefusal),
    #[error("is revoked")]
    Revoked,
    #[error("is expired")]
    Expired,
    #[error("was made in the future; check the clock of the machine that made it")]
    NotYetValid,
    #[error("is self-signed with SHA-1, MD5 or RIPEMD-160 only; sign it again with SHA-256 or better")]
    WeakSelfSignature,
    #[error("has no valid self-signature")]
    NoSelfSignature,
    #[error("has no valid subkey to encrypt to{}", fault_text(*.0))]
    NoEncryptionKey(Option<SubkeyFault>),
    #[error(
        "has no subkey to encrypt to that is valid until ExpirationUtc; extend it or choose an earlier date"
    )]
    ExpiresTooSoon,
}

fn fault_text(fault: Option<SubkeyFault>) -> &'static str {
    match fault {
        Some(SubkeyFault::Revoked) => ": it is revoked",
        Some(SubkeyFault::Expired) => ": it is expired",
        Some(SubkeyFault::WeakBinding) => ": it is bound with SHA-1, MD5 or RIPEMD-160",
        Some(SubkeyFault::WeakKey) => ": its RSA key is weak",
        Some(SubkeyFault::Unsupported) => ": its algorithm is not supported",
        Some(SubkeyFault::Unbound) => ": its binding signature is not valid",
        None => "",
    }
}

impl PgpRefusal {
    /// What the refusal is about.
    #[must_use]
    pub fn kind(self) -> RefusalKind {
        match self {
            Self::PrivateKey => RefusalKind::Private,
            Self::OldVersion | Self::Dsa | Self::Elgamal | Self::WeakRsa(_) | Self::WeakSelfSignature => {
                RefusalKind::Weak
            }
            Self::Revoked
            | Self::Expired
            | Self::NotYetValid
            | Self::NoEncryptionKey(_)
            | Self::ExpiresTooSoon => RefusalKind::Unusable,
            _ => RefusalKind::Malformed,
        }
    }
}
