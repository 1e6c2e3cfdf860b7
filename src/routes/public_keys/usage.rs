//! The usages of public keys (contract 9).

use public_keys::accepted::KeyType;
use serde::Serialize;
use utoipa::ToSchema;

/// What we may do with a partner's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub enum Usage {
    /// Nothing in particular.
    Unknown,
    /// Encrypt reports to it.
    Reports,
    /// Check with it who is calling.
    Authentication,
    /// Encrypt messages to it.
    MessageLevelEncryption,
    /// Encrypt keys and secrets to it.
    CredentialsDownload,
    /// Check signed responses with it.
    ResponseSignature,
}

impl Usage {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Unknown,
        Self::Reports,
        Self::Authentication,
        Self::MessageLevelEncryption,
        Self::CredentialsDownload,
        Self::ResponseSignature,
    ];

    /// The name on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Reports => "Reports",
            Self::Authentication => "Authentication",
            Self::MessageLevelEncryption => "MessageLevelEncryption",
            Self::CredentialsDownload => "CredentialsDownload",
            Self::ResponseSignature => "ResponseSignature",
        }
    }

    /// Returns `true` if something is encrypted to a key that has it; else it signs.
    #[must_use]
    pub fn encrypts(self) -> bool {
        matches!(self, Self::Reports | Self::MessageLevelEncryption | Self::CredentialsDownload)
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|usage| usage.name() == name)
    }
}

/// Folds duplicates, in the order sent.
#[must_use]
pub fn folded(sent: Vec<Usage>) -> Vec<Usage> {
    let mut usages = Vec::with_capacity(Usage::ALL.len());
    for usage in sent {
        if !usages.contains(&usage) {
            usages.push(usage);
        }
    }
    usages
}

/// Checks that usages go together, and with the type where that is known.
///
/// # Errors
/// Says what does not.
pub fn check(usages: &[Usage], kind: Option<KeyType>) -> Result<(), &'static str> {
    if usages.contains(&Usage::Unknown) && usages.len() > 1 {
        return Err("Unknown must stand alone");
    }
    let is_for_certificates = |usage: &Usage| matches!(usage, Usage::Reports | Usage::CredentialsDownload);
    if kind == Some(KeyType::Pgp) && !usages.iter().all(is_for_certificates) {
        return Err("must be Reports or CredentialsDownload for a PGP key");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written_and_in_no_other_case() {
        for usage in Usage::ALL {
            assert_eq!(Usage::parse(usage.name()), Some(usage));
            assert_eq!(Usage::parse(&usage.name().to_lowercase()), None);
            assert_eq!(serde_json::to_value(usage).unwrap(), usage.name());
        }
    }

    #[test]
    fn duplicates_are_folded_in_the_order_sent() {
        use Usage::{Authentication, Reports};
        assert_eq!(folded(vec![Reports, Authentication, Reports]), [Reports, Authentication]);
    }

    #[test]
    fn unknown_stands_alone_and_certificates_only_encrypt() {
        use Usage::{Authentication, CredentialsDownload, Reports, Unknown};
        let (rsa, pgp) = (Some(KeyType::Rsa), Some(KeyType::Pgp));
        assert!(check(&Usage::ALL[1..], rsa).is_ok());
        assert!(check(&[Unknown], rsa).is_ok());
        assert!(check(&[Reports, CredentialsDownload], pgp).is_ok());
        for (usages, kind) in [
            (&[Unknown, Reports][..], rsa),
            (&[Reports, Unknown], None),
            (&[Unknown], pgp),
            (&[Reports, Authentication], pgp),
        ] {
            assert!(check(usages, kind).is_err(), "{usages:?} {kind:?}");
        }
    }
}
