//! The private half of a pair that was made here.

use std::fmt;

use aws_lc_rs::rsa::{OaepPrivateDecryptingKey, PrivateDecryptingKey};
use thiserror::Error;

/// A private RSA key, ready to decrypt. Reading it takes longer than using it once: keep it while it is
/// needed.
pub struct PrivateKey(OaepPrivateDecryptingKey);

/// What was given is no private RSA key of 2048 to 8192 bits in PKCS#8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it is no private RSA key in PKCS#8")]
pub struct NotAPrivateKey;

impl PrivateKey {
    /// Reads PKCS#8 in DER (RFC 5208), as [`generate`](crate::generate::generate) makes it.
    ///
    /// # Errors
    /// [`NotAPrivateKey`], which does not say what else it is.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, NotAPrivateKey> {
        let key = PrivateDecryptingKey::from_pkcs8(der).map_err(|_| NotAPrivateKey)?;
        OaepPrivateDecryptingKey::new(key).map(Self).map_err(|_| NotAPrivateKey)
    }

    pub(crate) fn oaep(&self) -> &OaepPrivateDecryptingKey {
        &self.0
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("bits", &self.0.key_size_bits()).finish_non_exhaustive()
    }
}
