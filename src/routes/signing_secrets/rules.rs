//! The rules of contract 5 as pure functions: an org's secrets in, a change or a refusal out.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::changes::OrgState;
use crate::error::{ApiError, Code};
use crate::events::{EventType, Subject};

/// Live secrets an org may have, counted after the change. Every event carries a signature of each.
pub const MAX_LIVE: usize = 5;

/// A secret's row without the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningSecret {
    /// The id.
    pub id: Uuid,
    /// `server` or `partner`.
    pub source: String,
    /// The instant of its creation.
    pub created_at: DateTime<Utc>,
    /// `None` while it is the current one.
    pub expires_at: Option<DateTime<Utc>>,
    /// The instant of its end, where that was immediate.
    pub revoked_at: Option<DateTime<Utc>>,
    /// The number of changes so far, for the event.
    pub version: i64,
}

impl SigningSecret {
    fn is_current(&self) -> bool {
        self.expires_at.is_none()
    }

    fn is_live(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// An org's secrets at one revision: the live ones, and the dead one that was asked for.
#[derive(Clone, Debug)]
pub struct OrgSecrets {
    /// The org at one revision.
    pub org: OrgState,
    /// The live secrets, and the one that was asked for.
    pub secrets: Vec<SigningSecret>,
}

/// The plan of a change, for one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningSecretPlan {
    /// The type that the event and the audit log say.
    pub kind: EventType,
    /// The instant of the decision.
    pub at: DateTime<Utc>,
    /// A previous secret's new state.
    pub ended: Option<SigningSecret>,
    /// The new secret's id.
    pub added: Option<Uuid>,
}

impl SigningSecretPlan {
    /// The id of whom the event is about, what it says, and the version that it has then.
    pub fn subject(&self) -> Option<(Uuid, Subject, i64)> {
        let ended = self.ended.as_ref();
        let (secret_id, version) = match (self.added, ended) {
            (Some(id), _) => (id, 1),
            (None, Some(ended)) => (ended.id, ended.version + 1),
            (None, None) => return None,
        };
        let previous_secret_id = self.added.and(ended).map(|secret| secret.id);
        let expires_at = ended.and_then(|secret| secret.expires_at);
        Some((secret_id, Subject::SigningSecret { secret_id, previous_secret_id, expires_at }, version))
    }
}

impl OrgSecrets {
    /// Puts a new secret in place; the previous one signs along for the grace window.
    pub fn rotate(&self, new: Uuid, grace: TimeDelta) -> Result<SigningSecretPlan, ApiError> {
        self.org.caller.require_administrator()?;
        let ended = self.current().map(|current| self.ending(current, self.org.now + grace));
        let replaced = ended.as_ref().map(|secret| secret.id);
        let untouched = self.secrets.iter().filter(|secret| Some(secret.id) != replaced);
        let live = untouched.chain(&ended).filter(|secret| secret.is_live(self.org.now)).count() + 1;
        if live > MAX_LIVE {
            return Err(self.too_many());
        }
        Ok(SigningSecretPlan {
            kind: EventType::SigningSecretRotated,
            at: self.org.now,
            ended,
            added: Some(new),
        })
    }

    /// Ends a previous secret's grace now; `None` if it had ended already.
    pub fn revoke(&self, id: Uuid) -> Result<Option<SigningSecretPlan>, ApiError> {
        self.org.caller.require_administrator()?;
        let secret = self.secrets.iter().find(|secret| secret.id == id).ok_or(Code::NotFound)?;
        if secret.is_current() {
            return Err(Code::CannotRevokeCurrent.into());
        }
        let plan = SigningSecretPlan {
            kind: EventType::SigningSecretRevoked,
            at: self.org.now,
            ended: Some(SigningSecret { revoked_at: Some(self.org.now), ..secret.clone() }),
            added: None,
        };
        Ok(secret.is_live(self.org.now).then_some(plan))
    }

    fn current(&self) -> Option<&SigningSecret> {
        self.secrets.iter().find(|secret| secret.is_current())
    }

    fn ending(&self, secret: &SigningSecret, end: DateTime<Utc>) -> SigningSecret {
        // Immediate ends are states, so that no clock can disagree.
        let revoked_at = (end <= self.org.now).then_some(self.org.now);
        SigningSecret { expires_at: Some(end), revoked_at, ..secret.clone() }
    }

