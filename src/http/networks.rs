//! Where a key or an org may be used from, as bodies say it (contract 13.3).

use super::input::{Field, Patch, Reader};
use crate::identity::allowed_networks::{AllowedNetworks, MAX_NETWORKS};
use crate::identity::enforcement::Enforcement;
use crate::network::Network;

const FIELD: &str = "allowed_networks";

/// A change of a list of allowed networks and its policy.
#[derive(Clone, Debug)]
pub struct NetworkChange {
    /// The networks; cleared, they are any.
    pub networks: Patch<Vec<Network>>,
    /// The policy, if it changes.
    pub policy: Option<Enforcement>,
}

impl NetworkChange {
    /// Leaves everything as it is.
    pub const NONE: Self = Self { networks: Patch::Keep, policy: None };

    /// Of something new, or of what takes the place of something: what is not said stays.
    #[must_use]
    pub fn new(networks: Option<Vec<Network>>, policy: Option<Enforcement>) -> Self {
        Self { networks: networks.map_or(Patch::Keep, Patch::Set), policy }
    }

    /// Returns `true` if it says anything.
    #[must_use]
    pub fn is_change(&self) -> bool {
        self.networks.is_change() || self.policy.is_some()
    }

    /// What it makes of a list.
    #[must_use]
    pub fn applied(&self, to: &AllowedNetworks) -> AllowedNetworks {
        let networks = match &self.networks {
            Patch::Keep => to.networks.clone(),
            Patch::Clear => None,
            Patch::Set(networks) => Some(networks.clone()),
        };
        AllowedNetworks { networks, policy: self.policy.unwrap_or(to.policy) }
    }
}

/// Reads the networks of something new, and the policy; `None` where nothing is said.
pub fn read(request: &mut Reader) -> (Option<Vec<Network>>, Option<Enforcement>) {
    let networks = list(request.body(FIELD));
    let policy = policy(request.body("network_policy"));
    (distinct(request, networks), policy)
}

/// Reads a change of the networks and the policy; `None` where a problem was noted.
pub fn read_change(request: &mut Reader) -> Option<NetworkChange> {
    let networks = match request.body(FIELD).change(list) {
        Some(Patch::Set(networks)) => distinct(request, Some(networks)).map(Patch::Set),
        unchanged => unchanged,
    };
    let policy = policy(request.body("network_policy").not_null());
    Some(NetworkChange { networks: networks?, policy })
}

fn list(field: Field<'_>) -> Option<Vec<Network>> {
    field.list(1..=MAX_NETWORKS, |field| field.decoded(Network::parse))
}

fn policy(field: Field<'_>) -> Option<Enforcement> {
    field.choice("must be enforce or report", Enforcement::parse)
}

/// Refuses a network that is named twice, in whatever spelling.
fn distinct(request: &mut Reader, networks: Option<Vec<Network>>) -> Option<Vec<Network>> {
    let networks = networks?;
    let is_repeated = |(index, network)| networks[..index].contains(network);
    if networks.iter().enumerate().any(is_repeated) {
        request.refuse(FIELD, "names a network twice");
        return None;
    }
    Some(networks)
}
