//! Callers that were turned away, and credentials that were issued.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::register::{Counters, each, one};

const REASONS: [&str; 3] = ["unknown", "revoked", "expired"];
const POLICIES: [&str; 2] = ["enforce", "report"];

/// The counters of the identity side.
#[derive(Debug)]
pub struct IdentityMetrics {
    refused: Counters<1>,
    beyond_scopes: Counters<1>,
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

impl IdentityMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        Self {
            refused: each(
                registry,
                "tenant_keys_refused",
                "Well-formed tenant keys, and ids of keys from the gateway, that open nothing",
                REASONS.map(|reason| [("reason", reason)]),
            ),
            beyond_scopes: each(
                registry,
                "requests_beyond_scopes",
                "Requests that the scopes of their tenant key do not allow: refused (enforce) or served (report)",
                POLICIES.map(|policy| [("policy", policy)]),
            ),
            tokens_issued: one(registry, "member_tokens_issued", "Member tokens issued"),
            partner_tokens_issued: one(registry, "partner_tokens_issued", "Partner tokens issued"),
        }
    }

    /// Counts a request that a key's scopes do not allow, by the key's policy.
    pub fn beyond_scopes(&self, policy: &'static str) {
        self.beyond_scopes.get_or_create(&[("policy", policy)]).inc();
    }

    /// The counters of refused keys.
    #[must_use]
    pub fn refusals(&self) -> Refusals {
        let [unknown, revoked, expired] =
            REASONS.map(|reason| self.refused.get_or_create_owned(&[("reason", reason)]));
        Refusals { unknown, revoked, expired }
    }
}
