//! Why a certificate is refused, in words that lead on: each command, as it stands here and with
//! the names in capitals filled in, makes of the key one that is accepted. A test follows them
//! (`tests/interop/keys`).

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use thiserror::Error;

use super::subkeys::SubkeyFault;
use crate::RefusalKind;
use crate::rsa::RsaRefusal;

/// What is supported, for those whose key is not.
const SUPPORTED: &str = "supported are RSA of 2048 to 8192 bits, Ed25519 and X25519, Ed448 and X448, and the NIST \
                         curves P-256, P-384 and P-521";
const MAKE: &str = "make a new key: gpg --quick-generate-key \"NAME <EMAIL>\" future-default default 3y";
const EXPORT: &str = "gpg --armor --export FINGERPRINT";
const MINIMAL: &str = "gpg --armor --export-options export-minimal,no-export-attributes --export FINGERPRINT";
const ADD: &str = "add one: gpg --quick-add-key FINGERPRINT cv25519 encr 3y";

/// Why a text is not accepted as an OpenPGP certificate; the `Display` is meant for the partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "each variant's message says what it is")]
pub enum PgpRefusal {
    #[error("is longer than 64 KiB; export it without what others signed: {}", MINIMAL)]
    TooLarge,
    #[error(
        "holds a private key; it was not stored, but treat it as compromised: this pair is burnt, revoke it \
         and make a new one"
    )]
    PrivateKey,
    #[error("is an RSA key and no OpenPGP certificate; register it with Type RSA")]
    RsaKey,
    #[error("is neither an armored OpenPGP certificate nor base64 of one; export it: {}", EXPORT)]
    NotPgp,
    #[error("is damaged or cut short; export it again: {}", EXPORT)]
    Malformed,
    #[error("has something after the end of the certificate; send exactly one certificate: {}", EXPORT)]
    TrailingData,
    #[error("holds several certificates; send exactly one: {}", EXPORT)]
    SeveralCertificates,
    #[error("is OpenPGP, but a message or a signature and not a certificate; export that: {}", EXPORT)]
    NotACertificate,
    #[error(
        "has too many packets, user ids, subkeys or signatures; export it without what others signed: {}",
        MINIMAL
    )]
    TooComplex,
    #[error("is a version 3 key, which is insecure; {}", MAKE)]
    OldVersion,
    #[error("is of a key version other than 4 and 6; {}", MAKE)]
    UnknownVersion,
    #[error("has a DSA primary key, which is no longer accepted; {}", MAKE)]
    Dsa,
    #[error("has an ElGamal primary key, which is not accepted; {}", MAKE)]
    Elgamal,
    #[error("has a primary key of an algorithm or curve that is not supported; {}; {}", SUPPORTED, MAKE)]
    UnsupportedAlgorithm,
    #[error("has an RSA key that {0}")]
    WeakRsa(RsaRefusal),
    #[error("has a primary key whose point is of low order, so that everybody can sign with it; {}", MAKE)]
    WeakPoint,
    #[error("is revoked, which cannot be undone; {}", MAKE)]
    Revoked,
    #[error("expired on {}; extend it and export it again: gpg --quick-set-expire FINGERPRINT 3y", At(*.0))]
    Expired(DateTime<Utc>),
    #[error("is from the future, {}: set the clock of the machine that made it, or send it after that", At(*.0))]
    NotYetValid(DateTime<Utc>),
    #[error(
        "is self-signed with SHA-1, MD5 or RIPEMD-160 only; sign it again with SHA-512 and export it again: \
         gpg --cert-digest-algo SHA512 --quick-set-expire FINGERPRINT 3y"
    )]
    WeakSelfSignature,
    #[error(
        "has only self-signatures that have expired or are older than the key; sign it again and export it \
         again: gpg --quick-set-expire FINGERPRINT 3y"
    )]
    SelfSignatureExpired,
    #[error("has only user ids that are revoked; add one: gpg --quick-add-uid FINGERPRINT \"NAME <EMAIL>\"")]
    UserIdsRevoked,
    #[error(
        "has no user id, because key servers leave it out; export it from the keyring that has it: {}",
        EXPORT
    )]
    NoUserId,
    #[error("has no valid self-signature; export it from the keyring that made it: {}", EXPORT)]
    NoSelfSignature,
    #[error("has no valid subkey to encrypt to{}", Fault(*.0))]
    NoEncryptionKey(Option<SubkeyFault>),
    #[error(
        "has no subkey to encrypt to that lives as long as ExpirationUtc, which may be at most {}; or extend it \
         and export it again: gpg --quick-set-expire FINGERPRINT 4y{}", At(*.last), Star(*.is_primary)
    )]
    ExpiresTooSoon {
        /// When the last of them ends.
        last: DateTime<Utc>,
        /// Whether it is the primary key that ends then.
        is_primary: bool,
    },
}

