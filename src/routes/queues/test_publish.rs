//! The signed test event that proves a queue before it is stored (contract 6).

use std::time::Duration;

use serde_json::json;

use crate::clock::rfc3339;
use crate::error::{ApiError, Code};
use crate::events::message::Message;
use crate::events::options::MessageForm;
use crate::events::secrets::secrets_of;
use crate::events::targets::{DeliveryError, Target};
use crate::events::{StreamName, cut, wire_id};
use crate::ids::{OrgId, new_row_id};
use crate::request_id::TraceContext;
use crate::sending::Sender;
use crate::state::App;

/// The time that a queue has to acknowledge it.
const TIMEOUT: Duration = Duration::from_secs(5);
const KIND: &str = "queue.test";

/// Sends a test event and waits for its acknowledgement; gives its id.
pub async fn send(
    app: &App,
    org_id: OrgId,
    stream: &StreamName,
    (target, form): (&Target, MessageForm),
    trace: Option<TraceContext>,
) -> Result<String, ApiError> {
    let now = app.clock.now();
    let secrets = secrets_of(&app.db.pool, &app.keyring.master, &[org_id], now)
        .await?
        .remove(&org_id)
        .ok_or(Code::SigningSecretRequired)?;
    let id = new_row_id();
    let body = json!({
        "type": KIND,
        "timestamp": rfc3339(cut(now)),
        "org_id": org_id,
        "data": { "stream": stream.as_str() },
    });
    let body = body.to_string();
    let (stream, subject) = (stream.as_str(), None);
    let message = Message { id, stream, kind: KIND, body: &body, subject, trace, anew: true };
    match (Sender { org_id, form, secrets: &secrets }).send(app, message, target, TIMEOUT).await {
        Ok(()) => Ok(wire_id(id)),
        Err(error) => Err(failed(&error)),
    }
}

/// Says why in the classes of contract 6, which name no URL and no body.
pub fn failed(error: &DeliveryError) -> ApiError {
    ApiError::with_message(Code::InvalidRequest, format!("The test event could not be delivered: {error}."))
}
