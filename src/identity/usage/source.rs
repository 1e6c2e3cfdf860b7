//! Where a request came from, as far as that is kept (contract 13.2): the network of its address, and what its client
//! says it is.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// Characters that are kept of a `User-Agent`.
const MAX_AGENT: usize = 100;
/// Bytes that are told apart in memory: as many as that many characters may have.
const MAX_AGENT_BYTES: usize = 4 * MAX_AGENT;
/// Letters and digits in a row that no product's name has, and keys and tokens have.
const SECRET_LENGTH: usize = 40;

/// The network of an address: a /24 or a /48.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceNetwork {
    /// The address is not known.
    Unknown,
    /// The first three bytes.
    V4([u8; 3]),
    /// The first three groups.
    V6([u16; 3]),
}

impl SourceNetwork {
    /// The network of a client's address, which comes in its own form: IPv4 is never embedded in IPv6.
    #[must_use]
    pub fn of(address: Option<IpAddr>) -> Self {
        match address {
            None => Self::Unknown,
            Some(IpAddr::V4(address)) => {
                let [a, b, c, _] = address.octets();
                Self::V4([a, b, c])
            }
            Some(IpAddr::V6(address)) => {
                let [a, b, c, ..] = address.segments();
                Self::V6([a, b, c])
            }
        }
    }
}

/// In CIDR notation, and empty where it is not known, as it is stored.
impl fmt::Display for SourceNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Unknown => Ok(()),
            Self::V4([a, b, c]) => write!(f, "{a}.{b}.{c}.0/24"),
            Self::V6([a, b, c]) => write!(f, "{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)),
        }
    }
}

/// The part of a `User-Agent` by which clients are told apart in memory.
pub fn told_apart(agent: &[u8]) -> &[u8] {
    &agent[..agent.len().min(MAX_AGENT_BYTES)]
}

/// A `User-Agent` as it is kept. Who writes it is the client, and who reads it looks at a page: so nothing that moves
/// other text about, and nothing that looks like a key that was sent under the wrong name.
pub fn printable(agent: &[u8]) -> String {
    let text = String::from_utf8_lossy(agent);
    let mut shown = String::with_capacity(text.len().min(MAX_AGENT));
    for word in text.split_inclusive(|c: char| !is_of_a_secret(c)) {
        let body = word.trim_end_matches(|c: char| !is_of_a_secret(c));
        let is_secret = body.len() >= SECRET_LENGTH && body.bytes().any(|byte| byte.is_ascii_digit());
        shown.push_str(if is_secret { "*" } else { body });
        shown.extend(word[body.len()..].chars().map(|c| if is_harmless(c) { c } else { '?' }));
    }
    shown.chars().take(MAX_AGENT).collect::<String>().trim().to_owned()
}

fn is_of_a_secret(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

fn is_harmless(c: char) -> bool {
    c.is_ascii_graphic() || c == ' ' || c.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_known_by_its_network_alone() {
        let of = |address: &str| SourceNetwork::of(Some(address.parse().unwrap())).to_string();
        assert_eq!(of("198.51.100.7"), "198.51.100.0/24");
        assert_eq!(of("255.255.255.255"), "255.255.255.0/24");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1::/48");
        assert_eq!(of("::1"), "::/48");
        assert_eq!(SourceNetwork::of(None).to_string(), "");
    }

    #[test]
    fn an_agent_is_cut_to_a_hundred_characters_that_can_be_printed() {
        assert_eq!(printable(b"billing/1.4 (linux; amd64)"), "billing/1.4 (linux; amd64)");
        assert_eq!(printable(b""), "");
        assert_eq!(printable("größe/1 日本".as_bytes()), "größe/1 日本");
        assert_eq!(printable(b" a\tb\x1b[31m\x00 "), "a?b?[31m?");
        assert_eq!(printable("a\u{202e}b\u{200b}".as_bytes()), "a?b?");
        assert_eq!(printable(b"\xff\xfea"), "??a");
        assert_eq!(printable("é ".repeat(300).as_bytes()).chars().count(), 99, "a blank at the cut is none");
        assert_eq!(printable("a b".repeat(200).as_bytes()).chars().count(), 100);
    }

    #[test]
    fn what_looks_like_a_key_is_not_kept() {
        let key = "tk_test_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg2O0zBE";
        assert_eq!(printable(format!("sdk/1 {key} (x)").as_bytes()), "sdk/1 * (x)");
        assert_eq!(printable(key.as_bytes()), "*");
        assert_eq!(printable(format!("{} {key}", "a ".repeat(40)).as_bytes()).matches('*').count(), 1);
        let commit = "app/3f786850e387550fdab836ed7e6dc881de23001b";
        assert_eq!(printable(commit.as_bytes()), "app/*");
        let id = "app/0192f0c1-2345-7abc-8def-0123456789ab";
        assert_eq!(printable(id.as_bytes()), id, "a UUID is none");
    }

    #[test]
    fn memory_tells_apart_no_more_than_may_be_kept() {
        assert_eq!(told_apart(&[b'a'; 900]).len(), 400);
        assert_eq!(told_apart(b"abc"), b"abc");
    }
}
