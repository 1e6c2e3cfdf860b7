//! Pages of a list (contract 1): by `offset` for the first few thousand entries, by `cursor` for
//! all of them. A cursor is the position of the entry before the page in the list's order, so that
//! the last page costs what the first one costs.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::input::{Body, Input, Reader};

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// How many entries at most.
    #[param(minimum = 1, maximum = 100, default = 25, required = false)]
    limit: i64,
    /// How many entries to skip. For more than the first 10,000 use `cursor`.
    #[param(minimum = 0, maximum = 10_000, default = 0, required = false)]
    offset: i64,
    /// Where the page starts: empty for the start of the list, then each reply's `next_cursor`.
    /// Opaque. Excludes `offset`, but for 0.
    #[param(value_type = Option<String>)]
    cursor: Option<CursorPosition>,
}

impl Input for Page {
    const BODY: Body = Body::None;

    fn read(request: &mut Reader) -> Option<Self> {
        let limit = request.query("limit").integer(1..=100).unwrap_or(25);
        let cursor = request.query("cursor").decoded(CursorPosition::decode);
        let offset = if cursor.is_some() {
            // Generated clients send what the document says holds by default.
            request.query("offset").excluded_but("0", "cannot be combined with cursor");
            0
        } else {
            request.query("offset").integer(0..=10_000).unwrap_or(0)
        };
        Some(Self { limit, offset, cursor })
    }
}

impl Page {
    /// A page for operators' commands.
    pub fn at(offset: i64, limit: i64) -> Self {
        Self { limit, offset, cursor: None }
    }

    /// The number of rows to read: by cursor one more than is shown, which tells whether there is
    /// more.
    pub fn rows(self) -> i64 {
        self.limit + i64::from(self.cursor.is_some())
    }

    /// The number of rows to skip.
    pub fn skip(self) -> i64 {
        self.offset
    }

    /// The position after which the page starts. Every list has this condition in its query, in both
    /// ways of paging, so that there is one query with one plan.
    pub fn after(self) -> CursorPosition {
        self.cursor.unwrap_or(CursorPosition::START)
    }

    /// The reply for this page of what was read.
    pub fn of<T: Listed>(self, mut data: Vec<T>, total: i64) -> List<T> {
        let shown = usize::try_from(self.limit).unwrap_or_default();
        let is_last = data.len() <= shown;
        data.truncate(shown);
        let next = data.last().filter(|_| !is_last).map(|entry| entry.cursor_position().encode());
        let next_cursor = self.cursor.map(|_| next);
        List { data, pagination: Pagination { limit: self.limit, offset: self.offset, total, next_cursor } }
    }
}

/// An entry's position in the order of every list: by creation, ties by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CursorPosition {
    /// The creation of the last entry.
    pub created_at: DateTime<Utc>,
    /// The id of the last entry.
    pub id: Uuid,
}

/// Something that lists show.
pub trait Listed {
    /// Its position in the list.
    fn cursor_position(&self) -> CursorPosition;
}

impl CursorPosition {
    /// Before everything: no row of ours is as old.
    pub const START: Self = Self { created_at: DateTime::UNIX_EPOCH, id: Uuid::nil() };
    const VERSION: u8 = 1;

    /// The position of an entry of a list whose entries are numbered, from 1 on: the number alone
    /// decides, as clocks of replicas may differ.
    pub fn numbered(number: i64) -> Self {
        Self { created_at: DateTime::UNIX_EPOCH, id: Uuid::from_u128(number.unsigned_abs().into()) }
    }

    /// The number; of a position in another list, one that has no entries after it.
    pub fn number(self) -> i64 {
        i64::try_from(self.id.as_u128()).unwrap_or(i64::MAX)
    }

    /// As a cursor: a version, microseconds, the id.
    #[must_use]
    pub fn encode(self) -> String {
        let mut bytes = vec![Self::VERSION];
        bytes.extend_from_slice(&self.created_at.timestamp_micros().to_be_bytes());
        bytes.extend_from_slice(self.id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor. Whatever it says, it is a position in the caller's own list.
    ///
    /// # Errors
    /// What a cursor of the lists under `/v1` must be.
    pub fn decode(cursor: &str) -> Result<Self, &'static str> {
        const MSG: &str = "must be empty, or next_cursor of the page before";
        if cursor.is_empty() {
            return Ok(Self::START);
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| MSG)?;
        let (version, rest) = bytes.split_first().ok_or(MSG)?;
        let (micros, id) = rest.split_first_chunk().ok_or(MSG)?;
        let created_at = DateTime::from_timestamp_micros(i64::from_be_bytes(*micros));
        // Postgres holds these years, chrono more.
        let created_at = created_at.filter(|at| (0..=MAX_SECONDS).contains(&at.timestamp())).ok_or(MSG)?;
        let id = Uuid::from_slice(id).map_err(|_| MSG)?;
        if *version == Self::VERSION { Ok(Self { created_at, id }) } else { Err(MSG) }
    }
}

/// The end of the year 9999.
const MAX_SECONDS: i64 = 253_402_300_799;

/// What a list says about itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct Pagination {
    /// As asked for, or the default.
    #[schema(example = 25)]
    pub limit: i64,
    /// As asked for, or 0.
    #[schema(example = 0)]
    pub offset: i64,
    /// All entries there are. Exact up to 10,000; above that up to a minute old.
    #[schema(example = 1)]
    pub total: i64,
    /// Only where `cursor` was sent: the next page's, or null at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub next_cursor: Option<Option<String>>,
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    /// Oldest first.
    pub data: Vec<T>,
    /// Where in the list this is.
    pub pagination: Pagination,
}

/// A single thing.
#[derive(Debug, Serialize, ToSchema)]
pub struct Data<T> {
    /// The thing.
    pub data: T,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is() {
        let position = CursorPosition {
            created_at: DateTime::from_timestamp_micros(1_795_248_000_000_001).unwrap(),
            id: Uuid::from_u128(7),
        };
        let cursor = position.encode();
        assert_eq!(CursorPosition::decode(&cursor), Ok(position));
        assert_eq!(CursorPosition::decode(""), Ok(CursorPosition::START));
        for length in 1..cursor.len() {
            assert!(CursorPosition::decode(&cursor[..length]).is_err(), "{length}");
        }
        let other = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        for bad in ["=", "é", &format!("{cursor}A"), &other(&[2; 25]), &other(&[1; 24]), &other(&[0xff; 25])]
        {
            assert!(CursorPosition::decode(bad).is_err(), "{bad}");
        }
        let number = CursorPosition::numbered(7);
        assert_eq!(CursorPosition::decode(&number.encode()).map(CursorPosition::number), Ok(7));
        assert_eq!((CursorPosition::START.number(), position.number() > 0), (0, true));
        assert!(
            CursorPosition::START < CursorPosition::numbered(1)
                && CursorPosition::numbered(1) < CursorPosition::numbered(i64::MAX)
        );
        // Beyond what Postgres holds.
        let mut far = [0xff; 25];
        (far[0], far[1]) = (1, 0x7f);
        assert!(CursorPosition::decode(&other(&far)).is_err());
    }
}
