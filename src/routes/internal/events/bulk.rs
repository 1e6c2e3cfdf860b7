//! `POST /internal/events/bulk`: many events, one a line (contract 15). They are written in slices while the body
//! arrives, in their order; a line that is wrong never costs the others.

use std::collections::HashSet;

use axum::body::Body as HttpBody;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::batch::publish_each;
use super::input::{MAX_BODY as MAX_LINE, PublishEvent};
use super::judged;
use super::store::{NewEvent, PublishOutcome};
use crate::error::{ApiError, Problem, ProblemKind};
use crate::events::{StreamName, wire_id};
use crate::http::chunks::Chunks;
use crate::http::input::{judge, refuse_query};
use crate::http::lines::{JsonLines, LineLimit, Lines, NDJSON};
use crate::ids::OrgId;
use crate::request_id::TraceContext;
use crate::state::App;

/// The route, whose body may take as long as it likes to arrive.
pub const PATH: &str = "/internal/events/bulk";
const LIMIT: LineLimit = LineLimit { bytes: MAX_LINE, told: "A line has more than 224 KiB." };
/// Events in one statement.
const SLICE: usize = 1_000;
/// Problems told of one line, in all but the first mebibyte of results one.
const MAX_PROBLEMS: usize = 5;
const TOLD_IN_FULL: usize = 1024 * 1024;

/// What became of one line.
#[derive(Serialize, ToSchema)]
pub struct PublishResult {
    /// The event's id, as partners see it; null where there is none.
    #[schema(required, example = "evt_0192f0c123457abc8def0123456789ab")]
    event_id: Option<String>,
    /// How it went.
    status: PublishStatus,
    /// Of an invalid line: what is wrong with it, at most five problems. Where thousands of lines are wrong, only the
    /// first problem of each after the first mebibyte of results.
    detail: Vec<Problem>,
}

/// How it went with one line.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PublishStatus {
    /// It will be delivered.
    Published,
    /// It was published before.
    Exists,
    /// The line breaks the rules of an event, or names no org.
    Invalid,
    /// The event could not be stored; send the line again.
    Failed,
}

type EventLines = JsonLines<PublishEvent>;
type ResultLines = JsonLines<PublishResult>;

/// Two lines of a body, for the document.
const EXAMPLE: &str = "\
{\"org\":\"acme\",\"stream\":\"orders\",\"type\":\"order.paid\",\"data\":{\"order_id\":\"4711\"},\"event_id\":\"4711-paid\"}\n\
{\"org\":\"zeta\",\"stream\":\"orders\",\"type\":\"order.paid\",\"data\":{\"order_id\":\"4712\"},\"event_id\":\"4712-paid\"}\n";

/// Publish many events.
///
/// One event a line, as `POST /internal/events` takes it, to any orgs: at most 10 MiB, 10,000 lines, and 224 KiB a
/// line; blank lines are skipped. The reply has one line for each, in order, after the last was read. Events are stored
/// while the body arrives: those before a 413 or a lost connection may be published. Sending them again is safe where
/// each has an `event_id`, and answers `exists`.
#[utoipa::path(
    post, path = "/internal/events/bulk", tag = "Events",
    request_body(content = EventLines, content_type = "application/x-ndjson",
                 description = "One event a line.", example = json!(EXAMPLE)),
    responses(
        (status = 200, description = "What became of each line.", body = ResultLines, content_type = "application/x-ndjson"),
        (status = 400, description = "`invalid_request`: the body broke off, or paused for 10 seconds."),
        (status = 413, description = "`payload_too_large`: the body, the number of lines or a line is over its limit."),
        (status = 415, description = "`unsupported_media_type`: the body is not `application/x-ndjson`."),
    ),
)]
pub async fn publish_events_in_bulk(
    State(app): State<App>,
    trace: Option<TraceContext>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let mut lines = Lines::new(&parts.headers, body, LIMIT)?;
    refuse_query(&parts, app.clock.now())?;
    let mut publishing =
        Publishing { app, slice: Vec::new(), reply: Chunks::default(), in_full: TOLD_IN_FULL };
    while let Some(line) = lines.next().await? {
        let verdict = publishing.judge(line, trace).await;
        publishing.take(verdict).await;
    }
    publishing.store().await;
    Ok(([(CONTENT_TYPE, NDJSON)], HttpBody::new(publishing.reply.finish())).into_response())
}

