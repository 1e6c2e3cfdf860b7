//! Sealing at rest. The master keys never touch the database; what is stored says which of them
//! sealed it, so that they can be rolled (architecture 6).

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use rand::TryRng as _;
use rand::rngs::SysRng;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::secret::{Secret, is_guessable};

const KEY_LENGTH: usize = 32;
const ID_LENGTH: usize = 8;
const NONCE_LENGTH: usize = 24;
/// The layout of a sealed value: version, key id, nonce, ciphertext with tag.
const VERSION: u8 = 1;
/// Shortest passphrase, in characters (contract 11).
const MIN_PASSPHRASE: usize = 16;

/// Sealing keys by id; the first seals, all open.
#[derive(Clone)]
pub struct MasterKeys(Vec<SealingKey>);

#[derive(Clone)]
struct SealingKey {
    id: [u8; ID_LENGTH],
    key: Secret<[u8; KEY_LENGTH]>,
}

/// The reasons why a sealed value cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Sealed under a master key that was not given.
    #[error("sealed under a master key that is not in MASTER_KEYS")]
    MasterMissing,
    /// Not what was sealed, or not with that associated data.
    #[error("a sealed value is damaged or in the wrong place")]
    Damaged,
}

impl MasterKeys {
    /// Reads `base64:<32 bytes>`, several separated by commas.
    ///
    /// # Errors
    /// Says what is wrong, without the key.
    pub fn parse(list: &str) -> Result<Self, &'static str> {
        let parse_one = |text: &str| {
            let encoded =
                text.trim().strip_prefix("base64:").ok_or("each key is written base64:<32 bytes>")?;
            let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| "a key is not valid base64")?);
            let bytes: [u8; KEY_LENGTH] = bytes[..].try_into().map_err(|_| "a key must have 32 bytes")?;
            if is_guessable(&bytes) {
                return Err("a key is too regular to be a secret; make one with openssl rand -base64 32");
            }
            Ok(SealingKey::derive(&Secret::new(bytes)))
        };
        let keys: Vec<_> = list.split(',').map(parse_one).collect::<Result<_, &'static str>>()?;
        Ok(Self(keys))
    }

    /// Derives a key from a passphrase by Argon2id (RFC 9106's second recommended parameters),
    /// once at start.
    ///
    /// # Errors
    /// When the passphrase is too short or too regular.
    pub fn from_passphrase(passphrase: &str, salt: &[u8]) -> Result<Self, &'static str> {
        Self::check_passphrase(passphrase)?;
        let params = Params::new(64 * 1024, 3, 4, Some(KEY_LENGTH)).map_err(|_| "Argon2 parameters")?;
        let mut key = [0; KEY_LENGTH];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.as_bytes(), salt, &mut key)
            .map_err(|_| "the passphrase cannot be hashed")?;
        Ok(Self(vec![SealingKey::derive(&Secret::new(key))]))
    }

    /// Checks that a passphrase may be used at all.
    ///
    /// # Errors
    /// When it is too short or too regular.
    pub fn check_passphrase(passphrase: &str) -> Result<(), &'static str> {
        if passphrase.chars().count() < MIN_PASSPHRASE {
            return Err("a passphrase needs at least 16 characters");
        }
        if is_guessable(passphrase.as_bytes()) {
            return Err("the passphrase is too regular to be a secret");
        }
        Ok(())
    }

    /// A new random key in the form that [`MasterKeys::parse`] reads.
    #[must_use]
    pub fn generate() -> Secret<String> {
        let bytes = Zeroizing::new(random::<KEY_LENGTH>());
        Secret::new(format!("base64:{}", STANDARD.encode(&bytes[..])))
    }

    /// These keys, then `others`, which only open.
    #[must_use]
    pub fn then(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Seals under the first key. `associated_data` says where the value is stored; it opens only there.
    #[must_use]
    pub fn seal(&self, associated_data: &[u8], secret: &[u8]) -> Vec<u8> {
        let key = &self.0[0];
        let nonce = random::<NONCE_LENGTH>();
        let sealed =
            key.cipher().encrypt(&XNonce::from(nonce), Payload { msg: secret, aad: associated_data });
        let mut out = vec![VERSION];
        out.extend_from_slice(&key.id);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed.expect("only messages of 256 GiB cannot be sealed"));
        out
    }

    /// Opens what was sealed with `associated_data`.
    ///
    /// # Errors
    /// When the key is missing, or the value is not the one that was stored there.
    pub fn open(&self, associated_data: &[u8], sealed: &[u8]) -> Result<Secret<Vec<u8>>, OpenError> {
        let (id, rest) = header(sealed)?;
        let key = self.0.iter().find(|key| key.id == id).ok_or(OpenError::MasterMissing)?;
        let (nonce, message) = rest.split_at_checked(NONCE_LENGTH).ok_or(OpenError::Damaged)?;
        let nonce: [u8; NONCE_LENGTH] = nonce.try_into().map_err(|_| OpenError::Damaged)?;
        let opened =
            key.cipher().decrypt(&XNonce::from(nonce), Payload { msg: message, aad: associated_data });
        opened.map(Secret::new).map_err(|_| OpenError::Damaged)
    }

    /// The start of everything sealed under the first key; what starts otherwise wants resealing.
    #[must_use]
    pub fn current_header(&self) -> Vec<u8> {
        [&[VERSION][..], &self.0[0].id].concat()
    }
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKeys({})", self.0.len())
    }
}

