//! Key and user id packets: what rPGP may read of them, screened first.

use pgp::packet::{PacketHeader, PublicKey, PublicSubkey, UserId};
use pgp::ser::Serialize;
use pgp::types::{KeyDetails, KeyVersion, PublicParams, Tag};

use super::{PgpRefusal, points, policy};
use crate::rsa;

/// Version and algorithm id of a key packet's body; both versions have them in the same place.
fn kind(body: &[u8]) -> Option<(u8, u8)> {
    Some((*body.first()?, *body.get(5)?))
}

pub(super) fn read_primary(body: &[u8]) -> Result<(PublicKey, String), PgpRefusal> {
    let version = *body.first().ok_or(PgpRefusal::Malformed)?;
    policy::check_version(version)?;
    let (_, id) = kind(body).ok_or(PgpRefusal::Malformed)?;
    policy::check_algorithm(id)?;
    refuse_weak_rsa(id, body)?;
    if points::is_weak(body) {
        return Err(PgpRefusal::WeakPoint);
    }
    let key = PublicKey::try_from_reader(
        header(Tag::PublicKey, body).ok_or(PgpRefusal::Malformed)?,
        &mut &body[..],
    )
    .map_err(|_| PgpRefusal::Malformed)?;
    // rPGP computes with what it would write: it must be what was sent.
    if key.to_bytes().ok().as_deref() != Some(body) {
        return Err(PgpRefusal::Malformed);
    }
    let algorithm = algorithm(key.public_params(), body)?;
    Ok((key, algorithm))
}

pub(super) fn read_subkey(body: &[u8], primary: KeyVersion) -> Option<PublicSubkey> {
    let (version, id) = kind(body)?;
    policy::check_algorithm(id).ok()?;
    if version != u8::from(primary) {
        return None;
    }
    let key = PublicSubkey::try_from_reader(header(Tag::PublicSubkey, body)?, &mut &body[..]).ok()?;
    (key.to_bytes().ok()? == body).then_some(key)
}

pub(super) fn read_user_id(body: &[u8]) -> Option<UserId> {
    UserId::try_from_reader(header(Tag::UserId, body)?, body).ok()
}

fn header(tag: Tag, body: &[u8]) -> Option<PacketHeader> {
    Some(PacketHeader::new_fixed(tag, u32::try_from(body.len()).ok()?))
}

/// The algorithm's name for people, once the key has been screened.
pub(super) fn algorithm(params: &PublicParams, body: &[u8]) -> Result<String, PgpRefusal> {
    if let PublicParams::RSA(_) = params {
        let (modulus, exponent) = rsa_numbers(body).ok_or(PgpRefusal::Malformed)?;
        let bits = rsa::screen(&rsa::Modulus::new(modulus), exponent)?;
        return Ok(format!("RSA-{bits}"));
    }
    policy::curve_name(params).map(str::to_owned).ok_or(PgpRefusal::UnsupportedAlgorithm)
}

/// Screens before rPGP reads, which has its own, wordless, limits.
fn refuse_weak_rsa(id: u8, body: &[u8]) -> Result<(), PgpRefusal> {
    if !matches!(id, 1..=3) {
        return Ok(());
    }
    let (modulus, exponent) = rsa_numbers(body).ok_or(PgpRefusal::Malformed)?;
    rsa::screen(&rsa::Modulus::new(modulus), exponent).map(|_| ()).map_err(PgpRefusal::WeakRsa)
}

/// The part of the screening that takes milliseconds.
pub(super) fn screen_rsa_closely(body: &[u8]) -> Result<(), PgpRefusal> {
    let (modulus, _) = rsa_numbers(body).ok_or(PgpRefusal::Malformed)?;
    rsa::screen_closely(&rsa::Modulus::new(modulus)).map_err(PgpRefusal::WeakRsa)
}

/// Modulus and exponent of an RSA key packet (section 5.5.5.1).
fn rsa_numbers(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = if body.first() == Some(&6) { 10 } else { 6 };
    let (modulus, rest) = multiprecision(body.get(start..)?)?;
    let (exponent, _) = multiprecision(rest)?;
    Some((modulus, exponent))
}

fn multiprecision(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (bits, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*bits)).div_ceil(8))
}
