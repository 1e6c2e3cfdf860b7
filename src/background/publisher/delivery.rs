//! One delivery: sign, send, note what became of it.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{DELIVERY_TIMEOUT, schedule};
use crate::events::message::Message;
use crate::events::options::MessageForm;
use crate::events::queue::StoredQueue;
use crate::events::secrets::Secrets;
use crate::events::targets::{DeliveryError, Reason};
use crate::events::{StreamName, wire_id};
use crate::metrics::DeliveryResult;
use crate::outbox::QueueId;
use crate::outbox::store::{AttemptOutcome, Claimed, Closing, Health};
use crate::request_id::TraceContext;
use crate::routes::queues;
use crate::sending::Sender;
use crate::state::App;

/// Tries one event and notes what became of it.
pub async fn deliver(app: &App, event: Claimed, lease: Uuid, secrets: &Secrets) {
    let began = Instant::now();
    let (outcome, health, error) = match send(app, &event, secrets).await {
        Ok(()) => (AttemptOutcome::Delivered, Health::Healthy, None),
        Err(error) => {
            (after_failure(app, &event, &error), health_after(&error, app.clock.now()), Some(error.reason))
        }
    };
    let result = match outcome {
        AttemptOutcome::Delivered => DeliveryResult::Delivered,
        AttemptOutcome::Retry { .. } => DeliveryResult::Retried,
        AttemptOutcome::Failed { .. } => DeliveryResult::Failed,
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
    match app.outbox.closer.ask(closing).await {
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

/// The queue's health after a failure.
fn health_after(error: &DeliveryError, now: DateTime<Utc>) -> Health {
    let until = || {
        let wait = TimeDelta::from_std(error.retry_after?).unwrap_or(LONGEST_PAUSE);
        Some(now + wait.min(LONGEST_PAUSE))
    };
    match error.reason {
        Reason::Status(429) => Health::Busy(until()),
        Reason::Status(503) if error.retry_after.is_some() => Health::Busy(until()),
        ref reason if reason.is_events_fault() => Health::Healthy,
        _ => Health::Failing,
    }
}

async fn pause(app: &App, event: &Claimed) {
    let stream = StreamName::stored(&event.stream);
    let paused = queues::pause::receiver_is_gone(app, event.org_id, &stream, event.put_at).await;
    match paused {
        Ok(()) => app.outbox.queue_changed(event.org_id, stream.told_on()),
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
    let message = Message { id: *id, stream, kind, body, subject: None, trace, anew: false };
    let form = MessageForm::stored(&event.format, event.encrypt_to.as_deref())?;
    Sender { org_id: event.org_id, form, secrets }.send(app, message, &target, DELIVERY_TIMEOUT).await
}

fn after_failure(app: &App, event: &Claimed, error: &DeliveryError) -> AttemptOutcome {
    let attempt = usize::try_from(event.attempts).unwrap_or_default() + 1;
    let luck = rand::random::<f64>();
    let next =
        schedule::next_attempt(attempt, event.first_attempt_at, app.clock.now(), error.retry_after, luck);
    let error = error.to_string();
    match next {
        Some(at) => AttemptOutcome::Retry { at, error },
        None => AttemptOutcome::Failed { error },
    }
}
