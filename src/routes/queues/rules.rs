//! When a stream's queue may be changed, as pure functions: what the org has in, a plan or a
//! refusal out.

use chrono::{DateTime, Utc};

use crate::administration::Caller;
use crate::audit::chain::Head;
use crate::error::{ApiError, Code};
use crate::events::Stream;

/// What is wanted of a stream's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// There must be none yet.
    Create,
    /// There must be one.
    Replace,
    Delete,
}

impl Kind {
    /// As the audit log names it.
    pub fn action(self) -> &'static str {
        match self {
            Self::Create => "queue.created",
            Self::Replace => "queue.replaced",
            Self::Delete => "queue.deleted",
        }
    }
}

/// What is to be done, in one statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    pub kind: Kind,
    pub stream: Stream,
}

/// How the caller, the org's secret and the stream's queue stand, at one revision.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    pub head: Head,
    pub caller: Caller,
    pub has_secret: bool,
    pub has_queue: bool,
    pub now: DateTime<Utc>,
}

impl Standing {
    /// Whether it may be done; `stream` is `None` where the name is no stream's.
    pub fn decide(&self, kind: Kind, stream: Option<Stream>) -> Result<Plan, ApiError> {
        self.caller.require_administrator()?;
        let stream = stream.ok_or(Code::UnknownStream)?;
        match (kind, self.has_queue) {
            (Kind::Create, true) => Err(Code::QueueAlreadyConfigured.into()),
            (Kind::Replace | Kind::Delete, false) => Err(Code::QueueNotConfigured.into()),
            (Kind::Create | Kind::Replace, _) if !self.has_secret => Err(Code::SigningSecretRequired.into()),
            _ => Ok(Plan { kind, stream }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(kind: Kind, has_queue: bool, has_secret: bool, caller: Caller) -> &'static str {
        let standing =
            Standing { head: Head::default(), caller, has_secret, has_queue, now: DateTime::UNIX_EPOCH };
        match standing.decide(kind, Some(Stream::Users)) {
            Ok(plan) => plan.kind.action(),
            Err(ApiError::Invalid(_)) => "422",
            Err(ApiError::Failed(failure)) => failure.code.name(),
        }
    }

    #[test]
    fn a_queue_is_made_where_there_is_none_and_changed_where_there_is_one() {
        let outcome = |kind, has_queue| outcome(kind, has_queue, true, Caller::Administrator);
        assert_eq!(outcome(Kind::Create, false), "queue.created");
        assert_eq!(outcome(Kind::Create, true), "queue_already_configured");
        assert_eq!(outcome(Kind::Replace, true), "queue.replaced");
        assert_eq!(outcome(Kind::Replace, false), "queue_not_configured");
        assert_eq!(outcome(Kind::Delete, true), "queue.deleted");
        assert_eq!(outcome(Kind::Delete, false), "queue_not_configured");
    }

    #[test]
    fn without_a_secret_nothing_can_be_signed_but_a_queue_can_go() {
        let outcome = |kind, has_queue| outcome(kind, has_queue, false, Caller::Administrator);
        assert_eq!(outcome(Kind::Create, false), "signing_secret_not_configured");
        assert_eq!(outcome(Kind::Replace, true), "signing_secret_not_configured");
        assert_eq!(outcome(Kind::Delete, true), "queue.deleted");
    }

    #[test]
    fn a_superseded_key_changes_no_queue_and_a_dead_one_is_no_key() {
        for kind in [Kind::Create, Kind::Replace, Kind::Delete] {
            assert_eq!(outcome(kind, true, true, Caller::Superseded), "key_superseded");
            assert_eq!(outcome(kind, false, false, Caller::Dead), "unauthorized");
        }
    }
}
