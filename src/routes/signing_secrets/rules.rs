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
    /// The rotation that it waits for.
    pub pending: Option<PendingSecret>,
}

/// The rotation that a secret waits for, in which it is the new one (contract 13.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingSecret {
    /// The current secret, whose place it takes.
    pub secret_id: Uuid,
    /// Until when; its own end until then.
    pub confirm_by: DateTime<Utc>,
    /// The current secret's grace window from the confirmation on, in seconds.
    pub grace_seconds: i32,
}

/// The request for a rotation.
#[derive(Clone, Copy, Debug)]
pub struct SecretRotation {
    /// The time in which the old secret still signs along.
    pub grace: TimeDelta,
    /// How long the confirmation may take; none needs none.
    pub confirm_within: Option<TimeDelta>,
}

impl SecretRotation {
    /// To the first secret, which follows none.
    pub const FIRST: Self = Self { grace: TimeDelta::zero(), confirm_within: None };
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
    /// The new state of a secret that ends.
    pub ended: Option<SigningSecret>,
    /// The new secret's id.
    pub added: Option<Uuid>,
    /// The rotation that the new secret waits for.
    pub waits: Option<PendingSecret>,
    /// The secret that waited, and is the current one now.
    pub confirmed: Option<SigningSecret>,
}

impl SigningSecretPlan {
    fn new(kind: EventType, at: DateTime<Utc>) -> Self {
        Self { kind, at, ended: None, added: None, waits: None, confirmed: None }
    }

    /// The id of whom the event is about, what it says, and the version that it has then.
    pub fn subject(&self) -> Option<(Uuid, Subject, i64)> {
        let (ended, confirmed) = (self.ended.as_ref(), self.confirmed.as_ref());
        let (secret_id, version) = match (self.added, confirmed.or(ended)) {
            (Some(id), _) => (id, 1),
            (None, Some(changed)) => (changed.id, changed.version + 1),
            (None, None) => return None,
        };
        let replaced = ended.filter(|secret| secret.id != secret_id).map(|secret| secret.id);
        let waits = self.waits.or(ended.and_then(|secret| secret.pending));
        let previous_secret_id = replaced.or(waits.map(|pending| pending.secret_id));
        let expires_at = ended.and_then(|secret| secret.expires_at);
        Some((secret_id, Subject::SigningSecret { secret_id, previous_secret_id, expires_at }, version))
    }
}

impl OrgSecrets {
    /// Puts a new secret in place; the previous one signs along for the grace window. Where it is to be confirmed, it
    /// signs along itself until then; the first secret of all has nothing to wait for.
    pub fn rotate(&self, new: Uuid, wanted: SecretRotation) -> Result<SigningSecretPlan, ApiError> {
        self.org.caller.require_administrator()?;
        if let Some(waiting) = self.waiting() {
            let id = waiting.id.to_string();
            return Err(ApiError::new(Code::RotationPending).detail("secret_id", "rotation_pending", id));
        }
        let plan = match (self.current(), wanted.confirm_within) {
            (Some(current), Some(within)) => {
                let grace_seconds = wanted.grace.num_seconds().try_into().unwrap_or(i32::MAX);
                let (secret_id, confirm_by) = (current.id, self.org.now + within);
                let waits = Some(PendingSecret { secret_id, confirm_by, grace_seconds });
                SigningSecretPlan { waits, ..self.plan(EventType::SigningSecretRotationStarted) }
            }
            (current, _) => {
                let ended = current.map(|current| self.ending(current, self.org.now + wanted.grace));
                SigningSecretPlan { ended, ..self.plan(EventType::SigningSecretRotated) }
            }
        };
        let replaced = plan.ended.as_ref().map(|secret| secret.id);
        let untouched = self.secrets.iter().filter(|secret| Some(secret.id) != replaced);
        let live = untouched.chain(&plan.ended).filter(|secret| secret.is_live(self.org.now)).count() + 1;
        if live > MAX_LIVE {
            return Err(self.too_many());
        }
        Ok(SigningSecretPlan { added: Some(new), ..plan })
    }

