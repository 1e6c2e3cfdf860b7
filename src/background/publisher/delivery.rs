//! One request to a target: sign, send, and what it says of each event and of the queue.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::address::Address;
use super::lane::Ticket;
use super::pressure::Pressure;
use super::{DELIVERY_TIMEOUT, schedule};
use crate::events::StreamName;
use crate::events::message::{Message, SignedMessage};
use crate::events::secrets::Secrets;
use crate::events::targets::{Delivery, DeliveryError, Reason, Receipt};
use crate::metrics::DeliveryResult;
use crate::outbox::closing::{AttemptOutcome, Closing, DeliveryRecord, Health};
use crate::outbox::reading::DueEvent;
use crate::request_id::TraceContext;
use crate::routes::queues;
use crate::sending::Sender;
use crate::state::App;

/// The receiver wants nothing any more (RFC 9110 15.5.11).
const GONE: Reason = Reason::Status(410);
/// The longest that a receiver can have its queue wait (contract 14).
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);
/// The longest that a target can have beside what it took: it is noted nowhere, and a lane that stood for
/// longer would be given back to somebody who knows nothing of it.
const LONGEST_REST: Duration = Duration::from_secs(15);

/// A request to send: events of one queue.
pub struct Parcel {
    pub address: Arc<Address>,
    pub events: Vec<DueEvent>,
    pub secrets: Arc<Secrets>,
    pub ticket: Ticket,
    /// Of the deliveries that run at the same time.
    pub slot: OwnedSemaphorePermit,
}

/// A request that has ended.
pub struct Sent {
    pub address: Arc<Address>,
    pub attempts: Vec<(DueEvent, Result<Receipt, DeliveryError>)>,
    pub ticket: Ticket,
    pub began_at: DateTime<Utc>,
    pub took: Duration,
}

impl Parcel {
    /// Sends it, once.
    pub async fn send(self, app: &App) -> Sent {
        let (began_at, began) = (app.clock.now(), Instant::now());
        let results = send(app, &self.address, &self.events, &self.secrets, self.ticket.is_last).await;
        drop(self.slot);
        let attempts = self.events.into_iter().zip(results).collect();
        let sent =
            Sent { address: self.address, attempts, ticket: self.ticket, began_at, took: began.elapsed() };
        if sent.errors().any(|error| error.reason == GONE) {
            Box::pin(pause(app, &sent.address)).await;
        }
        sent
    }
}

impl Sent {
    fn errors(&self) -> impl Iterator<Item = &DeliveryError> {
        self.attempts.iter().filter_map(|(_, result)| result.as_ref().err())
    }

    /// Tells the target's pressure how it went; gives until when the queue is to be left alone.
    pub fn tell(
        &self,
        pressure: &mut Pressure,
        now: DateTime<Utc>,
        running_for: Duration,
    ) -> Option<DateTime<Utc>> {
        let mut errors = self.errors();
        if let Some(busy) = self.errors().find(|error| is_busy(error)) {
            let asked = busy.retry_after.map(|asked| asked.min(LONGEST_PAUSE));
            let pause = pressure.refused(self.ticket.epoch, asked, running_for);
            return Some(after(now, pause));
        }
        if errors.any(|error| !error.reason.is_events_fault()) {
            pressure.failed(self.ticket.epoch);
        } else if self.attempts.iter().any(|(_, result)| result.is_ok()) {
            pressure.succeeded(self.took);
        } else {
            pressure.answered();
        }
        let rests = self.attempts.iter().filter_map(|(_, result)| result.as_ref().ok()?.rest);
        rests.max().map(|rest| after(now, rest.min(LONGEST_REST)))
    }

    /// What is to be noted of its events; `resumes_at` is the end of the pause that the receiver asked for.
    pub fn closings(
        self,
        app: &App,
        holder: Uuid,
        was_failing: bool,
        resumes_at: Option<DateTime<Utc>>,
    ) -> Vec<Closing> {
        let (now, took) = (app.clock.now(), self.took);
        let close = |(event, result): (DueEvent, Result<Receipt, DeliveryError>)| {
            let status = result.as_ref().map_or_else(|error| error.reason.status(), |taken| taken.status);
            let error = result.err();
            let outcome = error
                .as_ref()
                .map_or(AttemptOutcome::Delivered, |error| after_failure(&event, error, now, resumes_at));
            let reason = error.as_ref().map(|error| &error.reason);
            app.metrics.events.attempted(&self.address.queue_type, metric(&outcome), took, reason);
            let queue = &self.address.queue;
            app.queue_health.attempted(queue.org_id, &queue.stream, error.is_none(), took);
            Closing {
                queue: self.address.queue.clone(),
                holder,
                id: event.id,
                seq: event.seq,
                attempts: event.attempts,
                began_at: self.began_at,
                at: now,
                was_failing,
                health: error.as_ref().map_or(Health::Healthy, |error| health_after(error, now, resumes_at)),
                delivery: Some(DeliveryRecord {
                    attempt: event.attempts + 1,
                    at: self.began_at,
                    duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                    status,
                    error: error.as_ref().map(ToString::to_string),
                }),
                outcome,
            }
        };
        self.attempts.into_iter().map(close).collect()
    }
}

