//! JSON Web Encryption in compact serialization (RFC 7516 section 3.1), for one way of wrapping keys:
//! RSA-OAEP-256 (RFC 7518 section 4.3), and two of encrypting content: A256GCM and A128CBC-HS256.
//!
//! A message is parsed first, which takes no key and tells which one it wants; then it is opened. What
//! can be told from the message alone is refused while parsing. What needs the key costs the same and
//! says the same whatever is wrong (RFC 7516 section 11.5), so that nobody learns from it what a key
//! would decrypt.

mod content;
mod header;
#[cfg(test)]
mod tests;
mod wrapping;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use thiserror::Error;
use zeroize::Zeroizing;

use self::header::Header;
use super::rsa::{PrivateKey, RsaKey};

pub use content::Encryption;

/// Longest message that is looked at, in octets.
pub const MAX_LENGTH: usize = 16 * 1024 * 1024;
/// Longest `kid`, in octets.
pub const MAX_KID: usize = 128;

/// Longest header, in octets of base64.
const MAX_HEADER: usize = 2048;
/// Longest wrapped key, in octets of base64: RSA-8192's.
const MAX_WRAPPED: usize = 1366;
/// All segments have.
const TAG: usize = 16;

/// The longest message that `plaintext` octets can become: the limit for a body whose plain text has one.
#[must_use]
pub const fn longest(plaintext: usize) -> usize {
    // Padding to a block, initialisation vector and tag; four dots.
    let sealed = plaintext + 16;
    MAX_HEADER + MAX_WRAPPED + sealed.div_ceil(3) * 4 + 2 * 22 + 4
}

/// The message is not opened. It is not said why: what would be said could be asked for, a million times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the message cannot be opened")]
pub struct Refused;

/// Nothing was encrypted: the `kid` is longer than [`MAX_KID`], or the library failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the message cannot be made")]
pub struct SealError;

/// What the plain text is said to be (`cty`, RFC 7516 section 4.1.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// It is not said.
    Unsaid,
    /// JSON.
    Json,
}

/// A message that may be opened: well-formed, and of algorithms that are accepted.
#[derive(Debug)]
pub struct Jwe<'a> {
    header: Header,
    /// The header as it was sent, which is authenticated.
    protected: &'a [u8],
    wrapped: Vec<u8>,
    iv: Vec<u8>,
    ciphertext: Vec<u8>,
    tag: Vec<u8>,
}

impl<'a> Jwe<'a> {
    /// Takes a message apart.
    ///
    /// # Errors
    /// [`Refused`] for everything that can be told without a key: other than five segments of canonical,
    /// unpadded base64url; lengths that the algorithms do not have; a header that is no JSON object, says
    /// something twice, names another algorithm, or has a member that changes what the message means.
    pub fn parse(message: &'a [u8]) -> Result<Self, Refused> {
        if message.len() > MAX_LENGTH {
            return Err(Refused);
        }
        let mut segments = message.splitn(6, |octet| *octet == b'.');
        let mut next = || segments.next().ok_or(Refused);
        let [protected, wrapped, iv, ciphertext, tag] = [next()?, next()?, next()?, next()?, next()?];
        if segments.next().is_some() || protected.len() > MAX_HEADER || wrapped.len() > MAX_WRAPPED {
            return Err(Refused);
        }
        let header = Header::parse(&decoded(protected)?)?;
        let [wrapped, iv, ciphertext, tag] =
            [decoded(wrapped)?, decoded(iv)?, decoded(ciphertext)?, decoded(tag)?];
        if !header.encryption.fits(&iv, &ciphertext, &tag) || wrapped.is_empty() {
            return Err(Refused);
        }
        Ok(Self { header, protected, wrapped, iv, ciphertext, tag })
    }

    /// Which key it wants, if it says so. Nobody has vouched for it: it only finds the key.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// What the plain text is said to be; true once the message has been opened.
    #[must_use]
    pub fn content(&self) -> Content {
        self.header.content
    }

    /// How the plain text is encrypted.
    #[must_use]
    pub fn encryption(&self) -> Encryption {
        self.header.encryption
    }

    /// Decrypts it.
    ///
    /// # Errors
    /// [`Refused`] whatever is wrong: the wrapped key, a tag, a header that was changed, another key. A key
    /// that does not unwrap is replaced by a random one (RFC 7516 section 11.5), so that all of these take
    /// the same way to the same end.
    pub fn open(&self, key: &PrivateKey) -> Result<Zeroizing<Vec<u8>>, Refused> {
        let content_key = wrapping::unwrap(key, &self.wrapped)?;
        self.header.encryption.open(&content_key, &self.iv, self.protected, &self.ciphertext, &self.tag)
    }
}

/// Encrypts JSON to a key, which the recipient finds by `kid`, with A256GCM.
///
/// # Errors
/// [`SealError`], of which only the length of `kid` is the caller's.
pub fn seal(key: &RsaKey, kid: &str, json: &[u8]) -> Result<String, SealError> {
    seal_as(key, kid, Encryption::A256Gcm, Content::Json, json)
}

/// Encrypts to a key as the caller says. Content key and initialisation vector are random each time.
///
/// # Errors
/// As [`seal`].
pub fn seal_as(
    key: &RsaKey,
    kid: &str,
    encryption: Encryption,
    content: Content,
    plaintext: &[u8],
) -> Result<String, SealError> {
    if kid.len() > MAX_KID {
        return Err(SealError);
    }
    let header = Header { encryption, kid: Some(kid.to_owned()), content };
    let mut message = BASE64_URL_SAFE_NO_PAD.encode(header.to_json());
    let (content_key, wrapped) = wrapping::wrap(key)?;
    let sealed = encryption.seal(&content_key, message.as_bytes(), plaintext)?;
    message.reserve(longest(plaintext.len()).saturating_sub(message.len()));
    for segment in [&wrapped, &sealed.iv, &sealed.ciphertext, &sealed.tag] {
        message.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(segment, &mut message);
    }
    Ok(message)
}

/// Canonical only: no padding, no white space, no bits left over.
fn decoded(segment: &[u8]) -> Result<Vec<u8>, Refused> {
    BASE64_URL_SAFE_NO_PAD.decode(segment).map_err(|_| Refused)
}
