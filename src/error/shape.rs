//! The shapes of an error on the wire (contract 1, 9 and 16), each made here and nowhere else.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::http::{Response, StatusCode};
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::{ApiError, Code, Detail, Failure, page};
use crate::error::Problem;
use crate::page::Place;

/// The shape of the errors of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `/v1` and everything that is not a public key route.
    V1,
    /// `/api/v1/key` and below: `TraceId` and `Error`, validation is 400.
    PublicKey,
    /// The token endpoint: RFC 6749 5.2.
    Oauth,
    /// The platform's own side, `/internal/` but for the gateway's question: as `/v1`, but for the challenge.
    Platform,
    /// The pages of `/portal` and `/console`: HTML, for people.
    Page(Place),
}

/// The token endpoint (contract 16).
pub const TOKEN_PATH: &str = "/v1/oauth/token";

impl Shape {
    /// The shape for a request path.
    #[must_use]
    pub fn of(path: &str) -> Self {
        match path.strip_prefix("/api/v1/key") {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => Self::PublicKey,
            _ if path == TOKEN_PATH => Self::Oauth,
            _ if path.starts_with("/internal/") && !path.starts_with("/internal/auth/") => Self::Platform,
            _ => Place::of(path).map_or(Self::V1, Self::Page),
        }
    }

    /// The challenge of a 401 (RFC 9110 15.5.2). None at the token endpoint: no scheme of HTTP's would open it, and
    /// OAuth clients that see a challenge tell their users of that in place of `invalid_client`. RFC 6749 5.2 asks for
    /// one where `Authorization` was tried, which is a 400 there.
    #[must_use]
    pub fn challenge(self) -> Option<&'static str> {
        match self {
            Self::Oauth | Self::Page(_) => None,
            Self::Platform => Some("Bearer realm=\"partner-api\""),
            Self::V1 | Self::PublicKey => Some("ApiKey realm=\"partner-api\""),
        }
    }
}

/// Every problem of a request that broke its rules: status 422 under `/v1`.
#[derive(Serialize, ToSchema)]
pub struct ValidationErrors<'a> {
    /// One entry a problem, path first, then query, then body.
    #[schema(min_items = 1)]
    pub detail: Cow<'a, [Problem]>,
}

/// Every other error under `/v1`.
#[derive(Serialize, ToSchema)]
pub struct ErrorEnvelope<'a> {
    /// The error.
    pub error: ErrorBody<'a>,
}

/// What an [`ErrorEnvelope`] holds.
#[derive(Serialize, ToSchema)]
pub struct ErrorBody<'a> {
    /// From a closed set; programs may switch on it.
    #[schema(value_type = Code, example = "not_found")]
    pub code: &'a str,
    /// For people.
    pub message: &'a str,
    /// Empty unless a 409 names a date or ids.
    pub details: Cow<'a, [Detail]>,
    /// The same as the `x-request-id` header; quote it to support.
    pub request_id: &'a str,
}

/// Every error under `/api/v1/key`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct TracedError<'a> {
    /// The same as the `x-request-id` header; quote it to support.
    pub trace_id: &'a str,
    /// The error.
    pub error: TracedErrorBody<'a>,
}

/// What a [`TracedError`] holds.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct TracedErrorBody<'a> {
    /// From a closed set; programs may switch on it.
    #[schema(value_type = Code, example = "invalid_request")]
    pub code: &'a str,
    /// For people.
    pub message: &'a str,
    /// More for people, often empty.
    pub additional_info: String,
    /// A reason for each field that was refused.
    pub extra_data: BTreeMap<String, Cow<'a, str>>,
}

/// Every error of the token endpoint (RFC 6749 5.2).
#[derive(Serialize, ToSchema)]
pub struct OauthError<'a> {
    /// From a closed set; programs may switch on it.
    #[schema(value_type = OauthErrorCode, example = "invalid_client")]
    pub error: &'a str,
    /// For people.
    pub error_description: Cow<'a, str>,
}

/// [`Code::OAUTH_NAMES`] in the document.
struct OauthErrorCode;

impl PartialSchema for OauthErrorCode {
    fn schema() -> RefOr<Schema> {
        let names = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Code::OAUTH_NAMES));
        names.description(Some("What is wrong, in RFC 6749's words; programs may switch on it.")).into()
    }
}

impl ToSchema for OauthErrorCode {}

/// Turns an error into the response the client sees.
#[must_use]
pub fn render(error: &ApiError, shape: Shape, request_id: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(body(error, shape, request_id)));
    *response.status_mut() = status(error, shape);
    let headers = response.headers_mut();
    let is_page = matches!(shape, Shape::Page(_));
    let content_type = if is_page { "text/html; charset=utf-8" } else { "application/json" };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let ApiError::Failed(Failure { retry_after: Some(seconds), .. }) = error {
        headers.insert(RETRY_AFTER, HeaderValue::from(*seconds));
    }
    response
}

