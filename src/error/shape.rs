//! The three shapes of an error on the wire (contract 1 and 9), each made here and nowhere else.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::http::{Response, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::{ApiError, Code, Detail, Failure};
use crate::error::Problem;

/// The shape of the errors of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `/v1` and everything that is not a public key route.
    V1,
    /// `/api/v1/key` and below: `TraceId` and `Error`, validation is 400.
    PublicKey,
}

impl Shape {
    /// The shape for a request path.
    #[must_use]
    pub fn of(path: &str) -> Self {
        match path.strip_prefix("/api/v1/key") {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => Self::PublicKey,
            _ => Self::V1,
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

/// Turns an error into the response the client sees.
#[must_use]
pub fn render(error: &ApiError, shape: Shape, request_id: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(body(error, shape, request_id)));
    *response.status_mut() = status(error, shape);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let ApiError::Failed(Failure { retry_after: Some(seconds), .. }) = error {
        headers.insert(RETRY_AFTER, HeaderValue::from(*seconds));
    }
    response
}

/// The body of that response.
#[must_use]
pub fn body(error: &ApiError, shape: Shape, request_id: &str) -> Vec<u8> {
    match (error, shape) {
        (ApiError::Invalid(problems), Shape::V1) => json(&ValidationErrors { detail: problems.into() }),
        (ApiError::Failed(failure), Shape::V1) => json(&envelope(failure, request_id)),
        (error, Shape::PublicKey) => json(&traced(error, request_id)),
    }
}

/// The status line's code for an error.
#[must_use]
pub fn status(error: &ApiError, shape: Shape) -> StatusCode {
    match (error, shape) {
        (ApiError::Invalid(_), Shape::V1) => StatusCode::UNPROCESSABLE_ENTITY,
        (ApiError::Invalid(_), Shape::PublicKey) => StatusCode::BAD_REQUEST,
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
}
