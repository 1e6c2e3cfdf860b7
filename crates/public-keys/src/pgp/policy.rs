//! What is accepted of OpenPGP, in one place; sections are those of RFC 9580.
//!
//! In words: one certificate of version 4 or 6. A self-signature counts when it is made by the
//! primary key, over SHA-2 or SHA-3, now in force, and understood where it says it must be. The
//! newest that counts decides. A revocation by the primary key counts always: weak hash, old or new,
//! and whatever its reason, because wrongly refusing a key is the safe failure. Where the direct-key
//! signature and the primary user id disagree on expiry, the earlier wins. A subkey that may sign
//! must have agreed (its embedded signature). A key without key flags may do what its algorithm can, as
//! for gpg. Where a signature stands says nothing of what it is over, and what is there twice is one.

use chrono::TimeDelta;
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{KeyFlags, Signature, SubpacketData, SubpacketType};
use pgp::ser::Serialize;
use pgp::types::{EcdhPublicParams, EcdsaPublicParams, PublicParams};

use super::PgpRefusal;
use super::subkeys::SubkeyFault;

/// Packets looked at, of any kind.
pub(super) const MAX_PACKETS: usize = 512;
/// User ids looked at.
pub(super) const MAX_USER_IDS: usize = 64;
/// Subkeys looked at.
pub(super) const MAX_SUBKEYS: usize = 32;
/// Work spent on one certificate, in the units of [`cost`]: about 50 ms. For an honest one that is
/// 250 signatures with Ed25519, 25 with P-521, 9 with RSA-8192; only the newest of each component is
/// looked at, so user ids and subkeys count, not years.
pub(super) const MAX_COST: u32 = 500;
/// Hashes over a component that cost one such unit.
pub(super) const HASHES_PER_UNIT: u32 = 16;
/// RSA subkeys that are looked at closely, which takes up to 100 ms each.
pub(super) const MAX_SCREENED: usize = 4;
/// How far ahead of ours the partner's clock may be.
pub(super) const MAX_SKEW: TimeDelta = TimeDelta::minutes(10);

/// Key versions (5.5.2): 2 and 3 are broken, 5 never became a standard.
pub(super) fn check_version(version: u8) -> Result<(), PgpRefusal> {
    match version {
        4 | 6 => Ok(()),
        2 | 3 => Err(PgpRefusal::OldVersion),
        _ => Err(PgpRefusal::UnknownVersion),
    }
}

/// Algorithm ids (9.1), before rPGP reads the key: DSA and ElGamal go unread.
pub(super) fn check_algorithm(id: u8) -> Result<(), PgpRefusal> {
    match id {
        1..=3 | 18 | 19 | 22 | 25..=28 => Ok(()),
        16 | 20 => Err(PgpRefusal::Elgamal),
        17 => Err(PgpRefusal::Dsa),
        _ => Err(PgpRefusal::UnsupportedAlgorithm),
    }
}

/// The algorithm's name for people; `None` for curves outside 9.2 or that rPGP does not compute.
/// RSA is named, and screened, by its own module.
pub(super) fn curve_name(params: &PublicParams) -> Option<&'static str> {
    match params {
        PublicParams::EdDSALegacy(_) | PublicParams::Ed25519(_) => Some("Ed25519"),
        PublicParams::Ed448(_) => Some("Ed448"),
        PublicParams::X25519(_) | PublicParams::ECDH(EcdhPublicParams::Curve25519Legacy { .. }) => {
            Some("X25519")
        }
        PublicParams::X448(_) => Some("X448"),
        PublicParams::ECDSA(EcdsaPublicParams::P256 { .. }) => Some("ECDSA-P256"),
        PublicParams::ECDSA(EcdsaPublicParams::P384 { .. }) => Some("ECDSA-P384"),
        PublicParams::ECDSA(EcdsaPublicParams::P521 { .. }) => Some("ECDSA-P521"),
        PublicParams::ECDH(EcdhPublicParams::P256 { .. }) => Some("ECDH-P256"),
        PublicParams::ECDH(EcdhPublicParams::P384 { .. }) => Some("ECDH-P384"),
        PublicParams::ECDH(EcdhPublicParams::P521 { .. }) => Some("ECDH-P521"),
        _ => None,
    }
}

