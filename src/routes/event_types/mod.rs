//! `GET /v1/event-types`: the catalogue of what there is to hear of, ours and the platform's (contract 15).

use std::sync::LazyLock;

use axum::Json as JsonReply;
use axum::extract::State;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::{ApiError, Problem, ProblemKind};
use crate::events::schemas::{data_schema, describe};
use crate::events::{EventType, Stream, StreamName};
use crate::http::input::{AnyObject, Body, Input, Json, Reader, Valid};
use crate::http::paging::Data;
use crate::identity::Partner;
use crate::identity::key_scopes::KeyScope;
use crate::state::App;
use crate::streams::store::PlatformStream;

/// `/v1/event-types`.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_event_types))
}

/// A stream, and the types of events on it.
#[derive(Serialize, ToSchema)]
pub struct EventStream {
    /// The stream's name: a queue's `queue_name`.
    stream: StreamName,
    /// For people.
    description: String,
    /// The types of events on it.
    types: Vec<StreamEventType>,
}

/// A type of events.
#[derive(Serialize, ToSchema)]
pub struct StreamEventType {
    /// The `type` of the body.
    #[schema(example = "tenant_key.rotated")]
    r#type: String,
    /// For people.
    description: String,
    /// What its `data` keeps to, a JSON Schema; null where any object will do. Fields may be added.
    #[schema(required, value_type = Option<AnyObject>)]
    schema: Option<Json>,
}

/// Which streams to list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StreamFilter {
    /// Only this one.
    #[param(value_type = Option<StreamName>)]
    stream: Option<String>,
}

const STREAMS: &str = "must be the name of a stream, such as users or credentials";

impl Input for StreamFilter {
    const BODY: Body = Body::None;

    fn read(request: &mut Reader) -> Option<Self> {
        let name = |name: &str| StreamName::is_one(name).then(|| name.to_owned());
        Some(Self { stream: request.query("stream").choice(STREAMS, name) })
    }
}

/// List event types.
///
/// Every stream that a queue can be registered for, with the types of events on it and the schemas of their data: the
/// service's own first, then the platform's by name. Types may be added at any time.
#[utoipa::path(
    get, path = "/v1/event-types", tag = "Events", params(StreamFilter),
    extensions(("x-required-scope" = json!(KeyScope::EventsRead))),
    responses((status = 200, description = "The streams and their types.", body = Data<Vec<EventStream>>)),
)]
async fn list_event_types(
    State(app): State<App>,
    _: Partner,
    Valid(StreamFilter { stream }): Valid<StreamFilter>,
) -> Result<JsonReply<Data<Vec<EventStream>>>, ApiError> {
    let chosen = match stream {
        None => None,
        Some(name) => Some(app.streams.find(&name).await?.ok_or_else(unknown)?),
    };
    let is_chosen = |name: &StreamName| chosen.as_ref().is_none_or(|chosen| chosen == name);
    let catalogue = app.streams.catalogue().await?;
    let ours = Stream::ALL.into_iter().filter(|stream| is_chosen(&(*stream).into())).map(built_in);
    let theirs = catalogue.streams().filter(|stream| is_chosen(&stream.name)).map(|stream| platform(stream));
    Ok(JsonReply(Data { data: ours.chain(theirs).collect::<Result<_, _>>()? }))
}

fn unknown() -> ApiError {
    ApiError::Invalid(vec![Problem::query("stream", ProblemKind::Enum, STREAMS)])
}

/// The schemas of our own types, as text.
static BUILT_IN: LazyLock<Vec<(EventType, String)>> =
    LazyLock::new(|| EventType::ALL.iter().map(|kind| (*kind, data_schema(*kind).to_string())).collect());

fn built_in(stream: Stream) -> Result<EventStream, ApiError> {
    let description = match stream {
        Stream::Users => "Changes of your users, and what happens to the queue of `credentials`.",
        Stream::Credentials => {
            "Changes of your keys, secrets, reports and of the organisation, and what happens to the other queues."
        }
    };
    let types = BUILT_IN.iter().filter(|(kind, _)| kind.stream() == stream || kind.is_of_a_queue());
    let types = types.map(|(kind, schema)| shown(kind.name(), describe(*kind), Some(schema)));
    Ok(EventStream {
        stream: stream.into(),
        description: description.to_owned(),
        types: types.collect::<Result<_, _>>()?,
    })
}

fn platform(stream: &PlatformStream) -> Result<EventStream, ApiError> {
    let types = stream.types.iter().map(|kind| shown(&kind.name, &kind.description, kind.schema.as_deref()));
    Ok(EventStream {
        stream: stream.name.clone(),
        description: stream.description.clone(),
        types: types.collect::<Result<_, _>>()?,
    })
}

fn shown(name: &str, description: &str, schema: Option<&str>) -> Result<StreamEventType, ApiError> {
    let schema = schema.map(serde_json::from_str).transpose().map_err(ApiError::internal)?;
    Ok(StreamEventType { r#type: name.to_owned(), description: description.to_owned(), schema })
}
