//! The addresses that a partner's target may not have (contract 6).
//!
//! IPv4 is what IANA's special-purpose registry does not call globally reachable. IPv6 is judged the
//! other way round: only global unicast (2000::/3) may pass, less the blocks in it that are not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A block of IPv4 addresses: the first one, and the length of the prefix.
type V4Block = (Ipv4Addr, u32);
/// The same for IPv6.
type V6Block = (Ipv6Addr, u32);

const REFUSED_V4: [V4Block; 17] = [
    // "This network", the unspecified address in it.
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    // Private.
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    // Carrier-grade NAT.
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    // Loopback.
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // Link-local: the metadata service of most clouds.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    // Azure's metadata service, on a public address that answers only inside.
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    // IETF protocol assignments.
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    // Documentation.
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Relays of 6to4, withdrawn.
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    // Benchmarks.
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    // Multicast.
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    // Reserved, the broadcast address in it.
    (Ipv4Addr::new(240, 0, 0, 0), 4),
    (Ipv4Addr::BROADCAST, 32),
];

const GLOBAL_UNICAST: V6Block = (v6(0x2000, 0, 0), 3);

/// Inside [`GLOBAL_UNICAST`]; what lies outside is refused anyway: unspecified, loopback,
/// IPv4-compatible, local NAT64, ULA, link-local, site-local, multicast.
const REFUSED_V6: [V6Block; 4] = [
    // IETF protocol assignments: Teredo, benchmarks, ORCHID.
    (v6(0x2001, 0, 0), 23),
    // Documentation.
    (v6(0x2001, 0xdb8, 0), 32),
    (v6(0x3fff, 0, 0), 20),
    // 6to4, withdrawn: any of them may end at a private IPv4 address.
    (v6(0x2002, 0, 0), 16),
];

/// IPv4-mapped.
const MAPPED: V6Block = (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96);
/// NAT64: what DNS64 answers for an IPv4 host in a network that has only IPv6.
const NAT64: V6Block = (v6(0x64, 0xff9b, 0), 96);

const fn v6(a: u16, b: u16, c: u16) -> Ipv6Addr {
    Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)
}

/// Returns `true` if a partner's target may not be at this address.
#[must_use]
pub fn is_refused(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_refused_v4(v4),
        IpAddr::V6(v6) => is_refused_v6(v6),
    }
}

fn is_refused_v4(address: Ipv4Addr) -> bool {
    REFUSED_V4.iter().any(|&(block, prefix)| (address.to_bits() ^ block.to_bits()) >> (32 - prefix) == 0)
}

fn is_refused_v6(address: Ipv6Addr) -> bool {
    if is_in(address, MAPPED) || is_in(address, NAT64) {
        let [.., a, b, c, d] = address.octets();
        return is_refused_v4(Ipv4Addr::new(a, b, c, d));
    }
    !is_in(address, GLOBAL_UNICAST) || REFUSED_V6.iter().any(|&block| is_in(address, block))
}

fn is_in(address: Ipv6Addr, (block, prefix): V6Block) -> bool {
    (address.to_bits() ^ block.to_bits()) >> (128 - prefix) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> bool {
        is_refused(text.parse().unwrap_or_else(|_| panic!("{text} is no address")))
    }

    #[test]
    fn every_refused_range_at_both_ends() {
        let ranges = [
            ("0.0.0.0", "0.255.255.255"),
            ("10.0.0.0", "10.255.255.255"),
            ("100.64.0.0", "100.127.255.255"),
            ("127.0.0.0", "127.255.255.255"),
            ("168.63.129.16", "168.63.129.16"),
            ("169.254.0.0", "169.254.255.255"),
            ("172.16.0.0", "172.31.255.255"),
            ("192.0.0.0", "192.0.0.255"),
            ("192.0.2.0", "192.0.2.255"),
            ("192.88.99.0", "192.88.99.255"),
            ("192.168.0.0", "192.168.255.255"),
            ("198.18.0.0", "198.19.255.255"),
            ("198.51.100.0", "198.51.100.255"),
            ("203.0.113.0", "203.0.113.255"),
            ("224.0.0.0", "239.255.255.255"),
            ("240.0.0.0", "255.255.255.255"),
            // Unspecified, loopback, IPv4-compatible.
            ("::", "::ffff:ffff"),
            // Local NAT64, discard-only, segment routing.
            ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"),
            ("100::", "100::ffff:ffff:ffff:ffff"),
            ("5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            // Teredo, benchmarks, ORCHID.
            ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff"),
            ("2001:10::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff"),
            // Documentation, 6to4.
            ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            // ULA, link-local, site-local, multicast.
            ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ];
        for (first, last) in ranges {
            assert!(refused(first), "{first}");
            assert!(refused(last), "{last}");
        }
    }

    #[test]
    fn neighbours_of_refused_ranges_pass() {
        let public = "1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 \
            168.63.129.15 168.63.129.17 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 \
            192.0.3.0 192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 \
            198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255 8.8.8.8 \
            2001:200:: 2001:db7:ffff:: 2001:db9:: 2003:: 2606:4700::1111 3ffe:: 3fff:1000::";
        for address in public.split_whitespace() {
            assert!(!refused(address), "{address}");
        }
    }

    #[test]
    fn an_embedded_ipv4_address_is_judged_itself() {
        for v4 in ["127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1", "0.0.0.0", "255.255.255.255"] {
            assert!(refused(&format!("::ffff:{v4}")), "mapped {v4}");
            assert!(refused(&format!("64:ff9b::{v4}")), "NAT64 {v4}");
            assert!(refused(&format!("::{v4}")), "compatible {v4}");
        }
        assert!(refused("2002:7f00:1::1"));
        assert!(!refused("::ffff:8.8.8.8"));
        assert!(!refused("64:ff9b::8.8.8.8"));
    }
}
