//! RSA pairs made here for a partner: the public half goes out, the private half is sealed.

use std::fmt;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use thiserror::Error;
use zeroize::Zeroizing;

use super::rsa::RsaKey;

/// Lengths on offer, in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// 2048 bits.
    Rsa2048,
    /// 3072 bits.
    Rsa3072,
    /// 4096 bits.
    Rsa4096,
}

impl Length {
    /// `None` for a length that is not on offer.
    #[must_use]
    pub fn from_bits(bits: i64) -> Option<Self> {
        match bits {
            2048 => Some(Self::Rsa2048),
            3072 => Some(Self::Rsa3072),
            4096 => Some(Self::Rsa4096),
            _ => None,
        }
    }
}

/// A new pair.
pub struct Generated {
    /// The public half.
    pub public: RsaKey,
    /// PKCS#8 DER; wiped when dropped. The caller seals it.
    pub private: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Generated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generated").field("public", &self.public).finish_non_exhaustive()
    }
}

/// The library could not make a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the key pair could not be generated")]
pub struct GenerateError;

/// Makes a pair: a tenth of a second at 2048 bits, about a second at 4096, of one core.
///
/// # Errors
/// [`GenerateError`] when the library fails, or made what our own screening refuses.
pub fn generate(length: Length) -> Result<Generated, GenerateError> {
    let size = match length {
        Length::Rsa2048 => KeySize::Rsa2048,
        Length::Rsa3072 => KeySize::Rsa3072,
        Length::Rsa4096 => KeySize::Rsa4096,
    };
    let pair = KeyPair::generate(size).map_err(|_| GenerateError)?;
    let public = pair.public_key().as_der().map_err(|_| GenerateError)?;
    let public = RsaKey::from_spki(public.as_ref()).map_err(|_| GenerateError)?;
    let private = pair.as_der().map_err(|_| GenerateError)?;
    Ok(Generated { public, private: Zeroizing::new(private.as_ref().to_vec()) })
}
