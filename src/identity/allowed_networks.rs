//! The networks that a credential may be used from (contract 13.3).

use std::net::IpAddr;

use serde::Serialize;

use super::enforcement::Enforcement;
use super::usage::Judgement;
use crate::network::Network;

/// Networks that one list may have.
pub const MAX_NETWORKS: usize = 20;

/// The networks that a key may be used from, or an org.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AllowedNetworks {
    /// At most [`MAX_NETWORKS`]; `None` is any.
    #[serde(rename = "allowed_networks")]
    pub networks: Option<Vec<Network>>,
    /// What becomes of requests from others.
    #[serde(rename = "network_policy")]
    pub policy: Enforcement,
}

impl AllowedNetworks {
    /// Any.
    pub const ANY: Self = Self { networks: None, policy: Enforcement::Enforce };

    /// The networks as they were stored. What cannot be read, as a later version may write it, contains nobody.
    #[must_use]
    pub fn stored(networks: Option<Vec<String>>, policy: &str) -> Self {
        let read = |stored: Vec<String>| stored.iter().filter_map(|text| Network::parse(text).ok()).collect();
        Self { networks: networks.map(read), policy: Enforcement::stored(policy) }
    }

    /// As they are stored and shown.
    #[must_use]
    pub fn texts(&self) -> Option<Vec<String>> {
        self.networks.as_ref().map(|networks| networks.iter().map(ToString::to_string).collect())
    }

    /// Judges a client with this address. One without an address, which no connection has, is in no network.
    #[must_use]
    pub fn judge(&self, client: Option<IpAddr>) -> Judgement {
        let Some(networks) = &self.networks else { return Judgement::Allowed };
        let is_inside =
            client.is_some_and(|address| networks.iter().any(|network| network.contains(address)));
        match self.policy {
            _ if is_inside => Judgement::Allowed,
            Enforcement::Report => Judgement::Reported,
            Enforcement::Enforce => Judgement::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_list_everybody_is_inside_and_else_whoever_has_no_address_is_not() {
        let client = Some("203.0.113.9".parse().expect("an address"));
        let allowed = |networks: &[&str], policy| {
            AllowedNetworks::stored(Some(networks.iter().map(ToString::to_string).collect()), policy)
        };
        assert_eq!(AllowedNetworks::ANY.judge(None), Judgement::Allowed);
        let both = ["198.51.100.0/24", "203.0.113.0/24"];
        assert_eq!(allowed(&both, "enforce").judge(client), Judgement::Allowed);
        assert_eq!(allowed(&both, "enforce").judge(None), Judgement::Refused);
        assert_eq!(allowed(&both[..1], "enforce").judge(client), Judgement::Refused);
        assert_eq!(allowed(&both[..1], "report").judge(client), Judgement::Reported);
        // As a later version might have stored it.
        assert_eq!(allowed(&["anything"], "perhaps").judge(client), Judgement::Refused);
    }
}
