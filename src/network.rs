//! Networks of IP addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Serialize, Serializer};
use url::Host;

/// A network in CIDR notation. IPv4 has its own form, also where it came embedded in IPv6 (RFC 4291 2.5.5.2): what is
/// embedded is in no network of IPv6, not even in `::/0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Reads a network, or an address, which is the network of it alone.
    ///
    /// # Errors
    /// Says what is wrong, without the input.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let malformed = "must be a network such as 203.0.113.0/24 or 2001:db8::/32, or an address";
        let (address, bits) = match text.split_once('/') {
            Some((address, bits))
                if (1..=3).contains(&bits.len()) && bits.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                (address, Some(bits.parse().map_err(|_| malformed)?))
            }
            Some(_) => return Err(malformed),
            None => (text, None),
        };
        let written: IpAddr = address.parse().map_err(|_| malformed)?;
        let address = written.to_canonical();
        // A network of IPv4 in IPv6 counts from its 96th bit.
        let embedded = width(written) - width(address);
        let bits: u32 = bits.unwrap_or_else(|| width(written)).checked_sub(embedded).ok_or(malformed)?;
        if bits > width(address) {
            return Err(malformed);
        }
        if head(address, bits) == number(address) {
            Ok(Self { address, bits })
        } else {
            Err("must be a network without bits behind its length, unlike 10.0.0.1/8")
        }
    }

    /// Whether the address is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        width(address) == width(self.address) && head(address, self.bits) == number(self.address)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The address without the bits behind the first `bits`.
fn head(address: IpAddr, bits: u32) -> u128 {
    let rest = width(address) - bits;
    number(address).checked_shr(rest).and_then(|kept| kept.checked_shl(rest)).unwrap_or_default()
}

/// Bits in an address of this kind.
fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { Ipv4Addr::BITS } else { Ipv6Addr::BITS }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Returns `true` for a URL's host that is the machine itself, where platforms are developed and plain http is safe.
#[must_use]
pub fn is_this_machine(host: Option<Host<&str>>) -> bool {
    match host {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        Network::parse(network).expect(network).contains(address.parse().expect(address))
    }

    #[test]
    fn a_network_contains_the_addresses_that_begin_as_it_does() {
        assert!(contains("10.0.0.0/8", "10.255.0.1") && !contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("192.0.2.1", "192.0.2.1") && !contains("192.0.2.1", "192.0.2.0"));
        assert!(contains("2001:db8::/32", "2001:db8:ffff::1") && !contains("2001:db8::/32", "2001:db9::"));
        assert!(contains("::1/128", "::1") && !contains("::1", "::2"));
        assert!(contains("0.0.0.0/0", "203.0.113.9") && contains("::/0", "2001:db8::1"));
        assert!(!contains("0.0.0.0/0", "::1") && !contains("::/0", "203.0.113.9"));
    }

    #[test]
    fn ipv4_in_ipv6_is_ipv4() {
        assert!(contains("10.0.0.0/8", "::ffff:10.1.1.1") && !contains("::/0", "::ffff:10.1.1.1"));
        assert!(contains("::ffff:10.0.0.0/104", "10.1.1.1") && !contains("::ffff:10.0.0.0/104", "11.1.1.1"));
        assert_eq!(
            Network::parse("::ffff:0:0/96").map(|network| network.to_string()),
            Ok("0.0.0.0/0".into())
        );
        assert!(Network::parse("::ffff:10.0.0.0/8").is_err());
    }

    #[test]
    fn networks_are_shown_in_one_form() {
        for (written, shown) in [
            ("203.0.113.7", "203.0.113.7/32"),
            ("203.0.113.0/24", "203.0.113.0/24"),
            ("2001:DB8:0:0::/32", "2001:db8::/32"),
            ("::ffff:203.0.113.7", "203.0.113.7/32"),
        ] {
            assert_eq!(Network::parse(written).map(|network| network.to_string()), Ok(shown.to_owned()));
        }
    }

    #[test]
    fn networks_are_read_strictly() {
        for bad in [
            "",
            "/",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/0008",
            "10.0.0/8",
            "10.0.0.1/8",
            "2001:db8::1/32",
            "proxy.internal",
            "10.0.0.0/8/8",
            "[::1]",
            " 10.0.0.0/8",
            "10.0.0.0/255.0.0.0",
            "010.0.0.0/8",
            "fe80::1%eth0",
            "*",
        ] {
            assert!(Network::parse(bad).is_err(), "{bad}");
        }
    }

    /// `tests/interop/limits` makes the file: network, address, and `in`, `out` or `refused`, as Python's `ipaddress`
    /// judges them.
    #[test]
    #[ignore = "needs the file that NETWORK_PAIRS names"]
    fn pairs_are_judged_as_another_library_does() {
        let file = std::env::var("NETWORK_PAIRS").expect("NETWORK_PAIRS is set");
        let pairs = std::fs::read_to_string(file).expect("the file is there");
        let mut judged = 0;
        for pair in pairs.lines() {
            let [network, address, expected] = pair.split(' ').collect::<Vec<_>>()[..] else {
                panic!("not a pair: {pair}");
            };
            let ours = match Network::parse(network) {
                Err(_) => "refused",
                Ok(network) if network.contains(address.parse().expect(address)) => "in",
                Ok(_) => "out",
            };
            assert_eq!(ours, expected, "{pair}");
            judged += 1;
        }
        println!("{judged} pairs");
    }
}
