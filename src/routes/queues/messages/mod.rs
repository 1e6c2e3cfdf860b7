//! Queues that partners fetch from (contract 14): messages are handed out for a minute, and come again
//! unless they are acknowledged.

mod fetch;
mod input;
mod store;
mod token;

use std::time::Duration;

use axum::extract::State;
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::fetch::{Fetched, fetch};
use self::input::{AcknowledgeMessages, AcknowledgeMessagesBody, FetchMessages};
use self::store::Acknowledged;
use super::input::QueuePath;
use crate::error::{ApiError, Code};
use crate::events::StreamName;
use crate::events::envelope::Envelope;
use crate::http::input::Valid;
use crate::http::paging::Data;
use crate::idempotency::{self, Once, Reply, Work};
use crate::identity::Partner;
use crate::identity::key_scopes::KeyScope;
use crate::ids::OrgId;
use crate::state::App;

/// Where messages are fetched: such requests may wait, so they have a limit of their own.
pub const PATH: &str = "/v1/admin/org/queues/{queue_name}/messages";
/// How long such a request may take longer than others.
pub const LONGEST_WAIT: Duration = Duration::from_secs(FetchMessages::LONGEST.unsigned_abs());

/// Messages and their acknowledgement.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(fetch_messages)).routes(routes!(acknowledge_messages))
}

/// Returns `true` if a path is that of an acknowledgement, which changes no queue.
#[must_use]
pub fn is_acknowledgement(path: &str) -> bool {
    let rest = path.strip_prefix("/v1/admin/org/queues/").and_then(|rest| rest.strip_suffix("/ack"));
    rest.is_some_and(|name| !name.contains('/'))
}

/// Messages that were handed out.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what `fetch_messages` answers")]
pub struct FetchedMessages {
    /// In the order in which they should be handled, as on any other queue.
    data: Vec<Envelope<'static>>,
    /// Acknowledges all of them. Null where there are none.
    #[schema(required, min_length = 32, max_length = 32)]
    ack_token: Option<String>,
}

/// What was acknowledged.
#[derive(Serialize, ToSchema)]
pub struct AcknowledgedMessages {
    /// The messages that are delivered by it. Those that were already are not counted.
    acknowledged: i64,
}

/// Fetch messages of a queue of the type `poll`.
///
/// Signed as they are handed out. They are the caller's for 60 seconds; those that were not acknowledged
/// by then come again, to whoever asks. While there is none, the reply waits for `wait_seconds`.
#[utoipa::path(
    get, path = "/v1/admin/org/queues/{queue_name}/messages", tag = "Events", params(QueuePath, FetchMessages),
    extensions(("x-required-scope" = json!(KeyScope::EventsConsume))),
    responses(
        (status = 200, description = "Messages, or none.", body = FetchedMessages),
        (status = 404, description = "`unknown_stream` or `queue_not_configured`"),
        (status = 409, description = "`queue_type_mismatch`: messages are sent to this queue."),
    ),
)]
async fn fetch_messages(
    State(app): State<App>,
    partner: Partner,
    method: Method,
    Valid((path, wanted)): Valid<(QueuePath, FetchMessages)>,
) -> Result<Response, ApiError> {
    let (org_id, stream) = (partner.org_id, path.stream(&app.streams).await?);
    // Whoever asks for the head alone does not see what would be handed out.
    let wanted = if method == Method::HEAD { FetchMessages { limit: 0, wait_seconds: 0 } } else { wanted };
    let Fetched { messages, token } = fetch(&app, org_id, &stream, wanted).await?;
    let token = if messages.is_empty() { "null".to_owned() } else { format!("{:?}", token.encode()) };
    let body = format!(r#"{{"data":[{}],"ack_token":{token}}}"#, messages.join(","));
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

/// Acknowledge messages.
///
/// By the `ack_token` of a reply, all of its messages but those that came again and are somebody else's
/// by now; or by their ids. Acknowledging twice changes nothing.
#[utoipa::path(
    post, path = "/v1/admin/org/queues/{queue_name}/ack", tag = "Events", params(QueuePath),
    extensions(("x-required-scope" = json!(KeyScope::EventsConsume))),
    request_body = AcknowledgeMessagesBody,
    responses(
        (status = 200, description = "They do not come again.", body = Data<AcknowledgedMessages>),
        (status = 404, description = "`unknown_stream` or `queue_not_configured`"),
        (status = 409, description = "`queue_type_mismatch`: messages are sent to this queue."),
    ),
)]
async fn acknowledge_messages(
    State(app): State<App>,
    partner: Partner,
    Once { input: (path, AcknowledgeMessages(what)), claim }: Once<(QueuePath, AcknowledgeMessages)>,
) -> Result<Response, ApiError> {
    let stream = path.stream(&app.streams).await?;
    let work = Acknowledgement { app: app.clone(), org_id: partner.org_id, stream, what };
    let reply = |acknowledged| {
        Reply::new(axum::http::StatusCode::OK, &Data { data: AcknowledgedMessages { acknowledged } })
    };
    idempotency::execute(&app, claim, work, reply).await
}

/// Messages to be acknowledged.
struct Acknowledgement {
    app: App,
    org_id: OrgId,
    stream: StreamName,
    what: Acknowledged,
}

impl Work for Acknowledgement {
    /// The number of messages.
    type Done = i64;

    async fn execute_in(&self, tx: &mut PgConnection) -> Result<i64, ApiError> {
        let queue = (self.org_id, self.stream.as_str());
        let done = store::acknowledge(tx, queue, &self.what, self.app.clock.now()).await?;
        require_polled(done.queue_type.as_deref())?;
        Ok(done.acknowledged)
    }
}

/// Passes if that is the type of a queue that is fetched from.
fn require_polled(queue_type: Option<&str>) -> Result<(), ApiError> {
    match queue_type {
        Some("poll") => Ok(()),
        Some(_) => Err(Code::QueueTypeMismatch.into()),
        None => Err(Code::QueueNotConfigured.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_is_told_by_its_path_alone() {
        assert!(is_acknowledgement("/v1/admin/org/queues/users/ack"));
        for path in
            ["/v1/admin/org/queues/ack", "/v1/admin/org/queues/users/ack/", "/v1/admin/org/queues/a/b/ack"]
        {
            assert!(!is_acknowledgement(path), "{path}");
        }
    }
}
