//! `Content-Digest` (RFC 9530): compared with a body, and made for one.

use aws_lc_rs::digest::{Algorithm, SHA256, SHA512, digest};
use http::HeaderMap;
use sfv::{BareItem, ItemSerializer, ListEntry};

use crate::{Problem, fields};

/// The field's name.
const FIELD: &str = "content-digest";

/// The algorithms that are neither deprecated nor insecure (RFC 9530 7.2).
const KNOWN: [(&str, &Algorithm); 2] = [("sha-256", &SHA256), ("sha-512", &SHA512)];

/// Compares `body`, as it came over the wire, with every digest of it that is known.
///
/// # Errors
/// No digest, none that is known, or one that is not that of the body.
pub fn check(headers: &HeaderMap, body: &[u8]) -> Result<(), Problem> {
    let digests = fields::dictionary(headers, FIELD)?.ok_or(Problem::NoDigest)?;
    let mut known = false;
    for (name, algorithm) in KNOWN {
        let Some(member) = digests.get(name) else { continue };
        // Of public bytes: the comparison need not take constant time.
        match member {
            ListEntry::Item(item)
                if item.bare_item == BareItem::from(digest(algorithm, body).as_ref().to_vec()) => {}
            _ => return Err(Problem::Digest(name)),
        }
        known = true;
    }
    if known { Ok(()) } else { Err(Problem::UnknownDigest) }
}

/// The value of `Content-Digest` for `body`: `sha-256=:...:`.
pub fn of(body: &[u8]) -> String {
    of_sha256(digest(&SHA256, body).as_ref())
}

/// The same, where the digest is known.
pub fn of_sha256(digest: &[u8]) -> String {
    format!("sha-256={}", ItemSerializer::new().bare_item(digest).finish())
}
