//! Delivers events to the partners' queues: at least once, in no promised order, from any number
//! of replicas side by side (contract 6, architecture.md 4).
//!
//! It starts from queues that have something due, so that a million events waiting for a queue
//! cost nothing, and takes only so many of each, so that one dead target delays no other.

mod schedule;
mod store;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use self::store::{Claimed, Closing, DEAD_AFTER, Outcome};
use super::envelope::SignedHeaders;
use super::targets::{Delivery, DeliveryError, Reason, Target};
use super::{Stream, wire_id};
use crate::crypto::secret::Secret;
use crate::db::Db;
use crate::db::batch::{Batcher, Kept, Slice};
use crate::ids::OrgId;
use crate::routes::queues::settings::StoredQueue;
use crate::routes::signing_secrets;
use crate::state::App;

/// Deliveries that run at the same time.
const MAX_IN_FLIGHT: usize = 512;
/// Of one queue.
const MAX_PER_QUEUE: usize = 64;
/// Events claimed by one statement.
const CLAIM: usize = 256;
/// How long a queue has to acknowledge (contract 6).
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long wakes gather after a look that found nothing.
const GATHER: Duration = Duration::from_millis(20);
/// How often other replicas' events are looked for, give or take a quarter.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
const RENEW_INTERVAL: Duration = Duration::from_secs(5);
const CLOSE_BATCH: usize = 256;

/// Names a queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QueueId {
    pub org_id: OrgId,
    pub stream: String,
}

/// What this process is delivering, and what woke it.
#[derive(Debug)]
pub struct Publisher {
    woken: Mutex<HashSet<QueueId>>,
    wake: Notify,
    in_flight: Mutex<InFlight>,
    slots: Arc<Semaphore>,
    closer: Batcher<Closer>,
}

/// Notes what became of attempts, many in one statement.
#[derive(Debug)]
struct Closer(Db);

impl Slice for Closer {
    type In = Closing;
    type Out = bool;
    type Worker = Kept;

    async fn run(&self, kept: &mut Kept, closings: Vec<Closing>) -> Result<Vec<bool>, sqlx::Error> {
        let db = kept.get(&self.0.pool).await?;
        let closed = store::close(&mut *db, &closings).await?;
        store::note_health(&mut *db, &closings).await?;
        kept.is_well();
        Ok(closed)
    }
}

#[derive(Debug, Default)]
struct InFlight {
    /// Events by queue.
    queues: HashMap<QueueId, usize>,
    /// Events by lease.
    leases: HashMap<Uuid, usize>,
    /// Queues that are probed with one event at a time.
    dead: HashSet<QueueId>,
}

impl Publisher {
    /// A publisher that closes events in `db`, inside a tokio runtime.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self {
            woken: Mutex::default(),
            wake: Notify::new(),
            in_flight: Mutex::default(),
            slots: Arc::new(Semaphore::new(MAX_IN_FLIGHT)),
            closer: Batcher::spawn(1, CLOSE_BATCH, Closer(db)),
        }
    }

    /// Says that a queue may have something new: this process looks at once.
    pub fn wake(&self, org_id: OrgId, stream: Stream) {
        lock(&self.woken).insert(QueueId { org_id, stream: stream.name().to_owned() });
        self.wake.notify_one();
    }

    fn wake_again(&self, queues: impl IntoIterator<Item = QueueId>) {
        lock(&self.woken).extend(queues);
        self.wake.notify_one();
    }

    fn take_woken(&self) -> Vec<QueueId> {
        lock(&self.woken).drain().collect()
    }

    /// Queues that have enough in flight.
    fn full(&self) -> Vec<QueueId> {
        let in_flight = lock(&self.in_flight);
        let is_full =
            |queue: &QueueId, count: usize| count >= MAX_PER_QUEUE || in_flight.dead.contains(queue);
        in_flight
            .queues
            .iter()
            .filter(|(queue, count)| is_full(queue, **count))
            .map(|(queue, _)| queue.clone())
            .collect()
    }
}

/// What a look found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Events that were tried.
    pub tried: usize,
}

/// Delivers what is due and waits for it; for tests and operators. [`run`] does the same without
/// waiting.
///
/// # Errors
/// When the database cannot be asked.
pub async fn step(app: &App) -> Result<Step, sqlx::Error> {
    let mut deliveries = JoinSet::new();
    let mut tried = 0;
    while !claim(app, None, &mut deliveries).await?.is_empty() {
        tried += deliveries.len();
        while deliveries.join_next().await.is_some() {}
    }
    Ok(Step { tried })
}

/// Delivers until `stop` turns true, then lets what runs finish and hands the rest back.
pub async fn run(app: App, mut stop: watch::Receiver<bool>) {
    let mut deliveries = JoinSet::new();
    let mut look = tokio::time::interval(LOOK_INTERVAL);
    let mut renew = tokio::time::interval(RENEW_INTERVAL);
    renew.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        while deliveries.try_join_next().is_some() {}
        let only = tokio::select! {
            () = app.publisher.wake.notified() => Some(app.publisher.take_woken()),
            _ = look.tick() => {
                look.reset_after(LOOK_INTERVAL.mul_f64(rand::random_range(0.75..1.25)));
                None
            }
            _ = renew.tick() => {
                renew_leases(&app).await;
                continue;
            }
            // Turns once, to true; a sender that is gone means the same.
            _ = stop.changed() => break,
        };
        match claim(&app, only.as_deref(), &mut deliveries).await {
            // Most orgs' events wait for no queue at all: their wakes are gathered for a moment.
            Ok(found) if found.is_empty() => tokio::time::sleep(GATHER).await,
            Ok(found) => app.publisher.wake_again(found),
            Err(error) => {
                tracing::warn!(%error, "due events could not be claimed");
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        }
    }
    let finished = async { while deliveries.join_next().await.is_some() {} };
    if tokio::time::timeout(DELIVERY_TIMEOUT, finished).await.is_err() {
        deliveries.shutdown().await;
    }
    hand_back(&app).await;
}

