//! Encryption to accepted keys: an armored OpenPGP message, or a compact JWE.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand::fill;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use pgp::composed::{ArmorOptions, MessageBuilder};
use pgp::crypto::aead::{AeadAlgorithm, ChunkSize};
use pgp::crypto::sym::SymmetricKeyAlgorithm;
use rand_core::OsRng;
use serde_json::json;
use thiserror::Error;
use zeroize::Zeroizing;

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

/// Encrypts to an RSA key as a compact JWE (RFC 7516): RSA-OAEP-256 and A256GCM, with `kid`.
///
/// # Errors
/// [`EncryptError::Failed`] when the library fails.
pub fn to_jwe(key: &RsaKey, kid: &str, plaintext: &[u8]) -> Result<String, EncryptError> {
    let mut content_key = Zeroizing::new([0_u8; 32]);
    let mut nonce = [0_u8; NONCE_LEN];
    fill(content_key.as_mut()).and_then(|()| fill(&mut nonce)).map_err(|_| EncryptError::Failed)?;
    let header = json!({"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": kid}).to_string();
    let header = BASE64_URL_SAFE_NO_PAD.encode(header);
    let wrapped = wrap(key, content_key.as_ref()).map_err(|_| EncryptError::Failed)?;
    let mut sealed = plaintext.to_vec();
    let tag = UnboundKey::new(&AES_256_GCM, content_key.as_ref())
        .map(LessSafeKey::new)
        .and_then(|cipher| {
            let nonce = Nonce::assume_unique_for_key(nonce);
            cipher.seal_in_place_separate_tag(nonce, Aad::from(header.as_bytes()), &mut sealed)
        })
        .map_err(|_| EncryptError::Failed)?;
    let parts = [&wrapped[..], &nonce, &sealed, tag.as_ref()].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
    Ok(format!("{header}.{}", parts.join(".")))
}

fn wrap(key: &RsaKey, content_key: &[u8]) -> Result<Vec<u8>, aws_lc_rs::error::Unspecified> {
    let key = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(key.spki())?)?;
    let mut wrapped = vec![0; key.ciphertext_size()];
    let length = key.encrypt(&OAEP_SHA256_MGF1SHA256, content_key, &mut wrapped, None)?.len();
    wrapped.truncate(length);
    Ok(wrapped)
}
