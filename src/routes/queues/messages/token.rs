//! The token of a hand-out: its lease, and the instant until which it holds. The instant leads to the
//! events without an index of their leases; the lease says whose they are.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use uuid::Uuid;

/// The time in which what was handed out is to be acknowledged (contract 14).
pub const HELD_FOR: TimeDelta = TimeDelta::seconds(60);

/// Of instants that a token may hold, in microseconds: from 1970 to the end of 9999.
const INSTANTS: Range<i64> = 0..253_402_300_800_000_000;

/// What acknowledges a hand-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckToken {
    pub lease: Uuid,
    /// In whole microseconds, as it is stored.
    pub ends_at: DateTime<Utc>,
}

impl AckToken {
    /// A new one.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self { lease: Uuid::new_v4(), ends_at: (now + HELD_FOR).trunc_subsecs(6) }
    }

    /// As it is handed out.
    pub fn encode(self) -> String {
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(self.lease.as_bytes());
        bytes[16..].copy_from_slice(&self.ends_at.timestamp_micros().to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads it back; `None` if it is none of ours.
    pub fn decode(text: &str) -> Option<Self> {
        let bytes: [u8; 24] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (lease, micros) = bytes.split_first_chunk::<16>()?;
        let micros = i64::from_be_bytes(micros.try_into().ok()?);
        // Chrono knows instants that Postgres does not.
        if !INSTANTS.contains(&micros) {
            return None;
        }
        Some(Self { lease: Uuid::from_bytes(*lease), ends_at: DateTime::from_timestamp_micros(micros)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_nothing_else_is() {
        let now = DateTime::from_timestamp_nanos(1_795_248_000_123_456_789);
        let token = AckToken::new(now);
        assert_eq!(token.ends_at.timestamp_micros(), 1_795_248_060_123_456);
        let text = token.encode();
        assert_eq!((text.len(), AckToken::decode(&text)), (32, Some(token)));
        for bad in ["", "x", &text[1..], &format!("{text}AAAA"), &text.replace(&text[..1], "=")] {
            assert_eq!(AckToken::decode(bad), None, "{bad}");
        }
        // Instants that nobody can hand out, and Postgres cannot compare with.
        for micros in [i64::MIN, -8_000_000_000_000_000_000, -1, 253_402_300_800_000_000, i64::MAX] {
            let text = URL_SAFE_NO_PAD.encode([&[7; 16][..], &micros.to_be_bytes()].concat());
            assert_eq!(AckToken::decode(&text), None, "{micros}");
        }
    }
}
