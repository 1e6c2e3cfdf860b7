//! An event, as lists show it and as it is shown by itself.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::events::StreamName;
use crate::http::paging::{CursorPosition, Listed};

/// An event and its delivery.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventEntry {
    #[serde(skip)]
    pub(crate) id: Uuid,
    /// The event's id.
    #[schema(example = "evt_0192f0c123457abc8def0123456789ab")]
    pub event_id: String,
    /// The stream that it belongs to.
    #[schema(value_type = StreamName)]
    pub stream: String,
    /// What happened: of our own streams an `EventType`, of the platform's a type of its own.
    #[serde(rename = "type")]
    #[schema(example = "tenant_key.rotated")]
    pub kind: String,
    /// How its delivery stands.
    #[schema(value_type = super::input::EventStatus)]
    pub status: String,
    /// How often it was tried.
    pub attempts: i32,
    /// When it is tried next, while it is pending.
    #[schema(required)]
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// Why the last attempt failed.
    #[schema(required, example = "status 503")]
    pub last_error: Option<String>,
    /// When it happened.
    pub created_at: DateTime<Utc>,
    /// When the queue acknowledged it.
    #[schema(required)]
    pub delivered_at: Option<DateTime<Utc>>,
}

/// An event with what was signed, and what became of each attempt to deliver it.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventDetail {
    #[serde(flatten)]
    pub(crate) entry: EventEntry,
    /// What it is about, where whoever published it said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "invoice-4711")]
    pub subject: Option<String>,
    /// The very text that is signed and sent.
    #[schema(
        example = r#"{"type":"user.created","timestamp":"2026-11-21T08:00:00Z","org_id":"0192f0c1-2345-7abc-8def-0123456789ab","data":{"user_id":"3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13","occurred_at":"2026-11-21T08:00:00Z","version":1}}"#
    )]
    pub body: String,
    /// The last 20 attempts, oldest first.
    #[schema(max_items = 20)]
    pub deliveries: Vec<Attempt>,
}

/// An attempt to deliver an event, as it is stored and shown.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// Its number: 1 is the first since the event was written or replayed.
    #[schema(minimum = 1)]
    pub attempt: i32,
    /// When it began.
    pub at: DateTime<Utc>,
    /// How long it took until the queue's answer, or until it was given up, in milliseconds.
    #[schema(minimum = 0)]
    pub duration_ms: i64,
    /// The status that a webhook answered with; null for other queues, and where there was no answer.
    #[schema(required)]
    pub status: Option<u16>,
    /// What went wrong, as in `last_error`; null if it was delivered. `not acknowledged` of one that was fetched.
    #[schema(required, example = "status 503")]
    pub error: Option<String>,
}

/// Ids are made from the instant of creation, so they are the whole order.
impl Listed for EventEntry {
    fn cursor_position(&self) -> CursorPosition {
        CursorPosition { created_at: self.created_at, id: self.id }
    }
}
