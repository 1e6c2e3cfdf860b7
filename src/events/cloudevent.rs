//! An event as a CloudEvent 1.0 in structured JSON (contract 14): its `id`, `type` and `time` are the event's own, the
//! org and the stream are extension attributes.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::message::{Encrypted, Message};
use super::targets::{DeliveryError, Reason, xml_safe};
use super::wire_id;
use crate::ids::OrgId;

/// The media type (CloudEvents' JSON format 3).
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    time: &'a str,
    orgid: OrgId,
    stream: &'a str,
    datacontenttype: &'static str,
    data: Data<'a>,
}

/// JSON as it is, or the text of what is none.
#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Json(&'a RawValue),
    Text(&'a str),
}

/// What is needed of a body.
#[derive(Deserialize)]
struct Parts<'a> {
    timestamp: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// The `data` of a message's body: the very bytes that it has there.
///
/// # Errors
/// That the body cannot be read.
pub fn data<'a>(message: &Message<'a>) -> Result<&'a str, DeliveryError> {
    Ok(parts(message)?.data.get())
}

/// The CloudEvent of a message. What is encrypted says what it is about inside only: `subject` is left out.
///
/// # Errors
/// That the body cannot be read.
pub fn of(
    message: &Message<'_>,
    org_id: OrgId,
    encrypted: Option<&Encrypted>,
) -> Result<String, DeliveryError> {
    let Parts { timestamp, data } = parts(message)?;
    let (subject, datacontenttype, data) = match encrypted {
        None => (message.subject, "application/json", Data::Json(data)),
        Some(encrypted) => (None, encrypted.content_type, Data::Text(&encrypted.text)),
    };
    let event = CloudEvent {
        specversion: "1.0",
        id: wire_id(message.id),
        // The org's id is what makes ids unique; the service's address may change.
        source: format!("urn:uuid:{}", org_id.0),
        kind: message.kind,
        subject,
        time: timestamp,
        orgid: org_id,
        stream: message.stream,
        datacontenttype,
        data,
    };
    let json = serde_json::to_string(&event).expect("plain data with string keys");
    // Before it is signed: no queue may change a byte of it after.
    Ok(xml_safe(&json).into_owned())
}

fn parts<'a>(message: &Message<'a>) -> Result<Parts<'a>, DeliveryError> {
    let unreadable = |_| Reason::Settings("the event's body cannot be read");
    Ok(serde_json::from_str(message.body).map_err(unreadable)?)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const BODY: &str =
        r#"{"type":"lab.ready","timestamp":"2026-11-21T08:00:00Z","org_id":"o","data":{"b": 1.0,"a":1e3}}"#;

    fn message(body: &'static str) -> Message<'static> {
        let (id, trace) = (Uuid::from_u128(1), None);
        Message { id, stream: "lab", kind: "lab.ready", body, subject: Some("sample-7"), trace, anew: false }
    }

    #[test]
    fn the_bytes_of_data_are_kept() {
        let org_id = OrgId(Uuid::from_u128(2));
        assert_eq!(data(&message(BODY)).unwrap(), r#"{"b": 1.0,"a":1e3}"#);
        assert_eq!(
            of(&message(BODY), org_id, None).unwrap(),
            r#"{"specversion":"1.0","id":"evt_00000000000000000000000000000001","source":"urn:uuid:00000000-0000-0000-0000-000000000002","type":"lab.ready","subject":"sample-7","time":"2026-11-21T08:00:00Z","orgid":"00000000-0000-0000-0000-000000000002","stream":"lab","datacontenttype":"application/json","data":{"b": 1.0,"a":1e3}}"#
        );
    }

    #[test]
    fn what_is_encrypted_is_text_and_tells_no_subject() {
        let encrypted = Encrypted { text: "e30..".to_owned(), content_type: "application/jose" };
        assert_eq!(
            of(&message(BODY), OrgId(Uuid::from_u128(2)), Some(&encrypted)).unwrap(),
            r#"{"specversion":"1.0","id":"evt_00000000000000000000000000000001","source":"urn:uuid:00000000-0000-0000-0000-000000000002","type":"lab.ready","time":"2026-11-21T08:00:00Z","orgid":"00000000-0000-0000-0000-000000000002","stream":"lab","datacontenttype":"application/jose","data":"e30.."}"#
        );
    }

    #[test]
    fn a_body_of_another_form_is_an_error_and_characters_that_xml_lacks_are_escaped() {
        assert!(of(&message("{}"), OrgId(Uuid::nil()), None).is_err());
        let body = "{\"timestamp\":\"\",\"data\":\"\u{ffff}\"}";
        assert!(of(&message(body), OrgId(Uuid::nil()), None).unwrap().ends_with(r#""data":"\uffff"}"#));
    }
}
