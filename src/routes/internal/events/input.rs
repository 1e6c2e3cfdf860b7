//! The input of publishing.

use chrono::{DateTime, Utc};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::events::{StreamName, parse_wire_id};
use crate::http::input::{AnyObject, Body, Input, ObjectAsSent, Reader};

/// Bytes of an event's data, as it is sent.
pub const MAX_DATA: usize = 192 * 1024;
/// Bytes of a body: the data, and all else that it may say.
pub const MAX_BODY: usize = 224 * 1024;

/// An event to publish.
#[derive(Debug, ToSchema)]
#[schema(example = json!({
    "data": {"amount": 12.50, "order_id": "4711"}, "event_id": "order-4711-paid", "org": "acme", "stream": "orders",
    "subject": "4711", "type": "order.paid",
}))]
pub struct PublishEvent {
    /// To whom: the org's id, or its `key`.
    #[schema(example = "acme")]
    pub org: String,
    /// One of the platform's streams.
    #[schema(value_type = StreamName, example = "orders")]
    pub stream: String,
    /// A type of that stream.
    #[schema(max_length = 100, example = "order.paid")]
    pub r#type: String,
    /// An object of at most 192 KiB that keeps to the schema of its type. Its bytes are signed and delivered as they
    /// are sent: order, spaces and the spelling of numbers stay. No name may be given twice in an object.
    #[schema(value_type = AnyObject)]
    pub data: ObjectAsSent,
    /// What it is about: where a queue asks for order, events of a subject come in theirs.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200, example = "4711")]
    pub subject: Option<String>,
    /// A name of your own for it: the same one again publishes nothing. Either any text, and partners see an id that
    /// is made here, or `evt_` and 32 hexadecimal digits, which is then the id that they see: make it a UUIDv7, so that
    /// lists stay in order.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100, example = "order-4711-paid")]
    pub event_id: Option<EventKey>,
    /// When it happened, if not now: the `timestamp` of the body.
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub occurred_at: Option<DateTime<Utc>>,
}

/// The platform's name for an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKey {
    /// The id on the wire, chosen by the platform.
    Id(Uuid),
    /// Any other text.
    Text(String),
}

impl Input for PublishEvent {
    const BODY: Body = Body::Required;
    const LIMIT: usize = MAX_BODY;
    const AS_SENT: &'static [&'static str] = &["data"];

    fn read(request: &mut Reader) -> Option<Self> {
        let org = request.body("org").required().line(1..=100);
        let stream = request.body("stream").required().line(1..=100);
        let kind = request.body("type").required().line(1..=100);
        let data = request.body("data").required().object_as_sent(MAX_DATA);
        let subject = request.body("subject").line(1..=200);
        let event_id = request.body("event_id").decoded(event_key);
        let occurred_at = request.body("occurred_at").datetime();
        Some(Self { org: org?, stream: stream?, r#type: kind?, data: data?, subject, event_id, occurred_at })
    }
}

fn event_key(text: &str) -> Result<EventKey, &'static str> {
    if !(1..=100).contains(&text.chars().count()) || text.chars().any(char::is_control) {
        return Err("must have 1 to 100 printable characters");
    }
    match parse_wire_id(text) {
        Some(id) => Ok(EventKey::Id(id)),
        None if text.starts_with("evt_") => Err("evt_ is followed by 32 hexadecimal digits in lower case"),
        None => Ok(EventKey::Text(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_events_own_name_is_any_text_or_an_id() {
        let id = "evt_0192f0c123457abc8def0123456789ab";
        assert_eq!(event_key(id), Ok(EventKey::Id(Uuid::try_parse(&id[4..]).expect("a UUID"))));
        for text in ["1", "order 4711/paid", "évt", "0192f0c1-2345-7abc-8def-0123456789ab", &"é".repeat(100)]
        {
            assert_eq!(event_key(text), Ok(EventKey::Text(text.to_owned())));
        }
        for bad in
            ["", "a\nb", "a\0", "evt_", "evt_4711", "evt_0192F0C123457ABC8DEF0123456789AB", &"a".repeat(101)]
        {
            assert!(event_key(bad).is_err(), "{bad}");
        }
    }
}
