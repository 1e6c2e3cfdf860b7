//! From text to packets: armor or base64 off, then the frames of RFC 9580 section 4.2, read here and
//! not by rPGP so that nothing private, outdated or oversized ever reaches its parsers.

use super::{PgpRefusal, policy};
use crate::public_keys::{MAX_INPUT, encoding};

/// One packet: its type id and its body.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    pub tag: u8,
    pub body: &'a [u8],
}

/// Packet type ids (RFC 9580 section 5).
pub(super) mod tag {
    pub const SIGNATURE: u8 = 2;
    pub const PUBLIC_KEY: u8 = 6;
    pub const MARKER: u8 = 10;
    pub const TRUST: u8 = 12;
    pub const USER_ID: u8 = 13;
    pub const PUBLIC_SUBKEY: u8 = 14;
    pub const USER_ATTRIBUTE: u8 = 17;
    pub const PADDING: u8 = 21;
    /// From here on, unknown types may be ignored (RFC 9580 section 4.3).
    pub const FIRST_NON_CRITICAL: u8 = 40;
}

/// The binary behind `text`: armored, base64 of binary, or base64 of armor.
pub(super) fn binary(text: &str) -> Result<Vec<u8>, PgpRefusal> {
    if text.len() > MAX_INPUT {
        return Err(PgpRefusal::TooLarge);
    }
    let text = text.trim();
    refuse_private(text)?;
    if encoding::is_block(text) {
        return dearmor(text);
    }
    let bytes = encoding::base64(text).ok_or(PgpRefusal::NotPgp)?;
    match std::str::from_utf8(&bytes).map(str::trim) {
        Ok(inner) => {
            refuse_private(inner)?;
            if encoding::is_block(inner) { dearmor(inner) } else { Err(PgpRefusal::NotPgp) }
        }
        Err(_) => Ok(bytes),
    }
}

fn refuse_private(text: &str) -> Result<(), PgpRefusal> {
    let private = encoding::looks_private(text) || encoding::is_secret_pgp(&encoding::head(text));
    if private { Err(PgpRefusal::PrivateKey) } else { Ok(()) }
}

/// Armor (RFC 9580 section 6.2): headers and the checksum are read over; the checksum says nothing
/// that the signatures do not say better, and section 6.1 forbids refusing for it.
fn dearmor(text: &str) -> Result<Vec<u8>, PgpRefusal> {
    let block = encoding::block(text).ok_or(PgpRefusal::Malformed)?;
    match block.label {
        "PGP PUBLIC KEY BLOCK" => {}
        label if label.starts_with("PGP ") => return Err(PgpRefusal::NotACertificate),
        _ => return Err(PgpRefusal::NotPgp),
    }
    if !block.rest.is_empty() {
        let again = block.rest.starts_with("-----BEGIN PGP PUBLIC KEY BLOCK");
        return Err(if again { PgpRefusal::SeveralCertificates } else { PgpRefusal::TrailingData });
    }
    let mut lines: Vec<&str> =
        block.body.lines().map(str::trim).skip_while(|line| line.is_empty() || line.contains(':')).collect();
    while lines.pop_if(|line| line.is_empty()).is_some() {}
    lines.pop_if(|line| line.len() == 5 && line.starts_with('='));
    encoding::base64(&lines.concat()).ok_or(PgpRefusal::Malformed)
}

/// Splits `bytes` into packets, refusing secret keys wherever they stand, even cut short.
pub(super) fn frames(bytes: &[u8]) -> Result<Vec<Frame<'_>>, PgpRefusal> {
    let mut frames = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        if rest[0] & 0x80 == 0 {
            return Err(if frames.is_empty() { PgpRefusal::NotPgp } else { PgpRefusal::TrailingData });
        }
        if encoding::is_secret_pgp(rest) {
            return Err(PgpRefusal::PrivateKey);
        }
        let (frame, after) = split_frame(rest).ok_or(PgpRefusal::Malformed)?;
        if frames.len() == policy::MAX_PACKETS {
            return Err(PgpRefusal::TooComplex);
        }
        frames.push(frame);
        rest = after;
    }
    Ok(frames)
}

