//! Points of Curve25519 and Curve448 with which nothing is secret: whatever is encrypted to a point of
//! low order has one of a few keys that everybody knows (RFC 7748 sections 6.1 and 7), and signatures
//! under one are forged at will. Encodings that no sound program writes are refused along with them,
//! because programs differ in which point they read.

use num_bigint::BigUint;

/// Little endian, as on the wire: the points of order 8 of Curve25519 by their u coordinate.
const ORDER_8_U: [&str; 2] = [
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
];
/// Those of Ed25519 by their y coordinate.
const ORDER_8_Y: [&str; 2] = [
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
];

/// Whether a key packet's body (version 4 or 6) holds such a point, under whichever algorithm id.
pub(super) fn is_weak(body: &[u8]) -> bool {
    let start = if body.first() == Some(&6) { 10 } else { 6 };
    let (Some(algorithm), Some(material)) = (body.get(5), body.get(start..)) else { return false };
    match algorithm {
        18 | 22 => legacy(material).is_some_and(|point| {
            is_weak_25519(point, if *algorithm == 18 { ORDER_8_U } else { ORDER_8_Y }, *algorithm == 22)
        }),
        25 => material.get(..32).is_some_and(|point| is_weak_25519(point, ORDER_8_U, false)),
        27 => material.get(..32).is_some_and(|point| is_weak_25519(point, ORDER_8_Y, true)),
        26 => material.get(..56).is_some_and(is_weak_448),
        // The last octet holds the sign alone.
        28 => material.get(..57).is_some_and(|point| point[56] & 0x7f != 0 || is_weak_448(&point[..56])),
        _ => false,
    }
}

/// The point behind the object identifier of Curve25519 or Ed25519, with its prefix 0x40 (section 11.2).
fn legacy(material: &[u8]) -> Option<&[u8]> {
    const CURVE25519: &[u8] = b"\x0a\x2b\x06\x01\x04\x01\x97\x55\x01\x05\x01";
    const ED25519: &[u8] = b"\x09\x2b\x06\x01\x04\x01\xda\x47\x0f\x01";
    let point = material.strip_prefix(CURVE25519).or(material.strip_prefix(ED25519))?;
    point.get(2..)?.strip_prefix(&[0x40])?.get(..32)
}

fn is_weak_25519(point: &[u8], order_8: [&str; 2], has_sign: bool) -> bool {
    let mut point = point.to_vec();
    if has_sign && let Some(last) = point.last_mut() {
        *last &= 0x7f;
    }
    let prime = (BigUint::from(1_u8) << 255) - 19_u8;
    order_8.contains(&hex::encode(&point).as_str()) || is_small_or_large(&point, prime)
}

fn is_weak_448(point: &[u8]) -> bool {
    let one = BigUint::from(1_u8);
    is_small_or_large(point, (&one << 448) - (&one << 224) - 1_u8)
}

/// 0, 1 and -1 have orders 1, 2 and 4, in one form of the curve or the other.
fn is_small_or_large(point: &[u8], prime: BigUint) -> bool {
    let value = BigUint::from_bytes_le(point);
    value <= BigUint::from(1_u8) || value >= prime - 1_u8
}
