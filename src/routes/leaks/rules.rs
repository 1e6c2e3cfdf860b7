//! What happens to a key that leaked (contract 13.4), as pure functions: how it stands in, what is done out.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::changes::OrgState;

/// What an org wants done with a key of its own that leaked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeakPolicy {
    /// The org is told, and the key stays as it is.
    Notify,
    /// The key ends after `leak_grace_seconds`, and administers nothing from now on.
    #[default]
    Grace,
    /// The key ends now.
    Revoke,
}

impl LeakPolicy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Notify, Self::Grace, Self::Revoke];

    /// The name on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Notify => "notify",
            Self::Grace => "grace",
            Self::Revoke => "revoke",
        }
    }

    /// The policy of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.name() == name)
    }

    /// The policy as it was stored; a later version's, which this one does not know, is the strictest.
    #[must_use]
    pub fn stored(name: &str) -> Self {
        Self::parse(name).unwrap_or(Self::Revoke)
    }

    /// Returns `true` if the key administers nothing after it.
    #[must_use]
    pub fn bars(self) -> bool {
        self != Self::Notify
    }
}

/// A key that was reported, with what its org wants done, at one revision of the org.
#[derive(Clone, Debug)]
pub struct Reported {
    /// The org at one revision.
    pub org: OrgState,
    /// What the org wants.
    pub policy: LeakPolicy,
    /// How long a key still works.
    pub grace: TimeDelta,
    /// The key, if it is still there.
    pub key: Option<ReportedKey>,
}

/// How the key stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReportedKey {
    /// The end that it has.
    pub expires_at: Option<DateTime<Utc>>,
    /// It was ended by somebody.
    pub is_revoked: bool,
    /// It waits to succeed another (contract 13.1).
    pub is_pending: bool,
    /// It was reported before.
    pub is_known: bool,
}

/// What is done with a reported key, for one statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeakResponse {
    /// As which policy wants it.
    pub policy: LeakPolicy,
    /// The key's end from now on.
    pub expires_at: Option<DateTime<Utc>>,
    /// It ends with this change.
    pub ends_now: bool,
    /// It ends with the rotation that it waits for, which is given up next.
    pub abandons: bool,
    /// It was alive: the org is told. What was dead is noted, and nobody has to hurry.
    pub is_told: bool,
}

impl LeakResponse {
    /// When the key ends, as the org is told.
    #[must_use]
    pub fn ends_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.ends_now || self.abandons { Some(now) } else { self.expires_at }
    }
}

impl Reported {
    /// What is done; `None` for a key that is gone, or was reported before.
    #[must_use]
    pub fn response(&self) -> Option<LeakResponse> {
        let (key, now, policy) = (self.key.filter(|key| !key.is_known)?, self.org.now, self.policy);
        let as_it_is = LeakResponse {
            policy,
            expires_at: key.expires_at,
            ends_now: false,
            abandons: false,
            is_told: true,
        };
        if key.is_revoked || key.expires_at.is_some_and(|end| end <= now) {
            return Some(LeakResponse { is_told: false, ..as_it_is });
        }
        if !policy.bars() {
            return Some(as_it_is);
        }
        if key.is_pending {
            return Some(LeakResponse { abandons: true, ..as_it_is });
        }
        let grace = if policy == LeakPolicy::Revoke { TimeDelta::zero() } else { self.grace };
        // Never later than its own earlier end.
        let end = key.expires_at.map_or(now + grace, |own| own.min(now + grace));
        // Immediate ends are states, so that no clock can disagree.
        let ends_now = end <= now;
        let expires_at = if policy == LeakPolicy::Revoke { key.expires_at } else { Some(end) };
        Some(LeakResponse { expires_at, ends_now, ..as_it_is })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::audit_chain::Head;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn hours(hours: i64) -> DateTime<Utc> {
        NOW + TimeDelta::hours(hours)
    }

    fn reported(policy: LeakPolicy, key: ReportedKey) -> Option<LeakResponse> {
        let org = OrgState::new(Head::default(), NOW);
        Reported { org, policy, grace: TimeDelta::hours(24), key: Some(key) }.response()
    }

    fn ends(policy: LeakPolicy, expires_at: Option<DateTime<Utc>>) -> (Option<DateTime<Utc>>, bool) {
        let response = reported(policy, ReportedKey { expires_at, ..ReportedKey::default() }).unwrap();
        assert!(response.is_told && !response.abandons);
        (response.expires_at, response.ends_now)
    }

    #[test]
    fn each_policy_has_its_end_and_none_is_later_than_the_keys_own() {
        assert_eq!(ends(LeakPolicy::Notify, None), (None, false));
        assert_eq!(ends(LeakPolicy::Notify, Some(hours(2))), (Some(hours(2)), false));
        assert_eq!(ends(LeakPolicy::Grace, None), (Some(hours(24)), false));
        assert_eq!(ends(LeakPolicy::Grace, Some(hours(2))), (Some(hours(2)), false));
        assert_eq!(ends(LeakPolicy::Grace, Some(hours(48))), (Some(hours(24)), false));
        assert_eq!(ends(LeakPolicy::Revoke, None), (None, true));
        assert_eq!(ends(LeakPolicy::Revoke, Some(hours(48))), (Some(hours(48)), true));
    }

    #[test]
    fn a_second_report_does_nothing_and_a_dead_key_is_only_noted() {
        let known = ReportedKey { is_known: true, ..ReportedKey::default() };
        assert_eq!(reported(LeakPolicy::Revoke, known), None);
        for dead in [
            ReportedKey { is_revoked: true, ..ReportedKey::default() },
            ReportedKey { expires_at: Some(NOW), ..ReportedKey::default() },
        ] {
            let response = reported(LeakPolicy::Revoke, dead).unwrap();
            assert!(!response.is_told && !response.ends_now);
            assert_eq!(response.expires_at, dead.expires_at);
        }
    }

    #[test]
    fn a_successor_that_waits_gives_its_rotation_up_unless_the_org_is_only_told() {
        let waits = ReportedKey { is_pending: true, expires_at: Some(hours(1)), ..ReportedKey::default() };
        for policy in [LeakPolicy::Grace, LeakPolicy::Revoke] {
            let response = reported(policy, waits).unwrap();
            assert!(response.abandons && !response.ends_now);
            assert_eq!(response.ends_at(NOW), Some(NOW));
        }
        assert!(!reported(LeakPolicy::Notify, waits).unwrap().abandons);
    }

    #[test]
    fn a_policy_of_a_later_version_is_the_strictest() {
        assert_eq!(LeakPolicy::stored("burn"), LeakPolicy::Revoke);
        assert!(LeakPolicy::ALL.into_iter().all(|policy| LeakPolicy::stored(policy.name()) == policy));
    }
}
