//! Taking certificates apart and putting them together, to craft what gpg does not make.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::{body, fixture, now};
use crate::pgp::{PgpCertificate, PgpRefusal};

pub fn parse_binary(bytes: &[u8]) -> Result<PgpCertificate, PgpRefusal> {
    PgpCertificate::parse(&BASE64_STANDARD.encode(bytes), now())
}

/// The binary inside a fixture's armor.
pub fn binary(name: &str) -> Vec<u8> {
    let armor = fixture(&format!("pgp-{name}.asc"));
    let base64 = body(&armor);
    let (base64, _checksum) = base64.rsplit_once('=').expect("checksum");
    BASE64_STANDARD.decode(base64).expect("base64")
}

/// Packets as (type, body).
pub fn split(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut packets = Vec::new();
    while let [first, rest @ ..] = bytes {
        let (tag, length, skip) = match (first & 0x40, rest) {
            (0, [length, ..]) if first.trailing_zeros() >= 2 => ((first >> 2) & 15, usize::from(*length), 1),
            (0, [high, low, ..]) => ((first >> 2) & 15, usize::from(u16::from_be_bytes([*high, *low])), 2),
            (_, [length @ 0..192, ..]) => (first & 63, usize::from(*length), 1),
            (_, [high, low, ..]) => {
                (first & 63, (usize::from(*high) - 192) * 256 + usize::from(*low) + 192, 2)
            }
            _ => panic!("cut short"),
        };
        packets.push((tag, rest[skip..skip + length].to_vec()));
        bytes = &rest[skip + length..];
    }
    packets
}

pub fn join(packets: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (tag, body) in packets {
        bytes.push(0xc0 | tag);
        bytes.push(255);
        bytes.extend(u32::try_from(body.len()).expect("short").to_be_bytes());
        bytes.extend(body);
    }
    bytes
}

pub fn split_armor(armor: &str) -> Vec<(u8, Vec<u8>)> {
    let base64 = body(armor);
    split(&BASE64_STANDARD.decode(base64.rsplit_once('=').expect("checksum").0).expect("base64"))
}

/// The binary inside armor, whatever is in it.
pub fn split_armor_bytes(armor: &str) -> Vec<u8> {
    let base64 = body(armor);
    BASE64_STANDARD.decode(base64.rsplit_once('=').expect("checksum").0).expect("base64")
}
