//! The keys of events (contract 14).

use aws_lc_rs::error::KeyRejected;

use super::{CalendarKey, KeyCalendar};
use crate::crypto::event_key::EventKey;
use crate::crypto::jwk::Jwk;
use crate::crypto::secret::Secret;

/// As long as the queues keep a message that we put there, in seconds: 14 days, and an hour for copies of the keys.
const ON_A_QUEUE: i64 = 14 * 86_400 + 3_600;

impl CalendarKey for EventKey {
    const PREFIX: &str = "event_signature_";
    const KEPT_FOR: i64 = ON_A_QUEUE;

    fn from_seed(seed: &Secret<Vec<u8>>) -> Result<Self, KeyRejected> {
        Self::from_seed(seed)
    }

    fn jwk(&self) -> &Jwk {
        self.jwk()
    }
}

/// Those in memory.
pub type EventKeys = KeyCalendar<EventKey>;
