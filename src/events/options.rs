//! How a partner wants the messages of a queue (contract 14): of which types, in which order, in which form, and
//! encrypted to whom.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::targets::{DeliveryError, Reason};
use crate::ids::parse_uuid;

/// Names in an `event_types`.
pub const MAX_EVENT_TYPES: usize = 100;
/// The longest name of a type, in characters.
const MAX_EVENT_TYPE: usize = 100;

/// The options of a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueOptions {
    /// The types that it takes, each once; `None` is all of its stream.
    pub event_types: Option<Vec<String>>,
    /// `None`: in no promised order.
    pub ordering: Option<QueueOrdering>,
    /// The form of its messages.
    pub form: MessageForm,
}

/// The order in which a queue's events are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum QueueOrdering {
    /// An event is sent after the earlier ones of its subject were acknowledged or given up.
    PerSubject,
}

impl QueueOrdering {
    /// The name on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PerSubject => "per_subject",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        (name == Self::PerSubject.name()).then_some(Self::PerSubject)
    }
}

/// The form of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = MessageFormat)]
pub enum Format {
    /// The envelope on a queue; its bare body to a webhook.
    #[default]
    Envelope,
    /// CloudEvents 1.0, structured JSON.
    Cloudevents,
}

impl Format {
    /// The name on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Envelope => "envelope",
            Self::Cloudevents => "cloudevents",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Envelope, Self::Cloudevents].into_iter().find(|format| format.name() == name)
    }
}

/// The usages of keys that events can be encrypted to: those that something is encrypted to at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "contract 9 lists them")]
pub enum EncryptionUsage {
    MessageLevelEncryption,
    Reports,
    CredentialsDownload,
}

impl EncryptionUsage {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::MessageLevelEncryption, Self::Reports, Self::CredentialsDownload];

    /// The name on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MessageLevelEncryption => "MessageLevelEncryption",
            Self::Reports => "Reports",
            Self::CredentialsDownload => "CredentialsDownload",
        }
    }
}

/// Whom messages are encrypted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncryptTo {
    /// The live key of this usage that was registered last, whenever a message is sent.
    Usage(EncryptionUsage),
    /// This key, while it is live.
    Key(Uuid),
}

impl EncryptTo {
    /// Reads a usage or a `UniqueId`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let usage = EncryptionUsage::ALL.into_iter().find(|usage| usage.name() == text);
        usage.map(Self::Usage).or_else(|| parse_uuid(text).map(Self::Key))
    }

    /// The same on the wire and in the database.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::Usage(usage) => usage.name().to_owned(),
            Self::Key(unique_id) => unique_id.to_string(),
        }
    }
}

/// The form in which a queue gets its messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageForm {
    /// Around the body.
    pub format: Format,
    /// `None`: in clear.
    pub encrypt_to: Option<EncryptTo>,
}

impl MessageForm {
    /// The form that is stored. What cannot be read is an error and not the default, which would be in clear.
    ///
    /// # Errors
    /// That the settings cannot be read.
    pub fn stored(format: &str, encrypt_to: Option<&str>) -> Result<Self, DeliveryError> {
        let unreadable = Reason::Settings("the queue's settings cannot be read");
        let encrypt_to = encrypt_to.map(|text| EncryptTo::parse(text).ok_or_else(|| unreadable.clone()));
        let encrypt_to = encrypt_to.transpose()?;
        Ok(Self { format: Format::parse(format).ok_or(unreadable)?, encrypt_to })
    }
}

/// Whether this can be the name of a type of events: of one that is to come, too.
#[must_use]
pub fn is_event_type(name: &str) -> bool {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=MAX_EVENT_TYPE).contains(&name.len()) && name.bytes().all(is_of_name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::EventType;

    #[test]
    fn whom_to_encrypt_to_is_read_as_it_is_written() {
        let key = Uuid::from_u128(0x1234);
        let all = EncryptionUsage::ALL.map(EncryptTo::Usage).into_iter().chain([EncryptTo::Key(key)]);
        for encrypt_to in all {
            assert_eq!(EncryptTo::parse(&encrypt_to.text()), Some(encrypt_to));
        }
        for other in ["", "Unknown", "Authentication", "ResponseSignature", "reports", "1234"] {
            assert_eq!(EncryptTo::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_form_that_cannot_be_read_is_never_one_in_clear() {
        assert_eq!(MessageForm::stored("envelope", None), Ok(MessageForm::default()));
        let form = MessageForm::stored("cloudevents", Some("Reports"));
        let encrypt_to = Some(EncryptTo::Usage(EncryptionUsage::Reports));
        assert_eq!(form, Ok(MessageForm { format: Format::Cloudevents, encrypt_to }));
        for (format, encrypt_to) in [("envelope", Some("Unknown")), ("envelope", Some("")), ("other", None)] {
            let error = MessageForm::stored(format, encrypt_to).expect_err("it says nothing");
            assert_eq!(error.to_string(), "the queue's settings cannot be read");
        }
    }

    #[test]
    fn every_type_there_is_has_a_name_that_a_filter_may_name() {
        assert!(EventType::ALL.iter().all(|kind| is_event_type(kind.name())));
        assert!(is_event_type(&"a".repeat(100)) && is_event_type("lab-result.v2_ready"));
        for bad in ["", "user created", "user.*", "ä", "a\n", &"a".repeat(101)] {
            assert!(!is_event_type(bad), "{bad}");
        }
    }
}
