//! Whether a client asks for a signed response (`Accept-Signature`, RFC 9421 5.1).

use http::HeaderMap;
use sfv::ListEntry;

use crate::{TAG, fields};

/// Whether one of the signatures that are asked for is ours to make: with our tag, or without any.
///
/// Which components and parameters are asked for is not looked at: a response signature always covers the same,
/// and says so in `Signature-Input`. What cannot be read asks for nothing.
pub fn wants(headers: &HeaderMap) -> bool {
    let Ok(Some(asked)) = fields::dictionary(headers, "accept-signature") else { return false };
    asked.values().any(|entry| match entry {
        ListEntry::InnerList(list) => match list.params.get("tag") {
            None => true,
            Some(tag) => tag.as_string().is_some_and(|tag| tag.as_str() == TAG),
        },
        ListEntry::Item(_) => false,
    })
}