impl SealingKey {
    /// Only sealing keys come from the master; nothing that hashes may, because a digest cannot
    /// be made again under another master.
    fn derive(master: &Secret<[u8; KEY_LENGTH]>) -> Self {
        let hkdf = Hkdf::<Sha256>::new(None, master.expose());
        let (mut id, mut key) = ([0; ID_LENGTH], [0; KEY_LENGTH]);
        hkdf.expand(b"partner-api sealing key id v1", &mut id).expect("8 bytes are within HKDF's limit");
        hkdf.expand(b"partner-api sealing key v1", &mut key).expect("32 bytes are within HKDF's limit");
        Self { id, key: Secret::new(key) }
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.key.expose().into())
    }
}

fn header(sealed: &[u8]) -> Result<([u8; ID_LENGTH], &[u8]), OpenError> {
    let (version, rest) = sealed.split_first().ok_or(OpenError::Damaged)?;
    let (id, rest) = rest.split_at_checked(ID_LENGTH).ok_or(OpenError::Damaged)?;
    let id = id.try_into().map_err(|_| OpenError::Damaged)?;
    if *version == VERSION { Ok((id, rest)) } else { Err(OpenError::Damaged) }
}

/// Bytes from the operating system.
///
/// # Panics
/// When the operating system has none: there is nothing sensible left to do.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).expect("the operating system has randomness");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASSOCIATED_DATA: &[u8] = b"signing_secrets/org/id";

    fn key() -> MasterKeys {
        MasterKeys::parse(MasterKeys::generate().expose()).unwrap()
    }

    #[test]
    fn a_sealed_value_opens_only_in_its_place_and_undamaged() {
        let keys = key();
        let sealed = keys.seal(ASSOCIATED_DATA, b"secret");
        assert_eq!(keys.open(ASSOCIATED_DATA, &sealed).unwrap().expose(), b"secret");
        assert_eq!(keys.open(b"elsewhere", &sealed).unwrap_err(), OpenError::Damaged);
        for position in ID_LENGTH + 1..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[position] ^= 1;
            assert_eq!(keys.open(ASSOCIATED_DATA, &damaged).unwrap_err(), OpenError::Damaged);
        }
        for length in 0..sealed.len() {
            assert!(keys.open(ASSOCIATED_DATA, &sealed[..length]).is_err());
        }
        assert_ne!(sealed, keys.seal(ASSOCIATED_DATA, b"secret"));
    }

    #[test]
    fn masters_roll_without_losing_what_the_old_one_sealed() {
        let (old, new) = (key(), key());
        let sealed = old.seal(ASSOCIATED_DATA, b"secret");
        assert_eq!(new.open(ASSOCIATED_DATA, &sealed).unwrap_err(), OpenError::MasterMissing);
        let both = new.clone().then(old.clone());
        assert_eq!(both.open(ASSOCIATED_DATA, &sealed).unwrap().expose(), b"secret");
        assert!(!sealed.starts_with(&both.current_header()));
        let resealed = both.seal(ASSOCIATED_DATA, b"secret");
        assert!(resealed.starts_with(&both.current_header()));
        assert_eq!(new.open(ASSOCIATED_DATA, &resealed).unwrap().expose(), b"secret");
    }

    #[test]
    fn a_passphrase_makes_the_same_key_for_the_same_salt() {
        let keys = |salt: &[u8]| MasterKeys::from_passphrase("correct horse battery", salt).unwrap();
        let sealed = keys(b"salt-one-salt-one").seal(ASSOCIATED_DATA, b"secret");
        assert!(keys(b"salt-one-salt-one").open(ASSOCIATED_DATA, &sealed).is_ok());
        assert_eq!(
            keys(b"salt-two-salt-two").open(ASSOCIATED_DATA, &sealed).unwrap_err(),
            OpenError::MasterMissing
        );
        assert!(MasterKeys::from_passphrase("fifteen letters", b"salt-one-salt-one").is_err());
    }

    #[test]
    fn keys_that_anybody_could_guess_are_refused() {
        let counting: Vec<u8> = (0..32).collect();
        for bytes in [vec![0; 32], vec![0xff; 32], b"0123456789abcdef".repeat(2), counting] {
            let text = format!("base64:{}", STANDARD.encode(&bytes));
            let good = MasterKeys::generate();
            for list in [text.clone(), format!("{},{text}", good.expose())] {
                assert!(MasterKeys::parse(&list).unwrap_err().contains("too regular"), "{bytes:?}");
            }
        }
        for passphrase in ["aaaaaaaaaaaaaaaaaa", "abcdefghijklmnopqrst", "password1password1"] {
            assert!(MasterKeys::from_passphrase(passphrase, b"salt-one-salt-one").is_err());
        }
    }

    #[test]
    fn malformed_keys_are_refused_and_keys_are_never_printed() {
        for bad in ["", "base64:", "base64:AAAA", "AAAA", "base64:marker!", "base64:,"] {
            let error = MasterKeys::parse(bad).unwrap_err();
            assert!(!error.contains("marker"));
        }
        assert_eq!(format!("{:?}", key()), "MasterKeys(1)");
    }
}
