//! The input of the event routes.

use chrono::{DateTime, Utc};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::error::{ApiError, Problem, ProblemKind};
use crate::events::{StreamName, parse_wire_id};
use crate::http::input::{Body, Input, Reader};

/// Events that one call may name.
pub const MAX_IDS: usize = 1_000;

/// How an event's delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(as = EventStatus, rename_all = "snake_case")]
pub enum EventStatus {
    /// Waits for its queue or its next attempt.
    Pending,
    /// The queue has it.
    Delivered,
    /// Given up; can be replayed.
    Failed,
    /// Of a type that the queue does not take; can be replayed.
    Skipped,
}

impl EventStatus {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Delivered, Self::Failed, Self::Skipped];

    /// The name on the wire and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// A name that a stream may have; whether there is one, the catalogue knows.
fn stream(name: &str) -> Option<String> {
    StreamName::is_one(name).then(|| name.to_owned())
}

const STREAMS: &str = "must be the name of a stream, such as users or credentials";

/// The filter names no stream.
pub fn unknown_filter() -> ApiError {
    ApiError::Invalid(vec![Problem::query("stream", ProblemKind::Enum, STREAMS)])
}

/// The range names no stream.
pub fn unknown_range() -> ApiError {
    ApiError::Invalid(vec![Problem::body("stream", ProblemKind::Enum, STREAMS)])
}

/// Which events to list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventFilter {
    /// Only this stream's.
    #[param(value_type = Option<StreamName>)]
    pub stream: Option<String>,
    /// Only those that stand like this.
    pub status: Option<EventStatus>,
}

impl Input for EventFilter {
    const BODY: Body = Body::None;

    fn read(request: &mut Reader) -> Option<Self> {
        let stream = request.query("stream").choice(STREAMS, stream);
        const STATUS: &str = "must be pending, delivered, failed or skipped";
        let status = request.query("status").choice(STATUS, EventStatus::parse);
        Some(Self { stream, status })
    }
}

/// Names an event.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct EventPath {
    /// The event's id.
    #[param(
        value_type = String,
        pattern = "^evt_[0-9a-f]{32}$",
        example = "evt_0192f0c123457abc8def0123456789ab"
    )]
    pub event_id: Uuid,
}

impl Input for EventPath {
    const BODY: Body = Body::None;

    fn read(request: &mut Reader) -> Option<Self> {
        Some(Self { event_id: request.path("event_id").required().decoded(event_id)? })
    }
}

/// Reads an event's id.
pub fn event_id(text: &str) -> Result<Uuid, &'static str> {
    parse_wire_id(text).ok_or("must be an event's id")
}

/// Which events to send again: either those that are named, or those of a range.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(as = ReplayEvents)]
#[expect(dead_code, reason = "documents what `ReplayEvents` reads")]
pub enum ReplayEventsBody {
    Named(ReplayNamedEvents),
    Range(ReplayRange),
}

/// Events to send again, by their ids.
#[derive(ToSchema)]
#[schema(example = json!({"event_ids": ["evt_0192f0c123457abc8def0123456789ab"]}))]
#[expect(dead_code, reason = "documents what `ReplayEvents` reads")]
pub struct ReplayNamedEvents {
    /// At most 1,000.
    #[schema(value_type = Vec<EventId>, min_items = 1, max_items = 1_000)]
    event_ids: Vec<String>,
}

/// An event's id.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^evt_[0-9a-f]{32}$", example = "evt_0192f0c123457abc8def0123456789ab")]
#[expect(dead_code, reason = "documents an id's form")]
pub struct EventId(String);

/// Events to send again, by their stream and time.
#[derive(ToSchema)]
#[schema(example = json!({"from": "2026-11-21T08:00:00Z", "stream": "users", "to": "2026-11-21T09:00:00Z"}))]
#[expect(dead_code, reason = "documents what `ReplayEvents` reads")]
pub struct ReplayRange {
    /// The stream of the range.
    #[schema(value_type = StreamName)]
    stream: String,
    /// Events created from here on,
    #[schema(example = "2026-11-21T08:00:00Z")]
    from: DateTime<Utc>,
    /// and before here; at most 10,000.
    #[schema(example = "2026-11-21T09:00:00Z")]
    to: DateTime<Utc>,
}

/// The events to send again.
pub enum ReplayEvents {
    /// These events.
    Ids(Vec<Uuid>),
    /// The failed events of a stream in a span of time.
    Range {
        /// On this stream.
        stream: String,
        /// From this instant on.
        from: DateTime<Utc>,
        /// Until before this one.
        to: DateTime<Utc>,
    },
}

impl Input for ReplayEvents {
    const BODY: Body = Body::Required;

    fn read(request: &mut Reader) -> Option<Self> {
        let has_ids = request.has_body("event_ids");
        let ids = request.body("event_ids").list(1..=MAX_IDS, |field| field.decoded(event_id));
        if has_ids {
            for field in ["stream", "from", "to"] {
                request.body(field).excluded("cannot be combined with event_ids");
            }
            return Some(Self::Ids(ids?));
        }
        let stream = request.body("stream").required().choice(STREAMS, stream);
        let from = request.body("from").required().datetime();
        let to = request.body("to").required().datetime();
        Some(Self::Range { stream: stream?, from: from?, to: to? })
    }
}

/// A range that holds too much for one call.
pub fn too_many() -> Problem {
    Problem::body(
        "to",
        ProblemKind::ValueError,
        "the range holds more than 10,000 events; choose a shorter one",
    )
}
