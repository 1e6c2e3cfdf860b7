//! Plain text of any length, encrypted while it is made: nothing holds more of it than a piece and a few buffers.
//!
//! The plain text comes in pieces, each the next few whole records of a file. [`to_pgp`] makes one binary OpenPGP
//! message of them, [`to_jwe_lines`] a compact JWE a line, none of which divides a piece.

use std::io::{self, Read, Write};

use chrono::{DateTime, Utc};
use pgp::composed::{Encryption, MessageBuilder};
use pgp::crypto::aead::{AeadAlgorithm, ChunkSize};
use pgp::crypto::sym::SymmetricKeyAlgorithm;
use rand_core::OsRng;
use thiserror::Error;
use zeroize::Zeroizing;

use super::jwe::{self, Content, seal_as};
use super::pgp::{Certificate, PgpRefusal, RecipientKey};
use super::rsa::RsaKey;

/// The plain text of one line of [`to_jwe_lines`] at most, in octets, and so the longest piece.
pub const MAX_LINE: usize = 1024 * 1024;

/// Why a text was not encrypted to its end. What was written by then is no message.
#[derive(Debug, Error)]
pub enum StreamError {
    /// The stored certificate is not acceptable any more, for instance because it expired.
    #[error("the certificate {0}")]
    Certificate(#[from] PgpRefusal),
    /// There was no next piece to be had, or no room for what was encrypted.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The library failed; nothing the caller can change.
    #[error("encryption failed")]
    Failed,
}

impl From<pgp::errors::Error> for StreamError {
    fn from(error: pgp::errors::Error) -> Self {
        match error {
            pgp::errors::Error::IO { source, .. } => Self::Io(source),
            _ => Self::Failed,
        }
    }
}

/// Encrypts to a stored certificate as [`encrypt::to_pgp`](super::encrypt::to_pgp) does, but as packets of partial
/// length (RFC 9580 section 4.2.1.4), and binary. `next` appends the next piece and says whether there was one.
///
/// # Errors
/// When the certificate is no longer acceptable at `now`, or has no key to encrypt to; what `next` and `out` fail with.
pub fn to_pgp(
    certificate: &str,
    now: DateTime<Utc>,
    next: impl FnMut(&mut Vec<u8>) -> io::Result<bool>,
    out: impl Write,
) -> Result<(), StreamError> {
    let certificate = Certificate::read(certificate, now)?;
    let recipients = certificate.recipients();
    let recipient = recipients.first().ok_or(PgpRefusal::NoEncryptionKey(None))?;
    let message = MessageBuilder::from_reader("", Pieces::of(next));
    if certificate.wants_aead() {
        let (algorithm, size) = (AeadAlgorithm::Ocb, ChunkSize::default());
        let mut message = message.seipd_v2(OsRng, SymmetricKeyAlgorithm::AES256, algorithm, size);
        match &recipient.key {
            RecipientKey::Primary(key) => message.encrypt_to_key(OsRng, key)?,
            RecipientKey::Subkey(key) => message.encrypt_to_key(OsRng, key)?,
        };
        write(message, out)
    } else {
        let mut message = message.seipd_v1(OsRng, SymmetricKeyAlgorithm::AES256);
        match &recipient.key {
            RecipientKey::Primary(key) => message.encrypt_to_key(OsRng, key)?,
            RecipientKey::Subkey(key) => message.encrypt_to_key(OsRng, key)?,
        };
        write(message, out)
    }
}

fn write<R: Read, E: Encryption>(
    message: pgp::composed::MessageBuilder<'_, R, E>,
    mut out: impl Write,
) -> Result<(), StreamError> {
    message.to_writer(OsRng, &mut out)?;
    Ok(out.flush()?)
}

/// Encrypts to an RSA key as compact [JWE](super::jwe) with A256GCM, each on a line of its own and of at most
/// [`MAX_LINE`] octets of plain text. One after the other their plain texts are the whole; of no plain text at all
/// there is one line. `next` is as with [`to_pgp`].
///
/// # Errors
/// What `next` and `out` fail with, a piece that is too long, or that the library fails.
pub fn to_jwe_lines(
    key: &RsaKey,
    kid: &str,
    mut next: impl FnMut(&mut Vec<u8>) -> io::Result<bool>,
    mut out: impl Write,
) -> Result<(), StreamError> {
    let (mut line, mut piece) = (Zeroizing::new(Vec::new()), Zeroizing::new(Vec::new()));
    let mut is_first = true;
    loop {
        piece.clear();
        let is_over = !next(&mut piece)?;
        if piece.len() > MAX_LINE {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a piece is longer than a line").into());
        }
        let is_full = line.len() + piece.len() > MAX_LINE;
        if is_full || (is_over && (is_first || !line.is_empty())) {
            let message = seal_as(key, kid, jwe::Encryption::A256Gcm, Content::Unsaid, &line);
            writeln!(out, "{}", message.map_err(|_| StreamError::Failed)?)?;
            line.clear();
            is_first = false;
        }
        if is_over {
            return Ok(out.flush()?);
        }
        line.extend_from_slice(&piece);
    }
}

/// Pieces, to be read.
struct Pieces<F> {
    next: F,
    piece: Zeroizing<Vec<u8>>,
    /// How much of it was read.
    read: usize,
    is_over: bool,
}

impl<F> Pieces<F> {
    fn of(next: F) -> Self {
        Self { next, piece: Zeroizing::new(Vec::new()), read: 0, is_over: false }
    }
}

impl<F: FnMut(&mut Vec<u8>) -> io::Result<bool>> Read for Pieces<F> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.read == self.piece.len() && !self.is_over {
            self.piece.clear();
            self.read = 0;
            self.is_over = !(self.next)(&mut self.piece)?;
        }
        let rest = &self.piece[self.read..];
        let length = rest.len().min(into.len());
        into[..length].copy_from_slice(&rest[..length]);
        self.read += length;
        Ok(length)
    }
}
