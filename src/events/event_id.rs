//! Ids of events: UUIDv7, so that their order is the order of creation.

use chrono::{DateTime, SubsecRound as _, Utc};
use uuid::{NoContext, Timestamp, Uuid};

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
    use chrono::{TimeDelta, TimeZone as _};

    use super::*;

    #[test]
    fn an_id_is_among_those_of_its_millisecond() {
        let now = Utc.with_ymd_and_hms(2026, 11, 21, 8, 0, 0).unwrap();
        let id = id_at(now);
        assert!(first_id_at(now) <= id && id < first_id_at(now + TimeDelta::milliseconds(1)));
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
}
