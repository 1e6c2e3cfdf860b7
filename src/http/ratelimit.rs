//! What replies say of an org's limit: draft-ietf-httpapi-ratelimit-headers-10, structured fields (RFC 9651).

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::limits::rates::{Quota, RateLimit};

/// What is left.
pub const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// The limit that holds.
pub const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Tells a client of its org's limit, and what is left of it.
pub fn tell(headers: &mut HeaderMap, quota: Quota) {
    headers.insert(RATELIMIT_POLICY, policy(quota.limit));
    headers.insert(RATELIMIT, field(format!("\"org\";r={};t={}", quota.remaining, quota.more_in)));
}

/// A limit as its policy: `q` requests at once, which are there again after `w` seconds. Seconds are whole, so of a
/// burst below the rate the policy promises less than is served.
#[must_use]
pub fn policy(limit: RateLimit) -> HeaderValue {
    field(format!("\"org\";q={};w={}", limit.burst(), limit.window()))
}

fn field(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("letters, digits and signs of ASCII")
}
