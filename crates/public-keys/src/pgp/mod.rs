//! OpenPGP certificates (RFC 9580): read, verified against the `policy`, and kept in canonical armor
//! with nothing in it that the primary key did not sign. No private operation exists here.

mod certificate;
mod digests;
mod keys;
mod packets;
mod points;
mod policy;
mod refusal;
mod signatures;
mod standing;
mod subkeys;
mod terms;

use std::fmt;

use ::pgp::types::{Fingerprint, KeyDetails};
use chrono::{DateTime, Utc};

pub(super) use certificate::{Certificate, RecipientKey};
pub use refusal::PgpRefusal;
pub use subkeys::SubkeyFault;

/// A certificate that may be stored.
#[derive(Clone, PartialEq, Eq)]
pub struct PgpCertificate {
    armored: String,
    fingerprint: String,
    algorithm: String,
    encryption_keys: Vec<EncryptionKey>,
    expires: Option<DateTime<Utc>>,
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
        let mut certificate = Certificate::read(text, now)?;
        certificate.screen()?;
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
            expires: certificate.expires(),
            algorithm: certificate.algorithm,
            encryption_keys,
            fault: certificate.faults.into_iter().min_by_key(|fault| policy::fault_rank(*fault)),
        })
    }

    /// Some key can be encrypted to from now until `until`.
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
            // Some end there, or one would outlive everything.
            let last = self.encryption_keys.iter().filter_map(|key| key.expires).max().unwrap_or(until);
            let is_primary = self.expires.is_some_and(|end| end <= last);
            Err(PgpRefusal::ExpiresTooSoon { last, is_primary })
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
