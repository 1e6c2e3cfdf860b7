//! What a self-signature allows the key that it binds: how long it lives, and whether it is to be
//! encrypted to.

use chrono::{DateTime, Utc};
use pgp::crypto::sym::SymmetricKeyAlgorithm;
use pgp::packet::{KeyFlags, PublicKeyEncryptedSessionKey, Signature, SubpacketData};
use pgp::types::{EncryptionKey, KeyDetails};
use rand_core::OsRng;

use super::signatures::{Verifier, instant};
use super::{PgpRefusal, policy};

/// Why a key does not live at an instant.
#[derive(Clone, Copy)]
pub enum OutOfTime {
    NotYet(DateTime<Utc>),
    Expired(DateTime<Utc>),
}

pub fn flags(signature: &Signature) -> Option<&KeyFlags> {
    signature.config()?.hashed_subpackets().find_map(|subpacket| match &subpacket.data {
        SubpacketData::KeyFlags(flags) => Some(flags),
        _ => None,
    })
}

pub fn expiry(key: &impl KeyDetails, signature: &Signature) -> Option<DateTime<Utc>> {
    let seconds = signature.key_expiration_time()?.as_secs();
    (seconds != 0).then(|| instant(key.created_at(), seconds))
}

/// Refuses a key that was made after `now`, clocks being what they are, or that has ended by then.
pub fn refuse_out_of_time(
    key: &impl KeyDetails,
    expires: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<(), OutOfTime> {
    let made = instant(key.created_at(), 0);
    if made > now + policy::MAX_SKEW {
        return Err(OutOfTime::NotYet(made));
    }
    expires.filter(|at| *at <= now).map_or(Ok(()), |at| Err(OutOfTime::Expired(at)))
}

/// Proves by doing it that a key which says it may encrypt can: curve points, KDF parameters and all.
pub fn can_encrypt(verifier: &Verifier<'_>, key: &impl EncryptionKey) -> Result<bool, PgpRefusal> {
    if !key.algorithm().can_encrypt() {
        return Ok(false);
    }
    verifier.spend(key)?;
    let cipher = SymmetricKeyAlgorithm::AES256;
    let session_key = cipher.new_session_key(OsRng);
    Ok(PublicKeyEncryptedSessionKey::from_session_key_v3(OsRng, &session_key, cipher, key).is_ok())
}
