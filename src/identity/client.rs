//! The address that a request came from (contract 11): the connection's, or what `X-Forwarded-For`
//! says where somebody vouches for it. Anybody may send that header, so without a voucher it means
//! nothing; of what it says only the part counts that trusted hands wrote, from the right.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::{HeaderMap, HeaderName};

use super::gateway::GatewaySecrets;
use crate::network::Network;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Proxies in a row; a longer chain is somebody's joke.
const MAX_HOPS: usize = 32;

/// The other end of the connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// The address that a request came from. IPv4 in its own form, also where it came embedded in IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// Judges the connection and the header. `None` where there is no connection, as in tests.
    #[must_use]
    pub fn of(
        peer: Option<Peer>,
        headers: &HeaderMap,
        proxies: &TrustedProxies,
        gateway: &GatewaySecrets,
    ) -> Option<Self> {
        let peer = peer.map(|Peer(address)| address.to_canonical());
        if !headers.contains_key(FORWARDED_FOR) {
            return peer.map(Self);
        }
        let is_vouched_for = peer.is_some_and(|peer| proxies.contain(peer)) || gateway.prove(headers);
        let hops = if is_vouched_for { MAX_HOPS } else { 0 };
        let mut nearest = peer;
        for entry in entries(headers).take(hops) {
            // What cannot be read was not written by a proxy that is worth its trust: the hop that
            // passed it on is the last one known.
            let Some(address) = read(entry) else { break };
            nearest = Some(address);
            if !proxies.contain(address) {
                break;
            }
        }
        nearest.map(Self)
    }
}

/// The entries of every line of the header, the last one first.
fn entries(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    let entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    // An empty one is none (RFC 9110 5.6.1).
    entries.map(<[u8]>::trim_ascii).filter(|entry| !entry.is_empty())
}

/// An address as proxies write it: bare, in brackets, in quotes, with a port (RFC 7239 6).
fn read(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?;
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let address = if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let is_whole = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        is_whole.then(|| address.parse::<Ipv6Addr>().ok()).flatten()?.into()
    } else if let Some((address, _)) = text.split_once(':').filter(|(_, port)| is_port(port)) {
        address.parse::<Ipv4Addr>().ok()?.into()
    } else {
        text.parse::<IpAddr>().ok()?
    };
    Some(address.to_canonical())
}