    /// Confirms the rotation to a secret that waits: the grace window of the one before begins.
    pub fn confirm(&self, id: Uuid) -> Result<SigningSecretPlan, ApiError> {
        self.org.caller.require_administrator()?;
        let secret = self.secrets.iter().find(|secret| secret.id == id).ok_or(Code::NotFound)?;
        if !secret.is_live(self.org.now) {
            return Err(Code::KeyNotLive.into());
        }
        let pending = secret.pending.ok_or(Code::RotationNotPending)?;
        let end = self.org.now + TimeDelta::seconds(pending.grace_seconds.into());
        Ok(SigningSecretPlan {
            ended: self.current().map(|current| self.ending(current, end)),
            confirmed: Some(SigningSecret { expires_at: None, pending: None, ..secret.clone() }),
            ..self.plan(EventType::SigningSecretRotated)
        })
    }

    /// Gives up the rotation to a secret whose time is over; `None` if it does not wait, or may still be confirmed.
    pub fn abandon(&self, id: Uuid) -> Result<Option<SigningSecretPlan>, ApiError> {
        self.org.caller.require_administrator()?;
        let waits = |secret: &&SigningSecret| secret.pending.is_some() && secret.revoked_at.is_none();
        let overdue = self.secrets.iter().filter(waits).find(|secret| secret.id == id);
        Ok(overdue.filter(|secret| !secret.is_live(self.org.now)).map(|secret| self.ended_now(secret)))
    }

    /// Ends a previous secret's grace, or the rotation to one that waits, now; `None` if it had ended already.
    pub fn revoke(&self, id: Uuid) -> Result<Option<SigningSecretPlan>, ApiError> {
        self.org.caller.require_administrator()?;
        let secret = self.secrets.iter().find(|secret| secret.id == id).ok_or(Code::NotFound)?;
        if secret.is_current() {
            return Err(Code::CannotRevokeCurrent.into());
        }
        Ok(secret.is_live(self.org.now).then(|| self.ended_now(secret)))
    }

    /// A previous secret ends, or a rotation is given up.
    fn ended_now(&self, secret: &SigningSecret) -> SigningSecretPlan {
        let kind = match secret.pending {
            Some(_) => EventType::SigningSecretRotationAbandoned,
            None => EventType::SigningSecretRevoked,
        };
        let ended = Some(SigningSecret { revoked_at: Some(self.org.now), ..secret.clone() });
        SigningSecretPlan { ended, ..self.plan(kind) }
    }

    fn plan(&self, kind: EventType) -> SigningSecretPlan {
        SigningSecretPlan::new(kind, self.org.now)
    }

