//! `azure_event_hubs`: Send Event over HTTPS, with a signature of the partner's policy made for each
//! request. Events of one partition key that go together are one request (Send Batch Events).
//!
//! The partition key is what the delivery groups by, else the org: Event Hubs keeps the order of a key.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header;
use hyper::http::StatusCode;
use hyper::{Method, Request, Uri};
use serde_json::json;
use sha2::Sha256;
use url::{Url, form_urlencoded};

use super::Delivery;
use super::error::{DeliveryError, Reason};
use super::outbound::{Outbound, Over, USER_AGENT, drain, read, with_timeout};
use super::settings::EventHub;
use super::webhook::retry_after;

/// The most events of one call. They share requests as far as they share partition keys.
pub const MAX_BATCH: usize = 20;
/// Largest request, in bytes: what the Basic tier takes; the others take four times that.
const MAX_BYTES: usize = 256 * 1024;
/// The version of the REST protocol.
const API_VERSION: &str = "2014-01";
/// The time for which a signature holds: our clock and Azure's may differ by some of it.
const SIGNED_FOR: TimeDelta = TimeDelta::minutes(15);
/// Of a single event, as Microsoft documents it.
const ONE: &str = "application/atom+xml;type=entry;charset=utf-8";
/// Of several, in a JSON array.
const SEVERAL: &str = "application/vnd.microsoft.servicebus.json";

/// Reaches one hub.
pub struct Sender<'a> {
    pub outbound: &'a Outbound,
    /// Replaces the namespace's host: an operator's stand-in.
    pub endpoint: Option<&'a Url>,
    pub hub: &'a EventHub,
    pub timeout: Duration,
    /// What signatures and `Retry-After` are counted from.
    pub now: DateTime<Utc>,
}