fn is_port(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `TRUSTED_PROXIES`: whose word in `X-Forwarded-For` counts.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    /// Reads networks and addresses, separated by commas.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn parse(list: &str) -> Result<Self, &'static str> {
        list.split(',').map(|network| Network::parse(network.trim())).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the address is one of theirs.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::GATEWAY_AUTH;

    const SECRET: &str = "current-0123456789012345678901234567";

    fn client(peer: &str, proxies: &str, lines: &[&[u8]], proof: Option<&str>) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, axum::http::HeaderValue::from_bytes(line).unwrap());
        }
        proof.map(|proof| headers.append(GATEWAY_AUTH, proof.parse().unwrap()));
        let proxies =
            if proxies.is_empty() { Ok(TrustedProxies::default()) } else { TrustedProxies::parse(proxies) };
        let peer = Some(Peer(peer.parse().unwrap()));
        let gateway = GatewaySecrets::parse(SECRET).unwrap();
        ClientAddress::of(peer, &headers, &proxies.unwrap(), &gateway).unwrap().0.to_string()
    }

    #[test]
    fn without_a_voucher_the_header_means_nothing() {
        assert_eq!(client("192.0.2.1", "", &[], None), "192.0.2.1");
        for proof in [None, Some("wrong"), Some("")] {
            assert_eq!(client("192.0.2.1", "", &[b"198.51.100.7"], proof), "192.0.2.1");
        }
        assert_eq!(client("192.0.2.1", "10.0.0.0/8", &[b"198.51.100.7"], None), "192.0.2.1");
        // A proxy in the header does not vouch for itself.
        assert_eq!(client("192.0.2.1", "10.0.0.0/8", &[b"198.51.100.7, 10.0.0.1"], None), "192.0.2.1");
    }

    #[test]
    fn a_trusted_proxy_or_the_gateways_proof_vouches_for_it() {
        assert_eq!(client("10.0.0.1", "10.0.0.0/8", &[b"198.51.100.7"], None), "198.51.100.7");
        assert_eq!(client("192.0.2.1", "", &[b"198.51.100.7"], Some(SECRET)), "198.51.100.7");
    }

    #[test]
    fn the_right_most_address_that_is_not_a_trusted_proxy_counts() {
        let of = |lines: &[&[u8]]| client("10.0.0.1", "10.0.0.0/8,2001:db8::/32", lines, None);
        assert_eq!(of(&[b"203.0.113.9, 198.51.100.7"]), "198.51.100.7");
        assert_eq!(of(&[b"203.0.113.9, 198.51.100.7,10.1.2.3 , 10.0.0.9"]), "198.51.100.7");
        assert_eq!(of(&[b"203.0.113.9, 198.51.100.7, 2001:db8::1"]), "198.51.100.7");
        // Several lines are one list.
        assert_eq!(of(&[b"203.0.113.9", b"198.51.100.7", b"10.0.0.9"]), "198.51.100.7");
        assert_eq!(of(&[b"198.51.100.7", b"", b" , ,"]), "198.51.100.7");
        // All are proxies: the first one is as far as anybody knows.
        assert_eq!(of(&[b"10.0.0.7, 10.0.0.8"]), "10.0.0.7");
        assert_eq!(of(&[b""]), "10.0.0.1");
    }

    #[test]
    fn addresses_are_read_as_proxies_write_them() {
        let of = |entry: &str| client("10.0.0.1", "10.0.0.1", &[entry.as_bytes()], None);
        for (entry, address) in [
            ("198.51.100.7:54321", "198.51.100.7"),
            ("\"198.51.100.7:80\"", "198.51.100.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:DB8::7]:443", "2001:db8::7"),
            ("\"[2001:db8::7]:443\"", "2001:db8::7"),
            ("::ffff:198.51.100.7", "198.51.100.7"),
            ("[::ffff:198.51.100.7]:1", "198.51.100.7"),
            ("::ffff:c633:6407", "198.51.100.7"),
        ] {
            assert_eq!(of(entry), address, "{entry}");
        }
    }

    #[test]
    fn what_cannot_be_read_ends_the_chain_at_the_hop_that_passed_it_on() {
        let long = format!("{}, 10.0.0.9", "a".repeat(10_240));
        let many = format!("{}10.0.0.9", "203.0.113.9, ".repeat(800));
        for entry in [
            "unknown",
            "_hidden",
            "localhost",
            "198.51.100.7.",
            "198.51.100",
            "198.51.100.7:",
            "198.51.100.7:x",
            "198.51.100.7:123456",
            "[2001:db8::7",
            "2001:db8::7]",
            "[198.51.100.7]",
            "[2001:db8::7]443",
            "fe80::1%eth0",
            "for=198.51.100.7",
            "\"198.51.100.7",
            "198.51.100.07",
            "0x7f.1",
            "3325256711",
            "198.51.100.7 203.0.113.9",
        ] {
            assert_eq!(client("10.0.0.1", "10.0.0.0/8", &[entry.as_bytes()], None), "10.0.0.1", "{entry}");
            let passed_on = format!("203.0.113.9, {entry}, 10.0.0.9");
            assert_eq!(
                client("10.0.0.1", "10.0.0.0/8", &[passed_on.as_bytes()], None),
                "10.0.0.9",
                "{entry}"
            );
        }
        assert_eq!(client("10.0.0.1", "10.0.0.0/8", &[long.as_bytes()], None), "10.0.0.9");
        assert_eq!(client("10.0.0.1", "10.0.0.0/8", &[many.as_bytes()], None), "203.0.113.9");
        assert_eq!(client("10.0.0.1", "10.0.0.0/8", &[b"\xff\xfe"], None), "10.0.0.1");
        let proxies = "10.0.0.9, ".repeat(5_000);
        assert_eq!(client("10.0.0.1", "10.0.0.0/8", &[proxies.as_bytes()], None), "10.0.0.9");
    }

    #[test]
    fn trusted_proxies_are_networks_and_addresses_by_commas() {
        let proxies = TrustedProxies::parse("192.0.2.1, 2001:db8::/32").unwrap();
        let contain = |address: &str| proxies.contain(address.parse().unwrap());
        assert!(contain("2001:db8:1::") && contain("192.0.2.1") && !contain("192.0.2.2"));
        for bad in ["", ",", "10.0.0.0/8,", "10.0.0.0/8 10.1.0.0/16", "10.0.0.0/8,proxy.internal"] {
            assert!(TrustedProxies::parse(bad).is_err(), "{bad}");
        }
    }
}
