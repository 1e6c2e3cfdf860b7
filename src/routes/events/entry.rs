//! An event, as lists show it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::events::Stream;
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
    #[schema(value_type = Stream)]
    pub stream: String,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(value_type = crate::events::EventType)]
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

/// Ids are made from the instant of creation, so they are the whole order.
impl Listed for EventEntry {
    fn cursor_position(&self) -> CursorPosition {
        CursorPosition { created_at: self.created_at, id: self.id }
    }
}
