//! The partner's own queues, one a stream (contract 6). A queue is stored only after a signed test
//! event has reached it; the test runs outside any transaction.

mod body;
mod change;
mod health;
mod input;
pub mod messages;
pub mod operator;
pub mod pause;
mod put;
mod reply;
mod rules;
mod store;
mod test_publish;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::body::RegisterQueueBody;
use self::change::step;
use self::input::{QueuePath, RegisterQueue};
use self::put::Put;
use self::reply::Queue;
use self::rules::QueueAction;
use self::store::QueueRow;
use crate::changes::Mandate;
use crate::error::{ApiError, Code};
use crate::events::StreamName;
use crate::events::queue::StoredQueue;
use crate::http::input::Valid;
use crate::http::paging::{Data, List, Listed, Page};
use crate::idempotency::{self, Once, Reply};
use crate::identity::Partner;
use crate::identity::key_scopes::KeyScope;
use crate::ids::OrgId;
use crate::request_id::TraceContext;
use crate::state::App;

/// `/v1/admin/org/queues`.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_queues))
        .routes(routes!(create_queue, replace_queue, get_queue, delete_queue))
        .routes(routes!(test_queue))
        .merge(pause::routes())
        .merge(health::routes())
        .merge(messages::routes())
}

/// Says that a stream's queue was changed, which another stream tells of.
fn changed(app: &App, org_id: OrgId, stream: Option<StreamName>) {
    if let Some(stream) = stream {
        app.outbox.queue_changed(org_id, stream.told_on());
        app.outbox.queue_changed(org_id, stream);
    }
}

/// What a test event said.
#[derive(Serialize, ToSchema)]
pub struct TestedQueue {
    /// The test event's id.
    #[schema(pattern = "^evt_[0-9a-f]{32}$", example = "evt_0192f0c123457abc8def0123456789ab")]
    event_id: String,
}

/// Register an event queue.
///
/// A signed `queue.test` event is sent first; if the queue does not acknowledge it within 5
/// seconds, nothing is stored and the 400 says why. Events that waited are then delivered.
#[utoipa::path(
    post, path = "/v1/admin/org/queues/{queue_name}", tag = "Events", params(QueuePath),
    extensions(("x-required-scope" = json!(KeyScope::QueuesWrite))),
    request_body = RegisterQueueBody,
    responses(
        (status = 201, description = "Registered.", body = Data<Queue>),
        (status = 400, description = "`conflicting_credentials`, or `invalid_request`: the test event did not arrive, and why."),
        (status = 403, description = "`forbidden`, or `key_superseded`: the key that authenticates is in its grace window."),
        (status = 404, description = "`unknown_stream`"),
        (status = 409, description = "`queue_already_configured`, `signing_secret_not_configured`, or `no_encryption_key`: what `encrypt_to` names."),
    ),
)]
async fn create_queue(
    State(app): State<App>,
    mandate: Mandate,
    Once { input: (path, input), claim }: Once<(QueuePath, RegisterQueue)>,
) -> Result<Response, ApiError> {
    Put { app: &app, mandate, path, kind: QueueAction::Create }.execute(input, claim).await
}

/// Replace an event queue.
///
/// As with registration, a test event is sent to the new queue first; if it fails, the old one
/// stays. Events that wait for their next attempt are sent now; a paused queue is resumed. The other
/// stream carries `queue.replaced`, and the old queue is told once.
#[utoipa::path(
    put, path = "/v1/admin/org/queues/{queue_name}", tag = "Events", params(QueuePath),
    extensions(("x-required-scope" = json!(KeyScope::QueuesWrite))),
    request_body = RegisterQueueBody,
    responses(
        (status = 200, description = "Replaced.", body = Data<Queue>),
        (status = 400, description = "`conflicting_credentials`, or `invalid_request`: the test event did not arrive, and why."),
        (status = 403, description = "`forbidden`, or `key_superseded`: the key that authenticates is in its grace window."),
        (status = 404, description = "`unknown_stream` or `queue_not_configured`"),
        (status = 409, description = "`signing_secret_not_configured`, or `no_encryption_key`: what `encrypt_to` names."),
    ),
)]
async fn replace_queue(
    State(app): State<App>,
    mandate: Mandate,
    Valid((path, input)): Valid<(QueuePath, RegisterQueue)>,
) -> Result<Response, ApiError> {
    Put { app: &app, mandate, path, kind: QueueAction::Replace }.execute(input, None).await
}

