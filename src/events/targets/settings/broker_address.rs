//! Where a broker listens: as partners name it, and as its cluster does.

use std::net::{IpAddr, Ipv6Addr};

use url::Host;

use super::{Policy, is_all};
use crate::events::targets::outbound::is_refused;

/// Of a host's name (RFC 1035).
const MAX_HOST: usize = 253;

/// A broker's host and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BrokerAddress {
    host: String,
    port: u16,
}

impl BrokerAddress {
    /// Reads `<host>:<port>`, or `[<IPv6 address>]:<port>`.
    pub(super) fn parse(text: &str, policy: Policy) -> Result<Self, &'static str> {
        const FORM: &str = "must hold <host>:<port> of each broker, without a scheme";
        let (host, port) = text.rsplit_once(':').ok_or(FORM)?;
        let is_port = (1..=5).contains(&port.len()) && is_all(port, |b| b.is_ascii_digit());
        let port = port.parse().ok().filter(|_| is_port).ok_or(FORM)?;
        let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(v6) => v6.parse::<Ipv6Addr>().map(|_| v6).map_err(|_| FORM)?,
            None if host.contains(':') => return Err(FORM),
            None => host,
        };
        let address = Self::new(host, port, policy)?;
        let is_private = address.host.parse().is_ok_and(is_refused);
        if is_private && !policy.allow_private {
            return Err("must not hold a private or reserved address");
        }
        Ok(address)
    }

    /// An address that may be tried; whether it is a private one is asked when it is.
    pub(super) fn new(host: &str, port: u16, policy: Policy) -> Result<Self, &'static str> {
        const HOST: &str = "must hold the host's name or address of each broker";
        // However an address is spelt: the URL standard turns `0x7f.1` into `127.0.0.1`.
        let host = match host.parse::<IpAddr>() {
            Ok(literal) => literal.to_string(),
            Err(_) => match Host::parse(host).map_err(|_| HOST)? {
                Host::Domain(name) => name,
                Host::Ipv4(literal) => literal.to_string(),
                Host::Ipv6(literal) => literal.to_string(),
            },
        };
        if !(1..=MAX_HOST).contains(&host.len()) {
            return Err(HOST);
        }
        // Below are the ports of other services, to which nobody shall make us talk.
        let is_allowed = port == 443 || port >= 1024 || (policy.allow_private && port > 0);
        if is_allowed { Ok(Self { host, port }) } else { Err("must use port 443, or ports from 1024 on") }
    }

    /// A name, or an address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: Policy = Policy { allow_private: false, sqs_allow_direct: false };
    const PRIVATE: Policy = Policy { allow_private: true, sqs_allow_direct: false };

    fn parsed(text: &str) -> Option<String> {
        let address = BrokerAddress::parse(text, PUBLIC).ok()?;
        Some(format!("{} {}", address.host(), address.port()))
    }

    #[test]
    fn brokers_are_named_by_host_and_port() {
        for (text, expected) in [
            ("Broker-1.example.com:9092", "broker-1.example.com 9092"),
            ("8.8.8.8:443", "8.8.8.8 443"),
            ("[2606:4700::1111]:19092", "2606:4700::1111 19092"),
            ("münchen.example:9093", "xn--mnchen-3ya.example 9093"),
            ("broker_1:65535", "broker_1 65535"),
        ] {
            assert_eq!(parsed(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "a",
            "a:",
            ":9092",
            "a:22",
            "a:0",
            "a:1023",
            "a:99999",
            "a:+9092",
            "a b:9092",
            "a/b:9092",
            "user@a:9092",
            "SASL_SSL://a:9092",
            "::1:9092",
            "[::1:9092",
            "[a]:9092",
            "a:9092,b:9092",
            "a%00b:9092",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn a_written_out_address_is_judged_in_every_spelling() {
        for text in [
            "127.0.0.1:9092",
            "0x7f.1:9092",
            "2130706433:9092",
            "[::1]:9092",
            "[::ffff:10.0.0.1]:9092",
            "169.254.169.254:9092",
        ] {
            assert_eq!(parsed(text), None, "{text}");
            assert!(BrokerAddress::parse(text, PRIVATE).is_ok(), "{text}");
        }
        assert!(BrokerAddress::parse("a:25", PRIVATE).is_ok());
    }

    #[test]
    fn what_a_cluster_names_is_judged_when_it_is_dialled() {
        let named = |host, port| BrokerAddress::new(host, port, PUBLIC).ok().map(|address| address.host);
        assert_eq!(named("B-1.example", 9094).as_deref(), Some("b-1.example"));
        // Told like a name that leads inside, and not before.
        assert_eq!(named("10.0.0.7", 9094).as_deref(), Some("10.0.0.7"));
        assert_eq!(named("0x7f.1", 9094).as_deref(), Some("127.0.0.1"));
        assert_eq!(named("fd00::7", 9094).as_deref(), Some("fd00::7"));
        for (host, port) in
            [("", 9092), ("a", 22), ("a", 0), ("a/b", 9092), ("a\r\n", 9092), (&"a".repeat(254), 9092)]
        {
            assert_eq!(named(host, port), None, "{host}:{port}");
        }
    }
}
