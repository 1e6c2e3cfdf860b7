//! What reports are about. Each source reads its rows in pages, oldest first, from a position on, so that no page costs
//! more than the first and none is held with another.

mod audit_log;
mod credentials;
mod events;
mod users;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

pub use self::audit_log::AuditLog;
pub use self::credentials::Credentials;
pub use self::events::Events;
pub use self::users::Users;
use super::text::Column;
use crate::http::paging::CursorPosition;
use crate::ids::OrgId;

/// Rows of a page: some hundred kilobytes.
const PAGE: i64 = 1_000;

/// The rows that are wanted: an org's, created from an instant on and before another.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub org_id: OrgId,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
}

impl Span {
    /// The position before the first row, in the order of creation.
    fn start(self) -> CursorPosition {
        let before = |from| CursorPosition { created_at: from - TimeDelta::microseconds(1), id: Uuid::max() };
        self.from.map_or(CursorPosition::START, before)
    }
}

/// Something that an org has rows of.
pub trait Source: Sized {
    /// A row, as it is shown elsewhere.
    type Row: Serialize;
    /// Of a CSV.
    const COLUMNS: &'static [Column];

    /// Stands before the first row.
    fn new(span: Span) -> Self;

    /// Counts all rows.
    async fn count(&self, db: &mut PgConnection) -> Result<i64, sqlx::Error>;

    /// The next rows; none at the end.
    async fn page(&mut self, db: &mut PgConnection) -> Result<Vec<Self::Row>, sqlx::Error>;
}
