//! Authenticated encryption of the plain text (RFC 7518 section 5).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    AES_128, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey,
    UnboundCipherKey,
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rand::fill;
use zeroize::Zeroizing;

use super::wrapping::ContentKey;
use super::{Refused, SealError, TAG};

/// The block of AES, and the initialisation vector of CBC.
const BLOCK: usize = 16;

/// How the plain text is encrypted (`enc`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// AES-256 in Galois/Counter Mode (RFC 7518 section 5.3).
    A256Gcm,
    /// AES-128 in CBC mode, then HMAC-SHA-256 (RFC 7518 section 5.2.3).
    A128CbcHs256,
}

/// What an encryption gives.
pub struct Sealed {
    pub iv: Vec<u8>,
    pub ciphertext: Vec<u8>,
    pub tag: Vec<u8>,
}

impl Encryption {
    /// The value of `enc`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::A256Gcm => "A256GCM",
            Self::A128CbcHs256 => "A128CBC-HS256",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::A256Gcm, Self::A128CbcHs256].into_iter().find(|encryption| encryption.name() == name)
    }

    fn iv_length(self) -> usize {
        match self {
            Self::A256Gcm => NONCE_LEN,
            Self::A128CbcHs256 => BLOCK,
        }
    }

    /// Whether the lengths are those that it gives.
    pub(super) fn fits(self, iv: &[u8], ciphertext: &[u8], tag: &[u8]) -> bool {
        let has_blocks = !ciphertext.is_empty() && ciphertext.len().is_multiple_of(BLOCK);
        iv.len() == self.iv_length() && tag.len() == TAG && (self == Self::A256Gcm || has_blocks)
    }

    pub(super) fn seal(self, key: &ContentKey, aad: &[u8], plaintext: &[u8]) -> Result<Sealed, SealError> {
        let mut iv = vec![0; self.iv_length()];
        fill(&mut iv).map_err(|_| SealError)?;
        // Room for padding: a vector that grows leaves the plain text behind.
        let mut ciphertext = Vec::with_capacity(plaintext.len() + BLOCK);
        ciphertext.extend_from_slice(plaintext);
        let tag = match self {
            Self::A256Gcm => gcm_seal(key, &iv, aad, &mut ciphertext),
            Self::A128CbcHs256 => cbc_seal(key, &iv, aad, &mut ciphertext),
        };
        Ok(Sealed { iv, ciphertext, tag: tag.map_err(|_| SealError)? })
    }

    pub(super) fn open(
        self,
        key: &ContentKey,
        iv: &[u8],
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Refused> {
        let mut plaintext = Zeroizing::new(Vec::with_capacity(ciphertext.len() + TAG));
        plaintext.extend_from_slice(ciphertext);
        let length = match self {
            Self::A256Gcm => gcm_open(key, iv, aad, &mut plaintext, tag),
            Self::A128CbcHs256 => cbc_open(key, iv, aad, &mut plaintext, tag),
        };
        plaintext.truncate(length.map_err(|_| Refused)?);
        Ok(plaintext)
    }
}

fn gcm_seal(key: &ContentKey, iv: &[u8], aad: &[u8], data: &mut [u8]) -> Result<Vec<u8>, Unspecified> {
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_ref())?);
    let nonce = Nonce::try_assume_unique_for_key(iv)?;
    let tag = cipher.seal_in_place_separate_tag(nonce, Aad::from(aad), data)?;
    Ok(tag.as_ref().to_vec())
}

fn gcm_open(
    key: &ContentKey,
    iv: &[u8],
    aad: &[u8],
    data: &mut Vec<u8>,
    tag: &[u8],
) -> Result<usize, Unspecified> {
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_ref())?);
    let nonce = Nonce::try_assume_unique_for_key(iv)?;
    data.extend_from_slice(tag);
    Ok(cipher.open_in_place(nonce, Aad::from(aad), data)?.len())
}

fn cbc_seal(key: &ContentKey, iv: &[u8], aad: &[u8], data: &mut Vec<u8>) -> Result<Vec<u8>, Unspecified> {
    let (mac_key, cipher_key) = key.split_at(BLOCK);
    let cipher = PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_128, cipher_key)?)?;
    let context = EncryptionContext::Iv128(FixedLength::<BLOCK>::try_from(iv)?);
    cipher.less_safe_encrypt(data, context)?;
    Ok(cbc_tag(mac_key, iv, aad, data).to_vec())
}

fn cbc_open(
    key: &ContentKey,
    iv: &[u8],
    aad: &[u8],
    data: &mut [u8],
    tag: &[u8],
) -> Result<usize, Unspecified> {
    let (mac_key, cipher_key) = key.split_at(BLOCK);
    // The tag first, over what was sent: padding is looked at only where the sender knew the key.
    verify_slices_are_equal(&cbc_tag(mac_key, iv, aad, data), tag)?;
    let cipher = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_128, cipher_key)?)?;
    let context = DecryptionContext::Iv128(FixedLength::<BLOCK>::try_from(iv)?);
    Ok(cipher.decrypt(data, context)?.len())
}

/// The first half of the HMAC over header, vector, ciphertext, and the header's length in bits (RFC 7518
/// section 5.2.2.1).
fn cbc_tag(key: &[u8], iv: &[u8], aad: &[u8], ciphertext: &[u8]) -> [u8; TAG] {
    let mut context = Context::with_key(&Key::new(HMAC_SHA256, key));
    let bits = (aad.len() as u64 * 8).to_be_bytes();
    [aad, iv, ciphertext, &bits].iter().for_each(|part| context.update(part));
    let mut tag = [0; TAG];
    tag.copy_from_slice(&context.sign().as_ref()[..TAG]);
    tag
}
