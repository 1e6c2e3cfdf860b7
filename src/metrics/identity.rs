//! Callers that were turned away, and credentials that were issued.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::register::{Counters, each, one};

const LEAK_OUTCOMES: [&str; 4] = ["leaked", "dead", "again", "unknown"];
const REASONS: [&str; 3] = ["unknown", "revoked", "expired"];
const POLICIES: [&str; 2] = ["enforce", "report"];

/// The counters of the identity side.
#[derive(Debug)]
pub struct IdentityMetrics {
    refused: Counters<1>,
    /// Requests that the scopes of their key or token do not allow.
    pub beyond_scopes: BeyondScopes,
    outside_networks: Counters<1>,
    leaks: Counters<1>,
    /// Member tokens.
    pub tokens_issued: Counter,
    /// Partner tokens.
    pub partner_tokens_issued: Counter,
}

/// Counts well-formed keys that open nothing, by what is known of them. The caller is told none of
/// it: all have one answer.
#[derive(Clone, Debug)]
pub struct Refusals {
    /// Nobody's.
    pub unknown: Counter,
    /// Ended by somebody.
    pub revoked: Counter,
    /// Ended by itself.
    pub expired: Counter,
}

/// Counts requests beyond scopes, by the policy of the key.
#[derive(Clone, Debug)]
pub struct BeyondScopes {
    /// Refused.
    pub refused: Counter,
    /// Served, because the key is only watched.
    pub reported: Counter,
}

impl BeyondScopes {
    fn new(registry: &mut Registry) -> Self {
        let counted: Counters<1> = each(
            registry,
            "requests_beyond_scopes",
            "Requests that the scopes of their key or token do not allow: refused (enforce) or served (report)",
            POLICIES.map(|policy| [("policy", policy)]),
        );
        let [refused, reported] = POLICIES.map(|policy| counted.get_or_create_owned(&[("policy", policy)]));
        Self { refused, reported }
    }
}

impl IdentityMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        Self {
            refused: each(
                registry,
                "tenant_keys_refused",
                "Well-formed tenant keys, and ids of keys from the gateway, that open nothing",
                REASONS.map(|reason| [("reason", reason)]),
            ),
            beyond_scopes: BeyondScopes::new(registry),
            outside_networks: each(
                registry,
                "requests_outside_networks",
                "Requests from outside of the allowed networks: refused (enforce) or served (report)",
                POLICIES.map(|policy| [("policy", policy)]),
            ),
            leaks: each(
                registry,
                "leak_reports",
                "Reports of keys that were found where others can read them, by what became of them",
                LEAK_OUTCOMES.map(|outcome| [("outcome", outcome)]),
            ),
            tokens_issued: one(registry, "member_tokens_issued", "Member tokens issued"),
            partner_tokens_issued: one(registry, "partner_tokens_issued", "Partner tokens issued"),
        }
    }

    /// Counts a request from outside of the networks that its key or org may be used from, by the policy.
    pub fn outside_networks(&self, policy: &'static str) {
        self.outside_networks.get_or_create(&[("policy", policy)]).inc();
    }

    /// Counts a report of a leaked key.
    pub fn leak_reported(&self, outcome: &'static str) {
        self.leaks.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// The counters of refused keys.
    #[must_use]
    pub fn refusals(&self) -> Refusals {
        let [unknown, revoked, expired] =
            REASONS.map(|reason| self.refused.get_or_create_owned(&[("reason", reason)]));
        Refusals { unknown, revoked, expired }
    }
}
