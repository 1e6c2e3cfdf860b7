//! Content keys, wrapped with RSA-OAEP-256 (RFC 7518 section 4.3).

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::fill;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use subtle::{Choice, ConditionallySelectable as _};
use zeroize::Zeroizing;

use super::{Refused, SealError};
use crate::rsa::{PrivateKey, RsaKey};

/// Both ways of encrypting content take keys of this many octets.
pub const LENGTH: usize = 32;

/// A key for one message.
pub type ContentKey = Zeroizing<[u8; LENGTH]>;

/// A new content key, and the same wrapped.
pub fn wrap(key: &RsaKey) -> Result<(ContentKey, Vec<u8>), SealError> {
    let content_key = random().map_err(|_| SealError)?;
    let wrap = || -> Result<Vec<u8>, Unspecified> {
        let key = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(key.spki())?)?;
        let mut wrapped = vec![0; key.ciphertext_size()];
        let length = key.encrypt(&OAEP_SHA256_MGF1SHA256, content_key.as_ref(), &mut wrapped, None)?.len();
        wrapped.truncate(length);
        Ok(wrapped)
    };
    let wrapped = wrap().map_err(|_| SealError)?;
    Ok((content_key, wrapped))
}

/// The content key; where there is none, a random one that opens nothing. Which of the two it is nobody
/// can tell before the tag, and then it is as any tag that is wrong.
///
/// # Errors
/// When the operating system has no random octets.
pub fn unwrap(key: &PrivateKey, wrapped: &[u8]) -> Result<ContentKey, Refused> {
    let mut content_key = random().map_err(|_| Refused)?;
    let mut output = Zeroizing::new(vec![0; key.oaep().min_output_size().max(LENGTH)]);
    let unwrapped = key.oaep().decrypt(&OAEP_SHA256_MGF1SHA256, wrapped, &mut output, None);
    let is_key = Choice::from(u8::from(unwrapped.is_ok_and(|unwrapped| unwrapped.len() == LENGTH)));
    for (octet, unwrapped) in content_key.iter_mut().zip(output.iter()) {
        octet.conditional_assign(unwrapped, is_key);
    }
    Ok(content_key)
}

fn random() -> Result<ContentKey, Unspecified> {
    let mut key = Zeroizing::new([0; LENGTH]);
    fill(key.as_mut())?;
    Ok(key)
}
