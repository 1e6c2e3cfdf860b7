//! Delivery failures, in words that may be shown to the partner (contract 6): a class, or the
//! provider's error code and message; never a URL, a body, or a secret.

use std::time::Duration;

use thiserror::Error;

use super::settings::InvalidSetting;

/// Longest text of a failure, in characters.
const MAX_CHARS: usize = 300;
/// Longest error code taken from a provider.
const MAX_CODE: usize = 80;

/// One delivery that was not acknowledged. `Display` is the text for `last_error`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct DeliveryError {
    /// The cause.
    pub reason: Reason,
    /// The time that the receiver asks us to wait, if it said so.
    pub retry_after: Option<Duration>,
}

impl From<Reason> for DeliveryError {
    fn from(reason: Reason) -> Self {
        Self { reason, retry_after: None }
    }
}

/// Class of a failure; its `Display` is stable, partners read it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Reason {
    /// The host has no address, or the resolver failed.
    #[error("dns")]
    Dns,
    /// The host has an address we do not connect to. Told as [`Reason::Dns`] is: the difference says
    /// which names exist inside. Only the metrics keep it.
    #[error("dns")]
    Blocked,
    /// Nothing listens there.
    #[error("refused")]
    Refused,
    /// No route, or another failure before the connection stood.
    #[error("unreachable")]
    Unreachable,
    /// The handshake failed: certificate, name, protocol version.
    #[error("tls")]
    Tls,
    /// Not acknowledged in time.
    #[error("timeout")]
    Timeout,
    /// The connection ended before the answer did.
    #[error("closed")]
    Closed,
    /// The answer is not what the protocol allows, or is larger than we read.
    #[error("invalid response")]
    InvalidResponse,
    /// The message is larger than the queue takes.
    #[error("too large")]
    TooLarge,
    /// Answered, but not with 2xx.
    #[error("status {0}")]
    Status(u16),
    /// The provider's own error code and message.
    #[error("{0}")]
    Provider(Provider),
    /// The queue's settings cannot be used under today's configuration.
    #[error("{0}")]
    InvalidSetting(InvalidSetting),
    /// This service's own settings do not allow a delivery.
    #[error("{0}")]
    Settings(&'static str),
}

impl Reason {
    /// Every class.
    pub const CLASSES: &[&str] = &[
        "dns",
        "blocked",
        "refused",
        "unreachable",
        "tls",
        "timeout",
        "closed",
        "invalid_response",
        "too_large",
        "status_4xx",
        "status_5xx",
        "status_other",
        "provider",
        "settings",
    ];

    /// The class, for metrics.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Blocked => "blocked",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::InvalidResponse => "invalid_response",
            Self::TooLarge => "too_large",
            Self::Status(400..=499) => "status_4xx",
            Self::Status(500..=599) => "status_5xx",
            Self::Status(_) => "status_other",
            Self::Provider(_) => "provider",
            Self::InvalidSetting(_) | Self::Settings(_) => "settings",
        }
    }

    /// The status of an HTTP answer, where that is what was wrong.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        if let Self::Status(status) = self { Some(*status) } else { None }
    }

    /// Returns `true` if the receiver works and refused this one event: another may fare better,
    /// and the same one will not soon. Access, rate and missing queues are no event's fault.
    #[must_use]
    pub fn is_events_fault(&self) -> bool {
        const MESSAGES: [&str; 8] = [
            "InvalidMessageContents",
            "InvalidParameterValue",
            "InvalidXmlDocument",
            "InvalidXmlNodeValue",
            "INVALID_RECORD",
            "MessageTooLong",
            "OutOfRangeInput",
            "RequestBodyTooLarge",
        ];
        match self {
            Self::Status(408 | 425 | 429) => false,
            Self::Status(status) => (400..=499).contains(status),
            Self::TooLarge => true,
            Self::Provider(provider) => MESSAGES.contains(&provider.code()),
            _ => false,
        }
    }

    /// Returns `true` if the receiver works, and counts how often it is asked.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        match self {
            Self::Status(status) => *status == 429,
            Self::Provider(provider) => provider.code() == super::kafka::THROTTLED,
            _ => false,
        }
    }

    /// A provider's answer; without a usable code it is the bare status.
    pub(super) fn provider(status: u16, code: Option<&str>, message: Option<&str>) -> Self {
        let is_code = |code: &&str| {
            let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
            (1..=MAX_CODE).contains(&code.len()) && code.bytes().all(allowed)
        };
        match code.filter(is_code) {
            Some(code) => Self::Provider(Provider::new(code, message.unwrap_or_default())),
            None => Self::Status(status),
        }
    }
}

/// A provider's error, fit to print.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Provider(String);

impl Provider {
    fn new(code: &str, message: &str) -> Self {
        let mut text = code.to_owned();
        for (nth, word) in message.split_whitespace().enumerate() {
            text.push_str(if nth == 0 { ": " } else { " " });
            text.push_str(&printable(word));
        }
        // All of it is ASCII by now, so bytes are characters.
        text.truncate(MAX_CHARS);
        Self(text)
    }

    fn code(&self) -> &str {
        self.0.split(':').next().unwrap_or_default()
    }
}

/// A word of a message in printable ASCII; one that could hold an address or a signature is dropped.
fn printable(word: &str) -> String {
    if word.contains("://") || word.contains("sig=") {
        return "(removed)".to_owned();
    }
    word.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_classes() {
        assert_eq!((Reason::Dns.to_string(), Reason::Blocked.to_string()), ("dns".into(), "dns".into()));
        assert_eq!(DeliveryError::from(Reason::Status(503)).to_string(), "status 503");
        assert_eq!(Reason::provider(500, None, Some("boom")).to_string(), "status 500");
        assert_eq!(Reason::provider(500, Some("<b>"), None).to_string(), "status 500");
        assert_eq!(Reason::provider(403, Some("AccessDenied"), None).to_string(), "AccessDenied");
    }

    #[test]
    fn a_refused_event_is_told_from_a_queue_that_does_not_work() {
        for status in (400..=499).filter(|status| ![408, 425, 429].contains(status)) {
            assert!(Reason::Status(status).is_events_fault(), "{status}");
        }
        for status in [300, 304, 408, 425, 429, 500, 502, 503, 504, 599, 600] {
            assert!(!Reason::Status(status).is_events_fault(), "{status}");
        }
        let provider = |code| Reason::provider(400, Some(code), Some("why")).is_events_fault();
        assert!(provider("InvalidMessageContents") && provider("RequestBodyTooLarge"));
        assert!(!provider("AccessDenied") && !provider("QueueNotFound") && !provider("AuthenticationFailed"));
        for reason in [Reason::Dns, Reason::Refused, Reason::Timeout, Reason::Closed, Reason::InvalidResponse]
        {
            assert!(!reason.is_events_fault(), "{reason}");
        }
        assert!(Reason::TooLarge.is_events_fault());
    }

    #[test]
    fn a_providers_words_are_cleaned_and_cut() {
        let message = "see https://example.com/?sig=abc\n\u{202e}now and?sig=x";
        let text = Reason::provider(400, Some("Bad.Thing"), Some(message)).to_string();
        assert_eq!(text, "Bad.Thing: see (removed) ?now (removed)");
        let long = Reason::provider(400, Some("Bad"), Some(&"é".repeat(1000))).to_string();
        assert_eq!(long.chars().count(), MAX_CHARS);
    }
}
