//! One range of an answer's octets (RFC 9110 section 14), for whoever goes on with a download.

use axum::http::header::{IF_RANGE, RANGE};
use axum::http::{HeaderMap, Method};

/// How much of a content is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: nothing else was said, or nothing that has to be heeded.
    Whole,
    /// From the first to the last octet, both included.
    Part {
        /// The first octet.
        first: u64,
        /// The last octet.
        last: u64,
    },
    /// Something that it does not have.
    Unsatisfiable,
}

impl Wanted {
    /// Reads what a request for a content of `length` octets wants, whose strong entity tag is `etag`, quotes included.
    /// Several ranges, other units and what is malformed do not count, nor does a range of another content than the one
    /// that `If-Range` names (section 13.1.5).
    #[must_use]
    pub fn of(method: &Method, headers: &HeaderMap, length: u64, etag: &str) -> Self {
        let mut ranges = headers.get_all(RANGE).iter();
        let (Some(range), None) = (ranges.next(), ranges.next()) else { return Self::Whole };
        let is_of_another = headers.get_all(IF_RANGE).iter().any(|named| named.as_bytes() != etag.as_bytes());
        if *method != Method::GET || is_of_another {
            return Self::Whole;
        }
        range.to_str().ok().and_then(|range| parse(range, length)).unwrap_or(Self::Whole)
    }
}

/// `None` where the header is not one range of octets.
fn parse(range: &str, length: u64) -> Option<Wanted> {
    let (unit, spec) = range.split_once('=')?;
    let (first, last) = spec.trim().split_once('-')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = match (position(first)?, position(last)?) {
        (None, None) => return None,
        // The last so many.
        (None, Some(0)) => return Some(Wanted::Unsatisfiable),
        (None, Some(suffix)) => (length.saturating_sub(suffix), u64::MAX),
        (Some(first), None) => (first, u64::MAX),
        (Some(first), Some(last)) if first > last => return None,
        (Some(first), Some(last)) => (first, last),
    };
    Some(if first < length {
        Wanted::Part { first, last: last.min(length - 1) }
    } else {
        Wanted::Unsatisfiable
    })
}

/// Digits, or nothing: `Some(None)`. What no content is as long as, is as far as can be.
fn position(digits: &str) -> Option<Option<u64>> {
    match digits {
        "" => Some(None),
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(Some(digits.parse().unwrap_or(u64::MAX)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETAG: &str = "\"abc\"";

    fn wanted(range: &str) -> Wanted {
        let headers = HeaderMap::from_iter([(RANGE, range.parse().unwrap())]);
        Wanted::of(&Method::GET, &headers, 1000, ETAG)
    }

    #[test]
    fn a_range_is_a_part_from_either_end() {
        let part = |first, last| Wanted::Part { first, last };
        assert_eq!(wanted("bytes=0-0"), part(0, 0));
        assert_eq!(wanted("bytes=0-499"), part(0, 499));
        assert_eq!(wanted("bytes=500-"), part(500, 999));
        assert_eq!(wanted("bytes=-1"), part(999, 999));
        assert_eq!(wanted("bytes=-5000"), part(0, 999));
        assert_eq!(wanted("bytes=990-5000"), part(990, 999));
        assert_eq!(wanted("BYTES=1-99999999999999999999999"), part(1, 999));
    }

    #[test]
    fn what_the_content_does_not_have_cannot_be_satisfied() {
        for beyond in ["bytes=1000-", "bytes=1000-2000", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(wanted(beyond), Wanted::Unsatisfiable, "{beyond}");
        }
    }

    #[test]
    fn what_is_not_one_range_of_octets_does_not_count() {
        for other in [
            "bytes=0-1,3-4",
            "lines=0-1",
            "bytes=5-4",
            "bytes=-",
            "bytes=",
            "bytes",
            "bytes=a-b",
            "bytes=+1-2",
        ] {
            assert_eq!(wanted(other), Wanted::Whole, "{other}");
        }
        let mut twice = HeaderMap::from_iter([(RANGE, "bytes=0-1".parse().unwrap())]);
        twice.append(RANGE, "bytes=0-1".parse().unwrap());
        assert_eq!(Wanted::of(&Method::GET, &twice, 1000, ETAG), Wanted::Whole);
        assert_eq!(Wanted::of(&Method::GET, &HeaderMap::new(), 1000, ETAG), Wanted::Whole);
    }

    #[test]
    fn a_range_is_for_get_and_for_the_content_that_if_range_names() {
        let with = |method: Method, named: &str| {
            let headers = [(RANGE, "bytes=0-1".parse().unwrap()), (IF_RANGE, named.parse().unwrap())];
            Wanted::of(&method, &HeaderMap::from_iter(headers), 1000, ETAG)
        };
        assert_eq!(with(Method::GET, ETAG), Wanted::Part { first: 0, last: 1 });
        assert_eq!(with(Method::HEAD, ETAG), Wanted::Whole);
        for other in ["\"abd\"", "W/\"abc\"", "Sat, 21 Nov 2026 08:00:00 GMT"] {
            assert_eq!(with(Method::GET, other), Wanted::Whole, "{other}");
        }
    }
}
