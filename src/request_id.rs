//! The id that ties a reply, a log line and a support request together.

use std::convert::Infallible;
use std::fmt::{self, Write as _};

use axum::extract::OptionalFromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The header's name, in and out.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header of W3C Trace Context.
pub static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const SAMPLED: u8 = 1;

/// One request's id: the caller's if it is well-formed, else a new UUID.
#[derive(Clone, Debug)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// Takes or makes the id (contract 1).
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let mut sent = headers.get_all(X_REQUEST_ID).iter();
        match (sent.next(), sent.next()) {
            (Some(id), None) if is_well_formed(id.as_bytes()) => Self(id.clone()),
            _ => Self::new(),
        }
    }

    fn new() -> Self {
        let mut buffer = Uuid::encode_buffer();
        let text = Uuid::new_v4().hyphenated().encode_lower(&mut buffer);
        Self(HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("-")))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or("-")
    }

    /// As the reply's header.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

fn is_well_formed(id: &[u8]) -> bool {
    (1..=128).contains(&id.len())
        && id.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// The caller's trace, from a well-formed `traceparent` (W3C Trace Context 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// Names the whole trace.
    pub trace_id: u128,
    /// Names the caller's span.
    pub parent_id: u64,
    /// Bit 0: sampled.
    pub flags: u8,
}

impl TraceContext {
    /// Reads the header; one that breaks the format is as good as none.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        Self::parse(headers.get(&TRACEPARENT)?.to_str().ok()?)
    }

    /// Reads it as [`Display`](fmt::Display) writes it, or as any caller may send it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let version = hex(parts.next()?, 2)?;
        let trace_id = hex(parts.next()?, 32)?;
        let parent_id = u64::try_from(hex(parts.next()?, 16)?).ok()?;
        let flags = u8::try_from(hex(parts.next()?, 2)?).ok()?;
        // Version 00 ends here; later ones may add fields; ff is reserved.
        let is_readable = version != 0xff && (version != 0 || parts.next().is_none());
        (is_readable && trace_id != 0 && parent_id != 0).then_some(Self { trace_id, parent_id, flags })
    }

    /// The same trace, seen from a new span of ours: what a request that continues it sends. Of the
    /// flags only `sampled` is known to this version.
    #[must_use]
    pub fn continued(&self) -> Self {
        let parent_id = rand::random_range(1..=u64::MAX);
        Self { trace_id: self.trace_id, parent_id, flags: self.flags & SAMPLED }
    }

    /// Appends the trace id as logs show it.
    pub fn write_trace_id(&self, line: &mut String) {
        let _ = write!(line, "{:032x}", self.trace_id);
    }
}

/// As the header's value.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.parent_id, self.flags)
    }
}

/// Extracts what the edge found in the request's head.
impl<S: Sync> OptionalFromRequestParts<S> for TraceContext {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get().copied())
    }
}

fn hex(text: &str, length: usize) -> Option<u128> {
    let is_lower_hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    (text.len() == length && is_lower_hex).then(|| u128::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(sent: &[&[u8]]) -> String {
        let mut headers = HeaderMap::new();
        for value in sent {
            headers.append(X_REQUEST_ID, HeaderValue::from_bytes(value).unwrap());
        }
        RequestId::of(&headers).as_str().to_owned()
    }

    #[test]
    fn a_well_formed_id_is_kept_and_any_other_replaced() {
        let longest = "a".repeat(128);
        assert_eq!(id_for(&[b"Ab.9_-"]), "Ab.9_-");
        assert_eq!(id_for(&[longest.as_bytes()]), longest);
        let too_long = "a".repeat(129);
        for bad in [&[&b""[..]][..], &[b"a b"], &[b"a\xff"], &[too_long.as_bytes()], &[b"a", b"b"], &[]] {
            assert_eq!(id_for(bad).len(), 36, "{bad:?}");
        }
    }

    #[test]
    fn a_trace_is_taken_only_from_a_well_formed_header() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(&TRACEPARENT, HeaderValue::from_str(text).unwrap());
            TraceContext::of(&headers)
        };
        let good = of("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        assert_eq!(good.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!((good.parent_id, good.flags), (0x00f0_67aa_0ba9_02b7, 1));
        assert!(of("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes").is_some());
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-extra",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        ] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_continued_trace_keeps_its_id_and_whether_it_is_sampled() {
        let sent = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff").unwrap();
        assert_eq!(TraceContext::parse(&sent.to_string()), Some(sent));
        let (one, other) = (sent.continued(), sent.continued());
        assert_eq!((one.trace_id, one.flags), (sent.trace_id, 1));
        assert!(one.parent_id != sent.parent_id && one.parent_id != other.parent_id);
        let unsampled = TraceContext { flags: 0xfe, ..sent }.continued();
        assert_eq!(unsampled.flags, 0);
    }
}
