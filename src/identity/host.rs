//! The host that a request is for (RFC 9110 7.2, RFC 9112 3.2).

use std::net::{IpAddr, Ipv6Addr};

use axum::extract::Request;
use axum::http::header::{HOST, HeaderValue};
use axum::http::{HeaderMap, Version};

use crate::error::{ApiError, Code};

/// The host of a URL: what stands in `Host`, less the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host<'h> {
    /// A name, as it was written.
    Name(&'h str),
    /// An address.
    Address(IpAddr),
}

impl<'h> Host<'h> {
    /// Reads `uri-host [":" port]` (RFC 3986 3.2.2); `None` for anything else, and for no host at all.
    #[must_use]
    pub fn parse(sent: &'h [u8]) -> Option<Self> {
        // An IPv6 address has colons of its own.
        if let Some(bracketed) = sent.strip_prefix(b"[") {
            let end = bracketed.iter().position(|b| *b == b']')?;
            let (address, port) = (&bracketed[..end], &bracketed[end + 1..]);
            // A zone (RFC 6874) means nothing outside the machine that names it.
            let address: Ipv6Addr = std::str::from_utf8(address).ok()?.parse().ok()?;
            return is_port(port).then_some(Self::Address(address.into()));
        }
        let name = name(sent)?;
        Some(name.parse().map_or(Self::Name(name), Self::Address))
    }

    /// Returns `true` for what [`Host::parse`] reads, without asking whether it is a name or an address: that is asked of
    /// every request, and nearly all hosts are written without brackets.
    fn is_one(sent: &'h [u8]) -> bool {
        if sent.starts_with(b"[") { Self::parse(sent).is_some() } else { name(sent).is_some() }
    }

    /// Returns `true` if it is this machine's, whoever asks (RFC 6761 6.3): no DNS can make such a
    /// name lead elsewhere, nor another one's page have it.
    #[must_use]
    pub fn is_loopback(self) -> bool {
        match self.without_root() {
            Self::Address(address) => address.is_loopback(),
            Self::Name(name) => {
                let (before, last) = name.rsplit_once('.').map_or((None, name), |(b, l)| (Some(b), l));
                last.eq_ignore_ascii_case("localhost") && before != Some("")
            }
        }
    }

    /// Returns `true` if both are the same host; names are so in any case, with or without the
    /// root's dot.
    #[must_use]
    pub fn is(self, other: Host<'_>) -> bool {
        match (self.without_root(), other.without_root()) {
            (Self::Name(one), Host::Name(other)) => one.eq_ignore_ascii_case(other),
            (Self::Address(one), Host::Address(other)) => one == other,
            _ => false,
        }
    }

    fn without_root(self) -> Self {
        match self {
            Self::Name(name) => Self::Name(name.strip_suffix('.').unwrap_or(name)),
            address => address,
        }
    }
}

/// The host of `reg-name [":" port]`, of which an IPv4 address is one as well.
fn name(sent: &[u8]) -> Option<&str> {
    let (host, port) = sent.split_at(sent.iter().position(|b| *b == b':').unwrap_or(sent.len()));
    let is_name = !host.is_empty() && host.iter().copied().all(is_of_name);
    (is_name && is_port(port)).then(|| std::str::from_utf8(host).ok())?
}

/// Returns `true` for `[":" *DIGIT]`.
fn is_port(text: &[u8]) -> bool {
    text.is_empty() || text.strip_prefix(b":").is_some_and(|digits| digits.iter().all(u8::is_ascii_digit))
}

/// `unreserved`, `pct-encoded` and `sub-delims` (RFC 3986).
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'%'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
        )
}

/// `Host` as it was sent.
#[must_use]
pub fn text(headers: &HeaderMap) -> Option<&str> {
    headers.get(HOST)?.to_str().ok()
}

/// The host that the headers name, once [`normalize`] has passed.
#[must_use]
pub fn of(headers: &HeaderMap) -> Option<Host<'_>> {
    Host::parse(headers.get(HOST)?.as_bytes())
}

/// Returns `true` if `Host` was sent once and names a host, or not at all where it need not be.
#[must_use]
pub fn is_named(version: Version, headers: &HeaderMap) -> bool {
    let mut sent = headers.get_all(HOST).iter();
    match (sent.next(), sent.next()) {
        (Some(host), None) => Host::is_one(host.as_bytes()),
        (None, _) => version < Version::HTTP_11,
        (Some(_), Some(_)) => false,
    }
}

