//! A request's input, judged as a whole: content type and size first, then path, query and body
//! together (contract 0, steps 6 and 7). A route says what it takes by implementing [`Input`]; the
//! handler receives [`Valid<T>`] and nothing unchecked.

mod as_sent;
mod field;
mod json;
mod reader;

use axum::body::Bytes;
use axum::extract::{FromRef, FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use chrono::{DateTime, Utc};
use http_body_util::{BodyExt, LengthLimitError, Limited};

pub use self::as_sent::{AnyObject, ObjectAsSent};
pub use self::field::{Field, Patch};
pub use self::json::Json;
use self::reader::Pairs;
pub use self::reader::{Fields, Reader};
use crate::clock::Clock;
use crate::error::{ApiError, Code, Problem, ProblemKind};
use crate::workers::Workers;

/// The largest body under `/v1` and `/api`, in bytes (contract 1).
pub const BODY_LIMIT: usize = 64 * 1024;

/// The input of a route.
pub trait Input: Sized + Send + 'static {
    /// The body that is to be read, if any.
    const BODY: Body;

    /// The largest body, in bytes.
    const LIMIT: usize = BODY_LIMIT;

    /// Fields of the body whose bytes are kept as they were sent: [`Field::object_as_sent`].
    const AS_SENT: &'static [&'static str] = &[];

    /// `true` if reading is work for the processor, which the threads that serve must not wait for.
    const IS_HEAVY: bool = false;

    /// Reads every field; `None` only where a problem was noted.
    fn read(request: &mut Reader) -> Option<Self>;
}

/// A route that takes nothing: no query parameter either.
impl Input for () {
    const BODY: Body = Body::None;

    fn read(_: &mut Reader) -> Option<Self> {
        Some(())
    }
}

/// A path and a body, say.
impl<A: Input, B: Input> Input for (A, B) {
    const BODY: Body = if matches!(A::BODY, Body::None) { B::BODY } else { A::BODY };
    const LIMIT: usize = if matches!(A::BODY, Body::None) { B::LIMIT } else { A::LIMIT };
    const AS_SENT: &'static [&'static str] =
        if matches!(A::BODY, Body::None) { B::AS_SENT } else { A::AS_SENT };
    const IS_HEAVY: bool = A::IS_HEAVY || B::IS_HEAVY;

    fn read(request: &mut Reader) -> Option<Self> {
        let (a, b) = (A::read(request), B::read(request));
        Some((a?, b?))
    }
}

/// A route's use of the request body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// Not looked at.
    None,
    /// A JSON object; no body at all counts as `{}`.
    Optional,
    /// A JSON object.
    Required,
}

/// Input that kept all the rules.
pub struct Valid<T>(pub T);

impl<T, S> FromRequest<S> for Valid<T>
where
    T: Input,
    S: Send + Sync,
    Clock: FromRef<S>,
    Workers: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        take(request, Clock::from_ref(state).now(), &Workers::from_ref(state))
            .await
            .map(|(input, _)| Self(input))
    }
}

/// Takes a request in at `now`: what it says, and the very bytes of its body.
///
/// # Errors
/// Every problem that it has; what the body's head or size is refused for.
pub async fn take<T: Input>(
    request: Request,
    now: DateTime<Utc>,
    workers: &Workers,
) -> Result<(T, Bytes), ApiError> {
    let (mut parts, body) = request.into_parts();
    let mut reader = Reader::new(path(&mut parts).await, query(&parts), now);
    let mut sent = Bytes::new();
    if T::BODY != Body::None {
        sent = receive(&parts.headers, body, T::BODY, T::LIMIT).await?;
        parse::<T>(&mut reader, &sent);
    }
    let read = move || {
        let input = T::read(&mut reader);
        reader.finish(input).map_err(ApiError::Invalid)
    };
    let input = if T::IS_HEAVY { workers.run(read).await? } else { read() };
    Ok((input?, sent))
}

/// Refuses every query parameter, for a route that reads its body itself.
///
/// # Errors
/// Every one that there is.
pub fn refuse_query(parts: &Parts, now: DateTime<Utc>) -> Result<(), ApiError> {
    Reader::new(None, query(parts), now).finish(Some(())).map_err(ApiError::Invalid)
}

/// Judges JSON on its own, as a line of a bulk body is: what could be read, and every problem.
pub fn judge<T: Input>(sent: &[u8], now: DateTime<Utc>) -> (Option<T>, Vec<Problem>) {
    let mut reader = Reader::new(None, Pairs::default(), now);
    parse::<T>(&mut reader, sent);
    let input = T::read(&mut reader);
    (input, reader.into_problems())
}

async fn path(parts: &mut Parts) -> Option<Pairs> {
    let params = RawPathParams::from_request_parts(parts, &()).await.ok()?;
    Some(Pairs(params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
}

fn query(parts: &Parts) -> Pairs {
    let query = parts.uri.query().unwrap_or_default();
    Pairs(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
}

/// Takes the body in, after its type and within its limit.
async fn receive(
    headers: &HeaderMap,
    body: axum::body::Body,
    rule: Body,
    limit: usize,
) -> Result<Bytes, ApiError> {
    let has_body = headers.get(CONTENT_LENGTH).is_none_or(|length| length != "0")
        && !http_body::Body::is_end_stream(&body);
    if has_body || (rule == Body::Required && headers.contains_key(CONTENT_TYPE)) {
        require_media_type(headers, "application/json")?;
    }
    read_body(headers, body, limit).await
}

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// 413 for more; 400 where it does not arrive.
pub async fn read_body(headers: &HeaderMap, body: axum::body::Body, limit: usize) -> Result<Bytes, ApiError> {
    if announced_length(headers).is_some_and(|length| length > limit as u64) {
        return Err(Code::PayloadTooLarge.into());
    }
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Code::PayloadTooLarge.into()),
        Err(error) => {
            Err(ApiError::with_message(Code::InvalidRequest, "The request body could not be read.")
                .caused_by(error))
        }
    }
}

/// The value of `Content-Length`.
pub fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Exactly one content type, JSON of some kind, in UTF-8 (RFC 8259 8.1) and not compressed.
pub fn require_media_type(headers: &HeaderMap, wanted: &str) -> Result<(), ApiError> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let is_wanted = matches!((types.next(), types.next()), (Some(only), None) if is_of_type(only, wanted));
    if is_wanted && !headers.contains_key(CONTENT_ENCODING) {
        Ok(())
    } else {
        Err(Code::UnsupportedMediaType.into())
    }
}

fn is_of_type(content_type: &HeaderValue, wanted: &str) -> bool {
    let Ok(text) = content_type.to_str() else { return false };
    let mut parts = text.split(';').map(str::trim);
    if !parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case(wanted)) {
        return false;
    }
    parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
            value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    })
}

fn parse<T: Input>(reader: &mut Reader, sent: &[u8]) {
    match (sent.is_empty(), T::BODY) {
        (true, Body::Required) => reader.body_problem(ProblemKind::Missing, "is required"),
        (true, _) => reader.set_body(json::Json::Object(Vec::new())),
        // Its own error text quotes input, so it is not used.
        (false, _) => match serde_json::from_slice(sent) {
            Ok(body) => reader.set_body(as_sent::keep(body, sent, T::AS_SENT)),
            Err(_) => reader.body_problem(ProblemKind::JsonInvalid, "must be valid JSON in UTF-8"),
        },
    }
}

#[cfg(test)]
mod tests;