fn tag_of(first: u8) -> u8 {
    if first & 0x40 == 0 { (first >> 2) & 0x0f } else { first & 0x3f }
}

/// Fixed lengths only: partial and indeterminate ones are for data, not for keys.
fn split_frame(bytes: &[u8]) -> Option<(Frame<'_>, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let (length, rest) = if first & 0x40 == 0 { old_length(first & 3, rest)? } else { new_length(rest)? };
    let (body, rest) = rest.split_at_checked(length)?;
    Some((Frame { tag: tag_of(first), body }, rest))
}

fn old_length(octets: u8, rest: &[u8]) -> Option<(usize, &[u8])> {
    let (digits, rest) = rest.split_at_checked(match octets {
        0 => 1,
        1 => 2,
        2 => 4,
        _ => return None,
    })?;
    Some((big_endian(digits), rest))
}

fn new_length(rest: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = rest.split_first()?;
    match first {
        0..192 => Some((usize::from(first), rest)),
        192..224 => {
            let (&second, rest) = rest.split_first()?;
            Some(((usize::from(first) - 192) * 256 + usize::from(second) + 192, rest))
        }
        255 => rest.split_at_checked(4).map(|(digits, rest)| (big_endian(digits), rest)),
        _ => None,
    }
}

fn big_endian(digits: &[u8]) -> usize {
    digits.iter().fold(0, |sum, digit| (sum << 8) | usize::from(*digit))
}

/// The frames of one certificate, grouped: each component with the signatures that follow it.
pub(super) struct Grouped<'a> {
    pub primary: Component<'a>,
    pub user_ids: Vec<Component<'a>>,
    pub subkeys: Vec<Component<'a>>,
}

/// A key or a user id, and the bodies of the signature packets behind it.
pub(super) struct Component<'a> {
    pub body: &'a [u8],
    pub signatures: Vec<&'a [u8]>,
}

/// Groups the frames of exactly one certificate (RFC 9580 section 10.1). User attributes (portraits)
/// are read over with their signatures: nothing here needs them.
pub(super) fn group<'a>(frames: &[Frame<'a>]) -> Result<Grouped<'a>, PgpRefusal> {
    let (first, rest) = frames.split_first().ok_or(PgpRefusal::NotPgp)?;
    if first.tag != tag::PUBLIC_KEY {
        return Err(PgpRefusal::NotACertificate);
    }
    let component = |body| Component { body, signatures: Vec::new() };
    let mut grouped = Grouped { primary: component(first.body), user_ids: Vec::new(), subkeys: Vec::new() };
    let mut current = Some(&mut grouped.primary);
    for frame in rest {
        match frame.tag {
            tag::SIGNATURE => {
                if let Some(component) = &mut current {
                    component.signatures.push(frame.body);
                }
            }
            tag::USER_ID => current = push(&mut grouped.user_ids, component(frame.body)),
            tag::PUBLIC_SUBKEY => current = push(&mut grouped.subkeys, component(frame.body)),
            tag::USER_ATTRIBUTE | tag::FIRST_NON_CRITICAL.. => current = None,
            tag::MARKER | tag::TRUST | tag::PADDING => {}
            tag::PUBLIC_KEY => return Err(PgpRefusal::SeveralCertificates),
            _ => return Err(PgpRefusal::TrailingData),
        }
    }
    let too_many =
        grouped.user_ids.len() > policy::MAX_USER_IDS || grouped.subkeys.len() > policy::MAX_SUBKEYS;
    if too_many { Err(PgpRefusal::TooComplex) } else { Ok(grouped) }
}

fn push<'v, 'a>(list: &'v mut Vec<Component<'a>>, item: Component<'a>) -> Option<&'v mut Component<'a>> {
    list.push(item);
    list.last_mut()
}