    fn too_many(&self) -> ApiError {
        let refusal = ApiError::new(Code::TooManyLiveSecrets);
        let live = self.secrets.iter().filter(|secret| secret.is_live(self.org.now));
        match live.filter_map(|secret| secret.expires_at).min() {
            Some(next) => refusal.detail("expires_at", "next_expiry", crate::clock::rfc3339(next)),
            None => refusal,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;
    use crate::changes::CallerState;
    use crate::crypto::audit_chain::Head;

    fn at(hour: i64) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, 21, 0, 0, 0).unwrap() + TimeDelta::hours(hour)
    }

    const NOW: i64 = 100;

    fn secret(n: u128, ends: Option<i64>) -> SigningSecret {
        SigningSecret {
            id: Uuid::from_u128(n),
            source: "server".into(),
            created_at: at(0),
            expires_at: ends.map(at),
            revoked_at: None,
            version: 1,
        }
    }

    fn org(secrets: Vec<SigningSecret>) -> OrgSecrets {
        OrgSecrets { org: OrgState::new(Head::default(), at(NOW)), secrets }
    }

    fn code<T>(outcome: Result<T, ApiError>) -> &'static str {
        match outcome {
            Ok(_) => "ok",
            Err(ApiError::Invalid(_)) => "422",
            Err(ApiError::Failed(failure)) => failure.code.name(),
        }
    }

    const NEW: Uuid = Uuid::from_u128(999);

    #[test]
    fn the_first_secret_has_no_previous_one() {
        let plan = org(vec![]).rotate(NEW, TimeDelta::hours(1)).unwrap();
        assert_eq!((plan.ended, plan.added), (None, Some(NEW)));
    }

    #[test]
    fn the_previous_secret_signs_along_and_earlier_deadlines_stay() {
        let plan =
            org(vec![secret(1, Some(NOW + 5)), secret(2, None)]).rotate(NEW, TimeDelta::hours(1)).unwrap();
        let ended = plan.ended.unwrap();
        assert_eq!(
            (ended.id, ended.expires_at, ended.revoked_at),
            (Uuid::from_u128(2), Some(at(NOW + 1)), None)
        );
    }

    #[test]
    fn no_grace_ends_the_previous_secret_as_a_state() {
        let plan = org(vec![secret(2, None)]).rotate(NEW, TimeDelta::zero()).unwrap();
        assert_eq!(plan.ended.unwrap().revoked_at, Some(at(NOW)));
    }

    #[test]
    fn five_may_live_counted_after_the_change() {
        let mut secrets: Vec<_> = (1..=4).map(|n| secret(n, Some(NOW + 2))).collect();
        secrets.push(secret(5, None));
        let full = org(secrets.clone());
        assert_eq!(code(full.rotate(NEW, TimeDelta::hours(1))), "too_many_live_secrets");
        assert_eq!(code(full.rotate(NEW, TimeDelta::zero())), "ok");
        secrets[0].expires_at = Some(at(NOW));
        assert_eq!(code(org(secrets).rotate(NEW, TimeDelta::hours(1))), "ok");
    }

    #[test]
    fn a_previous_secret_can_be_ended_early_and_the_current_one_cannot() {
        let org = org(vec![secret(1, Some(NOW + 5)), secret(2, None), secret(3, Some(NOW))]);
        let ended = org.revoke(Uuid::from_u128(1)).unwrap().unwrap().ended.unwrap();
        assert_eq!(ended.revoked_at, Some(at(NOW)));
        assert_eq!(org.revoke(Uuid::from_u128(3)).unwrap(), None);
        assert_eq!(code(org.revoke(Uuid::from_u128(2))), "cannot_revoke_current");
        assert_eq!(code(org.revoke(Uuid::from_u128(9))), "not_found");
    }

    #[test]
    fn a_superseded_key_writes_no_secrets() {
        let mut org = org(vec![secret(2, None)]);
        org.org.caller = CallerState { is_superseded: true, ..CallerState::KEYLESS };
        assert_eq!(code(org.rotate(NEW, TimeDelta::zero())), "key_superseded");
        assert_eq!(code(org.revoke(Uuid::from_u128(9))), "key_superseded");
    }
}
