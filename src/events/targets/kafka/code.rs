//! Brokers' codes: their names, and what is to be done about them.

use crate::events::targets::error::Reason;

/// The broker has had enough of this client for now.
pub const THROTTLED: &str = "THROTTLING_QUOTA_EXCEEDED";

/// What a broker says of a request, or of a partition in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub i16);

impl Code {
    pub const LEADER_NOT_AVAILABLE: Self = Self(5);
    pub const SASL_AUTHENTICATION_FAILED: Self = Self(58);

    /// Nothing is wrong.
    pub fn is_fine(self) -> bool {
        self.0 == 0
    }

    /// Another broker may lead the partition by now: whoever asks anew learns which.
    pub fn is_moved(self) -> bool {
        matches!(self.0, 3 | 5 | 6 | 8 | 9 | 56 | 72 | 74 | 75)
    }

    /// The batch is larger than the topic takes; the records in it may not be.
    pub fn is_too_large(self) -> bool {
        matches!(self.0, 10 | 18)
    }

    /// Its name in Kafka's protocol guide.
    fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            -1 => "UNKNOWN_SERVER_ERROR",
            2 => "CORRUPT_MESSAGE",
            3 => "UNKNOWN_TOPIC_OR_PARTITION",
            5 => "LEADER_NOT_AVAILABLE",
            6 => "NOT_LEADER_OR_FOLLOWER",
            7 => "REQUEST_TIMED_OUT",
            8 => "BROKER_NOT_AVAILABLE",
            9 => "REPLICA_NOT_AVAILABLE",
            13 => "NETWORK_EXCEPTION",
            17 => "INVALID_TOPIC_EXCEPTION",
            19 => "NOT_ENOUGH_REPLICAS",
            20 => "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
            21 => "INVALID_REQUIRED_ACKS",
            29 => "TOPIC_AUTHORIZATION_FAILED",
            31 => "CLUSTER_AUTHORIZATION_FAILED",
            32 => "INVALID_TIMESTAMP",
            33 => "UNSUPPORTED_SASL_MECHANISM",
            34 => "ILLEGAL_SASL_STATE",
            35 => "UNSUPPORTED_VERSION",
            42 => "INVALID_REQUEST",
            43 => "UNSUPPORTED_FOR_MESSAGE_FORMAT",
            44 => "POLICY_VIOLATION",
            54 => "SECURITY_DISABLED",
            56 => "KAFKA_STORAGE_ERROR",
            58 => "SASL_AUTHENTICATION_FAILED",
            72 => "LISTENER_NOT_FOUND",
            74 => "FENCED_LEADER_EPOCH",
            75 => "UNKNOWN_LEADER_EPOCH",
            87 => "INVALID_RECORD",
            89 => THROTTLED,
            _ => return None,
        })
    }

    /// The reason why a request, or a partition of it, failed; `said` is what the broker says about it.
    pub fn reason(self, said: Option<&str>) -> Reason {
        if self.is_too_large() {
            return Reason::TooLarge;
        }
        let unnamed = format!("KAFKA_ERROR_{}", self.0.unsigned_abs());
        Reason::provider(0, Some(self.name().unwrap_or(&unnamed)), said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(code: i16, said: Option<&str>) -> (bool, String) {
        let reason = Code(code).reason(said);
        (reason.is_events_fault(), reason.to_string())
    }

    #[test]
    fn codes_have_kafkas_names_and_say_whose_fault_it_is() {
        assert_eq!(told(29, None), (false, "TOPIC_AUTHORIZATION_FAILED".to_owned()));
        assert_eq!(told(3, None), (false, "UNKNOWN_TOPIC_OR_PARTITION".to_owned()));
        assert_eq!(told(10, None), (true, "too large".to_owned()));
        assert_eq!(told(18, None), (true, "too large".to_owned()));
        assert_eq!(told(87, None), (true, "INVALID_RECORD".to_owned()));
        assert_eq!(told(999, None), (false, "KAFKA_ERROR_999".to_owned()));
        assert_eq!(told(-32_768, None), (false, "KAFKA_ERROR_32768".to_owned()));
        let said = Some("see https://broker.example/?sig=a\nnow");
        assert_eq!(told(58, said), (false, "SASL_AUTHENTICATION_FAILED: see (removed) now".to_owned()));
    }

    #[test]
    fn only_what_new_knowledge_may_mend_is_moved() {
        let moved: Vec<_> = (-2..200).filter(|code| Code(*code).is_moved()).collect();
        assert_eq!(moved, [3, 5, 6, 8, 9, 56, 72, 74, 75]);
    }
}
