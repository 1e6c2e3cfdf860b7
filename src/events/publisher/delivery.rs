//! One delivery: sign, send, note what became of it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::store::{self, Claimed, Closing, Health, Outcome};
use super::{DELIVERY_TIMEOUT, QueueId, schedule};
use crate::crypto::secret::Secret;
use crate::db::Db;
use crate::db::batch::{Kept, Slice};
use crate::events::envelope::SignedHeaders;
use crate::events::targets::{Delivery, DeliveryError, Reason, Target};
use crate::events::{Stream, wire_id};
use crate::http::request_id::TraceContext;
use crate::ids::OrgId;
use crate::metrics::DeliveryResult;
use crate::routes::queues::{self, settings::StoredQueue};
use crate::routes::signing_secrets;
use crate::state::App;

/// Signing secrets by org.
pub type Secrets = HashMap<OrgId, Vec<Secret<Vec<u8>>>>;

/// The secrets that sign now, newest first, by org. One that cannot be opened is left out,
/// and said so in the log.
///
/// # Errors
/// When the database cannot be asked.
pub async fn secrets_of(app: &App, org_ids: &[OrgId], now: DateTime<Utc>) -> Result<Secrets, sqlx::Error> {
    let org_ids: Vec<_> = org_ids.iter().map(|org_id| org_id.0).collect();
    let mut secrets = Secrets::new();
    for row in signing_secrets::store::live(&app.db.pool, &org_ids, now).await? {
        let place = signing_secrets::place(row.org_id, row.id);
        match app.keyring.master.open(&place, row.sealed.as_deref().unwrap_or_default()) {
            Ok(secret) => secrets.entry(row.org_id).or_default().push(secret),
            Err(error) => tracing::error!(org_id = %row.org_id, %error, "a signing secret cannot be opened"),
        }
    }
    Ok(secrets)
}

/// Tries one event and notes what became of it.
pub async fn deliver(app: &App, event: Claimed, lease: Uuid, secrets: &Secrets) {
    let began = Instant::now();
    let (outcome, health, error) = match send(app, &event, secrets).await {
        Ok(()) => (Outcome::Delivered, Health::Well, None),
        Err(error) => {
            (after_failure(app, &event, &error), health_after(&error, app.clock.now()), Some(error.reason))
        }
    };
    let result = match outcome {
        Outcome::Delivered => DeliveryResult::Delivered,
        Outcome::Retry { .. } => DeliveryResult::Retried,
        Outcome::Failed { .. } => DeliveryResult::Failed,
    };
    app.metrics.events.attempted(&event.queue_type, result, began.elapsed(), error.as_ref());
    let closing = Closing {
        queue: QueueId::of(&event),
        id: event.id,
        lease,
        at: app.clock.now(),
        was_failing: event.failures > 0,
        outcome,
        health,
    };
    if error == Some(GONE) {
        pause(app, &event).await;
    }
    match app.publisher.closer.ask(closing).await {
        Ok(true) => {}
        Ok(false) => tracing::warn!(event_id = %wire_id(event.id), "a claim had passed to another publisher"),
        // The lease runs out, and the event comes again.
        Err(error) => tracing::warn!(event_id = %wire_id(event.id), %error, "an attempt could not be noted"),
    }
}

/// The receiver wants nothing any more (RFC 9110 15.5.11).
const GONE: Reason = Reason::Status(410);
/// The longest that a receiver can have its queue wait (contract 14).
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(1);

/// What a failure says about the queue.
fn health_after(error: &DeliveryError, now: DateTime<Utc>) -> Health {
    let until = || {
        let wait = TimeDelta::from_std(error.retry_after?).unwrap_or(LONGEST_PAUSE);
        Some(now + wait.min(LONGEST_PAUSE))
    };
    match error.reason {
        Reason::Status(429) => Health::Busy(until()),
        Reason::Status(503) if error.retry_after.is_some() => Health::Busy(until()),
        ref reason if reason.is_events_fault() => Health::Well,
        _ => Health::Unwell,
    }
}

