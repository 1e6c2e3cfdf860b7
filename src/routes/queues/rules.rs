//! The rules for changes of a stream's queue, as pure functions: what the org has in, a plan or a
//! refusal out.

use chrono::{DateTime, Utc};

use crate::changes::OrgState;
use crate::error::{ApiError, Code};
use crate::events::{self, PauseReason, StreamName, Subject};

/// The kinds of changes of a stream's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueAction {
    /// There must be none yet.
    Create,
    /// There must be one.
    Replace,
    Delete,
    Pause(PauseReason),
    Resume,
}

impl QueueAction {
    /// As the audit log names it.
    pub fn action(self) -> &'static str {
        match self {
            Self::Create => "queue.created",
            Self::Replace => "queue.replaced",
            Self::Delete => "queue.deleted",
            Self::Pause(_) => "queue.paused",
            Self::Resume => "queue.resumed",
        }
    }

    /// The event that tells of it.
    pub fn event(self) -> Option<events::EventType> {
        match self {
            Self::Create | Self::Resume => None,
            Self::Replace => Some(events::EventType::QueueReplaced),
            Self::Delete => Some(events::EventType::QueueDeleted),
            Self::Pause(_) => Some(events::EventType::QueuePaused),
        }
    }

    /// The reason why it is to stand still.
    pub fn pause_reason(self) -> Option<PauseReason> {
        if let Self::Pause(reason) = self { Some(reason) } else { None }
    }

    /// Returns `true` if the target that the queue had hears of it: a receiver that is gone hears
    /// nothing.
    pub fn notifies_the_target(self) -> bool {
        self.event().is_some() && self != Self::Pause(PauseReason::Gone)
    }
}

/// The plan of a change, for one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuePlan {
    pub kind: QueueAction,
    pub stream: StreamName,
    /// The queue is so already: there is nothing to do.
    pub is_done: bool,
}

impl QueuePlan {
    /// The subject of the event.
    pub fn subject(&self) -> Subject {
        Subject::Queue { queue_name: self.stream.clone(), reason: self.kind.pause_reason() }
    }
}

/// A stream's queue, as far as the rules look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueNow {
    /// The instant that identifies it: every replacement has another one.
    pub updated_at: DateTime<Utc>,
    /// Stands still until it is resumed.
    pub is_paused: bool,
}

/// The state of the caller, the org's secret and the stream's queue, at one revision.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    pub org: OrgState,
    pub has_secret: bool,
    pub queue: Option<QueueNow>,
}

impl Standing {
    /// Decides whether it may be done; `stream` is `None` where the name is no stream's.
    pub fn decide(&self, kind: QueueAction, stream: Option<StreamName>) -> Result<QueuePlan, ApiError> {
        self.org.caller.require_administrator()?;
        let stream = stream.ok_or(Code::UnknownStream)?;
        match (kind, self.queue) {
            (QueueAction::Create, Some(_)) => Err(Code::QueueAlreadyConfigured.into()),
            (QueueAction::Create, None) | (QueueAction::Replace, Some(_)) if !self.has_secret => {
                Err(Code::SigningSecretRequired.into())
            }
            (QueueAction::Create, None) => Ok(QueuePlan { kind, stream, is_done: false }),
            (_, None) => Err(Code::QueueNotConfigured.into()),
            (_, Some(queue)) => {
                let is_done = matches!(kind, QueueAction::Pause(_)) && queue.is_paused;
                Ok(QueuePlan { kind, stream, is_done })
            }
        }
    }
}