/// Claims some of what is due, as much as there is room for, and starts its delivery. Gives the
/// queues that had something: they may have more.
async fn claim(
    app: &App,
    only: Option<&[QueueId]>,
    deliveries: &mut JoinSet<()>,
) -> Result<HashSet<QueueId>, sqlx::Error> {
    let publisher = &app.publisher;
    let room = publisher.slots.available_permits().min(CLAIM);
    if room == 0 {
        // Whoever lands next wakes the publisher, and finds these again.
        lock(&publisher.woken).extend(only.unwrap_or_default().iter().cloned());
        return Ok(HashSet::new());
    }
    let (now, lease) = (app.clock.now(), Uuid::new_v4());
    let size = (MAX_PER_QUEUE as i64 / 2, room as i64);
    let claimed = store::claim(&app.db.pool, now, lease, only, &publisher.full(), size).await?;
    let org_ids: HashSet<_> = claimed.iter().map(|event| event.org_id).collect();
    let secrets = Arc::new(secrets_of(app, &org_ids.into_iter().collect::<Vec<_>>(), now).await?);
    let mut queues: HashSet<_> = claimed.iter().map(queue_of).collect();
    if claimed.len() == room {
        // Some may not have had their turn.
        queues.extend(only.unwrap_or_default().iter().cloned());
    }
    for event in claimed {
        // There is room: nobody else takes slots.
        let Ok(slot) = publisher.slots.clone().acquire_owned().await else { break };
        let flight = Flight::take_off(app.clone(), &event, lease);
        let (app, secrets) = (app.clone(), secrets.clone());
        deliveries.spawn(async move {
            deliver(&app, event, lease, &secrets).await;
            drop((flight, slot));
        });
    }
    Ok(queues)
}

fn queue_of(event: &Claimed) -> QueueId {
    QueueId { org_id: event.org_id, stream: event.stream.clone() }
}

/// Counts an event as in flight for as long as it lives.
struct Flight {
    app: App,
    queue: QueueId,
    lease: Uuid,
}

impl Flight {
    fn take_off(app: App, event: &Claimed, lease: Uuid) -> Self {
        let queue = queue_of(event);
        let mut in_flight = lock(&app.publisher.in_flight);
        *in_flight.queues.entry(queue.clone()).or_default() += 1;
        *in_flight.leases.entry(lease).or_default() += 1;
        if event.failures >= DEAD_AFTER {
            in_flight.dead.insert(queue.clone());
        }
        drop(in_flight);
        Self { app, queue, lease }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut in_flight = lock(&self.app.publisher.in_flight);
        let left = land(&mut in_flight.queues, &self.queue);
        if left == 0 {
            in_flight.dead.remove(&self.queue);
        }
        land(&mut in_flight.leases, &self.lease);
        drop(in_flight);
        // There is room for more of this queue again: at half its share, and when it is drained.
        if left == 0 || left == MAX_PER_QUEUE / 2 {
            self.app.publisher.wake_again([self.queue.clone()]);
        }
    }
}

/// Counts one down; gives how many are left.
fn land<K: Eq + std::hash::Hash>(counts: &mut HashMap<K, usize>, key: &K) -> usize {
    let Some(count) = counts.get_mut(key) else { return 0 };
    *count -= 1;
    let left = *count;
    if left == 0 {
        counts.remove(key);
    }
    left
}

/// Signing secrets by org.
pub type Secrets = HashMap<OrgId, Vec<Secret<Vec<u8>>>>;

/// The secrets that sign now, newest first, by org. One that cannot be opened is left out: its
/// events wait.
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
async fn deliver(app: &App, event: Claimed, lease: Uuid, secrets: &Secrets) {
    let outcome = match send(app, &event, secrets).await {
        Ok(()) => Outcome::Delivered,
        Err(error) => after_failure(app, &event, &error),
    };
    app.metrics.delivered(&event.queue_type, matches!(outcome, Outcome::Delivered));
    let closing = Closing {
        queue: queue_of(&event),
        id: event.id,
        lease,
        at: app.clock.now(),
        was_failing: event.failures > 0,
        outcome,
    };
    match app.publisher.closer.ask(closing).await {
        Ok(true) => {}
        Ok(false) => tracing::warn!(event_id = %wire_id(event.id), "a claim had passed to another publisher"),
        // The lease runs out, and the event comes again.
        Err(error) => tracing::warn!(event_id = %wire_id(event.id), %error, "an attempt could not be noted"),
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
    let message = Message { id: event.id, stream: &event.stream, kind: &event.kind, body: &event.body };
    message.send(app, event.org_id, &target, secrets, DELIVERY_TIMEOUT).await
}

/// Something to sign and send.
#[derive(Debug)]
pub struct Message<'a> {
    pub id: Uuid,
    pub stream: &'a str,
    pub kind: &'a str,
    pub body: &'a str,
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
            traceparent: None,
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

async fn renew_leases(app: &App) {
    let leases: Vec<_> = lock(&app.publisher.in_flight).leases.keys().copied().collect();
    if !leases.is_empty()
        && let Err(error) = store::renew(&app.db.pool, &leases, app.clock.now()).await
    {
        tracing::warn!(%error, "claims could not be renewed");
    }
}

/// What is still claimed when the process stops is due for others at once.
async fn hand_back(app: &App) {
    let leases: Vec<_> = lock(&app.publisher.in_flight).leases.keys().copied().collect();
    if !leases.is_empty() {
        let _ = store::release(&app.db.pool, &leases, app.clock.now()).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
