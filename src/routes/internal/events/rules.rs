//! What is asked of an event before it is written, and the body that partners get.

use chrono::{DateTime, Utc};

use super::input::PublishEvent;
use super::store::NewEvent;
use crate::clock::rfc3339;
use crate::error::{ApiError, Problem, ProblemKind};
use crate::events::{StreamName, cut, id_at};
use crate::ids::OrgId;
use crate::request_id::TraceContext;
use crate::routes::internal::events::input::EventKey;
use crate::streams::FoundType;
use crate::streams::store::DataCheck;

/// Data of so many bytes is checked by a thread that serves; more is work for the others.
const CHECKED_HERE: usize = 16 * 1024;

/// How an event's data is held against its schema.
pub enum DataJudgement {
    /// It may be anything.
    Free,
    /// Here and now.
    Here(DataCheck),
    /// By a thread for work.
    Elsewhere(DataCheck),
}

/// Judges stream and type: which stream it is, and how the data is judged.
///
/// # Errors
/// 422 for a stream or a type that there is none of.
pub fn on_stream(found: FoundType, data: &str) -> Result<(StreamName, DataJudgement), ApiError> {
    let unknown = |field, msg| Err(ApiError::Invalid(vec![Problem::body(field, ProblemKind::Enum, msg)]));
    match found {
        FoundType::NoStream => unknown("stream", "must be the name of one of the platform's streams"),
        FoundType::NoType(_) => unknown("type", "must be a type of this stream"),
        FoundType::Found(stream, kind) => {
            let judgement = match &kind.check {
                DataCheck::None => DataJudgement::Free,
                check if data.len() <= CHECKED_HERE => DataJudgement::Here(check.clone()),
                check => DataJudgement::Elsewhere(check.clone()),
            };
            Ok((stream.name.clone(), judgement))
        }
    }
}

/// Holds data against its schema.
///
/// # Errors
/// 422 with where it breaks it; a failure of ours where the schema cannot be compiled.
pub fn check(check: &DataCheck, data: &str) -> Result<(), ApiError> {
    match check {
        DataCheck::None => Ok(()),
        DataCheck::Unreadable => Err(ApiError::internal("a stored schema cannot be compiled")),
        DataCheck::Schema(schema) => {
            let data = serde_json::from_str(data).map_err(ApiError::internal)?;
            schema.check(&data).map_err(ApiError::Invalid)
        }
    }
}

/// The event as it is written, at `now`.
pub fn event(
    org_id: OrgId,
    stream: StreamName,
    input: PublishEvent,
    trace: Option<TraceContext>,
    now: DateTime<Utc>,
) -> NewEvent {
    let at = cut(now);
    let (id, external_id) = match input.event_id {
        Some(EventKey::Id(id)) => (id, None),
        Some(EventKey::Text(text)) => (id_at(at), Some(text)),
        None => (id_at(at), None),
    };
    let timestamp = rfc3339(input.occurred_at.unwrap_or(at));
    let (kind, data) = (input.r#type, input.data.as_str());
    // A type has no character that JSON would escape.
    let body = format!(r#"{{"type":"{kind}","timestamp":"{timestamp}","org_id":"{org_id}","data":{data}}}"#);
    let traceparent = trace.map(|trace| trace.to_string());
    NewEvent { org_id, id, external_id, stream, kind, body, subject: input.subject, at, traceparent }
}
