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

    /// The one to verify with.
    pub fn current(&self) -> Option<&SigningSecret> {
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
#[path = "rules_tests.rs"]
mod tests;
