//! Streams as the platform sees them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::ApiError;
use crate::events::StreamName;
use crate::http::input::{AnyObject, Json};
use crate::http::paging::{CursorPosition, Listed};
use crate::streams::store::{PlatformStream, PlatformType};

/// A stream, in a list.
#[derive(Serialize, ToSchema)]
pub struct StreamEntry {
    /// Its name.
    name: StreamName,
    /// For people.
    description: String,
    /// The types of events on it.
    #[schema(example = json!(["order.paid"]))]
    types: Vec<String>,
    /// The time of its making.
    created_at: DateTime<Utc>,
    /// The time of its last change.
    updated_at: DateTime<Utc>,
}

/// A stream of the platform's.
#[derive(Serialize, ToSchema)]
#[schema(as = PlatformStream)]
pub struct PlatformStreamReply {
    /// Its name.
    name: StreamName,
    /// For people.
    description: String,
    /// The types of events on it.
    types: Vec<PlatformTypeReply>,
    /// The time of its making.
    created_at: DateTime<Utc>,
    /// The time of its last change.
    updated_at: DateTime<Utc>,
}

/// A type of events of the platform's.
#[derive(Serialize, ToSchema)]
#[schema(as = PlatformType)]
pub struct PlatformTypeReply {
    /// The `type` on the wire.
    #[schema(example = "order.paid")]
    r#type: String,
    /// For people.
    description: String,
    /// What its data keeps to, as it was given; null where any object will do.
    #[schema(required, value_type = Option<AnyObject>)]
    schema: Option<Json>,
}

impl StreamEntry {
    /// The stream as lists show it.
    pub fn of(stream: &PlatformStream) -> Self {
        Self {
            name: stream.name.clone(),
            description: stream.description.clone(),
            types: stream.types.iter().map(|kind| kind.name.clone()).collect(),
            created_at: stream.created_at,
            updated_at: stream.updated_at,
        }
    }
}

/// A stream's id is its name.
impl Listed for StreamEntry {
    fn cursor_position(&self) -> CursorPosition {
        let mut id = [0; 16];
        id.iter_mut().zip(self.name.as_str().bytes()).for_each(|(to, byte)| *to = byte);
        CursorPosition { created_at: self.created_at, id: Uuid::from_bytes(id) }
    }
}

impl PlatformStreamReply {
    /// The stream with its schemas.
    pub fn of(stream: &PlatformStream) -> Result<Self, ApiError> {
        Ok(Self {
            name: stream.name.clone(),
            description: stream.description.clone(),
            types: stream.types.iter().map(|kind| PlatformTypeReply::of(kind)).collect::<Result<_, _>>()?,
            created_at: stream.created_at,
            updated_at: stream.updated_at,
        })
    }
}

impl PlatformTypeReply {
    fn of(kind: &PlatformType) -> Result<Self, ApiError> {
        let schema = kind.schema.as_deref().map(serde_json::from_str).transpose();
        Ok(Self {
            r#type: kind.name.clone(),
            description: kind.description.clone(),
            schema: schema.map_err(ApiError::internal)?,
        })
    }
}
