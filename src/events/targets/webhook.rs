//! `webhook`: the signed body posted to the partner's URL, as Standard Webhooks 1.0 has it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap};
use hyper::{Method, Request};

use super::error::{DeliveryError, Reason};
use super::outbound::{Outbound, Over, USER_AGENT, drain, with_timeout};
use super::settings::Webhook;
use super::{Delivery, Receipt};

/// Posts a delivery; any 2xx acknowledges it, its body is read and forgotten.
///
/// `now` is what an HTTP date in `Retry-After` is counted from.
///
/// # Errors
/// A class, or the status with the time the receiver asks us to wait. A redirect is a status.
pub async fn send(
    outbound: &Outbound,
    webhook: &Webhook,
    delivery: &Delivery<'_>,
    timeout: Duration,
    now: DateTime<Utc>,
) -> Result<Receipt, DeliveryError> {
    let over = if delivery.anew { Over::New } else { Over::Any };
    let response = with_timeout(timeout, outbound.send(request(webhook, delivery)?, over)).await?;
    let (head, body) = response.into_parts();
    drain(body).await;
    if head.status.is_success() {
        return Ok(Receipt { status: Some(head.status.as_u16()), rest: None });
    }
    let retry_after = retry_after(&head.headers, now);
    Err(DeliveryError { reason: Reason::Status(head.status.as_u16()), retry_after })
}

fn request(webhook: &Webhook, delivery: &Delivery<'_>) -> Result<Request<Full<Bytes>>, Reason> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(webhook.uri().clone())
        .header(header::CONTENT_TYPE, delivery.content_type)
        .header(header::USER_AGENT, USER_AGENT);
    for (name, value) in &delivery.headers {
        request = request.header(*name, *value);
    }
    if delivery.is_last {
        request = request.header(header::CONNECTION, "close");
    }
    if let Some(traceparent) = &delivery.traceparent {
        request = request.header("traceparent", traceparent);
    }
    let body = Full::new(Bytes::copy_from_slice(delivery.body.as_bytes()));
    request.body(body).map_err(|_| Reason::Settings("a header cannot be sent"))
}

/// `Retry-After` in seconds or as an HTTP date (RFC 9110 10.2.3), in any of its three forms (5.6.7).
/// More seconds than can be counted are for ever; the longest of several counts.
pub(super) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let values = headers.get_all(header::RETRY_AFTER).iter();
    values.filter_map(|value| wait(value.to_str().ok()?.trim(), now)).max()
}

fn wait(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse::<u32>().unwrap_or(u32::MAX).into()));
    }
    let at = httpdate::parse_http_date(value).map(DateTime::<Utc>::from);
    // Some senders write the date of an e-mail, with a numeric zone.
    let at = at.ok().or_else(|| Some(DateTime::parse_from_rfc2822(value).ok()?.to_utc()))?;
    (at - now).max(TimeDelta::zero()).to_std().ok()
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn wait_of(values: &[&[u8]]) -> Option<u64> {
        let now = DateTime::parse_from_rfc3339("2026-11-21T08:00:00Z").expect("an instant").to_utc();
        let value = |bytes: &&[u8]| (header::RETRY_AFTER, HeaderValue::from_bytes(bytes).expect("a header"));
        let mut headers = HeaderMap::new();
        for (name, value) in values.iter().map(value) {
            headers.append(name, value);
        }
        retry_after(&headers, now).map(|wait| wait.as_secs())
    }

    #[test]
    fn retry_after_in_seconds_and_in_all_forms_of_a_date() {
        for (value, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("007", Some(7)),
            ("Sat, 21 Nov 2026 08:01:30 GMT", Some(90)),
            ("Saturday, 21-Nov-26 08:01:30 GMT", Some(90)),
            ("Sat Nov 21 08:01:30 2026", Some(90)),
            ("Thu Dec  3 08:00:00 2026", Some(12 * 86_400)),
            ("Sat, 21 Nov 2026 09:01:30 +0100", Some(90)),
            // Past: at once.
            ("Sat, 21 Nov 2026 07:00:00 GMT", Some(0)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(0)),
            ("Sun Nov  6 08:49:37 1994", Some(0)),
            // Beyond all counting: as long as it may be.
            ("4294967295", Some(4_294_967_295)),
            ("99999999999999", Some(4_294_967_295)),
        ] {
            assert_eq!(wait_of(&[value.as_bytes()]), expected, "{value}");
        }
        assert_eq!(wait_of(&[]), None);
        assert_eq!(wait_of(&[b"5", b"90", b"soon"]), Some(90), "the longest of several");
    }

    #[test]
    fn a_hostile_retry_after_is_none() {
        let values: [&[u8]; 16] = [
            b"",
            b"-5",
            b"+5",
            b"1.5",
            b"1e3",
            b"0x10",
            b"5, 6",
            b"5s",
            b"soon",
            b"Sat, 31 Feb 2026 25:61:61 GMT",
            b"Sat, 00 Nov 2026 08:00:00 GMT",
            b"Sat, 21 Nov 0000 08:00:00 GMT",
            b"Sat, 21 Nov 99999 08:00:00 GMT",
            b"Saturday, 21-Nov-2026 08:01:30 GMT",
            "٥".as_bytes(),
            b"\xff\xfe",
        ];
        for value in values {
            assert_eq!(wait_of(&[value]), None, "{}", String::from_utf8_lossy(value));
        }
    }
}
