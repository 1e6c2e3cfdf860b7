//! `/internal/streams`: the platform's own streams of events and the types on them (contract 15). They are every
//! org's, so no org's audit log tells of a change; the log does.

mod input;
mod reply;
mod rules;
mod store;

use axum::extract::State;
use axum::{Extension, Json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::input::PutStream;
use self::input::StreamPath;
use self::reply::{PlatformStreamReply, StreamEntry};
use crate::error::{ApiError, Code};
use crate::events::Stream;
use crate::http::input::Valid;
use crate::http::paging::{Data, List, Listed as _, Page};
use crate::identity::platform::Platform;
use crate::state::App;

/// `/internal/streams` and below.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_streams)).routes(routes!(put_stream, get_stream))
}

/// List streams.
///
/// The platform's own, by their making; `users` and `credentials` are not among them.
#[utoipa::path(
    get, path = "/internal/streams", tag = "Events", params(Page),
    responses((status = 200, description = "A page of streams.", body = List<StreamEntry>)),
)]
async fn list_streams(
    State(app): State<App>,
    Valid(page): Valid<Page>,
) -> Result<Json<List<StreamEntry>>, ApiError> {
    let catalogue = app.streams.read().await?;
    let mut streams: Vec<_> = catalogue.streams().map(|stream| StreamEntry::of(stream)).collect();
    let total = streams.len() as i64;
    streams.sort_by_key(|stream| stream.cursor_position());
    streams.retain(|stream| stream.cursor_position() > page.after());
    // They are few.
    let shown = streams.into_iter().skip(page.skip() as usize).take(page.rows() as usize);
    Ok(Json(page.of(shown.collect(), total)))
}

/// Show a stream.
#[utoipa::path(
    get, path = "/internal/streams/{name}", tag = "Events", params(StreamPath),
    responses(
        (status = 200, description = "The stream, with the schemas of its types.", body = Data<PlatformStreamReply>),
        (status = 404, description = "`unknown_stream`: the platform has no stream of this name."),
    ),
)]
async fn get_stream(
    State(app): State<App>,
    Valid(path): Valid<StreamPath>,
) -> Result<Json<Data<PlatformStreamReply>>, ApiError> {
    reply_of(&app, &path.name).await
}

/// Put a stream in place.
///
/// The whole stream is replaced: what is not named is gone, and events of a type that is gone are still delivered.
/// Every replica knows of it within seconds, and at once where an event is published on it.
#[utoipa::path(
    put, path = "/internal/streams/{name}", tag = "Events", params(StreamPath), request_body = PutStream,
    responses(
        (status = 200, description = "The stream as it is now.", body = Data<PlatformStreamReply>),
        (status = 409, description = "`built_in_stream`: it is one of the service's own; `too_many_streams`."),
        (status = 413, description = "`payload_too_large`: the body has more than 1 MiB."),
    ),
)]
async fn put_stream(
    State(app): State<App>,
    Extension(platform): Extension<Platform>,
    Valid((path, input)): Valid<(StreamPath, PutStream)>,
) -> Result<Json<Data<PlatformStreamReply>>, ApiError> {
    let types = input.types.len();
    put(&app, path.name.clone(), input).await?;
    tracing::info!(stream = path.name, types, token_id = %platform.token_id, "a stream was put in place");
    reply_of(&app, &path.name).await
}

/// Puts a stream in place.
///
/// # Errors
/// 409 for one of the service's own and for one too many; 422 for a type of another stream.
pub async fn put(app: &App, name: String, input: PutStream) -> Result<(), ApiError> {
    if name.parse::<Stream>().is_ok() {
        return Err(Code::BuiltInStream.into());
    }
    store::put(&app.db, name, input, app.clock.now()).await
}

/// A stream as `GET` shows it; `None` where there is none.
///
/// # Errors
/// When the database cannot be asked.
pub async fn shown(app: &App, name: &str) -> Result<Option<serde_json::Value>, ApiError> {
    let catalogue = app.streams.read().await?;
    let Some(stream) = catalogue.stream(name) else { return Ok(None) };
    serde_json::to_value(PlatformStreamReply::of(stream)?).map(Some).map_err(ApiError::internal)
}

async fn reply_of(app: &App, name: &str) -> Result<Json<Data<PlatformStreamReply>>, ApiError> {
    let catalogue = app.streams.read().await?;
    let stream = catalogue.stream(name).ok_or(Code::UnknownStream)?;
    Ok(Json(Data { data: PlatformStreamReply::of(stream)? }))
}