/// The note that a queue does not take an event.
pub fn skipped(address: &Address, holder: Uuid, event: &DueEvent, now: DateTime<Utc>) -> Closing {
    Closing {
        queue: address.queue.clone(),
        holder,
        id: event.id,
        seq: event.seq,
        attempts: event.attempts,
        began_at: now,
        at: now,
        was_failing: false,
        outcome: AttemptOutcome::Skipped,
        health: Health::Unknown,
        delivery: None,
    }
}

/// The receiver works, and has enough for now (contract 14).
fn is_busy(error: &DeliveryError) -> bool {
    error.reason.is_throttled() || error.reason == Reason::Status(503) && error.retry_after.is_some()
}

fn after(now: DateTime<Utc>, pause: Duration) -> DateTime<Utc> {
    now + TimeDelta::from_std(pause).unwrap_or(TimeDelta::hours(1))
}

/// The queue's health after a failure.
fn health_after(error: &DeliveryError, now: DateTime<Utc>, resumes_at: Option<DateTime<Utc>>) -> Health {
    match error.reason {
        _ if is_busy(error) => Health::Busy(resumes_at.unwrap_or(now)),
        ref reason if reason.is_events_fault() => Health::Healthy,
        _ => Health::Failing,
    }
}

fn after_failure(
    event: &DueEvent,
    error: &DeliveryError,
    now: DateTime<Utc>,
    resumes_at: Option<DateTime<Utc>>,
) -> AttemptOutcome {
    let first_attempt_at = event.first_attempt_at.unwrap_or(now);
    let text = error.to_string();
    if is_busy(error) {
        let at = resumes_at.unwrap_or(now);
        let is_in_time = schedule::is_in_time(first_attempt_at, at);
        return if is_in_time {
            AttemptOutcome::Deferred { at, error: text }
        } else {
            AttemptOutcome::Failed { error: text }
        };
    }
    let attempt = usize::try_from(event.attempts - event.deferrals).unwrap_or_default() + 1;
    let luck = rand::random::<f64>();
    match schedule::next_attempt(attempt, first_attempt_at, now, error.retry_after, luck) {
        Some(at) => AttemptOutcome::Retry { at, error: text },
        None => AttemptOutcome::Failed { error: text },
    }
}

fn metric(outcome: &AttemptOutcome) -> DeliveryResult {
    match outcome {
        AttemptOutcome::Delivered | AttemptOutcome::Skipped => DeliveryResult::Delivered,
        AttemptOutcome::Retry { .. } | AttemptOutcome::Deferred { .. } => DeliveryResult::Retried,
        AttemptOutcome::Failed { .. } => DeliveryResult::Failed,
    }
}

async fn pause(app: &App, address: &Address) {
    let queue = &address.queue;
    let stream = StreamName::stored(&queue.stream);
    let paused = queues::pause::receiver_is_gone(app, queue.org_id, &stream, address.put_at).await;
    match paused {
        Ok(()) => app.outbox.queue_changed(queue.org_id, stream.told_on()),
        // The next attempt is answered with 410 as well.
        Err(_) => {
            tracing::warn!(org_id = %queue.org_id, stream = &*queue.stream, "a queue could not be paused");
        }
    }
}

/// Signs events and sends them in one request; a result for each.
async fn send(
    app: &App,
    address: &Address,
    events: &[DueEvent],
    secrets: &Secrets,
    is_last: bool,
) -> Vec<Result<Receipt, DeliveryError>> {
    let prepared = join_all(events.iter().map(|event| prepare(app, address, event, secrets))).await;
    let deliveries: Vec<_> =
        prepared.iter().flatten().map(|message| Delivery { is_last, ..message.delivery() }).collect();
    let sent = match &address.target {
        Ok(target) => app.targets.send_many(target, &deliveries, DELIVERY_TIMEOUT).await,
        Err(_) => Vec::new(),
    };
    let mut sent = sent.into_iter();
    let lost = || Err(Reason::Closed.into());
    prepared.into_iter().map(|it| it.and_then(|_| sent.next().unwrap_or_else(lost))).collect()
}

async fn prepare<'a>(
    app: &App,
    address: &'a Address,
    event: &'a DueEvent,
    secrets: &Secrets,
) -> Result<SignedMessage<'a>, DeliveryError> {
    address.target.as_ref().map_err(Clone::clone)?;
    let form = address.form.clone()?;
    let org_id = address.queue.org_id;
    let Some(secrets) = secrets.get(&org_id) else {
        return Err(Reason::Settings("the org has no signing secret").into());
    };
    let trace = event.traceparent.as_deref().and_then(TraceContext::parse);
    let DueEvent { id, kind, body, subject, .. } = event;
    let message = Message {
        id: *id,
        stream: &address.queue.stream,
        kind,
        body,
        subject: subject.as_deref(),
        trace,
        anew: false,
    };
    Sender { org_id, form, secrets }.prepare(app, message).await
}
