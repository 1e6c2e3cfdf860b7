//! What an event says: to whom, about what, and how it is drafted.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::catalogue::{EventType, Stream};
use super::event_id::{cut, id_at};
use super::stream_name::StreamName;
use crate::clock::in_rfc3339;
use crate::ids::{KeyId, OrgId};
use crate::request_id::TraceContext;

/// Why a queue stands still until it is resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PauseReason {
    /// Somebody asked.
    Requested,
    /// The receiver answered 410.
    Gone,
}

impl PauseReason {
    /// The name on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Gone => "gone",
        }
    }
}

/// Whom an event is about: ids and dates, never profile data, never secrets.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Subject {
    /// Of `user.*`.
    User {
        /// As the partner chose it.
        user_id: Uuid,
    },
    /// Of `tenant_key.*`.
    TenantKey {
        /// The key; of `rotated` and what leads there, the new one.
        #[schema(value_type = Uuid)]
        key_id: KeyId,
        /// Of `rotated`, `rotation_started` and `rotation_abandoned`: the old key.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<Uuid>)]
        previous_key_id: Option<KeyId>,
        /// When the key ends, if it does; of `rotated`, when the old one does.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<DateTime<Utc>>,
    },
    /// Of `tenant_key.leaked`.
    LeakedKey {
        /// The key.
        #[schema(value_type = Uuid)]
        key_id: KeyId,
        /// Who reported it: `report` (anybody), `github`, or a name that an operator gave.
        source: String,
        /// Where it was found, as the reporter says.
        #[schema(required)]
        url: Option<String>,
        /// When it ends, if it does.
        #[schema(required)]
        ends_at: Option<DateTime<Utc>>,
    },
    /// Of `signing_secret.*`.
    SigningSecret {
        /// The secret; of `rotated` and what leads there, the new one.
        secret_id: Uuid,
        /// Of `rotated`, `rotation_started` and `rotation_abandoned`: the old secret, if there was one.
        #[serde(skip_serializing_if = "Option::is_none")]
        previous_secret_id: Option<Uuid>,
        /// Of `rotated`: when the old one ends.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<DateTime<Utc>>,
    },
    /// Of `public_key.*`.
    PublicKey {
        /// The key: its `UniqueId`.
        unique_id: Uuid,
        /// When the key ends, or ended.
        expires_at: DateTime<Utc>,
    },
    /// Of `org.*`.
    Org {
        /// The tenant key that authenticated the request, if one did.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<Uuid>)]
        by_key_id: Option<KeyId>,
    },
    /// Of `report.*`.
    Report {
        /// The report.
        report_id: Uuid,
        /// Of `ready`: when its content goes.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<DateTime<Utc>>,
    },
    /// Of `claim.*`.
    Claim {
        /// The claim.
        claim_id: Uuid,
        /// When it was opened.
        opened_at: DateTime<Utc>,
    },
    /// Of `queue.*`. Another stream carries them ([`StreamName::told_on`]), and the target that the
    /// queue had is told once.
    Queue {
        /// The queue: the name of its stream.
        queue_name: StreamName,
        /// Of `paused`.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<PauseReason>,
    },
    /// Of `queue.failing` and `queue.recovered`. The other stream carries them.
    QueueHealth {
        /// The queue: the name of its stream.
        queue_name: StreamName,
        /// Since when it is known not to work; the same in both.
        since: DateTime<Utc>,
        /// Of `failing`: what went wrong last, as events show it.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_error: Option<String>,
    },
}

/// What is signed and sent: a webhook's body, and the `body` of an envelope.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventBody<'a> {
    /// What happened.
    #[serde(rename = "type")]
    #[schema(example = "tenant_key.rotated")]
    kind: &'a str,
    /// When.
    #[serde(serialize_with = "in_rfc3339")]
    timestamp: DateTime<Utc>,
    /// To whom: the org.
    #[schema(value_type = Uuid)]
    org_id: OrgId,
    /// To what.
    data: EventData<'a>,
}

/// What an event is about.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventData<'a> {
    /// Ids.
    #[serde(flatten)]
    subject: &'a Subject,
    /// The same as `timestamp`.
    #[serde(serialize_with = "in_rfc3339")]
    occurred_at: DateTime<Utc>,
    /// Counts the changes of this subject: of two events the higher version is the later one.
    version: i64,
}

/// An event ready to be written, all but the version of its subject, which the statement that
/// writes it knows.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The id of the row; the wire adds `evt_`.
    pub id: Uuid,
    /// The type of event.
    pub kind: EventType,
    /// The stream that carries it.
    pub stream: Stream,
    /// The body up to the version; [`Draft::TAIL`] closes it.
    pub head: String,
    /// The time of the event, in whole microseconds.
    pub at: DateTime<Utc>,
    /// The trace of the request that causes it, as it is stored.
    pub traceparent: Option<String>,
}

impl Draft {
    /// The text that follows the version.
    pub const TAIL: &str = "}}";

    /// Drafts an event that happens at `now`.
    #[must_use]
    pub fn new(org_id: OrgId, kind: EventType, subject: &Subject, now: DateTime<Utc>) -> Self {
        let at = cut(now);
        let data = EventData { subject, occurred_at: at, version: 0 };
        let body = EventBody { kind: kind.name(), timestamp: at, org_id, data };
        let mut head = serde_json::to_string(&body).expect("plain data with string keys");
        head.truncate(head.len() - 1 - Self::TAIL.len());
        Self { id: id_at(at), kind, stream: kind.stream(), head, at, traceparent: None }
    }

    /// The same event, caused by a request of this trace.
    #[must_use]
    pub fn traced(mut self, trace: Option<TraceContext>) -> Self {
        self.traceparent = trace.map(|trace| trace.to_string());
        self
    }

    /// The same event on another stream: what happens to a queue is told on the other one's.
    #[must_use]
    pub fn on(mut self, stream: Stream) -> Self {
        self.stream = stream;
        self
    }

    /// The whole body, where the version is known beforehand.
    #[must_use]
    pub fn body(&self, version: i64) -> String {
        format!("{}{version}{}", self.head, Self::TAIL)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;

    #[test]
    fn a_body_reads_as_the_contract_shows_it() {
        let now = Utc.with_ymd_and_hms(2026, 11, 21, 8, 0, 0).unwrap();
        let subject = Subject::User { user_id: Uuid::from_u128(7) };
        let draft = Draft::new(OrgId(Uuid::from_u128(1)), EventType::UserCreated, &subject, now);
        assert_eq!(
            draft.body(12),
            r#"{"type":"user.created","timestamp":"2026-11-21T08:00:00Z","org_id":"00000000-0000-0000-0000-000000000001","data":{"user_id":"00000000-0000-0000-0000-000000000007","occurred_at":"2026-11-21T08:00:00Z","version":12}}"#
        );
        assert_eq!(draft.id.get_timestamp().unwrap().to_unix().0, 1_795_248_000);
    }
}
