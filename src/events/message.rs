//! An event on its way: in the form that its queue takes, signed (contract 6, 14).

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::cloudevent;
use super::envelope::SignedHeaders;
use super::options::Format;
use super::targets::{Delivery, DeliveryError};
use crate::crypto::event_key::EventKey;
use crate::crypto::secret::Secret;
use crate::ids::OrgId;
use crate::request_id::TraceContext;

/// Something to sign and send.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The id of the event.
    pub id: Uuid,
    /// The stream that carries it.
    pub stream: &'a str,
    /// The `type`.
    pub kind: &'a str,
    /// The body, as it is stored.
    pub body: &'a str,
    /// What it is about.
    pub subject: Option<&'a str>,
    /// Of the request that caused it.
    pub trace: Option<TraceContext>,
    /// See [`Delivery::anew`].
    pub anew: bool,
}

/// What only the holder of a private key can read.
#[derive(Clone, Debug)]
pub struct Encrypted {
    /// A compact JWE, or an armored OpenPGP message.
    pub text: String,
    /// Its media type.
    pub content_type: &'static str,
}

/// A message as it leaves, with its signatures.
#[derive(Debug)]
pub struct SignedMessage<'a> {
    of: Message<'a>,
    org_id: OrgId,
    format: Format,
    headers: SignedHeaders,
    content_type: &'static str,
    body: Cow<'a, str>,
    text: String,
}

impl<'a> Message<'a> {
    /// The part that is encrypted where something is: the body, or a CloudEvent's `data`.
    ///
    /// # Errors
    /// That the body cannot be read.
    pub fn plaintext(&self, format: Format) -> Result<&'a str, DeliveryError> {
        match format {
            Format::Envelope => Ok(self.body),
            Format::Cloudevents => cloudevent::data(self),
        }
    }

    /// Puts it into its form, with what was made of the [plaintext](Self::plaintext) in its place, and signs it as it is
    /// sent, with every live secret and the service's key; each attempt has a fresh timestamp.
    ///
    /// # Errors
    /// That the body cannot be read.
    pub fn sign(
        self,
        org_id: OrgId,
        format: Format,
        encrypted: Option<Encrypted>,
        (secrets, key): (&[Secret<Vec<u8>>], &EventKey),
        now: DateTime<Utc>,
    ) -> Result<SignedMessage<'a>, DeliveryError> {
        let (content_type, body) = match (format, encrypted) {
            (Format::Cloudevents, encrypted) => {
                let event = cloudevent::of(&self, org_id, encrypted.as_ref())?;
                (cloudevent::CONTENT_TYPE, Cow::Owned(event))
            }
            (Format::Envelope, Some(encrypted)) => (encrypted.content_type, Cow::Owned(encrypted.text)),
            (Format::Envelope, None) => ("application/json", Cow::Borrowed(self.body)),
        };
        let headers = SignedHeaders::sign(self.id, &body, secrets, key, now);
        let text = match format {
            Format::Envelope => headers.envelope(self.stream, self.kind, org_id, (content_type, &body), now),
            Format::Cloudevents => headers.beside(content_type, &body),
        };
        Ok(SignedMessage { of: self, org_id, format, headers, content_type, body, text })
    }
}

impl SignedMessage<'_> {
    /// The same for a target.
    #[must_use]
    pub fn delivery(&self) -> Delivery<'_> {
        Delivery {
            event_id: &self.headers.id,
            org_id: self.org_id.0,
            stream: self.of.stream,
            message: &self.text,
            headers: self.headers.pairs(),
            body: &self.body,
            content_type: self.content_type,
            is_bare: self.format == Format::Cloudevents,
            group: self.of.subject,
            traceparent: self.of.trace.map(|trace| trace.continued().to_string()),
            is_last: false,
            anew: self.of.anew,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(format: Format, encrypted: Option<Encrypted>) -> SignedMessage<'static> {
        let (id, subject, trace) = (Uuid::from_u128(1), Some("7"), None);
        let body = r#"{"timestamp":"2026-11-21T08:00:00Z","data":{"user_id":"7"}}"#;
        let message =
            Message { id, stream: "users", kind: "user.created", body, subject, trace, anew: false };
        let key = EventKey::from_seed(&Secret::new(vec![7; 32])).unwrap();
        let now = DateTime::from_timestamp(1_795_248_000, 0).unwrap();
        message.sign(OrgId(Uuid::from_u128(2)), format, encrypted, (&[], &key), now).unwrap()
    }

    #[test]
    fn a_queue_gets_the_envelope_and_a_webhook_the_bare_body() {
        let encrypted = Encrypted { text: "e30..".to_owned(), content_type: "application/jose" };
        let message = signed(Format::Envelope, Some(encrypted));
        let delivery = message.delivery();
        assert_eq!(
            (delivery.body, delivery.content_type, delivery.is_bare),
            ("e30..", "application/jose", false)
        );
        let [_, _, signature, kid] = delivery.headers;
        assert_eq!(
            delivery.message,
            format!(
                r#"{{"event_id":"evt_00000000000000000000000000000001","stream":"users","type":"user.created","org_id":"00000000-0000-0000-0000-000000000002","signed_at":"2026-11-21T08:00:00Z","headers":{{"webhook-id":"evt_00000000000000000000000000000001","webhook-timestamp":"1795248000","webhook-signature":"{}","webhook-signature-key-id":"{}"}},"content_type":"application/jose","body":"e30.."}}"#,
                signature.1, kid.1
            )
        );
        let plain = signed(Format::Envelope, None);
        assert_eq!(plain.delivery().content_type, "application/json");
        assert!(
            plain.delivery().message.contains(r#""content_type":"application/json","body":"{\"timestamp"#)
        );
    }

    #[test]
    fn a_cloudevent_is_the_message_and_has_its_headers_beside_it_where_a_queue_carries_text_alone() {
        let message = signed(Format::Cloudevents, None);
        let delivery = message.delivery();
        assert!(delivery.is_bare && delivery.body.starts_with(r#"{"specversion":"1.0","#));
        let beside: serde_json::Value = serde_json::from_str(delivery.message).unwrap();
        assert_eq!(beside["body"], delivery.body);
        assert_eq!(beside["content_type"], "application/cloudevents+json");
        for (name, value) in delivery.headers {
            assert_eq!(beside["headers"][name], value);
        }
        assert_eq!(beside.as_object().unwrap().len(), 3);
    }
}
