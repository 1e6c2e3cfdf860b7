//! `webhook`: the signed body posted to the partner's URL, as Standard Webhooks 1.0 has it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap};
use hyper::{Method, Request};

use super::Delivery;
use super::error::{DeliveryError, Reason};
use super::outbound::{Outbound, USER_AGENT, drain, within};
use super::settings::Webhook;

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
) -> Result<(), DeliveryError> {
    let response = within(timeout, outbound.send(request(webhook, delivery)?)).await?;
    let (head, body) = response.into_parts();
    drain(body).await;
    if head.status.is_success() {
        return Ok(());
    }
    let retry_after = retry_after(&head.headers, now);
    Err(DeliveryError { reason: Reason::Status(head.status.as_u16()), retry_after })
}

fn request(webhook: &Webhook, delivery: &Delivery<'_>) -> Result<Request<Full<Bytes>>, Reason> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(webhook.uri().clone())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, USER_AGENT);
    for (name, value) in &delivery.headers {
        request = request.header(*name, value);
    }
    if let Some(traceparent) = &delivery.traceparent {
        request = request.header("traceparent", traceparent);
    }
    let body = Full::new(Bytes::copy_from_slice(delivery.body.as_bytes()));
    request.body(body).map_err(|_| Reason::Settings("a header cannot be sent"))
}

/// `Retry-After` in seconds or as an HTTP date (RFC 9110 10.2.3).
pub(super) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let wait = DateTime::parse_from_rfc2822(value).ok()?.to_utc() - now;
    wait.max(TimeDelta::zero()).to_std().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_in_both_forms() {
        let now = DateTime::parse_from_rfc3339("2026-11-21T08:00:00Z").expect("an instant").to_utc();
        let wait = |value: &str| {
            let headers = HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().expect("a header"))]);
            retry_after(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!(wait("120"), Some(120));
        assert_eq!(wait(" 0 "), Some(0));
        assert_eq!(wait("Sat, 21 Nov 2026 08:01:30 GMT"), Some(90));
        assert_eq!(wait("Sat, 21 Nov 2026 07:00:00 GMT"), Some(0));
        assert_eq!(wait("-5"), None);
        assert_eq!(wait("soon"), None);
        assert_eq!(wait("99999999999999"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
