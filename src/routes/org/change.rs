//! Changes of an org itself, by its partner and by operators.

use super::store::{Loaded, OrgRow};
use crate::audit::Author;
use crate::audit::verify::HANDED_OVER;
use crate::changes::{Change, Mandate, Rule};
use crate::clock::Clock;
use crate::error::{ApiError, Code};
use crate::events::EventType;
use crate::http::networks::NetworkChange;
use crate::identity::orgs::SignaturePolicy;
use crate::limits::rates::RateSetting;
use crate::routes::leaks::rules::LeakPolicy;

/// The request for a change of an org.
#[derive(Clone, Debug)]
pub enum OrgChange {
    /// Gives it another name.
    Rename(String),
    /// Stops serving it; an org that is suspended already stays so.
    Suspend {
        /// Why, for whoever looks later.
        reason: Option<String>,
    },
    /// Serves it again.
    Resume,
    /// Says whom to write to about it.
    SetContacts(Vec<String>),
    /// Ends every token that was issued up to now (contract 15).
    Recover,
    /// Deletes it with everything but its audit log.
    Delete,
    /// Says which requests must be signed (contract 12.1). A request that does must be signed itself, in either
    /// direction: nobody locks themselves out untested, and no thief of a tenant key loosens it.
    SetSignaturePolicy {
        /// From now on.
        policy: SignaturePolicy,
        /// `true` for a signed request, and for an operator.
        is_signed: bool,
    },
    /// Signs all responses to the org from now on, or only those where it is asked for (contract 12.2).
    SignResponses(bool),
    /// Says where its keys, signed requests and tokens may be used from (contract 13.3).
    SetNetworks(NetworkChange),
    /// Says how many requests it may make (contract 13.5).
    SetLimits(RateSetting),
    /// Says what happens to its keys that leak (contract 13.4); what is not said stays.
    RespondToLeaks {
        /// What is done.
        policy: Option<LeakPolicy>,
        /// How long such a key still works, in seconds.
        grace_seconds: Option<i32>,
    },
    /// Goes on with the renewed audit key of this number.
    HandOver(i16),
    /// Lets nothing of its administration change until it is thawed (contract 13.4). Any live key may; an org that is
    /// frozen already stays as it was frozen.
    Freeze {
        /// For people.
        reason: Option<String>,
    },
    /// Lets its administration change again: by a signed request, which no thief of a tenant key makes.
    Thaw {
        /// `true` for a signed request, and for an operator.
        is_signed: bool,
    },
}

impl OrgChange {
    /// As the audit log names it.
    pub fn action(&self) -> &'static str {
        match self {
            Self::Rename(_) => "org.renamed",
            Self::Suspend { .. } => "org.suspended",
            Self::Resume => "org.resumed",
            Self::SetContacts(_) => "org.contacts_changed",
            Self::Recover => "org.recovered",
            Self::Delete => "org.deleted",
            Self::SetSignaturePolicy { .. } => "org.signature_policy_changed",
            Self::SignResponses(_) => "org.sign_responses_changed",
            Self::SetNetworks(_) => "org.networks_changed",
            Self::SetLimits(_) => "org.limits_changed",
            Self::RespondToLeaks { .. } => "org.leak_policy_changed",
            Self::HandOver(_) => HANDED_OVER,
            Self::Freeze { .. } => EventType::OrgAdministrationFrozen.name(),
            Self::Thaw { .. } => EventType::OrgAdministrationThawed.name(),
        }
    }

    /// The event that tells of it, if one does.
    pub fn told(&self) -> Option<EventType> {
        match self {
            Self::Freeze { .. } => Some(EventType::OrgAdministrationFrozen),
            Self::Thaw { .. } => Some(EventType::OrgAdministrationThawed),
            _ => None,
        }
    }

    /// The change as somebody makes it.
    pub fn by(self, mandate: Mandate, clock: &Clock) -> Change<OrgRow, impl Rule<OrgRow> + use<>> {
        let author = mandate.author.clone();
        mandate.change(clock, OrgRow, move |org: &Loaded| org.decide(&self, &author))
    }
}

/// The plan of a change, for one statement.
#[derive(Clone, Debug)]
pub struct OrgPlan {
    pub change: OrgChange,
    /// To what, in the audit log: the org by its `key`, or an audit key by its number.
    pub subject: String,
}

impl Loaded {
    /// Passes changes of which none would be refused.
    ///
    /// # Errors
    /// What the first that would be is refused for.
    pub fn require(&self, changes: &[OrgChange], author: &Author) -> Result<(), ApiError> {
        changes.iter().try_for_each(|change| self.decide(change, author).map(drop))
    }

    fn decide(&self, change: &OrgChange, author: &Author) -> Result<Option<OrgPlan>, ApiError> {
        self.require_right_to(change)?;
        match change {
            OrgChange::Freeze { .. } if self.org.is_frozen => return Ok(None),
            OrgChange::Thaw { .. } if !self.org.is_frozen => return Ok(None),
            OrgChange::Thaw { is_signed: false } => return Err(Code::SignatureRequired.into()),
            OrgChange::SetSignaturePolicy { policy, .. } if *policy == self.signature_policy => {
                return Ok(None);
            }
            OrgChange::SetSignaturePolicy { is_signed: false, .. } => {
                return Err(Code::SignatureRequired.into());
            }
            OrgChange::SignResponses(true) if !self.has_response_key => {
                return Err(Code::NoResponseKey.into());
            }
            OrgChange::SignResponses(on) if *on == self.sign_responses => return Ok(None),
            OrgChange::SetNetworks(change) => {
                let networks = change.applied(&self.networks);
                if networks == self.networks {
                    return Ok(None);
                }
                if author.is_shut_out_by(&networks) {
                    return Err(Code::WouldLockOut.into());
                }
            }
            _ => {}
        }
        let subject =
            if let OrgChange::HandOver(number) = change { number.to_string() } else { self.key.clone() };
        Ok(Some(OrgPlan { change: change.clone(), subject }))
    }

    /// Whoever may change anything may do this; the brake is any live key's to pull, and a signature's to release.
    fn require_right_to(&self, change: &OrgChange) -> Result<(), ApiError> {
        match change {
            OrgChange::Freeze { .. } | OrgChange::Thaw { is_signed: true } => self.org.caller.require_live(),
            OrgChange::Thaw { is_signed: false } => {
                self.org.caller.require_live()?;
                self.org.caller.stage.require_administrator()
            }
            _ => self.org.caller.require_administrator(),
        }
    }
}
