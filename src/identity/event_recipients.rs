//! The keys of the partner's that its events can be encrypted to (contract 14), of either type.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use public_keys::accepted::{KeyType, encrypt};
use public_keys::encrypt::EncryptError;
use uuid::Uuid;

use crate::events::options::{EncryptTo, EncryptionUsage};

/// An org's, those registered last first.
#[derive(Debug, Default)]
pub struct EventRecipients(Vec<Arc<EventRecipient>>);

/// One of them: a key whose private half the partner holds, with a usage for which things are encrypted to it.
#[derive(Debug)]
pub struct EventRecipient {
    unique_id: Uuid,
    expires_at: DateTime<Utc>,
    usages: Vec<EncryptionUsage>,
    kind: KeyType,
    text: String,
}

impl EventRecipients {
    /// Adds a key of the partner's, older than those that are here; one that only signs is left out.
    pub(super) fn add(
        &mut self,
        unique_id: Uuid,
        kind: &str,
        usages: &[String],
        text: &str,
        expires_at: DateTime<Utc>,
    ) {
        let has = |usage: &EncryptionUsage| usages.iter().any(|of_key| of_key == usage.name());
        let usages: Vec<_> = EncryptionUsage::ALL.into_iter().filter(has).collect();
        let Some(kind) = KeyType::parse(kind).filter(|_| !usages.is_empty()) else { return };
        self.0.push(Arc::new(EventRecipient { unique_id, expires_at, usages, kind, text: text.to_owned() }));
    }

    /// The key that is meant now: this one, or the live one of a usage that was registered last.
    #[must_use]
    pub fn find(&self, meant: EncryptTo, now: DateTime<Utc>) -> Option<&Arc<EventRecipient>> {
        let is_meant = |recipient: &EventRecipient| match meant {
            EncryptTo::Usage(usage) => recipient.usages.contains(&usage),
            EncryptTo::Key(unique_id) => recipient.unique_id == unique_id,
        };
        self.0.iter().find(|recipient| is_meant(recipient) && now < recipient.expires_at)
    }
}

impl EventRecipient {
    /// Encrypts a text, on a worker thread: an armored OpenPGP message, or a compact JWE whose `kid` is the `UniqueId`.
    ///
    /// # Errors
    /// When the certificate has ended by itself, or the library fails.
    pub fn encrypt(&self, text: &str, now: DateTime<Utc>) -> Result<String, EncryptError> {
        encrypt(self.kind, &self.text, &self.unique_id.to_string(), text.as_bytes(), now)
    }

    /// The media type of what [`EventRecipient::encrypt`] makes.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        match self.kind {
            KeyType::Rsa => "application/jose",
            KeyType::Pgp => "application/pgp-encrypted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usages(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_live_key_registered_last_is_meant_and_one_that_only_signs_never() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let mut keys = EventRecipients::default();
        for (id, names, expires) in [
            (4, &["Authentication"][..], 100),
            (3, &["Reports"], 10),
            (2, &["Reports", "MessageLevelEncryption"], 20),
            (1, &["Reports"], 100),
        ] {
            keys.add(Uuid::from_u128(id), "RSA", &usages(names), "a key", at(expires));
        }
        let found = |meant, now| keys.find(meant, at(now)).map(|key| key.unique_id.as_u128());
        let reports = EncryptTo::Usage(EncryptionUsage::Reports);
        assert_eq!([9, 10, 20, 100].map(|now| found(reports, now)), [Some(3), Some(2), Some(1), None]);
        let messages = EncryptTo::Usage(EncryptionUsage::MessageLevelEncryption);
        assert_eq!([0, 20].map(|now| found(messages, now)), [Some(2), None]);
        assert_eq!(found(EncryptTo::Usage(EncryptionUsage::CredentialsDownload), 0), None);
        let named = |id| EncryptTo::Key(Uuid::from_u128(id));
        assert_eq!([1, 2, 4, 5].map(|id| found(named(id), 0)), [Some(1), Some(2), None, None]);
    }
}
