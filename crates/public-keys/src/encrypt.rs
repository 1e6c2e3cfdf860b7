//! Encryption to accepted keys: an armored OpenPGP message, or a compact JWE.

use chrono::{DateTime, Utc};
use pgp::composed::{ArmorOptions, MessageBuilder};
use pgp::crypto::aead::{AeadAlgorithm, ChunkSize};
use pgp::crypto::sym::SymmetricKeyAlgorithm;
use rand_core::OsRng;
use thiserror::Error;

use super::jwe::{Content, Encryption, seal_as};
use super::pgp::{Certificate, PgpRefusal, RecipientKey};
use super::rsa::RsaKey;

/// Why nothing was encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EncryptError {
    /// The stored certificate is not acceptable any more, for instance because it expired.
    #[error("the certificate {0}")]
    Certificate(#[from] PgpRefusal),
    /// The library failed; nothing the caller can change.
    #[error("encryption failed")]
    Failed,
}

/// Encrypts to a stored certificate: to its newest encryption subkey valid at `now`, as gpg does, so
/// that a leaked older subkey opens nothing new. AES-256 in SEIPD version 1 (MDC), which every OpenPGP
/// program of the last twenty years reads; version 6 certificates that ask for it get AEAD.
///
/// # Errors
/// When the certificate is no longer acceptable at `now`, or has no key to encrypt to.
pub fn to_pgp(certificate: &str, plaintext: &[u8], now: DateTime<Utc>) -> Result<String, EncryptError> {
    let certificate = Certificate::read(certificate, now)?;
    let recipients = certificate.recipients();
    let recipient = recipients.first().ok_or(PgpRefusal::NoEncryptionKey(None))?;
    let message = if certificate.wants_aead() {
        aead_message(plaintext, &recipient.key)
    } else {
        mdc_message(plaintext, &recipient.key)
    };
    message.map_err(|_| EncryptError::Failed)
}

fn mdc_message(plaintext: &[u8], key: &RecipientKey<'_>) -> pgp::errors::Result<String> {
    let mut message =
        MessageBuilder::from_bytes("", plaintext.to_vec()).seipd_v1(OsRng, SymmetricKeyAlgorithm::AES256);
    match key {
        RecipientKey::Primary(key) => message.encrypt_to_key(OsRng, key)?,
        RecipientKey::Subkey(key) => message.encrypt_to_key(OsRng, key)?,
    };
    message.to_armored_string(OsRng, ArmorOptions::default())
}

fn aead_message(plaintext: &[u8], key: &RecipientKey<'_>) -> pgp::errors::Result<String> {
    let mut message = MessageBuilder::from_bytes("", plaintext.to_vec()).seipd_v2(
        OsRng,
        SymmetricKeyAlgorithm::AES256,
        AeadAlgorithm::Ocb,
        ChunkSize::default(),
    );
    match key {
        RecipientKey::Primary(key) => message.encrypt_to_key(OsRng, key)?,
        RecipientKey::Subkey(key) => message.encrypt_to_key(OsRng, key)?,
    };
    message.to_armored_string(OsRng, ArmorOptions { headers: None, include_checksum: false })
}

/// Encrypts to an RSA key as a compact [JWE](crate::jwe) with A256GCM, which says nothing of what is inside.
///
/// # Errors
/// [`EncryptError::Failed`] when the library fails.
pub fn to_jwe(key: &RsaKey, kid: &str, plaintext: &[u8]) -> Result<String, EncryptError> {
    seal_as(key, kid, Encryption::A256Gcm, Content::Unsaid, plaintext).map_err(|_| EncryptError::Failed)
}