/// A body on its way in.
struct Publishing {
    app: App,
    /// Lines that were judged and not stored yet.
    slice: Vec<Verdict>,
    /// The results so far, as they are sent.
    reply: Chunks,
    /// The bytes that are left of [`TOLD_IN_FULL`].
    in_full: usize,
}

/// What was found of a line.
enum Verdict {
    Good(NewEvent),
    Bad(Vec<Problem>),
    /// It could not be judged.
    Failed,
}

impl Publishing {
    async fn judge(&self, line: &[u8], trace: Option<TraceContext>) -> Verdict {
        let (input, problems) = judge::<PublishEvent>(line, self.app.clock.now());
        let Some(input) = input.filter(|_| problems.is_empty()) else { return Verdict::Bad(problems) };
        match judged(&self.app, input, trace).await {
            Ok(Some(event)) => Verdict::Good(event),
            Ok(None) => {
                Verdict::Bad(vec![Problem::body("org", ProblemKind::ValueError, "there is no such org")])
            }
            Err(ApiError::Invalid(problems)) => Verdict::Bad(problems),
            Err(ApiError::Failed(_)) => Verdict::Failed,
        }
    }

    async fn take(&mut self, verdict: Verdict) {
        self.slice.push(verdict);
        if self.slice.len() == SLICE {
            self.store().await;
        }
    }

    /// Stores the slice, and notes what became of its lines.
    async fn store(&mut self) {
        let (mut events, mut verdicts) = (Vec::new(), Vec::new());
        for verdict in self.slice.drain(..) {
            verdicts.push(match verdict {
                Verdict::Good(event) => {
                    events.push(event);
                    None
                }
                Verdict::Bad(problems) => Some((PublishStatus::Invalid, problems)),
                Verdict::Failed => Some((PublishStatus::Failed, Vec::new())),
            });
        }
        let outcomes = publish_each(&self.app.db, self.app.config.request_timeout, &events).await;
        self.wake(&events, &outcomes);
        let mut outcomes = outcomes.into_iter();
        for verdict in verdicts {
            let result = match verdict {
                Some((status, detail)) => PublishResult { event_id: None, status, detail },
                None => of_outcome(outcomes.next().flatten()),
            };
            self.note(result);
        }
    }

    fn wake(&self, events: &[NewEvent], outcomes: &[Option<PublishOutcome>]) {
        let is_new = |outcome: &Option<PublishOutcome>| matches!(outcome, Some(PublishOutcome::Published(_)));
        let new = events.iter().zip(outcomes).filter(|(_, outcome)| is_new(outcome));
        let queues: HashSet<(OrgId, StreamName)> =
            new.map(|(event, _)| (event.org_id, event.stream.clone())).collect();
        queues.into_iter().for_each(|(org_id, stream)| self.app.outbox.wake(org_id, stream));
    }

    fn note(&mut self, mut result: PublishResult) {
        result.detail.truncate(if self.in_full == 0 { 1 } else { MAX_PROBLEMS });
        // Plain data with string keys, into memory: this cannot fail.
        let length = self.reply.line(|out| drop(serde_json::to_writer(out, &result)));
        if !result.detail.is_empty() {
            self.in_full = self.in_full.saturating_sub(length);
        }
    }
}

fn of_outcome(outcome: Option<PublishOutcome>) -> PublishResult {
    let (status, id) = match outcome {
        Some(PublishOutcome::Published(id)) => (PublishStatus::Published, Some(id)),
        Some(PublishOutcome::Exists(id)) => (PublishStatus::Exists, Some(id)),
        Some(PublishOutcome::NoOrg | PublishOutcome::Vanished) | None => (PublishStatus::Failed, None),
    };
    PublishResult { event_id: id.map(wire_id), status, detail: Vec::new() }
}
