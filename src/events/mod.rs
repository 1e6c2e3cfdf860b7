//! The catalogue of events (contract 6), in one place: what there is, on which stream, and what
//! it says. An event is written by the statement of the change that it tells of.

mod cloudevent;
pub mod envelope;
pub mod message;
pub mod options;
pub mod pollers;
pub mod queue;
pub mod schemas;
pub mod secrets;
pub mod stream_name;
pub mod targets;

use std::borrow::Cow;
use std::str::FromStr;

use chrono::{DateTime, SubsecRound as _, Utc};
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use uuid::{NoContext, Timestamp, Uuid};

pub use self::stream_name::StreamName;
use crate::ids::{KeyId, OrgId};
use crate::request_id::TraceContext;

/// A stream of ours; like each of the platform's ([`StreamName`]) it has a queue of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Events about users.
    Users,
    /// Events about keys and secrets.
    Credentials,
}

impl Stream {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Users, Self::Credentials];

    /// The name on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Credentials => "credentials",
        }
    }
}

impl FromStr for Stream {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|stream| stream.name() == name).ok_or(())
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal on $stream:ident;)*) => {
        /// The types of events. Names are `<subject>.<what>`, and never change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the names say it, and docs/events.md the rest")]
        pub enum EventType { $($(#[$doc])* $variant),* }

        impl EventType {
            /// Every kind there is.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The `type` on the wire.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The kind of this name.
            #[must_use]
            pub fn of(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.name() == name)
            }

            /// The stream that carries it. What happens to a queue goes to
            /// [`StreamName::told_on`] of the queue's own instead.
            #[must_use]
            pub fn stream(self) -> Stream {
                match self { $(Self::$variant => Stream::$stream),* }
            }
        }
    };
}

kinds! {
    UserCreated = "user.created" on Users;
    UserUpdated = "user.updated" on Users;
    UserDeleted = "user.deleted" on Users;
    TenantKeyCreated = "tenant_key.created" on Credentials;
    TenantKeyUpdated = "tenant_key.updated" on Credentials;
    TenantKeyRotated = "tenant_key.rotated" on Credentials;
    /// The successor waits for its confirmation (contract 13.1).
    TenantKeyRotationStarted = "tenant_key.rotation_started" on Credentials;
    /// It was not confirmed, and has ended.
    TenantKeyRotationAbandoned = "tenant_key.rotation_abandoned" on Credentials;
    /// It was found where others can read it (contract 13.4).
    TenantKeyLeaked = "tenant_key.leaked" on Credentials;
    TenantKeyRevoked = "tenant_key.revoked" on Credentials;
    /// 30, 7 and 1 days before the end, where there is time for it.
    TenantKeyExpiring = "tenant_key.expiring" on Credentials;
    TenantKeyExpired = "tenant_key.expired" on Credentials;
    SigningSecretRotated = "signing_secret.rotated" on Credentials;
    /// The new secret waits for its confirmation (contract 13.1).
    SigningSecretRotationStarted = "signing_secret.rotation_started" on Credentials;
    /// It was not confirmed, and has ended.
    SigningSecretRotationAbandoned = "signing_secret.rotation_abandoned" on Credentials;
    SigningSecretRevoked = "signing_secret.revoked" on Credentials;
    SigningSecretExpired = "signing_secret.expired" on Credentials;
    PublicKeyRegistered = "public_key.registered" on Credentials;
    PublicKeyUpdated = "public_key.updated" on Credentials;
    /// The partner showed that it holds the private half.
    PublicKeyProven = "public_key.proven" on Credentials;
    PublicKeyDeleted = "public_key.deleted" on Credentials;
    /// 30, 7 and 1 days before the end, where there is time for it.
    PublicKeyExpiring = "public_key.expiring" on Credentials;
    PublicKeyExpired = "public_key.expired" on Credentials;
    /// Nothing of the administration changes any more (contract 13.4).
    OrgAdministrationFrozen = "org.administration_frozen" on Credentials;
    OrgAdministrationThawed = "org.administration_thawed" on Credentials;
    ReportReady = "report.ready" on Credentials;
    ReportFailed = "report.failed" on Credentials;
    /// Somebody tried to open a claim that was opened already.
    ClaimReopened = "claim.reopened" on Credentials;
    QueueReplaced = "queue.replaced" on Credentials;
    QueueDeleted = "queue.deleted" on Credentials;
    QueuePaused = "queue.paused" on Credentials;
    /// It failed so often in a row that it is only tried now and then (contract 14).
    QueueFailing = "queue.failing" on Credentials;
    /// It took an event again.
    QueueRecovered = "queue.recovered" on Credentials;
}

impl EventType {
    /// Returns `true` if it is about a report.
    #[must_use]
    pub fn is_of_a_report(self) -> bool {
        matches!(self, Self::ReportReady | Self::ReportFailed)
    }

    /// Returns `true` if it is about a queue.
    #[must_use]
    pub fn is_of_a_queue(self) -> bool {
        matches!(
            self,
            Self::QueueReplaced
                | Self::QueueDeleted
                | Self::QueuePaused
                | Self::QueueFailing
                | Self::QueueRecovered
        )
    }
}

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

impl PartialSchema for EventType {
    fn schema() -> RefOr<Schema> {
        let names = Self::ALL.iter().map(|kind| kind.name());
        let names = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
        names.description(Some("What happened.")).into()
    }
}

impl ToSchema for EventType {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("EventType")
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

/// To the precision of ids, so that the order of ids is the order of instants.
#[must_use]
pub fn cut(now: DateTime<Utc>) -> DateTime<Utc> {
    now.trunc_subsecs(3)
}

/// A UUIDv7 of the instant `at`.
#[must_use]
pub fn id_at(at: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(at.timestamp()).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, at.timestamp_subsec_nanos()))
}

/// The first id that an event created at `at` can have; for ranges of time.
#[must_use]
pub fn first_id_at(at: DateTime<Utc>) -> Uuid {
    let millis = u64::try_from(at.timestamp_millis()).unwrap_or_default();
    Uuid::from_u128(u128::from(millis) << 80)
}

/// An event's id on the wire.
#[must_use]
pub fn wire_id(id: Uuid) -> String {
    format!("evt_{}", id.simple())
}

/// Reads an id as [`wire_id`] writes it.
#[must_use]
pub fn parse_wire_id(text: &str) -> Option<Uuid> {
    let hex = text.strip_prefix("evt_")?;
    let is_ours = hex.len() == 32 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    is_ours.then(|| Uuid::try_parse(hex).ok())?
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
        assert!(
            first_id_at(now) <= draft.id && draft.id < first_id_at(now + chrono::TimeDelta::milliseconds(1))
        );
    }

    #[test]
    fn ids_are_read_back_and_nothing_else_is() {
        let id = Uuid::from_u128(0xabc);
        assert_eq!(parse_wire_id(&wire_id(id)), Some(id));
        for bad in [
            "",
            "evt_",
            &id.to_string(),
            "evt_00000000000000000000000000000ABC",
            &format!("{}0", wire_id(id)),
        ] {
            assert_eq!(parse_wire_id(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_kind_is_named_after_its_subject() {
        for kind in EventType::ALL {
            let is_user = kind.name().starts_with("user.");
            assert_eq!(kind.stream() == Stream::Users, is_user, "{kind:?}");
        }
    }
}
