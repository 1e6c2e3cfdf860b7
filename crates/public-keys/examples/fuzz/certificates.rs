//! OpenPGP certificates as packets (RFC 9580 section 4.2): taken out, doubled, moved, taken over from
//! another certificate, and changed inside with lengths that stay right.

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use crate::text;

/// One packet: its type id and its body.
pub type Packet = (u8, Vec<u8>);

/// Types that mean something, and some that mean nothing here.
const TYPES: [u8; 12] = [2, 5, 6, 7, 10, 12, 13, 14, 17, 21, 40, 63];

/// `None` for what is not made of packets of definite lengths.
pub fn split(mut bytes: &[u8]) -> Option<Vec<Packet>> {
    let mut packets = Vec::new();
    while let Some((&first, rest)) = bytes.split_first() {
        let is_new = first & 0x40 != 0;
        let octets = match (is_new, first & 3, rest.first()?) {
            (true, _, 0..192) | (false, 0, _) => 1,
            (true, _, 192..224) | (false, 1, _) => 2,
            (true, _, 255) => 5,
            (false, 2, _) => 4,
            _ => return None,
        };
        let (digits, rest) = rest.split_at_checked(octets)?;
        let length = match (is_new, digits) {
            (true, [high @ 192..224, low]) => (usize::from(*high) - 192) * 256 + usize::from(*low) + 192,
            (true, [255, digits @ ..]) | (_, digits) => {
                digits.iter().fold(0, |sum, digit| (sum << 8) | usize::from(*digit))
            }
        };
        let (body, rest) = rest.split_at_checked(length)?;
        packets.push((if is_new { first & 63 } else { (first >> 2) & 15 }, body.to_vec()));
        bytes = rest;
    }
    Some(packets)
}

/// In either format of headers, now and then with a length that is wrong.
pub fn join(packets: &[Packet], rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (tag, body) in packets {
        let lie = if rng.random_ratio(1, 200) { rng.random_range(0..4) } else { 0 };
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX).wrapping_sub(lie).to_be_bytes();
        let header =
            if *tag < 16 && rng.random() { [0x80 | (tag << 2) | 2].to_vec() } else { vec![0xc0 | tag, 255] };
        bytes.extend(header.iter().chain(&length).chain(body));
    }
    bytes
}

pub fn mutate(packets: &mut Vec<Packet>, others: &[Packet], rng: &mut StdRng) {
    if packets.is_empty() {
        return;
    }
    let at = rng.random_range(0..packets.len());
    let to = rng.random_range(0..packets.len());
    match rng.random_range(0..9) {
        0 => drop(packets.remove(at)),
        1 => packets.insert(to, packets[at].clone()),
        2 => packets.swap(at, to),
        3 => packets.extend(others.choose(rng).cloned()),
        4 => packets.splice(to..to, others.choose(rng).cloned()).for_each(drop),
        5 => packets[at].0 = *TYPES.choose(rng).unwrap_or(&2),
        6 => {
            for _ in 0..rng.random_range(0..40) {
                packets.insert(to, packets[at].clone());
            }
        }
        7 => change_number(&mut packets[at].1, rng),
        _ => text::mutate(&mut packets[at].1, rng),
    }
}

/// Versions, algorithms, types and times stand in the first octets of a body.
fn change_number(body: &mut [u8], rng: &mut StdRng) {
    let end = body.len().min(14);
    if end > 0 {
        body[rng.random_range(0..end)] =
            *[0, 1, 2, 3, 4, 5, 6, 17, 18, 19, 22, 25, 26, 27, 28, 255].choose(rng).unwrap_or(&0);
    }
}