/// List event queues.
///
/// With how many events wait for each and how many have failed; without their secrets.
#[utoipa::path(
    get, path = "/v1/admin/org/queues", tag = "Events", params(Page),
    extensions(("x-required-scope" = json!(KeyScope::QueuesRead))),
    responses((status = 200, description = "The queues.", body = List<Queue>)),
)]
async fn list_queues(
    State(app): State<App>,
    partner: Partner,
    Valid(page): Valid<Page>,
) -> Result<Json<List<Queue>>, ApiError> {
    let rows = store::find(&app.db.pool, partner.org_id, None, app.clock.now()).await?;
    let total = rows.len() as i64;
    // There are no more queues than streams.
    let (skip, take) = (page.skip() as usize, page.rows() as usize);
    let queues = rows.into_iter().map(|row| Queue::of(&app, partner.org_id, row));
    let mut queues = queues.collect::<Result<Vec<_>, _>>()?;
    queues.retain(|queue| queue.cursor_position() > page.after());
    Ok(Json(page.of(queues.into_iter().skip(skip).take(take).collect(), total)))
}

/// Show an event queue.
///
/// With how many events wait for it and how many have failed; without its secrets.
#[utoipa::path(
    get, path = "/v1/admin/org/queues/{queue_name}", tag = "Events", params(QueuePath),
    extensions(("x-required-scope" = json!(KeyScope::QueuesRead))),
    responses(
        (status = 200, description = "The queue.", body = Data<Queue>),
        (status = 404, description = "`unknown_stream` or `queue_not_configured`"),
    ),
)]
async fn get_queue(
    State(app): State<App>,
    partner: Partner,
    Valid(path): Valid<QueuePath>,
) -> Result<Json<Data<Queue>>, ApiError> {
    let (org_id, stream) = (partner.org_id, path.stream(&app.streams).await?);
    let row = store::find(&app.db.pool, org_id, Some(&stream), app.clock.now())
        .await?
        .pop()
        .ok_or(Code::QueueNotConfigured)?;
    Ok(Json(Data { data: Queue::of(&app, org_id, row)? }))
}

/// Remove an event queue.
///
/// Later events wait for the next one. The other stream carries `queue.deleted`, and the removed
/// queue is told once.
#[utoipa::path(
    delete, path = "/v1/admin/org/queues/{queue_name}", tag = "Events", params(QueuePath),
    extensions(("x-required-scope" = json!(KeyScope::QueuesWrite))),
    responses(
        (status = 204, description = "Removed."),
        (status = 403, description = "`forbidden`, or `key_superseded`: the key that authenticates is in its grace window."),
        (status = 404, description = "`unknown_stream` or `queue_not_configured`"),
    ),
)]
async fn delete_queue(
    State(app): State<App>,
    mandate: Mandate,
    Valid(path): Valid<QueuePath>,
) -> Result<StatusCode, ApiError> {
    let org_id = mandate.org_id;
    let stream = path.find(&app.streams).await?;
    step(&app.clock, mandate, QueueAction::Delete, stream.clone()).execute(&app.db).await?;
    changed(&app, org_id, stream);
    Ok(StatusCode::NO_CONTENT)
}

/// Send a test event.
///
/// A signed `queue.test` event is sent now, and the reply says whether the queue acknowledged it. If
/// it did, events that wait for their next attempt are sent now as well, unless the queue is paused.
#[utoipa::path(
    post, path = "/v1/admin/org/queues/{queue_name}/test", tag = "Events", params(QueuePath),
    extensions(("x-required-scope" = json!(KeyScope::QueuesWrite))),
    responses(
        (status = 202, description = "The queue has it.", body = Data<TestedQueue>),
        (status = 400, description = "`conflicting_credentials`, or `invalid_request`: the test event did not arrive, and why."),
        (status = 404, description = "`unknown_stream` or `queue_not_configured`"),
        (status = 409, description = "`queue_type_mismatch`: messages of this queue are fetched."),
    ),
)]
async fn test_queue(
    State(app): State<App>,
    partner: Partner,
    trace: Option<TraceContext>,
    Once { input: path, claim }: Once<QueuePath>,
) -> Result<Response, ApiError> {
    let (org_id, stream) = (partner.org_id, path.stream(&app.streams).await?);
    let row = store::find(&app.db.pool, org_id, Some(&stream), app.clock.now())
        .await?
        .pop()
        .ok_or(Code::QueueNotConfigured)?;
    if row.kind == "poll" {
        return Err(Code::QueueTypeMismatch.into());
    }
    let QueueRow { kind, settings, sealed, .. } = &row;
    let stored = StoredQueue { org_id, stream: stream.as_str(), kind, settings, sealed: sealed.as_deref() };
    let target = stored.target(&app.keyring.master, app.config.targets.policy);
    let target = target.map_err(|error| test_publish::failed(&error))?;
    let form = row.form().map_err(|error| test_publish::failed(&error))?;
    let event_id = test_publish::send(&app, org_id, &stream, (&target, form), trace).await?;
    store::proven(&app.db.pool, org_id, &stream).await?;
    app.outbox.queue_changed(org_id, stream);
    let reply = Reply::new(StatusCode::ACCEPTED, &Data { data: TestedQueue { event_id } })?;
    idempotency::keep(&app, claim, reply).await
}
