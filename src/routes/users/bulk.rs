//! `POST /v1/users/bulk`: many users, one a line (contract 3). The body is read as a stream and
//! stored in slices while it arrives; a line that is wrong or cannot be stored never costs the
//! others. It is idempotent by nature: whoever lost the reply sends the same body again.

use axum::body::Body as HttpBody;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::input::CreateUser;
use super::inserts::insert_each;
use super::new_user::{InsertOutcome, NewUser};
use crate::error::{ApiError, Problem};
use crate::events::Stream;
use crate::http::chunks::Chunks;
use crate::http::input::{judge, refuse_query};
use crate::http::lines::{JsonLines, LineLimit, Lines, NDJSON};
use crate::identity::Partner;
use crate::identity::key_scopes::KeyScope;
use crate::request_id::TraceContext;
use crate::state::App;

/// The route, whose body may take as long as it likes to arrive.
pub const PATH: &str = "/v1/users/bulk";
const LIMIT: LineLimit = LineLimit { bytes: 16 * 1024, told: "A line has more than 16 KiB." };
/// Lines in one statement.
const SLICE: usize = 1_000;
/// Problems told of one line: each of a user's four fields can be wrong, and one unknown name stands
/// for all.
const MAX_PROBLEMS: usize = 5;
/// Results of bad lines, in bytes, that are told in full. After that each line's first problem is:
/// the whole reply, which is kept until the client takes it, has 3 MiB at most.
const TOLD_IN_FULL: usize = 1024 * 1024;

/// `/v1/users/bulk`.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create_users_in_bulk))
}

/// What became of one line.
#[derive(Serialize, ToSchema)]
pub struct BulkResult {
    /// As the partner chose it; null where the line does not say.
    #[schema(required, example = "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13")]
    user_id: Option<Uuid>,
    /// How it went.
    status: BulkStatus,
    /// Of an invalid line: what is wrong with it, at most five problems. Where thousands of lines are
    /// wrong, only the first problem of each after the first mebibyte of results.
    detail: Vec<Problem>,
}

/// How it went with one line.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BulkStatus {
    /// The user was created.
    Created,
    /// There is a user with this `user_id` already; it was left as it is.
    Exists,
    /// The line breaks the rules of a user.
    Invalid,
    /// The user could not be stored; send the line again.
    Failed,
}

type UserLines = JsonLines<CreateUser>;
type ResultLines = JsonLines<BulkResult>;

/// Two lines of a body, for the document.
const EXAMPLE: &str = "\
{\"user_id\":\"5f0e1a52-7c43-4d0a-9a57-0d0f9f2a8b11\",\"first_name\":\"Grace\"}\n\
{\"user_id\":\"a8c2f6de-21b7-4a39-8f6a-6a1b9a3c7e42\"}\n";

/// Create many users.
///
/// One user a line, as `POST /v1/users` takes it: at most 10 MiB, 10,000 lines, and 16 KiB a line;
/// blank lines are skipped. The reply has one line for each, in order, after the last was read.
/// Lines are stored while the body arrives, so those before a 413 or a lost connection may be
/// stored; sending them again is safe and answers `exists`.
#[utoipa::path(
    post, path = "/v1/users/bulk", tag = "Users",
    extensions(("x-required-scope" = json!(KeyScope::UsersWrite))),
    request_body(content = UserLines, content_type = "application/x-ndjson",
                 description = "One user a line.", example = json!(EXAMPLE)),
    responses(
        (status = 200, description = "What became of each line.", body = ResultLines, content_type = "application/x-ndjson"),
        (status = 400, description = "`conflicting_credentials`, or `invalid_request`: the body broke off, or paused for 10 seconds."),
        (status = 413, description = "`payload_too_large`: the body, the number of lines or a line is over its limit."),
        (status = 415, description = "`unsupported_media_type`: the body is not `application/x-ndjson`."),
    ),
)]
async fn create_users_in_bulk(
    State(app): State<App>,
    partner: Partner,
    trace: Option<TraceContext>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let mut lines = Lines::new(&parts.headers, body, LIMIT)?;
    refuse_query(&parts, app.clock.now())?;
    let slice = Vec::with_capacity(SLICE);
    let mut import = Import { app, partner, trace, slice, reply: Chunks::default(), in_full: TOLD_IN_FULL };
    while let Some(line) = lines.next().await? {
        import.take(line).await;
    }
    import.store().await;
    Ok(([(CONTENT_TYPE, NDJSON)], HttpBody::new(import.reply.finish())).into_response())
}

/// A body on its way in.
struct Import {
    app: App,
    partner: Partner,
    trace: Option<TraceContext>,
    /// Lines that were read and not stored yet.
    slice: Vec<Line>,
    /// The results so far, as they are sent.
    reply: Chunks,
    /// The bytes that are left of [`TOLD_IN_FULL`].
    in_full: usize,
}

/// A line that was judged.
enum Line {
    Good(NewUser),
    Bad(Option<Uuid>, Vec<Problem>),
}

impl Import {
    async fn take(&mut self, line: &[u8]) {
        let (user, mut problems) = judge::<CreateUser>(line, self.app.clock.now());
        self.slice.push(match user {
            Some(user) if problems.is_empty() => {
                Line::Good(user.into_new_user(self.partner.org_id, self.trace))
            }
            user => {
                problems.truncate(MAX_PROBLEMS);
                Line::Bad(user.map(|user| user.user_id), problems)
            }
        });
        if self.slice.len() == SLICE {
            self.store().await;
        }
    }

    /// Stores the slice, and notes what became of its lines.
    async fn store(&mut self) {
        let (mut users, mut verdicts) = (Vec::new(), Vec::new());
        for line in self.slice.drain(..) {
            verdicts.push(match line {
                Line::Good(user) => {
                    let user_id = user.user_id;
                    users.push(user);
                    Ok(user_id)
                }
                Line::Bad(user_id, problems) => Err((user_id, problems)),
            });
        }
        let outcomes =
            insert_each(&self.app.db, &self.app.clock, self.app.config.request_timeout, &users).await;
        if outcomes.contains(&Some(InsertOutcome::Created)) {
            self.app.outbox.wake(self.partner.org_id, Stream::Users);
        }
        let mut outcomes = outcomes.into_iter();
        for verdict in verdicts {
            self.note(match verdict {
                Ok(user_id) => {
                    let status = status(outcomes.next().flatten());
                    BulkResult { user_id: Some(user_id), status, detail: Vec::new() }
                }
                Err((user_id, detail)) => BulkResult { user_id, status: BulkStatus::Invalid, detail },
            });
        }
    }

    fn note(&mut self, mut result: BulkResult) {
        if self.in_full == 0 {
            result.detail.truncate(1);
        }
        // Plain data with string keys, into memory: this cannot fail.
        let length = self.reply.line(|out| drop(serde_json::to_writer(out, &result)));
        if !result.detail.is_empty() {
            self.in_full = self.in_full.saturating_sub(length);
        }
    }
}

fn status(outcome: Option<InsertOutcome>) -> BulkStatus {
    match outcome {
        Some(InsertOutcome::Created) => BulkStatus::Created,
        Some(InsertOutcome::Exists) => BulkStatus::Exists,
        Some(InsertOutcome::NoOrg | InsertOutcome::Unavailable) | None => BulkStatus::Failed,
    }
}
