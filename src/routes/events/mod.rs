//! The events that partners see: what waits, what was delivered, what failed, and sending it again
//! (contract 6).

pub(crate) mod entry;
mod input;
pub mod store;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use self::entry::{EventDetail, EventEntry};
use self::input::{EventFilter, EventPath, EventStatus, ReplayEventsBody};
pub use self::input::{EventId, MAX_IDS, ReplayEvents, event_id};
use self::store::Filter;
use crate::error::{ApiError, Code};
use crate::events::StreamName;
use crate::http::input::Valid;
use crate::http::paging::{Data, List, Page};
use crate::idempotency::{self, Once, Reply, Work};
use crate::identity::Partner;
use crate::identity::key_scopes::KeyScope;
use crate::ids::OrgId;
use crate::state::App;

/// Events that one range may hold.
const MAX_RANGE: i64 = 10_000;

/// `/v1/admin/org/events`.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_events))
        .routes(routes!(get_event))
        .routes(routes!(replay_events))
}

/// What will be sent again.
#[derive(Serialize, ToSchema)]
pub struct Replayed {
    /// How many events.
    replayed: u64,
}

/// List events and their delivery.
///
/// Ordered by creation, oldest first.
#[utoipa::path(
    get, path = "/v1/admin/org/events", tag = "Events", params(EventFilter, Page),
    extensions(("x-required-scope" = json!(KeyScope::EventsRead))),
    responses((status = 200, description = "A page of events.", body = List<EventEntry>)),
)]
async fn list_events(
    State(app): State<App>,
    partner: Partner,
    Valid((filter, page)): Valid<(EventFilter, Page)>,
) -> Result<Json<List<EventEntry>>, ApiError> {
    let (db, org_id) = (&app.db.pool, partner.org_id);
    let list = list_name(&filter);
    let streams = match filter.stream {
        Some(name) => vec![app.streams.find(&name).await?.ok_or_else(input::unknown_filter)?],
        None => app.streams.all().await?,
    };
    let filter = Filter { streams, status: filter.status };
    let (events, counted) = store::list(db, org_id, &filter, page).await?;
    let count_all = async || store::count(db, org_id, &filter).await;
    let total = app.totals.total(list, org_id, counted, count_all).await?;
    Ok(Json(page.of(events, total)))
}

/// Show an event.
///
/// With the very text that is signed, and what became of the last 20 attempts to deliver it.
#[utoipa::path(
    get, path = "/v1/admin/org/events/{event_id}", tag = "Events", params(EventPath),
    extensions(("x-required-scope" = json!(KeyScope::EventsRead))),
    responses(
        (status = 200, description = "The event.", body = Data<EventDetail>),
        (status = 404, description = "`not_found`: this org has no such event, or not any more."),
    ),
)]
async fn get_event(
    State(app): State<App>,
    partner: Partner,
    Valid(EventPath { event_id }): Valid<EventPath>,
) -> Result<Json<Data<EventDetail>>, ApiError> {
    let event = store::find(&app.db.pool, partner.org_id, event_id).await?.ok_or(Code::NotFound)?;
    Ok(Json(Data { data: event.shown()? }))
}

/// Under which its total is remembered: each filter makes a list of its own.
fn list_name(filter: &EventFilter) -> String {
    let stream = filter.stream.as_deref().unwrap_or("*");
    format!("events {stream} {}", filter.status.map_or("*", EventStatus::name))
}

/// Send events again.
///
/// With the same `event_id`s, freshly signed. Events being delivered at this moment are left
/// alone and not counted.
#[utoipa::path(
    post, path = "/v1/admin/org/events/replay", tag = "Events",
    extensions(("x-required-scope" = json!(KeyScope::EventsWrite))),
    request_body = ReplayEventsBody,
    responses((status = 202, description = "They will be sent.", body = Data<Replayed>)),
)]
async fn replay_events(
    State(app): State<App>,
    partner: Partner,
    Once { input, claim }: Once<ReplayEvents>,
) -> Result<Response, ApiError> {
    let org_id = partner.org_id;
    let (ids, stream) = chosen(&app, org_id, input).await?;
    let replay = Replay { org_id, ids, now: app.clock.now() };
    let reply = |replayed| Reply::new(StatusCode::ACCEPTED, &Data { data: Replayed { replayed } });
    let response = idempotency::execute(&app, claim, replay, reply).await?;
    let streams = if let Some(stream) = stream { vec![stream] } else { app.streams.all().await? };
    streams.into_iter().for_each(|stream| app.outbox.wake(org_id, stream));
    Ok(response)
}

/// The events that the partner means, and the stream, if all are of one.
async fn chosen(
    app: &App,
    org_id: OrgId,
    input: ReplayEvents,
) -> Result<(Vec<Uuid>, Option<StreamName>), ApiError> {
    let (stream, from, to) = match input {
        ReplayEvents::Ids(ids) => return Ok((ids, None)),
        ReplayEvents::Range { stream, from, to } => (stream, from, to),
    };
    let stream = app.streams.find(&stream).await?.ok_or_else(input::unknown_range)?;
    let ids = store::ids_between(&app.db.pool, org_id, &stream, from, to, MAX_RANGE + 1).await?;
    if ids.len() as i64 > MAX_RANGE {
        return Err(ApiError::Invalid(vec![input::too_many()]));
    }
    Ok((ids, Some(stream)))
}

/// Events to be sent again.
struct Replay {
    org_id: OrgId,
    ids: Vec<Uuid>,
    now: DateTime<Utc>,
}

impl Work for Replay {
    /// The number of events.
    type Done = u64;

    async fn execute_in(&self, tx: &mut PgConnection) -> Result<u64, ApiError> {
        Ok(store::replay(tx, self.org_id, &self.ids, self.now).await?)
    }
}