async fn pause(app: &App, event: &Claimed) {
    let Ok(stream) = event.stream.parse::<Stream>() else { return };
    let paused = queues::pause::receiver_is_gone(app, event.org_id, stream, event.put_at).await;
    match paused {
        Ok(()) => app.publisher.rouse(event.org_id, stream.other()),
        // The next attempt is answered with 410 as well.
        Err(_) => {
            tracing::warn!(org_id = %event.org_id, stream = event.stream, "a queue could not be paused")
        }
    }
}

async fn send(app: &App, event: &Claimed, secrets: &Secrets) -> Result<(), DeliveryError> {
    let Some(secrets) = secrets.get(&event.org_id) else {
        return Err(Reason::Settings("the org has no signing secret").into());
    };
    let stored = StoredQueue {
        org_id: event.org_id,
        stream: &event.stream,
        kind: &event.queue_type,
        settings: &event.settings,
        sealed: event.sealed.as_deref(),
    };
    let target = stored.target(&app.keyring.master, app.config.targets.policy)?;
    let trace = event.traceparent.as_deref().and_then(TraceContext::parse);
    let Claimed { id, stream, kind, body, .. } = event;
    let message = Message { id: *id, stream, kind, body, trace, anew: false };
    message.send(app, event.org_id, &target, secrets, DELIVERY_TIMEOUT).await
}

/// Something to sign and send.
#[derive(Debug)]
pub struct Message<'a> {
    pub id: Uuid,
    pub stream: &'a str,
    pub kind: &'a str,
    pub body: &'a str,
    /// Of the request that caused it.
    pub trace: Option<TraceContext>,
    /// See [`Delivery::anew`].
    pub anew: bool,
}

impl Message<'_> {
    /// Signs with every live secret and sends; each attempt has a fresh timestamp.
    pub async fn send(
        &self,
        app: &App,
        org_id: OrgId,
        target: &Target,
        secrets: &[Secret<Vec<u8>>],
        timeout: Duration,
    ) -> Result<(), DeliveryError> {
        let now = app.clock.now();
        let headers = SignedHeaders::sign(self.id, self.body, secrets, now);
        let message = headers.envelope(self.stream, self.kind, org_id, self.body, now);
        let delivery = Delivery {
            event_id: &headers.id,
            org_id: org_id.0,
            stream: self.stream,
            message: &message,
            headers: [
                ("webhook-id", headers.id.clone()),
                ("webhook-timestamp", headers.timestamp.clone()),
                ("webhook-signature", headers.signature.clone()),
            ],
            body: self.body,
            traceparent: self.trace.map(|trace| trace.continued().to_string()),
            anew: self.anew,
        };
        app.targets.send(target, &delivery, timeout).await
    }
}

fn after_failure(app: &App, event: &Claimed, error: &DeliveryError) -> Outcome {
    let attempt = usize::try_from(event.attempts).unwrap_or_default() + 1;
    let luck = rand::random::<f64>();
    let next =
        schedule::next_attempt(attempt, event.first_attempt_at, app.clock.now(), error.retry_after, luck);
    let error = error.to_string();
    match next {
        Some(at) => Outcome::Retry { at, error },
        None => Outcome::Failed { error },
    }
}

/// Notes what became of attempts, many in one statement.
#[derive(Debug)]
pub struct Closer(pub Db);

impl Slice for Closer {
    type In = Closing;
    type Out = bool;
    type Worker = Kept;

    async fn run(&self, kept: &mut Kept, closings: &[Closing]) -> Result<Vec<bool>, sqlx::Error> {
        let db = kept.get(&self.0.pool).await?;
        let closed = match store::close(&mut *db, closings).await {
            Ok(closed) => store::note_health(&mut *db, closings).await.map(|()| closed),
            Err(error) => Err(error),
        };
        kept.used(&self.0.pool, closed)
    }
}
