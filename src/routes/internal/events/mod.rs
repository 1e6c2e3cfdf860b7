//! `/internal/events`: the platform publishes to its partners (contract 15). An event is answered after its commit, from
//! then on it is delivered as ours are. Whoever publishes names the org, the stream and the type; the data's very bytes
//! are signed.

pub mod batch;
pub mod bulk;
mod input;
mod rules;
pub mod store;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::input::PublishEvent;
use self::rules::DataJudgement;
use self::store::{NewEvent, PublishOutcome};
use crate::error::{ApiError, Code};
use crate::events::wire_id;
use crate::http::input::Valid;
use crate::http::paging::Data;
use crate::request_id::TraceContext;
use crate::state::App;

/// `/internal/events` and below.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(publish_event)).routes(routes!(bulk::publish_events_in_bulk))
}

/// An event that was published.
#[derive(Debug, Serialize, ToSchema)]
pub struct PublishedEvent {
    /// Its id, as partners see it.
    #[schema(pattern = "^evt_[0-9a-f]{32}$", example = "evt_0192f0c123457abc8def0123456789ab")]
    event_id: String,
}

/// Publish an event.
///
/// Once it is answered, it is stored, and delivered at least once to the org's queue for its stream. An org that is
/// suspended has its events as before. With an `event_id` it can be sent again safely: what was published before is
/// answered 200, whatever the rest of the body says, and nothing is published twice for as long as the event is kept.
#[utoipa::path(
    post, path = "/internal/events", tag = "Events", request_body = PublishEvent,
    responses(
        (status = 202, description = "It will be delivered.", body = Data<PublishedEvent>),
        (status = 200, description = "It was published before.", body = Data<PublishedEvent>),
        (status = 404, description = "`not_found`: there is no such org."),
        (status = 413, description = "`payload_too_large`: the body has more than 224 KiB."),
    ),
)]
async fn publish_event(
    State(app): State<App>,
    trace: Option<TraceContext>,
    Valid(input): Valid<PublishEvent>,
) -> Result<(StatusCode, Json<Data<PublishedEvent>>), ApiError> {
    let event = judged(&app, input, trace).await?.ok_or(Code::NotFound)?;
    let (org_id, stream) = (event.org_id, event.stream.clone());
    let (status, id) = match app.publishing.ask(event).await? {
        PublishOutcome::Published(id) => {
            app.outbox.wake(org_id, stream);
            (StatusCode::ACCEPTED, id)
        }
        PublishOutcome::Exists(id) => (StatusCode::OK, id),
        PublishOutcome::NoOrg => return Err(Code::NotFound.into()),
        PublishOutcome::Vanished => {
            return Err(ApiError::unavailable("an event went while it was looked up"));
        }
    };
    Ok((status, Json(Data { data: PublishedEvent { event_id: wire_id(id) } })))
}

/// An event that keeps every rule, ready to be written; `None` where there is no such org.
async fn judged(
    app: &App,
    input: PublishEvent,
    trace: Option<TraceContext>,
) -> Result<Option<NewEvent>, ApiError> {
    let found = app.streams.find_type(&input.stream, &input.r#type).await?;
    let (stream, judgement) = rules::on_stream(found, input.data.as_str())?;
    match judgement {
        DataJudgement::Free => {}
        DataJudgement::Here(check) => rules::check(&check, input.data.as_str())?,
        DataJudgement::Elsewhere(check) => {
            let data = input.data.clone();
            app.workers.run(move || rules::check(&check, data.as_str())).await??;
        }
    }
    let Some(org_id) = app.identity.org_named(&input.org).await? else { return Ok(None) };
    Ok(Some(rules::event(org_id, stream, input, trace, app.clock.now())))
}