impl Standing {
    /// The same of the queue that was put in place at `put_at`: where it is another by now, there is
    /// nothing to do.
    pub fn decide_for(
        &self,
        put_at: DateTime<Utc>,
        kind: QueueAction,
        stream: StreamName,
    ) -> Result<Option<QueuePlan>, ApiError> {
        let plan = self.decide(kind, Some(stream))?;
        Ok(self.queue.is_some_and(|queue| queue.updated_at == put_at).then_some(plan))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changes::CallerState;
    use crate::crypto::audit_chain::Head;
    use crate::events::Stream;
    use crate::identity::stage::KeyStage;

    const SUPERSEDED: CallerState = CallerState { stage: KeyStage::Superseded, ..CallerState::KEYLESS };
    const DEAD: CallerState = CallerState { is_live: false, ..CallerState::KEYLESS };

    fn outcome(kind: QueueAction, has_queue: bool, has_secret: bool, caller: CallerState) -> &'static str {
        let now = DateTime::UNIX_EPOCH;
        let queue = has_queue.then_some(QueueNow { updated_at: now, is_paused: false });
        let org = OrgState { caller, ..OrgState::new(Head::default(), now) };
        let standing = Standing { org, has_secret, queue };
        match standing.decide(kind, Some(Stream::Users.into())) {
            Ok(plan) => plan.kind.action(),
            Err(ApiError::Invalid(_)) => "422",
            Err(ApiError::Failed(failure)) => failure.code.name(),
        }
    }

    #[test]
    fn a_queue_is_made_where_there_is_none_and_changed_where_there_is_one() {
        let outcome = |kind, has_queue| outcome(kind, has_queue, true, CallerState::KEYLESS);
        assert_eq!(outcome(QueueAction::Create, false), "queue.created");
        assert_eq!(outcome(QueueAction::Create, true), "queue_already_configured");
        assert_eq!(outcome(QueueAction::Replace, true), "queue.replaced");
        assert_eq!(outcome(QueueAction::Replace, false), "queue_not_configured");
        assert_eq!(outcome(QueueAction::Delete, true), "queue.deleted");
        assert_eq!(outcome(QueueAction::Delete, false), "queue_not_configured");
    }

    #[test]
    fn without_a_secret_nothing_can_be_signed_but_a_queue_can_go() {
        let outcome = |kind, has_queue| outcome(kind, has_queue, false, CallerState::KEYLESS);
        assert_eq!(outcome(QueueAction::Create, false), "signing_secret_not_configured");
        assert_eq!(outcome(QueueAction::Replace, true), "signing_secret_not_configured");
        assert_eq!(outcome(QueueAction::Delete, true), "queue.deleted");
    }

    #[test]
    fn a_queue_that_stands_still_is_not_paused_again_and_always_resumed() {
        let now = DateTime::UNIX_EPOCH;
        let queue = Some(QueueNow { updated_at: now, is_paused: true });
        let standing = Standing { org: OrgState::new(Head::default(), now), has_secret: false, queue };
        let is_done = |kind| standing.decide(kind, Some(Stream::Users.into())).map(|plan| plan.is_done).ok();
        assert_eq!(is_done(QueueAction::Pause(PauseReason::Requested)), Some(true));
        assert_eq!(is_done(QueueAction::Pause(PauseReason::Gone)), Some(true));
        assert_eq!(is_done(QueueAction::Resume), Some(false));
        assert_eq!(outcome(QueueAction::Resume, false, true, CallerState::KEYLESS), "queue_not_configured");
    }

    #[test]
    fn the_old_target_hears_of_all_that_takes_events_from_it_unless_it_is_gone() {
        let notifying =
            [QueueAction::Replace, QueueAction::Delete, QueueAction::Pause(PauseReason::Requested)];
        assert!(notifying.into_iter().all(QueueAction::notifies_the_target));
        let silent = [QueueAction::Create, QueueAction::Resume, QueueAction::Pause(PauseReason::Gone)];
        assert!(!silent.into_iter().any(QueueAction::notifies_the_target));
    }

    #[test]
    fn a_superseded_key_changes_no_queue_and_a_dead_one_is_no_key() {
        let pause = QueueAction::Pause(PauseReason::Requested);
        for kind in
            [QueueAction::Create, QueueAction::Replace, QueueAction::Delete, pause, QueueAction::Resume]
        {
            assert_eq!(outcome(kind, true, true, SUPERSEDED), "key_superseded");
            assert_eq!(outcome(kind, false, false, DEAD), "unauthorized");
        }
    }
}