/// The body of that response.
#[must_use]
pub fn body(error: &ApiError, shape: Shape, request_id: &str) -> Vec<u8> {
    match (error, shape) {
        (ApiError::Invalid(problems), Shape::V1 | Shape::Platform) => {
            json(&ValidationErrors { detail: problems.into() })
        }
        (ApiError::Failed(failure), Shape::V1 | Shape::Platform) => json(&envelope(failure, request_id)),
        (error, Shape::PublicKey) => json(&traced(error, request_id)),
        (error, Shape::Oauth) => json(&in_oauths_words(error)),
        (error, Shape::Page(place)) => page::of(error, place, request_id).into(),
    }
}

/// The status line's code for an error.
#[must_use]
pub fn status(error: &ApiError, shape: Shape) -> StatusCode {
    match (error, shape) {
        (ApiError::Invalid(_), Shape::V1 | Shape::Platform | Shape::Page(_)) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        (ApiError::Invalid(_), Shape::PublicKey | Shape::Oauth) => StatusCode::BAD_REQUEST,
        (ApiError::Failed(failure), _) => failure.code.status(),
    }
}

fn envelope<'a>(failure: &'a Failure, request_id: &'a str) -> ErrorEnvelope<'a> {
    ErrorEnvelope {
        error: ErrorBody {
            code: failure.code.name(),
            message: &failure.message,
            details: Cow::Borrowed(&failure.details),
            request_id,
        },
    }
}

fn traced<'a>(error: &'a ApiError, request_id: &'a str) -> TracedError<'a> {
    let (code, message, extra_data) = match error {
        ApiError::Invalid(problems) => {
            let code = problems.iter().find_map(|problem| problem.code);
            let message = "The request has fields that are not valid; see ExtraData.";
            let message = code.map_or(message, Code::default_message);
            (code.unwrap_or(Code::InvalidRequest), message, reasons(problems))
        }
        ApiError::Failed(failure) => (
            failure.code,
            failure.message.as_ref(),
            failure
                .details
                .iter()
                .map(|d| (d.field.to_string(), Cow::Borrowed(d.message.as_str())))
                .collect(),
        ),
    };
    let error = TracedErrorBody { code: code.name(), message, additional_info: String::new(), extra_data };
    TracedError { trace_id: request_id, error }
}

fn in_oauths_words(error: &ApiError) -> OauthError<'_> {
    let (code, message) = match error {
        ApiError::Invalid(_) => (Code::InvalidRequest, Code::InvalidRequest.default_message()),
        ApiError::Failed(failure) => (failure.code, failure.message.as_ref()),
    };
    OauthError { error: code.oauth_name(), error_description: described(message) }
}

/// A message in the characters that RFC 6749 5.2 leaves to it; an operator's contact may have others.
fn described(message: &str) -> Cow<'_, str> {
    let is_allowed = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
    if message.chars().all(is_allowed) {
        return Cow::Borrowed(message);
    }
    Cow::Owned(message.chars().map(|c| if is_allowed(c) { c } else { '\'' }).collect())
}

/// A reason for each field; of several the first.
fn reasons(problems: &[Problem]) -> BTreeMap<String, Cow<'_, str>> {
    let mut reasons = BTreeMap::new();
    for problem in problems {
        reasons.entry(problem.top_field()).or_insert(Cow::Borrowed(problem.msg.as_ref()));
    }
    reasons
}

fn json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("plain data with string keys")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_segments_choose_the_public_key_shape() {
        assert_eq!(Shape::of("/api/v1/key"), Shape::PublicKey);
        assert_eq!(Shape::of("/api/v1/key/list/acme"), Shape::PublicKey);
        assert_eq!(Shape::of("/api/v1/keys"), Shape::V1);
        assert_eq!(Shape::of("/v1/users"), Shape::V1);
    }

    #[test]
    fn the_portal_and_the_console_answer_people() {
        for path in ["/portal", "/portal/", "/portal/keys", "/portal/nothing"] {
            assert_eq!(Shape::of(path), Shape::Page(Place::Portal), "{path}");
        }
        assert_eq!(Shape::of("/console/login"), Shape::Page(Place::Console));
        assert_eq!(Shape::of("/portals"), Shape::V1);
    }

    #[test]
    fn the_token_endpoint_alone_speaks_as_oauth_does() {
        assert_eq!(Shape::of("/v1/oauth/token"), Shape::Oauth);
        for path in
            ["/v1/oauth", "/v1/oauth/tokens", "/v1/oauth/token/", "/.well-known/oauth-authorization-server"]
        {
            assert_eq!(Shape::of(path), Shape::V1, "{path}");
        }
    }

    #[test]
    fn a_description_has_no_characters_that_oauth_does_not_allow() {
        assert_eq!(described("Ask \"Ada\" at C:\\x, über\n."), "Ask 'Ada' at C:'x, 'ber'.");
        for code in Code::ALL {
            assert!(matches!(described(code.default_message()), Cow::Borrowed(_)), "{code:?}");
        }
    }
}
