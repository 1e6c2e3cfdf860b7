//! The narrowest list of networks that has all of some: neighbours are one, and where that leaves more than a list may
//! have, those that lie nearest to each other are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks that a key's list may have (contract 13.3).
const MAX_NETWORKS: usize = 20;

/// Addresses that begin with the same bits. IPv4 comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Block {
    is_v6: bool,
    /// From the left; those behind `length` are zero.
    bits: u128,
    length: u32,
}

/// At most 20 networks that have all of `networks`, which are in CIDR notation.
pub fn narrowest(networks: &[&str]) -> Vec<String> {
    let mut blocks = merged(networks.iter().filter_map(|network| Block::read(network)).collect());
    while blocks.len() > MAX_NETWORKS {
        let pairs = blocks.windows(2).enumerate();
        let nearest = pairs.filter_map(|(at, pair)| Some((pair[0].cost_with(pair[1])?, at))).min();
        let Some((_, at)) = nearest else { break };
        let wider = blocks[at].with(blocks[at + 1]);
        blocks.push(wider);
        blocks = merged(blocks);
    }
    blocks.into_iter().map(Block::written).collect()
}

/// The same addresses in as few blocks as have no other addresses, in order.
fn merged(mut blocks: Vec<Block>) -> Vec<Block> {
    blocks.sort_unstable();
    let mut merged: Vec<Block> = Vec::new();
    for mut block in blocks {
        if merged.last().is_some_and(|last| last.contains(block)) {
            continue;
        }
        while let Some(last) = merged.pop_if(|last| last.is_half_beside(block)) {
            block = last.with(block);
        }
        merged.push(block);
    }
    merged
}

impl Block {
    fn read(network: &str) -> Option<Self> {
        let (address, length) = network.split_once('/')?;
        let (is_v6, bits) = match address.parse().ok()? {
            IpAddr::V4(address) => (false, u128::from(address.to_bits()) << 96),
            IpAddr::V6(address) => (true, address.to_bits()),
        };
        Some(Self { is_v6, bits, length: length.parse().ok()? }.cut())
    }

    fn written(self) -> String {
        let address: IpAddr = if self.is_v6 {
            Ipv6Addr::from_bits(self.bits).into()
        } else {
            Ipv4Addr::from_bits(u32::try_from(self.bits >> 96).unwrap_or_default()).into()
        };
        format!("{address}/{}", self.length)
    }

    fn cut(self) -> Self {
        let mask = u128::MAX.checked_shl(u128::BITS - self.length).unwrap_or_default();
        Self { bits: self.bits & mask, ..self }
    }

    fn contains(self, other: Self) -> bool {
        self.is_v6 == other.is_v6 && self.length <= other.length && self.common_with(other) == self.length
    }

    /// The bits that both begin with.
    fn common_with(self, other: Self) -> u32 {
        (self.bits ^ other.bits).leading_zeros().min(self.length).min(other.length)
    }

    /// Both are the halves of one block.
    fn is_half_beside(self, other: Self) -> bool {
        self.is_v6 == other.is_v6
            && self.length == other.length
            && self.length > 0
            && self.common_with(other) == self.length - 1
    }

    /// The smallest block that has both.
    fn with(self, other: Self) -> Self {
        Self { length: self.common_with(other), ..self }.cut()
    }

    /// The bits that are lost where both become one; `None` where they never can.
    fn cost_with(self, other: Self) -> Option<u32> {
        (self.is_v6 == other.is_v6).then(|| self.length.max(other.length) - self.common_with(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_network_where_that_has_nobody_else() {
        for (networks, narrowest) in [
            (&["198.51.100.0/24"][..], &["198.51.100.0/24"][..]),
            (&["198.51.100.0/24", "198.51.101.0/24"], &["198.51.100.0/23"]),
            (&["198.51.101.0/24", "198.51.102.0/24"], &["198.51.101.0/24", "198.51.102.0/24"]),
            (
                &["198.51.103.0/24", "198.51.100.0/24", "198.51.102.0/24", "198.51.101.0/24"],
                &["198.51.100.0/22"],
            ),
            (&["2001:db8:3::/48", "2001:db8:2::/48", "10.0.0.0/24"], &["10.0.0.0/24", "2001:db8:2::/47"]),
            (&["198.51.100.0/24", "198.51.100.0/24", "198.51.0.0/16"], &["198.51.0.0/16"]),
            (&["0.0.0.0/24", "::/48"], &["0.0.0.0/24", "::/48"]),
            (&["not a network", "", "10.0.0.0/24"], &["10.0.0.0/24"]),
            (&[], &[]),
        ] {
            assert_eq!(super::narrowest(networks), narrowest, "{networks:?}");
        }
    }

    #[test]
    fn of_too_many_those_that_lie_nearest_become_one() {
        // 19 that lie far apart, and three that lie near each other.
        let far: Vec<_> = (0..19).map(|number| format!("{}.0.0.0/24", 10 * number + 5)).collect();
        let near = ["200.0.0.0/24", "200.0.2.0/24", "200.0.5.0/24"];
        let all: Vec<_> = far.iter().map(String::as_str).chain(near).collect();
        let narrowest = super::narrowest(&all);
        assert_eq!(narrowest.len(), 20);
        assert_eq!(narrowest[..19], far[..]);
        assert_eq!(narrowest[19], "200.0.0.0/21");
    }

    #[test]
    fn whatever_is_given_is_in_what_comes_out() {
        let all: Vec<_> = (0..400_u32)
            .map(|number| number.wrapping_mul(2_654_435_761))
            .map(|random| match random % 3 {
                0 => format!("2001:db8:{:x}::/48", random >> 16),
                _ => format!("{}.{}.{}.0/24", random >> 24, random >> 16 & 255, random >> 8 & 255),
            })
            .collect();
        let all: Vec<_> = all.iter().map(String::as_str).collect();
        let narrowest = super::narrowest(&all);
        assert!((2..=20).contains(&narrowest.len()), "{narrowest:?}");
        let blocks: Vec<_> = narrowest.iter().map(|network| Block::read(network).unwrap()).collect();
        for network in all {
            let block = Block::read(network).unwrap();
            assert!(blocks.iter().any(|wide| wide.contains(block)), "{network} is not in {narrowest:?}");
        }
    }
}
