//! Standard Webhooks 1.0: what is signed, and how it travels (contract 6).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use utoipa::ToSchema;
use uuid::Uuid;

use super::wire_id;
use crate::clock::rfc3339;
use crate::crypto::event_key::{EventKey, EventPublicKey};
use crate::crypto::secret::Secret;
use crate::ids::OrgId;

/// The headers of Standard Webhooks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignedHeaders {
    /// The event's id: the same for every attempt.
    #[serde(rename = "webhook-id")]
    pub id: String,
    /// The time of signing, in seconds since 1970.
    #[serde(rename = "webhook-timestamp")]
    pub timestamp: String,
    /// One signature (`v1`) per live secret, newest first, and one (`v1a`) of the service's key, separated by
    /// spaces.
    #[serde(rename = "webhook-signature")]
    pub signature: String,
    /// The service's key, as `/.well-known/webhook-keys.json` names it. Empty in messages of versions that had none.
    #[serde(rename = "webhook-signature-key-id", default)]
    pub key_id: String,
}

/// The message on a queue. Only `body` is signed; the rest is a copy for routing.
#[derive(Debug, Serialize, ToSchema)]
pub struct Envelope<'a> {
    /// The event's id.
    pub event_id: &'a str,
    /// The stream.
    pub stream: &'a str,
    /// The kind of event.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// To whom: the org.
    #[schema(value_type = Uuid)]
    pub org_id: OrgId,
    /// The time when this message was signed.
    pub signed_at: String,
    /// To be passed to a Standard Webhooks library.
    pub headers: &'a SignedHeaders,
    /// The media type of `body`: JSON, or that of what is encrypted.
    pub content_type: &'a str,
    /// To be passed to a Standard Webhooks library: the very bytes that were signed.
    pub body: &'a str,
}

/// A signed CloudEvent where a queue carries text alone.
#[derive(Debug, Serialize)]
struct Beside<'a> {
    headers: &'a SignedHeaders,
    content_type: &'a str,
    body: &'a str,
}

impl SignedHeaders {
    /// Signs `body` with every secret, in their order, and with the service's key.
    #[must_use]
    pub fn sign(
        event_id: Uuid,
        body: &str,
        secrets: &[Secret<Vec<u8>>],
        key: &EventKey,
        now: DateTime<Utc>,
    ) -> Self {
        let (id, timestamp) = (wire_id(event_id), now.timestamp().to_string());
        let text = signed_text(&id, &timestamp, body);
        let mut signatures: Vec<_> = secrets.iter().map(|secret| signature(secret, &text)).collect();
        signatures.push(key.sign(&text));
        Self { id, timestamp, signature: signatures.join(" "), key_id: key.jwk().kid().to_owned() }
    }

    /// Returns `true` if any of the signatures was made with `secret`.
    #[must_use]
    pub fn is_signed_with(&self, secret: &Secret<Vec<u8>>, body: &str) -> bool {
        let expected = signature(secret, &signed_text(&self.id, &self.timestamp, body));
        self.signature.split(' ').any(|sent| sent.as_bytes().ct_eq(expected.as_bytes()).into())
    }

    /// Returns `true` if any of the signatures is one of these keys'.
    #[must_use]
    pub fn is_signed_by(&self, keys: &[EventPublicKey], body: &str) -> bool {
        let text = signed_text(&self.id, &self.timestamp, body);
        let mut keys = keys.iter().filter(|key| key.may_be(&self.key_id));
        keys.any(|key| self.signature.split(' ').any(|sent| key.made(sent, &text)))
    }

    /// Their names and values.
    #[must_use]
    pub fn pairs(&self) -> [(&'static str, &str); 4] {
        [
            ("webhook-id", &self.id),
            ("webhook-timestamp", &self.timestamp),
            ("webhook-signature", &self.signature),
            ("webhook-signature-key-id", &self.key_id),
        ]
    }

    /// Puts the body, and before it its media type, into the envelope.
    #[must_use]
    pub fn envelope(
        &self,
        stream: &str,
        kind: &str,
        org_id: OrgId,
        (content_type, body): (&str, &str),
        now: DateTime<Utc>,
    ) -> String {
        let signed_at = rfc3339(DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now));
        let (event_id, headers) = (&self.id, self);
        let envelope = Envelope { event_id, stream, kind, org_id, signed_at, headers, content_type, body };
        serde_json::to_string(&envelope).expect("plain data with string keys")
    }

    /// Puts the body beside its headers and no more, as a queue gets it that carries text alone.
    #[must_use]
    pub fn beside(&self, content_type: &str, body: &str) -> String {
        let beside = Beside { headers: self, content_type, body };
        serde_json::to_string(&beside).expect("plain data with string keys")
    }
}

fn signed_text(id: &str, timestamp: &str, body: &str) -> String {
    [id, timestamp, body].join(".")
}

fn signature(secret: &Secret<Vec<u8>>, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose()).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with openssl: printf '%s' "$id.$timestamp.$body" | openssl dgst -sha256 -mac HMAC; the last one, with
    /// the first key of RFC 8032 7.1, by Python's cryptography and by node.
    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        let secret = |byte: u8| Secret::new(vec![byte; 32]);
        let seed = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        let key = EventKey::from_seed(&Secret::new(seed)).unwrap();
        let now = DateTime::from_timestamp(1_795_248_000, 0).unwrap();
        let signed = SignedHeaders::sign(Uuid::from_u128(1), "{}", &[secret(1), secret(2)], &key, now);
        assert_eq!(signed.id, "evt_00000000000000000000000000000001");
        assert_eq!(signed.timestamp, "1795248000");
        assert_eq!(
            signed.signature,
            "v1,s7w4/Nvh4Eqw2ZRuEoPd5iRnA83c6r4O31nI9EwYtZg= v1,0il1Vil+Pn6mJiyrqwsLLx5fCFd3GhxZHT8llh+XUwY= v1a,wCuOfFtRRb10WN6mJUJJsZE8aTAcv3l4pR3uEiUp8och2tNjNPCjTXJ+EOVdz+c523A5DdIGAdk5+la7bFmKDw=="
        );
        assert_eq!(signed.key_id, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        let public = EventPublicKey::parse("whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=").unwrap();
        assert!(signed.is_signed_by(std::slice::from_ref(&public), "{}"));
        assert!(!signed.is_signed_by(&[public], "{ }"));
        assert!(signed.is_signed_with(&secret(1), "{}") && signed.is_signed_with(&secret(2), "{}"));
        assert!(!signed.is_signed_with(&secret(3), "{}") && !signed.is_signed_with(&secret(1), "{ }"));
    }
}
