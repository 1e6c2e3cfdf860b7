//! A key as it is stored, whichever type it is of.

use std::borrow::Cow;
use std::io::{self, Write};

use chrono::{DateTime, Utc};

use super::encrypt::{EncryptError, to_jwe, to_pgp};
use super::pgp::{PgpCertificate, PgpRefusal};
use super::rsa::{RsaKey, RsaRefusal};
use super::stream::{self, StreamError};
use super::{RefusalKind, verify};

/// What kind of key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// An RSA public key.
    Rsa,
    /// An OpenPGP certificate.
    Pgp,
}

impl KeyType {
    /// The name on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::Pgp => "PGP",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Rsa, Self::Pgp].into_iter().find(|kind| kind.name() == name)
    }
}

/// A key that passed the screening, in canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedKey {
    /// Its type.
    pub kind: KeyType,
    /// SPKI PEM, or the armored certificate.
    pub text: String,
    /// The same for every form of one key.
    pub fingerprint: String,
    /// For people.
    pub algorithm: String,
}

/// Why a key is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it is about.
    pub kind: RefusalKind,
    /// For the partner: what the key is or has.
    pub reason: Cow<'static, str>,
}

impl From<RsaRefusal> for Refusal {
    fn from(refusal: RsaRefusal) -> Self {
        Self { kind: refusal.kind(), reason: refusal.to_string().into() }
    }
}

impl From<PgpRefusal> for Refusal {
    fn from(refusal: PgpRefusal) -> Self {
        Self { kind: refusal.kind(), reason: refusal.to_string().into() }
    }
}

impl From<RsaKey> for AcceptedKey {
    fn from(key: RsaKey) -> Self {
        let (fingerprint, algorithm) = (key.fingerprint(), key.algorithm());
        Self { kind: KeyType::Rsa, text: key.to_pem(), fingerprint, algorithm }
    }
}

/// Judges a key that is to serve from `now` until `until`; without an end, as far as can be told.
///
/// # Errors
/// The first reason found not to accept it.
pub fn accept(
    kind: KeyType,
    text: &str,
    now: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
) -> Result<AcceptedKey, Refusal> {
    match kind {
        KeyType::Rsa => Ok(RsaKey::parse(text)?.into()),
        KeyType::Pgp => {
            let certificate = PgpCertificate::parse(text, now)?;
            // Both usages that a certificate can have are encryption.
            until.map_or(Ok(()), |until| certificate.require_encryption(until))?;
            Ok(AcceptedKey {
                kind,
                text: certificate.armored().to_owned(),
                fingerprint: certificate.fingerprint().to_owned(),
                algorithm: certificate.algorithm().to_owned(),
            })
        }
    }
}

/// Encrypts to a stored key: an armored OpenPGP message, or a compact JWE that names `kid`.
///
/// # Errors
/// When the certificate is no longer acceptable at `now`, or the library fails.
pub fn encrypt(
    kind: KeyType,
    text: &str,
    kid: &str,
    plaintext: &[u8],
    now: DateTime<Utc>,
) -> Result<String, EncryptError> {
    match kind {
        KeyType::Pgp => to_pgp(text, plaintext, now),
        KeyType::Rsa => to_jwe(&RsaKey::stored(text).map_err(|_| EncryptError::Failed)?, kid, plaintext),
    }
}

/// Encrypts a text of any length to a stored key, while `next` makes it: one binary OpenPGP message, or a compact JWE
/// a line, which names `kid`.
///
/// # Errors
/// As [`encrypt`], and what `next` and `out` fail with.
pub fn encrypt_stream(
    kind: KeyType,
    text: &str,
    kid: &str,
    now: DateTime<Utc>,
    next: impl FnMut(&mut Vec<u8>) -> io::Result<bool>,
    out: impl Write,
) -> Result<(), StreamError> {
    match kind {
        KeyType::Pgp => stream::to_pgp(text, now, next, out),
        KeyType::Rsa => {
            let key = RsaKey::stored(text).map_err(|_| StreamError::Failed)?;
            stream::to_jwe_lines(&key, kid, next, out)
        }
    }
}

/// Checks what a partner signed; certificates are for encryption only.
///
/// # Errors
/// When the signature is not valid under this key.
pub fn check_signature(
    kind: KeyType,
    text: &str,
    scheme: verify::Scheme,
    message: &[u8],
    signature: &[u8],
) -> Result<(), verify::BadSignature> {
    match kind {
        KeyType::Pgp => Err(verify::BadSignature),
        KeyType::Rsa => {
            let key = RsaKey::stored(text).map_err(|_| verify::BadSignature)?;
            verify::verify(&key, scheme, message, signature)
        }
    }
}
