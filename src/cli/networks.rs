//! Where something may be used from, as arguments and for people.

use clap::Args;
use serde_json::Value;

use crate::identity::allowed_networks::AllowedNetworks;
use crate::identity::enforcement::Enforcement;

/// The networks of a key or an org.
#[derive(Debug, Default, Args)]
pub struct NetworkArguments {
    /// A network that it may be used from, such as 203.0.113.0/24; once for each, at most 20
    #[arg(long = "network", value_name = "CIDR")]
    networks: Vec<String>,
    /// Whether calls from elsewhere are refused (enforce), or only counted and logged (report)
    #[arg(long, value_name = "POLICY")]
    network_policy: Option<String>,
}

impl NetworkArguments {
    /// The body that says this besides.
    pub fn beside(self, mut body: Value) -> Value {
        if !self.networks.is_empty() {
            body["allowed_networks"] = self.networks.into();
        }
        if let Some(policy) = self.network_policy {
            body["network_policy"] = policy.into();
        }
        body
    }
}

/// The networks and what becomes of calls from elsewhere, to follow a name; nothing where they are any.
pub fn described(allowed: &AllowedNetworks) -> String {
    let networks = allowed.texts().map(|networks| networks.join(", "));
    match (networks, allowed.policy) {
        (None, _) => String::new(),
        (Some(networks), Enforcement::Enforce) => format!("  (from {networks})"),
        (Some(networks), Enforcement::Report) => format!("  (from {networks}, elsewhere reported)"),
    }
}
