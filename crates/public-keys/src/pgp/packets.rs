//! From text to packets: armor or base64 off, then the frames of one certificate.

use super::{PgpRefusal, policy};
use crate::frames::{self, Frame, tag};
use crate::{MAX_INPUT, encoding, other, private};

/// The binary behind `text`: armored, base64 of binary, or base64 of armor.
pub(super) fn binary(text: &str) -> Result<Vec<u8>, PgpRefusal> {
    if text.len() > MAX_INPUT {
        return Err(PgpRefusal::TooLarge);
    }
    if private::is_in(text) {
        return Err(PgpRefusal::PrivateKey);
    }
    let text = encoding::undressed(text);
    if text.contains("-----BEGIN ") {
        return dearmor(&text);
    }
    let bare: String = text.lines().filter(|line| !encoding::is_comment(line)).collect();
    // Without its frame, the end of armored data may still be there.
    let bytes = encoding::base64(&bare).or_else(|| encoding::base64(&encoding::armored(&bare)));
    let bytes = bytes.ok_or_else(|| not_pgp(&text))?;
    match std::str::from_utf8(&bytes).map(encoding::undressed) {
        Ok(inner) if inner.contains("-----BEGIN ") => dearmor(&inner),
        Ok(_) => Err(PgpRefusal::NotPgp),
        Err(_) if !frames::is_packet(&bytes) => Err(not_pgp(&text)),
        Err(_) => Ok(bytes),
    }
}

/// What is sent by mistake in place of a certificate.
fn not_pgp(text: &str) -> PgpRefusal {
    if other::is_rsa(text) { PgpRefusal::RsaKey } else { PgpRefusal::NotPgp }
}

/// Armor (RFC 9580 section 6.2). Text before the first block is read over, and so is what stands
/// between a certificate and signatures behind it; one certificate may be in several blocks only as
/// itself and then signatures, as `cat certificate.asc revocation.asc` has it.
fn dearmor(text: &str) -> Result<Vec<u8>, PgpRefusal> {
    let (blocks, rest) = encoding::blocks(text).ok_or(PgpRefusal::Malformed)?;
    let mut bytes = Vec::new();
    for block in blocks {
        match block.label {
            "PGP PUBLIC KEY BLOCK" | "PGP SIGNATURE" => {}
            label if label.starts_with("PGP ") => return Err(PgpRefusal::NotACertificate),
            _ => return Err(not_pgp(text)),
        }
        let decoded = encoding::base64(&encoding::armored(block.body)).ok_or(PgpRefusal::Malformed)?;
        bytes.extend(decoded);
    }
    if encoding::is_comment(rest) { Ok(bytes) } else { Err(PgpRefusal::TrailingData) }
}

/// Splits `bytes` into packets, refusing secret keys wherever they stand, even cut short.
pub(super) fn frames(bytes: &[u8]) -> Result<Vec<Frame<'_>>, PgpRefusal> {
    let mut frames = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        if !frames::is_packet(rest) {
            return Err(if frames.is_empty() { PgpRefusal::NotPgp } else { PgpRefusal::TrailingData });
        }
        if frames::is_secret(rest) {
            return Err(PgpRefusal::PrivateKey);
        }
        let (frame, after) = frames::split(rest).ok_or(PgpRefusal::Malformed)?;
        if frames.len() == policy::MAX_PACKETS {
            return Err(PgpRefusal::TooComplex);
        }
        frames.push(frame);
        rest = after;
    }
    Ok(frames)
}

/// The frames of one certificate: each component once, and every signature wherever it stands.
pub(super) struct Grouped<'a> {
    pub primary: &'a [u8],
    pub user_ids: Vec<&'a [u8]>,
    pub subkeys: Vec<&'a [u8]>,
    pub signatures: Vec<Placed<'a>>,
}

/// A signature packet's body, and the component that it follows.
#[derive(Clone, Copy)]
pub(super) struct Placed<'a> {
    pub body: &'a [u8],
    pub place: Place,
}

/// Where a signature stands. It counts wherever that is; here it is looked for first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Primary,
    UserId(usize),
    Subkey(usize),
    /// Behind something that is not kept, or before everything.
    Elsewhere,
}

/// Groups the frames of exactly one certificate (RFC 9580 section 10.1). User attributes (portraits)
/// are read over: nothing here needs them.
pub(super) fn group<'a>(frames: &[Frame<'a>]) -> Result<Grouped<'a>, PgpRefusal> {
    let mut keys = frames.iter().filter(|frame| frame.tag == tag::PUBLIC_KEY);
    let primary = keys.next().ok_or(PgpRefusal::NotACertificate)?.body;
    if keys.next().is_some() {
        return Err(PgpRefusal::SeveralCertificates);
    }
    let mut grouped = Grouped { primary, user_ids: Vec::new(), subkeys: Vec::new(), signatures: Vec::new() };
    let mut place = Place::Elsewhere;
    for frame in frames {
        match frame.tag {
            tag::PUBLIC_KEY => place = Place::Primary,
            tag::SIGNATURE => grouped.signatures.push(Placed { body: frame.body, place }),
            tag::USER_ID => place = Place::UserId(index(&mut grouped.user_ids, frame.body)),
            tag::PUBLIC_SUBKEY => place = Place::Subkey(index(&mut grouped.subkeys, frame.body)),
            tag::USER_ATTRIBUTE | tag::FIRST_NON_CRITICAL.. => place = Place::Elsewhere,
            tag::MARKER | tag::TRUST | tag::PADDING => {}
            _ => return Err(PgpRefusal::TrailingData),
        }
    }
    let too_many =
        grouped.user_ids.len() > policy::MAX_USER_IDS || grouped.subkeys.len() > policy::MAX_SUBKEYS;
    if too_many { Err(PgpRefusal::TooComplex) } else { Ok(grouped) }
}

/// Where `item` is in the list, which has it once.
fn index<'a>(list: &mut Vec<&'a [u8]>, item: &'a [u8]) -> usize {
    list.iter().position(|known| *known == item).unwrap_or_else(|| {
        list.push(item);
        list.len() - 1
    })
}
