//! Identifiers. Each has its own type, so that an org's id cannot be passed where a key's is due.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// The tenant that owns a row. Every query on tenant data takes one first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct OrgId(pub Uuid);

/// A tenant API key's row, as in `X-Tenant-Key-Id`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct KeyId(pub Uuid);

macro_rules! prints_as_uuid {
    ($($id:ty),*) => {$(
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
prints_as_uuid!(OrgId, KeyId);

/// A time-ordered id (UUIDv7) for a row of ours; it keeps indexes dense.
#[must_use]
pub fn new_row_id() -> Uuid {
    Uuid::now_v7()
}

/// Reads a UUID in its one accepted form, 8-4-4-4-12 hex digits in any case (contract 1).
#[must_use]
pub fn parse_uuid(text: &str) -> Option<Uuid> {
    // The crate also takes braces, URNs and bare hex; only the hyphenated form is this long.
    if text.len() != 36 {
        return None;
    }
    Uuid::try_parse(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hyphenated_form_is_a_uuid() {
        let id = "0192f0c1-2345-7abc-8def-0123456789ab";
        assert_eq!(parse_uuid(id).unwrap().to_string(), id);
        assert_eq!(parse_uuid(&id.to_uppercase()).unwrap().to_string(), id);
        for bad in [
            "",
            "0192f0c123457abc8def0123456789ab",
            "{0192f0c1-2345-7abc-8def-0123456789ab}",
            "urn:uuid:0192f0c1-2345-7abc-8def-0123456789ab",
            " 192f0c1-2345-7abc-8def-0123456789ab",
            "0192f0c1-2345-7abc-8def-0123456789aé",
            "0192f0c12-345-7abc-8def-0123456789ab",
        ] {
            assert_eq!(parse_uuid(bad), None, "{bad}");
        }
    }
}
