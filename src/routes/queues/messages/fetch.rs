//! Fetching: look, and look again when something is written, until there is something or the time is over.
//! No connection of the database is held while it waits. A hand-out is one statement: what a client that
//! hangs up never sees comes again like all that is not acknowledged.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::input::FetchMessages;
use super::require_polled;
use super::store::{self, HandOut};
use super::token::AckToken;
use crate::error::{ApiError, Code};
use crate::events::StreamName;
use crate::events::message::Message;
use crate::events::options::MessageForm;
use crate::events::secrets::secrets_of;
use crate::ids::OrgId;
use crate::sending::{Sender, require_recipient};
use crate::state::App;

/// Between looks for what other replicas have written, give or take a quarter.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// The time that wakes gather.
const GATHER: Duration = Duration::from_millis(20);
/// Looks without a pause at a queue that skips what it has.
const MOST_LOOKS: usize = 20;

/// Messages in their final form, and what acknowledges them.
pub struct Fetched {
    pub messages: Vec<String>,
    pub token: AckToken,
}

/// Hands out messages of a queue, as soon as there are any.
pub async fn fetch(
    app: &App,
    org_id: OrgId,
    stream: &StreamName,
    wanted: FetchMessages,
) -> Result<Fetched, ApiError> {
    let deadline = Instant::now() + Duration::from_secs(wanted.wait_seconds);
    let poller = app.outbox.pollers.enter(org_id, stream.as_str());
    loop {
        let token = AckToken::new(app.clock.now());
        let found = look(app, org_id, stream, wanted.limit, token).await?;
        if !found.events.is_empty() {
            if found.has_more {
                poller.pass_on();
            }
            return Ok(Fetched { messages: signed(app, org_id, stream, &found).await?, token });
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || app.draining.load(Ordering::Acquire) {
            return Ok(Fetched { messages: Vec::new(), token });
        }
        let pause = LOOK_INTERVAL.mul_f64(rand::random_range(0.75..1.25)).min(left);
        // Late is as good as woken: either way it looks.
        let _ = timeout(pause, poller.woken()).await;
        // The next wake may be for another queue of the org: not each of many is worth a look.
        sleep(GATHER.min(deadline.saturating_duration_since(Instant::now()))).await;
    }
}

/// One look; more where the queue skips all that it has.
async fn look(
    app: &App,
    org_id: OrgId,
    stream: &StreamName,
    limit: i64,
    token: AckToken,
) -> Result<HandOut, ApiError> {
    let mut looks = 0;
    loop {
        let look = app.outbox.pollers.look(org_id, stream.as_str());
        let now = app.clock.now();
        let queue = (org_id, stream.as_str());
        let found = store::hand_out(&app.db.pool, queue, look, limit, token, now).await?;
        require_polled(found.queue_type.as_deref())?;
        looks += 1;
        if !found.events.is_empty() || !found.has_more || limit == 0 || looks == MOST_LOOKS {
            return Ok(found);
        }
    }
}

/// Signs what is handed out, with the secrets that live now.
async fn signed(
    app: &App,
    org_id: OrgId,
    stream: &StreamName,
    found: &HandOut,
) -> Result<Vec<String>, ApiError> {
    let secrets = secrets_of(&app.db.pool, &app.keyring.master, &[org_id], app.clock.now())
        .await?
        .remove(&org_id)
        .ok_or(Code::SigningSecretRequired)?;
    let (format, encrypt_to) = &found.form;
    let form = MessageForm::stored(format, encrypt_to.as_deref()).map_err(ApiError::internal)?;
    if let Some(meant) = form.encrypt_to {
        require_recipient(app, org_id, meant).await?;
    }
    let sender = Sender { org_id, form, secrets: &secrets };
    let mut messages = Vec::with_capacity(found.events.len());
    for event in &found.events {
        let message = Message {
            id: event.id,
            stream: stream.as_str(),
            kind: &event.kind,
            body: &event.body,
            subject: event.subject.as_deref(),
            trace: None,
            anew: false,
        };
        let signed = sender.prepare(app, message).await.map_err(ApiError::unavailable)?;
        messages.push(signed.delivery().message.to_owned());
    }
    Ok(messages)
}
