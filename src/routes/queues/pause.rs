//! Letting a queue stand still, and go on (contract 14).

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::change::step;
use super::input::QueuePath;
use super::reply::Queue;
use super::rules::{QueueAction, Standing};
use super::store::StreamQueue;
use crate::changes::Mandate;
use crate::error::{ApiError, Code};
use crate::events::{PauseReason, StreamName};
use crate::http::paging::Data;
use crate::idempotency::{self, Claim, Once, Reply};
use crate::identity::key_scopes::KeyScope;
use crate::ids::OrgId;
use crate::state::App;

/// `.../queues/{queue_name}/pause` and `/resume`.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(pause_queue)).routes(routes!(resume_queue))
}

/// Pause an event queue.
///
/// Its events wait until it is resumed or replaced. The other stream carries `queue.paused`, and the
/// queue itself is told once. A queue that is paused already stays as it is.
#[utoipa::path(
    post, path = "/v1/admin/org/queues/{queue_name}/pause", tag = "Events", params(QueuePath),
    extensions(("x-required-scope" = json!(KeyScope::QueuesWrite))),
    responses(
        (status = 200, description = "It is paused.", body = Data<Queue>),
        (status = 403, description = "`forbidden`, or `key_superseded`: the key that authenticates is in its grace window."),
        (status = 404, description = "`unknown_stream` or `queue_not_configured`"),
    ),
)]
async fn pause_queue(
    State(app): State<App>,
    mandate: Mandate,
    Once { input: path, claim }: Once<QueuePath>,
) -> Result<Response, ApiError> {
    change(&app, mandate, QueueAction::Pause(PauseReason::Requested), &path, claim).await
}

/// Resume an event queue.
///
/// Events that waited are sent now, those that wait for their next attempt included.
#[utoipa::path(
    post, path = "/v1/admin/org/queues/{queue_name}/resume", tag = "Events", params(QueuePath),
    extensions(("x-required-scope" = json!(KeyScope::QueuesWrite))),
    responses(
        (status = 200, description = "Events are sent.", body = Data<Queue>),
        (status = 403, description = "`forbidden`, or `key_superseded`: the key that authenticates is in its grace window."),
        (status = 404, description = "`unknown_stream` or `queue_not_configured`"),
    ),
)]
async fn resume_queue(
    State(app): State<App>,
    mandate: Mandate,
    Once { input: path, claim }: Once<QueuePath>,
) -> Result<Response, ApiError> {
    change(&app, mandate, QueueAction::Resume, &path, claim).await
}

async fn change(
    app: &App,
    mandate: Mandate,
    kind: QueueAction,
    path: &QueuePath,
    claim: Option<Claim>,
) -> Result<Response, ApiError> {
    let (org_id, shown) = (mandate.org_id, app.clone());
    let stream = path.find(&app.streams).await?;
    let change = step(&app.clock, mandate, kind, stream.clone());
    let reply = move |row: Option<_>| {
        let row = row.ok_or(Code::QueueNotConfigured)?;
        Reply::new(StatusCode::OK, &Data { data: Queue::of(&shown, org_id, row)? })
    };
    let response = idempotency::execute(app, claim, change, reply).await?;
    super::changed(app, org_id, stream);
    Ok(response)
}

/// Lets a queue stand still whose receiver said that it is gone; `put_at` tells which queue that was.
/// Does nothing where it is no longer there, or already stands still.
///
/// # Errors
/// The database cannot be asked.
pub async fn receiver_is_gone(
    app: &App,
    org_id: OrgId,
    stream: &StreamName,
    put_at: DateTime<Utc>,
) -> Result<(), ApiError> {
    let kind = QueueAction::Pause(PauseReason::Gone);
    let queue = StreamQueue { stream: Some(stream.clone()), new: None };
    let stream = stream.clone();
    let rule = move |org: &Standing| org.decide_for(put_at, kind, stream.clone());
    let change = Mandate::service(org_id, &app.keyring).change(&app.clock, queue, rule);
    match change.execute(&app.db).await {
        Err(ApiError::Failed(failure)) if failure.code == Code::QueueNotConfigured => Ok(()),
        done => done.map(drop),
    }
}
