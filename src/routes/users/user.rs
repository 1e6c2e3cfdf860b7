//! A user, as replies show it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::clock::in_rfc3339;
use crate::http::paging::{CursorPosition, Listed};

/// A user in a list.
#[derive(Serialize, ToSchema)]
pub struct UserEntry {
    /// As the partner chose it.
    #[schema(example = "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13")]
    pub user_id: Uuid,
    /// When it was created.
    #[schema(example = "2026-11-21T08:00:00.000000Z")]
    #[serde(serialize_with = "in_rfc3339")]
    pub created_at: DateTime<Utc>,
}

impl Listed for UserEntry {
    fn cursor_position(&self) -> CursorPosition {
        CursorPosition { created_at: self.created_at, id: self.user_id }
    }
}

/// A user.
#[derive(Serialize, ToSchema)]
pub struct User {
    /// As the partner chose it.
    #[schema(example = "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13")]
    pub user_id: Uuid,
    /// What is known of the person.
    pub profile: Profile,
    /// When it was created.
    #[schema(example = "2026-11-21T08:00:00.000000Z")]
    #[serde(serialize_with = "in_rfc3339")]
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    #[schema(example = "2026-11-21T08:00:00.000000Z")]
    #[serde(serialize_with = "in_rfc3339")]
    pub updated_at: DateTime<Utc>,
}

/// What is known of a person; all of it optional.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Profile {
    /// Given name.
    #[schema(required, example = "Ada")]
    pub first_name: Option<String>,
    /// Family name.
    #[schema(required, example = "Lovelace")]
    pub last_name: Option<String>,
    /// E-mail address.
    #[schema(required, format = Email, example = "ada@example.com")]
    pub email: Option<String>,
}