impl Sender<'_> {
    /// Sends events, those of a partition key together; a result for each, in their order. What is sent
    /// together arrives or fails together.
    pub async fn send(&self, deliveries: &[Delivery<'_>]) -> Vec<Result<(), DeliveryError>> {
        let parts = parts(deliveries);
        let sends =
            parts.iter().map(|part| self.send_part(part.iter().map(|nth| &deliveries[*nth]).collect()));
        let mut results: Vec<_> = deliveries.iter().map(|_| Ok(())).collect();
        for (part, sent) in parts.iter().zip(join_all(sends).await) {
            part.iter().for_each(|nth| results[*nth] = sent.clone());
        }
        results
    }

    async fn send_part(&self, part: Vec<&Delivery<'_>>) -> Result<(), DeliveryError> {
        let over = if part.iter().any(|delivery| delivery.anew) { Over::New } else { Over::Any };
        let request = self.request(&part)?;
        with_timeout(self.timeout, async {
            let (head, body) = self.outbound.send(request, over).await?.into_parts();
            if head.status.is_success() {
                drain(body).await;
                return Ok(());
            }
            let retry_after = retry_after(&head.headers, self.now);
            let body = read(body).await.unwrap_or_default();
            Err(DeliveryError { retry_after, reason: refusal(head.status, &body) })
        })
        .await
    }

    fn request(&self, part: &[&Delivery<'_>]) -> Result<Request<Full<Bytes>>, Reason> {
        const UNSENDABLE: Reason = Reason::Settings("the request could not be built");
        let key = part.first().map(|delivery| partition_key(delivery)).unwrap_or_default();
        let properties = json!({ "PartitionKey": key });
        let (content_type, body) = match part {
            [one] => (ONE, one.message.to_owned()),
            several => {
                // Where the key of a batch is read is documented twice, differently: here and in the header.
                let entry = |delivery: &&Delivery<'_>| json!({ "Body": delivery.message, "BrokerProperties": properties });
                (SEVERAL, serde_json::Value::from_iter(several.iter().map(entry)).to_string())
            }
        };
        if part.len() == 1 && body.len() > MAX_BYTES {
            return Err(Reason::TooLarge);
        }
        let resource = format!("{}/{}", self.hub.endpoint(), self.hub.event_hub_name());
        let base = match self.endpoint {
            Some(url) => {
                let (base, hub) = (url.as_str().trim_end_matches('/'), self.hub.event_hub_name());
                format!("{base}/{}/{hub}", self.hub.namespace())
            }
            None => resource.clone(),
        };
        let uri =
            Uri::try_from(format!("{base}/messages?api-version={API_VERSION}")).map_err(|_| UNSENDABLE)?;
        let mut authorization =
            header::HeaderValue::try_from(signature(self.hub, &resource, self.now + SIGNED_FOR))
                .map_err(|_| UNSENDABLE)?;
        authorization.set_sensitive(true);
        Request::builder()
            .method(Method::POST)
            .uri(uri)
            .header(header::AUTHORIZATION, authorization)
            .header(header::CONTENT_TYPE, content_type)
            .header(header::USER_AGENT, USER_AGENT)
            .header("brokerproperties", properties.to_string())
            .body(Full::new(body.into()))
            .map_err(|_| UNSENDABLE)
    }
}

/// The partition key of an event.
fn partition_key(delivery: &Delivery<'_>) -> String {
    delivery.group_key().map_or_else(|| delivery.org_id.to_string(), std::borrow::Cow::into_owned)
}

/// The places of the events that go in one request each: of one partition key, in their order, and no
/// larger than a request may be.
fn parts(deliveries: &[Delivery<'_>]) -> Vec<Vec<usize>> {
    let mut parts: Vec<(usize, Vec<usize>)> = Vec::new();
    let mut open: HashMap<String, usize> = HashMap::new();
    for (nth, delivery) in deliveries.iter().enumerate() {
        let size = size_in_a_batch(delivery);
        let part = open.entry(partition_key(delivery)).or_insert(usize::MAX);
        match parts.get_mut(*part) {
            Some((bytes, part)) if *bytes + size <= MAX_BYTES => {
                *bytes += size;
                part.push(nth);
            }
            _ => {
                *part = parts.len();
                parts.push((size, vec![nth]));
            }
        }
    }
    parts.into_iter().map(|(_, part)| part).collect()
}

/// An event's bytes in a batch: JSON in JSON, where every quote is two.
fn size_in_a_batch(delivery: &Delivery<'_>) -> usize {
    const PROPERTIES: usize = 256;
    delivery.message.len() + delivery.message.matches(['"', '\\']).count() + PROPERTIES
}

/// A shared access signature: HMAC-SHA-256 with the key's text over the resource, as it stands in the
/// signature, and its end in seconds.
fn signature(hub: &EventHub, resource: &str, end: DateTime<Utc>) -> String {
    let (resource, end) = (encoded(resource), end.timestamp());
    let key = hub.sas_key().expose().as_bytes();
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(format!("{resource}\n{end}").as_bytes());
    let signature = encoded(&STANDARD.encode(mac.finalize().into_bytes()));
    format!("SharedAccessSignature sr={resource}&sig={signature}&se={end}&skn={}", hub.sas_policy_name())
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// What an answer says. What is about access or the hub is no event's fault, so it gets a name in place of
/// its status; the reason is in a `Detail` that ends with ids of the request.
fn refusal(status: StatusCode, body: &[u8]) -> Reason {
    let name = match status {
        StatusCode::UNAUTHORIZED => "Unauthorized",
        StatusCode::FORBIDDEN => "Forbidden",
        StatusCode::NOT_FOUND | StatusCode::GONE => "NotFound",
        StatusCode::PAYLOAD_TOO_LARGE => return Reason::TooLarge,
        other => return Reason::Status(other.as_u16()),
    };
    let body = String::from_utf8_lossy(body);
    let detail = body.split_once("<Detail>").and_then(|(_, rest)| rest.split_once("</Detail>"));
    let detail = detail.map(|(detail, _)| detail.split("TrackingId").next().unwrap_or_default());
    Reason::provider(status.as_u16(), Some(name), detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with Python's hmac module, as Microsoft's documentation has it:
    /// base64(hmac(key, quote_plus(uri) + "\n" + expiry, sha256)).
    #[test]
    fn the_signature_is_the_one_that_azure_computes() {
        let hub = EventHub::new("acme-events", "partner.events", "send-only", "c2VjcmV0").expect("valid");
        let end = DateTime::from_timestamp(1_795_248_000, 0).expect("an instant");
        assert_eq!(
            signature(&hub, "https://acme-events.servicebus.windows.net/partner.events", end),
            "SharedAccessSignature \
             sr=https%3A%2F%2Facme-events.servicebus.windows.net%2Fpartner.events&\
             sig=KMY%2FSr7TLzlmgSEolR%2F0b%2F%2B6c0tqpK%2F4%2FRvW0Iia8fc%3D&se=1795248000&skn=send-only"
        );
    }

    #[test]
    fn refusals_say_whose_fault_it_is() {
        let detail = |code: u16, text: &str| {
            format!(
                "<Error><Code>{code}</Code><Detail>{text} TrackingId:abc_G1, Timestamp:1</Detail></Error>"
            )
        };
        let of = |code: u16, text: &str| {
            let status = StatusCode::from_u16(code).expect("a status");
            let reason = refusal(status, detail(code, text).as_bytes());
            (reason.is_events_fault(), reason.to_string())
        };
        let invalid = "InvalidSignature: The token has an invalid signature.";
        assert_eq!(of(401, invalid), (false, format!("Unauthorized: {invalid}")));
        assert_eq!(of(404, "No such hub."), (false, "NotFound: No such hub.".to_owned()));
        assert_eq!(of(410, "Gone."), (false, "NotFound: Gone.".to_owned()), "a hub is not told to be gone");
        assert_eq!(of(413, ""), (true, "too large".to_owned()));
        assert_eq!(of(429, ""), (false, "status 429".to_owned()));
        assert_eq!(of(503, ""), (false, "status 503".to_owned()));
        assert_eq!(of(400, ""), (true, "status 400".to_owned()));
    }
}
