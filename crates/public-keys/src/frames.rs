//! OpenPGP packets by their frames alone (RFC 9580 section 4.2), read here and not by a library, so
//! that nothing private, outdated or oversized ever reaches its parsers.

/// One packet: its type id and its body.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    pub tag: u8,
    pub body: &'a [u8],
}

/// Packet type ids (RFC 9580 section 5).
pub mod tag {
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

/// Whether `bytes` begin with the header of a packet.
pub fn is_packet(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| first & 0x80 != 0)
}

/// Splits the first packet off. Fixed lengths only: partial and indeterminate ones are for data, not
/// for keys.
pub fn split(bytes: &[u8]) -> Option<(Frame<'_>, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first & 0x80 == 0 {
        return None;
    }
    let (length, rest) = if first & 0x40 == 0 { old_length(first & 3, rest)? } else { new_length(rest)? };
    let (body, rest) = rest.split_at_checked(length)?;
    Some((Frame { tag: tag_of(first), body }, rest))
}

fn tag_of(first: u8) -> u8 {
    if first & 0x40 == 0 { (first >> 2) & 0x0f } else { first & 0x3f }
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

/// Whether `bytes` begin with a secret key or subkey packet (section 5.5), judged by its header and
/// version alone, so that one that is cut short is told as well.
pub fn is_secret(bytes: &[u8]) -> bool {
    let first = bytes.first().copied().unwrap_or_default();
    let second = bytes.get(1).copied().unwrap_or_default();
    let (secret, length_octets) = match first {
        0x94..=0x97 | 0x9c..=0x9f => (true, [1, 2, 4, 0][usize::from(first & 3)]),
        0xc5 | 0xc7 => {
            (true, [1, 2, 5][usize::from((192..224).contains(&second)) + 2 * usize::from(second == 255)])
        }
        _ => (false, 0),
    };
    secret && matches!(bytes.get(1 + length_octets), Some(2..=6))
}

/// Whether a secret key or subkey packet is among the packets that `bytes` begin with.
pub fn hold_secret(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    loop {
        if is_secret(rest) {
            return true;
        }
        match split(rest) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
}