/// Makes sure that a request is for one host, and that `Host` names it: a request line with a whole
/// URL in it decides over the header (RFC 9112 3.2.2). HTTP/1.0 may name none.
///
/// # Errors
/// 400 where there is none, more than one or a malformed one (RFC 9112 3.2).
pub fn normalize(request: &mut Request) -> Result<(), ApiError> {
    let refused = || ApiError::with_message(Code::InvalidRequest, "Host must be sent once, and name a host.");
    if !is_named(request.version(), request.headers()) {
        return Err(refused());
    }
    let Some(authority) = request.uri().authority() else { return Ok(()) };
    // With a user's name before it, it is no host (RFC 9110 4.2.4).
    let host = Host::parse(authority.as_str().as_bytes()).and(HeaderValue::from_str(authority.as_str()).ok());
    request.headers_mut().insert(HOST, host.ok_or_else(refused)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_maybe_a_port() {
        let address = |text: &str| Some(Host::Address(text.parse().unwrap()));
        for (sent, host) in [
            ("api.example.com", Some(Host::Name("api.example.com"))),
            ("API.example.com.:8080", Some(Host::Name("API.example.com."))),
            ("partner_api:", Some(Host::Name("partner_api"))),
            ("127.0.0.1:1", address("127.0.0.1")),
            ("[::1]", address("::1")),
            ("[0:0:0:0:0:0:0:1]:443", address("::1")),
        ] {
            assert_eq!(Host::parse(sent.as_bytes()), host, "{sent}");
            assert!(Host::is_one(sent.as_bytes()), "{sent}");
        }
        for bad in [
            "",
            ":80",
            "a b",
            "a:b",
            "a:1:2",
            "::1",
            "[::1",
            "::1]",
            "[::1]x",
            "[::1]:x",
            "[]",
            "[a]",
            "[::1%25lo]",
            "[::1%lo]",
            "[127.0.0.1]",
            "user@a",
            "a/b",
            "a?b",
            "a#b",
            "a,b c",
            "a\\b",
            "a\tb",
            "ä",
            "a\"b",
            "<a>",
        ] {
            assert_eq!(Host::parse(bad.as_bytes()), None, "{bad:?}");
            assert!(!Host::is_one(bad.as_bytes()), "{bad:?}");
        }
    }

    #[test]
    fn this_machine_is_told_from_all_others() {
        let is_loopback = |sent: &str| Host::parse(sent.as_bytes()).unwrap().is_loopback();
        for own in [
            "localhost",
            "LOCALHOST",
            "localhost.",
            "acme.localhost",
            "a.b.LocalHost.:80",
            "127.0.0.1",
            "127.255.0.3",
            "[::1]",
            "[0:0::1]:8080",
        ] {
            assert!(is_loopback(own), "{own}");
        }
        for other in [
            "evil.example",
            "localhost.evil.example",
            "evillocalhost",
            ".localhost",
            "localhost..",
            "0.0.0.0",
            "[::]",
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "127.0.0.1.evil.example",
            "128.0.0.1",
            "[::2]",
            "[fe80::1]",
        ] {
            assert!(!is_loopback(other), "{other}");
        }
    }

    fn normalized(version: Version, target: &str, hosts: &[&str]) -> Option<Option<String>> {
        let mut request = Request::new(axum::body::Body::empty());
        (*request.version_mut(), *request.uri_mut()) = (version, target.parse().unwrap());
        for host in hosts {
            request.headers_mut().append(HOST, host.parse().unwrap());
        }
        normalize(&mut request).ok()?;
        Some(request.headers().get(HOST).map(|host| host.to_str().unwrap().to_owned()))
    }

    #[test]
    fn one_host_is_named_and_a_whole_url_decides_which() {
        let named = |host: &str| Some(Some(host.to_owned()));
        for version in [Version::HTTP_10, Version::HTTP_11] {
            assert_eq!(normalized(version, "/", &["a"]), named("a"));
            assert_eq!(normalized(version, "http://b:81/v1", &["a"]), named("b:81"));
            for (target, hosts) in [
                ("/", &["a", "a"][..]),
                ("/", &[""]),
                ("/", &["u@a"]),
                ("http://b/", &["a b"]),
                ("http://u@b/", &["b"]),
            ] {
                assert_eq!(normalized(version, target, hosts), None, "{target} {hosts:?}");
            }
        }
        assert_eq!(normalized(Version::HTTP_11, "/", &[]), None);
        assert_eq!(normalized(Version::HTTP_11, "http://b/", &[]), None);
        assert_eq!(normalized(Version::HTTP_10, "/", &[]), Some(None));
        assert_eq!(normalized(Version::HTTP_10, "http://b/", &[]), named("b"));
    }
}
