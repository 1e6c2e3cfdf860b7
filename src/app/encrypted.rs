//! Encrypted bodies (contract 12.3): a request's JWE is opened before its route reads it, and a reply of JSON becomes a
//! JWE after the route has made it. So every route takes and gives them and none knows of it; an idempotent replay is
//! recognised by its plain text and encrypted anew.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::Response;
use http_body_util::BodyExt as _;
use public_keys::jwe::Jwe;

use super::body;
use crate::error::{ApiError, Code};
use crate::features::Feature;
use crate::http::input::{BODY_LIMIT, require_media_type};
use crate::identity::message_keys::Recipient;
use crate::ids::{OrgId, parse_uuid};
use crate::state::App;

/// The media type of a compact JWE (RFC 7515 9.2.1).
const JOSE: &str = "application/jose";

/// Whether a request says that its body is a JWE.
pub fn is_jose(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONTENT_TYPE)
        .iter()
        .any(|value| media_type(value.as_bytes()).eq_ignore_ascii_case(JOSE.as_bytes()))
}

/// Whether a request has a body that a route would read, and it is encrypted.
pub fn is_encrypted(request: &Request) -> bool {
    is_jose(request.headers())
        && matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH)
        && !body::is_bulk(request)
}

/// Opens the body of a request; gives the request as if its plain text had been sent.
///
/// # Errors
/// 400 `decryption_failed` for whatever is wrong with it, 413 for more than the route takes, 503 while the feature is off.
pub async fn open(app: &App, org_id: OrgId, request: Request) -> Result<Request, ApiError> {
    app.require_live(Feature::MessageEncryption)?;
    require_media_type(request.headers(), JOSE)?;
    let limit = body::limit(&request);
    let (mut parts, body) = request.into_parts();
    let sent = body::read(body, &parts.headers, limit).await?;
    // What can be told without a key is told at once; what needs one costs the same whatever is wrong.
    let kid = Jwe::parse(&sent).ok().and_then(|jwe| parse_uuid(jwe.kid()?)).ok_or(Code::DecryptionFailed)?;
    let keys = app.identity.message_keys.of(&app.db, org_id).await?;
    let pair = keys.decrypting(kid, app.clock.now()).cloned().ok_or(Code::DecryptionFailed)?;
    let opened = app.workers.message(org_id, move || Jwe::parse(&sent).map(|jwe| pair.open(&jwe))).await?;
    let opened = opened.map_err(|_| Code::DecryptionFailed)?.map_err(ApiError::internal)?;
    let plaintext = opened.map_err(|_| Code::DecryptionFailed)?;
    if plaintext.len() > BODY_LIMIT {
        return Err(Code::PayloadTooLarge.into());
    }
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(plaintext.len()));
    Ok(Request::from_parts(parts, Body::from(plaintext.to_vec())))
}

/// The key that a reply is to be encrypted to.
///
/// # Errors
/// 409 `no_encryption_key` where there is no such live key, 503 while the feature is off.
pub async fn recipient(app: &App, org_id: OrgId, wanted: Wanted) -> Result<Arc<Recipient>, ApiError> {
    app.require_live(Feature::MessageEncryption)?;
    let kid = wanted.kid.map(|kid| parse_uuid(&kid).ok_or(Code::NoEncryptionKey)).transpose()?;
    let keys = app.identity.message_keys.of(&app.db, org_id).await?;
    Ok(keys.recipient(kid, app.clock.now()).cloned().ok_or(Code::NoEncryptionKey)?)
}

/// Encrypts a reply of JSON; errors, and what is no JSON, stay as they are.
///
/// # Errors
/// 503 where the worker threads are busy: the reply is lost.
pub async fn seal(
    app: &App,
    org_id: OrgId,
    recipient: Arc<Recipient>,
    response: Response,
) -> Result<Response, ApiError> {
    let is_json = |value: &HeaderValue| media_type(value.as_bytes()) == b"application/json";
    if !response.status().is_success() || !response.headers().get(CONTENT_TYPE).is_some_and(is_json) {
        return Ok(response);
    }
    let (mut parts, body) = response.into_parts();
    let json = body.collect().await.map_err(ApiError::internal)?.to_bytes();
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(JOSE));
    parts.headers.remove(CONTENT_LENGTH);
    let sealed = app.workers.message(org_id, move || recipient.encrypt(&json)).await?;
    Ok(Response::from_parts(parts, Body::from(sealed.map_err(ApiError::internal)?)))
}

/// An encrypted reply, as `Accept` asks for it.
#[derive(Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The `UniqueId` of the key; without it the one registered last is meant.
    kid: Option<String>,
}

impl Wanted {
    /// Looks for `application/jose` among what is accepted (RFC 9110 12.5.1). Wildcards do not mean it.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).find_map(Self::range)
    }

    fn range(range: &str) -> Option<Self> {
        let (name, parameters) = range.split_once(';').unwrap_or((range, ""));
        if !name.trim().eq_ignore_ascii_case(JOSE) {
            return None;
        }
        let mut wanted = Self { kid: None };
        for (name, value) in parameters.split(';').filter_map(|parameter| parameter.split_once('=')) {
            let value = value.trim().trim_matches('"');
            if name.trim().eq_ignore_ascii_case("kid") {
                wanted.kid = Some(value.to_owned());
            }
            // Nothing else of it is weighed: there is one form of a reply that is encrypted, and one that is not.
            if name.trim().eq_ignore_ascii_case("q") && value.parse() == Ok(0.0_f32) {
                return None;
            }
        }
        Some(wanted)
    }
}

/// The media type without its parameters.
fn media_type(value: &[u8]) -> &[u8] {
    value.split(|octet| *octet == b';').next().unwrap_or_default().trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(lines: &[&'static str]) -> Option<Option<String>> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT, HeaderValue::from_static(line));
        }
        Wanted::of(&headers).map(|wanted| wanted.kid)
    }

    #[test]
    fn a_reply_is_encrypted_where_jose_is_accepted_by_its_name() {
        let kid = Some("0192f0c1-2345-7abc-8def-0123456789ab".to_owned());
        for lines in [
            &["application/jose"][..],
            &["APPLICATION/JOSE ; q=0.1"],
            &["application/json;q=0.5, application/jose"],
            &["text/html", "application/jose;q=1"],
        ] {
            assert_eq!(wanted(lines), Some(None), "{lines:?}");
        }
        for line in [
            r#"application/jose; kid="0192f0c1-2345-7abc-8def-0123456789ab""#,
            "application/jose;KID=0192f0c1-2345-7abc-8def-0123456789ab;q=0.9",
        ] {
            assert_eq!(wanted(&[line]), Some(kid.clone()), "{line}");
        }
        for lines in [
            &[][..],
            &["*/*"],
            &["application/*"],
            &["application/json"],
            &["application/jose+json"],
            &["application/jose;q=0"],
            &["application/jose; q=0.000"],
        ] {
            assert_eq!(wanted(lines), None, "{lines:?}");
        }
    }
}