/// An instant, for people and for `ExpirationUtc`.
struct At(DateTime<Utc>);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Secs, true))
    }
}

/// gpg's way to say which keys: the primary one, or all subkeys.
struct Star(bool);

impl fmt::Display for Star {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 { "" } else { " '*'" })
    }
}

struct Fault(Option<SubkeyFault>);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(SubkeyFault::Revoked) => write!(f, ": it is revoked; {ADD}"),
            Some(SubkeyFault::Expired(at)) => write!(f, ": it expired on {}; {ADD}", At(at)),
            Some(SubkeyFault::NotYetValid(at)) => {
                write!(f, ": it is from the future, {}: send it after that, or {ADD}", At(at))
            }
            Some(SubkeyFault::WeakBinding) => write!(
                f,
                ": it is bound with SHA-1, MD5 or RIPEMD-160; bind it again and export it again: \
                 gpg --cert-digest-algo SHA512 --quick-set-expire FINGERPRINT 3y '*'"
            ),
            Some(SubkeyFault::WeakKey) => write!(f, ": its RSA key is weak; {ADD}"),
            Some(SubkeyFault::WeakPoint) => {
                write!(
                    f,
                    ": its point is of low order, so that everybody can read what is encrypted to it; {ADD}"
                )
            }
            Some(SubkeyFault::Unsupported) => {
                write!(f, ": its algorithm is not supported; {SUPPORTED}; {ADD}")
            }
            Some(SubkeyFault::Unbound) => write!(f, ": its binding signature is not valid; {ADD}"),
            Some(SubkeyFault::NotForEncryption) => {
                write!(f, ": the key flags of those it has do not allow encryption; {ADD}")
            }
            None => write!(f, "; {ADD}"),
        }
    }
}

impl PgpRefusal {
    /// What the refusal is about.
    #[must_use]
    pub fn kind(self) -> RefusalKind {
        match self {
            Self::PrivateKey => RefusalKind::Private,
            Self::OldVersion
            | Self::Dsa
            | Self::Elgamal
            | Self::WeakRsa(_)
            | Self::WeakPoint
            | Self::WeakSelfSignature
            | Self::NoEncryptionKey(Some(
                SubkeyFault::WeakKey | SubkeyFault::WeakPoint | SubkeyFault::WeakBinding,
            )) => RefusalKind::Weak,
            Self::Revoked
            | Self::Expired(_)
            | Self::NotYetValid(_)
            | Self::SelfSignatureExpired
            | Self::UserIdsRevoked
            | Self::NoUserId
            | Self::NoEncryptionKey(_)
            | Self::ExpiresTooSoon { .. } => RefusalKind::Unusable,
            _ => RefusalKind::Malformed,
        }
    }
}

impl From<RsaRefusal> for PgpRefusal {
    fn from(refusal: RsaRefusal) -> Self {
        Self::WeakRsa(refusal)
    }
}