/// What one public key operation with a key costs, in 0.1 ms on a machine of 2024 (measured with rPGP
/// 0.21): verifying, encrypting a session key, and for RSA also the screening.
pub(super) fn cost(params: &PublicParams) -> u32 {
    match params {
        PublicParams::RSA(rsa) => {
            let bits = u32::try_from(rsa.write_len() * 8).unwrap_or(u32::MAX);
            bits.saturating_mul(bits) / 1_300_000 + 1
        }
        PublicParams::ECDSA(EcdsaPublicParams::P256 { .. })
        | PublicParams::ECDH(EcdhPublicParams::P256 { .. }) => 4,
        PublicParams::ECDSA(EcdsaPublicParams::P384 { .. })
        | PublicParams::ECDH(EcdhPublicParams::P384 { .. }) => 12,
        PublicParams::ECDSA(_) | PublicParams::ECDH(EcdhPublicParams::P521 { .. }) => 20,
        PublicParams::Ed448(_) | PublicParams::X448(_) => 30,
        _ => 2,
    }
}

/// Hashes that may bind (9.5): not MD5, SHA-1 or RIPEMD-160.
pub(super) fn is_strong_hash(hash: HashAlgorithm) -> bool {
    use HashAlgorithm::{Sha3_256, Sha3_512, Sha224, Sha256, Sha384, Sha512};
    matches!(hash, Sha224 | Sha256 | Sha384 | Sha512 | Sha3_256 | Sha3_512)
}

/// Whether everything critical in the hashed area is understood (5.2.3.7), and nothing that decides is
/// said twice: implementations differ in which of two they believe.
pub(super) fn is_understood(signature: &Signature) -> bool {
    let Some(config) = signature.config() else { return false };
    let mut deciding = Vec::new();
    for subpacket in &config.hashed_subpackets {
        let kind = subpacket.typ();
        let unknown = matches!(subpacket.data, SubpacketData::Other(..) | SubpacketData::Experimental(..));
        // No notation means anything here, so a critical one is not understood (5.2.3.24).
        if subpacket.is_critical && (unknown || kind == SubpacketType::Notation) {
            return false;
        }
        if decides(kind) {
            if deciding.contains(&kind) {
                return false;
            }
            deciding.push(kind);
        }
    }
    true
}

fn decides(kind: SubpacketType) -> bool {
    use SubpacketType::{
        KeyExpirationTime, KeyFlags, PrimaryUserId, SignatureCreationTime, SignatureExpirationTime,
    };
    let list = [SignatureCreationTime, SignatureExpirationTime, KeyExpirationTime, KeyFlags, PrimaryUserId];
    list.contains(&kind)
}

/// Flags (5.2.3.29) that say a key is for encrypting, of communications or storage.
pub(super) fn may_encrypt(flags: &KeyFlags) -> bool {
    flags.encrypt_comms() || flags.encrypt_storage()
}

/// Flags that make a subkey need its own agreement (5.2.1.9), lest one adopts another's signing key.
pub(super) fn needs_back_signature(flags: &KeyFlags) -> bool {
    flags.sign() || flags.certify()
}

/// Why a validly bound subkey is not used, in the order in which to tell it.
pub(super) fn fault_rank(fault: SubkeyFault) -> u8 {
    match fault {
        SubkeyFault::Revoked => 0,
        SubkeyFault::Expired(_) => 1,
        SubkeyFault::NotYetValid(_) => 2,
        SubkeyFault::WeakBinding => 3,
        SubkeyFault::WeakKey => 4,
        SubkeyFault::WeakPoint => 5,
        SubkeyFault::Unsupported => 6,
        SubkeyFault::Unbound => 7,
        SubkeyFault::NotForEncryption => 8,
    }
}