    /// The secret that may still be confirmed.
    fn waiting(&self) -> Option<&SigningSecret> {
        self.secrets.iter().find(|secret| secret.pending.is_some() && secret.is_live(self.org.now))
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
    use crate::identity::keys::KeyStage;

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
            pending: None,
        }
    }

    fn at_once(grace: TimeDelta) -> SecretRotation {
        SecretRotation { grace, confirm_within: None }
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
        let plan = org(vec![]).rotate(NEW, at_once(TimeDelta::hours(1))).unwrap();
        assert_eq!((plan.ended, plan.added), (None, Some(NEW)));
    }

    #[test]
    fn the_previous_secret_signs_along_and_earlier_deadlines_stay() {
        let plan = org(vec![secret(1, Some(NOW + 5)), secret(2, None)])
            .rotate(NEW, at_once(TimeDelta::hours(1)))
            .unwrap();
        let ended = plan.ended.unwrap();
        assert_eq!(
            (ended.id, ended.expires_at, ended.revoked_at),
            (Uuid::from_u128(2), Some(at(NOW + 1)), None)
        );
    }

    #[test]
    fn no_grace_ends_the_previous_secret_as_a_state() {
        let plan = org(vec![secret(2, None)]).rotate(NEW, at_once(TimeDelta::zero())).unwrap();
        assert_eq!(plan.ended.unwrap().revoked_at, Some(at(NOW)));
    }

    #[test]
    fn five_may_live_counted_after_the_change() {
        let mut secrets: Vec<_> = (1..=4).map(|n| secret(n, Some(NOW + 2))).collect();
        secrets.push(secret(5, None));
        let full = org(secrets.clone());
        assert_eq!(code(full.rotate(NEW, at_once(TimeDelta::hours(1)))), "too_many_live_secrets");
        assert_eq!(code(full.rotate(NEW, at_once(TimeDelta::zero()))), "ok");
        secrets[0].expires_at = Some(at(NOW));
        assert_eq!(code(org(secrets).rotate(NEW, at_once(TimeDelta::hours(1)))), "ok");
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
        org.org.caller = CallerState { stage: KeyStage::Superseded, ..CallerState::KEYLESS };
        assert_eq!(code(org.rotate(NEW, at_once(TimeDelta::zero()))), "key_superseded");
        assert_eq!(code(org.revoke(Uuid::from_u128(9))), "key_superseded");
    }

    fn waiting(n: u128, until: i64) -> SigningSecret {
        let (secret_id, confirm_by) = (Uuid::from_u128(1), at(until));
        let pending = Some(PendingSecret { secret_id, confirm_by, grace_seconds: 3_600 });
        SigningSecret { pending, ..secret(n, Some(until)) }
    }

    #[test]
    fn a_secret_that_waits_leaves_the_current_one_in_its_place() {
        let wanted = SecretRotation { grace: TimeDelta::hours(1), confirm_within: Some(TimeDelta::hours(2)) };
        let plan = org(vec![secret(1, None)]).rotate(NEW, wanted).unwrap();
        assert_eq!((plan.ended, plan.added), (None, Some(NEW)));
        assert_eq!(plan.waits.unwrap().confirm_by, at(NOW + 2));
        let first = org(vec![]).rotate(NEW, wanted).unwrap();
        assert_eq!((first.waits, first.kind), (None, EventType::SigningSecretRotated));
        let second = org(vec![secret(1, None), waiting(2, NOW + 1)]);
        assert_eq!(code(second.rotate(NEW, wanted)), "rotation_pending");
        assert_eq!(code(second.rotate(NEW, at_once(TimeDelta::zero()))), "rotation_pending");
        assert_eq!(code(org(vec![secret(1, None), waiting(2, NOW)]).rotate(NEW, wanted)), "ok");
    }

    #[test]
    fn a_confirmation_puts_it_in_place_and_giving_up_leaves_no_trace() {
        let org = org(vec![secret(1, None), waiting(2, NOW + 1), waiting(3, NOW)]);
        let plan = org.confirm(Uuid::from_u128(2)).unwrap();
        assert_eq!(plan.ended.clone().unwrap().expires_at, Some(at(NOW + 1)));
        assert_eq!(plan.confirmed.clone().unwrap().expires_at, None);
        let (id, ..) = plan.subject().unwrap();
        assert_eq!(id, Uuid::from_u128(2));
        assert_eq!(code(org.confirm(Uuid::from_u128(1))), "rotation_not_pending");
        assert_eq!(code(org.confirm(Uuid::from_u128(3))), "key_not_live");
        assert_eq!(code(org.confirm(NEW)), "not_found");
        let given_up = org.revoke(Uuid::from_u128(2)).unwrap().unwrap();
        assert_eq!(given_up.kind, EventType::SigningSecretRotationAbandoned);
        assert_eq!(org.abandon(Uuid::from_u128(2)).unwrap(), None);
        assert_eq!(
            org.abandon(Uuid::from_u128(3)).unwrap().unwrap().kind,
            EventType::SigningSecretRotationAbandoned
        );
    }
}
