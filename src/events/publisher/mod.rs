//! Delivers events to the partners' queues: at least once, in no promised order, from any number
//! of replicas side by side (contract 6, architecture 4).
//!
//! It starts from queues that have something due, so that a million events waiting for a queue
//! cost nothing, and takes only so many of each, so that one dead target delays no other.

mod delivery;
mod flight;
mod notices;
mod rouse;
mod schedule;
mod store;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use self::delivery::{Closer, deliver};
pub use self::delivery::{Message, secrets_of};
use self::flight::{Flight, InFlight};
pub use self::store::DEAD_AFTER;
use self::store::Held;
use super::Stream;
use crate::db::Db;
use crate::db::batch::Batcher;
use crate::ids::OrgId;
use crate::metrics::BatchMetrics;
use crate::state::App;

/// Deliveries that run at the same time.
const MAX_IN_FLIGHT: usize = 512;
/// Of one queue.
const MAX_PER_QUEUE: usize = 128;
/// A queue may have a quarter as many in flight as there are free places.
const SHARE_OF_FREE: usize = 4;
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

impl QueueId {
    fn of(event: &store::Claimed) -> Self {
        Self { org_id: event.org_id, stream: event.stream.clone() }
    }
}

/// What this process is delivering, and what woke it.
#[derive(Debug)]
pub struct Publisher {
    woken: Mutex<HashSet<QueueId>>,
    wake: Notify,
    in_flight: Mutex<InFlight>,
    slots: Arc<Semaphore>,
    /// The queue that had its turn last.
    turn: Mutex<QueueId>,
    closer: Batcher<Closer>,
    /// A queue was changed: retries may have to be woken, and a target to be told.
    is_roused: AtomicBool,
}

impl Publisher {
    /// A publisher that closes events in `db`, inside a tokio runtime.
    #[must_use]
    pub fn new(db: Db, metrics: BatchMetrics) -> Self {
        Self {
            woken: Mutex::default(),
            wake: Notify::new(),
            in_flight: Mutex::default(),
            slots: Arc::new(Semaphore::new(MAX_IN_FLIGHT)),
            turn: Mutex::new(QueueId { org_id: OrgId(Uuid::nil()), stream: String::new() }),
            closer: Batcher::spawn(1, CLOSE_BATCH, Closer(db), metrics),
            is_roused: AtomicBool::new(true),
        }
    }

    /// Says that a queue may have something new: this process looks at once.
    pub fn wake(&self, org_id: OrgId, stream: Stream) {
        lock(&self.woken).insert(QueueId { org_id, stream: stream.name().to_owned() });
        self.wake.notify_one();
    }

    /// Says that a queue was put in place, removed, proven, paused or resumed: this process looks at
    /// once.
    pub fn rouse(&self, org_id: OrgId, stream: Stream) {
        self.is_roused.store(true, Ordering::Relaxed);
        self.wake(org_id, stream);
    }

    /// How many deliveries run.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        MAX_IN_FLIGHT - self.slots.available_permits()
    }

    /// How many attempts wait to be noted.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.closer.waiting()
    }

    fn wake_again(&self, queues: impl IntoIterator<Item = QueueId>) {
        lock(&self.woken).extend(queues);
        self.wake.notify_one();
    }

    fn take_woken(&self) -> Vec<QueueId> {
        lock(&self.woken).drain().collect()
    }

    fn held(&self) -> Vec<Held> {
        lock(&self.in_flight).held.iter().copied().collect()
    }

    /// Queues that have enough in flight, where each may have `most`.
    fn full(&self, most: usize) -> Vec<QueueId> {
        lock(&self.in_flight).full(most)
    }
}

/// Delivers what is due and waits for it; for tests and operators. [`run`] does the same without
/// waiting. Gives how many events were tried.
///
/// # Errors
/// When the database cannot be asked.
pub async fn step(app: &App) -> Result<usize, sqlx::Error> {
    let mut deliveries = JoinSet::new();
    let mut tried = 0;
    while rouse::step(app).await?.is_behind {}
    notices::step(app, &mut deliveries).await?;
    while deliveries.join_next().await.is_some() {}
    while !claim(app, None, &mut deliveries).await?.queues.is_empty() {
        tried += deliveries.len();
        while deliveries.join_next().await.is_some() {}
    }
    Ok(tried)
}

/// Delivers until `stop` turns true, then lets what runs finish and hands the rest back.
pub async fn run(app: App, stop: watch::Receiver<bool>) {
    run_until(app, stop, DELIVERY_TIMEOUT).await;
}

/// [`run`], where what runs has `patience` to finish.
pub async fn run_until(app: App, mut stop: watch::Receiver<bool>, patience: Duration) {
    let mut deliveries = JoinSet::new();
    let mut look = tokio::time::interval(LOOK_INTERVAL);
    let mut renew = tokio::time::interval(RENEW_INTERVAL);
    renew.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The last look at all queues had no room for all that was due: look at all again.
    let mut is_behind = false;
    loop {
        while deliveries.try_join_next().is_some() {}
        let only = tokio::select! {
            // The rarest first: wakes may come without a pause.
            biased;
            // Turns once, to true; a sender that is gone means the same.
            _ = stop.changed() => break,
            _ = renew.tick() => {
                renew_leases(&app).await;
                continue;
            }
            _ = look.tick() => {
                look.reset_after(LOOK_INTERVAL.mul_f64(rand::random_range(0.75..1.25)));
                // Another replica's changes are told to nobody here.
                app.publisher.is_roused.store(true, Ordering::Relaxed);
                None
            }
            () = app.publisher.wake.notified() => {
                let woken = app.publisher.take_woken();
                (!is_behind).then_some(woken)
            }
        };
        if app.publisher.is_roused.swap(false, Ordering::Relaxed) {
            attend(&app, &mut deliveries).await;
        }
        if *stop.borrow() {
            break;
        }
        match claim(&app, only.as_deref(), &mut deliveries).await {
            Ok(found) => {
                is_behind = found.is_all_that_fits && only.is_none();
                if !found.queues.is_empty() {
                    app.publisher.wake_again(found.queues);
                } else if !found.is_all_that_fits {
                    // Most orgs' events wait for no queue at all: their wakes are gathered for a moment.
                    tokio::time::sleep(GATHER).await;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "due events could not be claimed");
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        }
    }
    let finished = async { while deliveries.join_next().await.is_some() {} };
    if tokio::time::timeout(patience, finished).await.is_err() {
        hand_back(&app, deliveries).await;
    }
}

/// Does what changes of queues left to do.
async fn attend(app: &App, deliveries: &mut JoinSet<()>) {
    let attended = async {
        let roused = rouse::step(app).await?;
        if roused.is_behind {
            app.publisher.is_roused.store(true, Ordering::Relaxed);
        }
        app.publisher.wake_again(roused.queues);
        notices::step(app, deliveries).await
    };
    if let Err(error) = attended.await {
        tracing::warn!(%error, "changed queues could not be looked at");
    }
}

/// What a look found.
struct Found {
    /// Queues that had something: they may have more.
    queues: HashSet<QueueId>,
    /// There was no room for more.
    is_all_that_fits: bool,
}

/// Claims some of what is due, as much as there is room for, and starts its delivery.
async fn claim(
    app: &App,
    only: Option<&[QueueId]>,
    deliveries: &mut JoinSet<()>,
) -> Result<Found, sqlx::Error> {
    let publisher = &app.publisher;
    let free = publisher.slots.available_permits();
    // Half of what is free, so that what comes next finds a place.
    let room = free.div_ceil(2).min(CLAIM);
    if room == 0 {
        // Whoever lands next wakes the publisher, and finds these again.
        lock(&publisher.woken).extend(only.unwrap_or_default().iter().cloned());
        return Ok(Found { queues: HashSet::new(), is_all_that_fits: true });
    }
    let (now, lease) = (app.clock.now(), Uuid::new_v4());
    // The fewer places are left, the fewer may a queue have: targets that hang cannot take them all.
    let most = (free / SHARE_OF_FREE).clamp(1, MAX_PER_QUEUE);
    let size = (most.div_ceil(2) as i64, room as i64);
    let turn = lock(&publisher.turn).clone();
    let claimed = store::claim(&app.db.pool, now, lease, only, &publisher.full(most), &turn, size).await?;
    let Some(last) = claimed.last() else {
        return Ok(Found { queues: HashSet::new(), is_all_that_fits: false });
    };
    *lock(&publisher.turn) = QueueId::of(last);
    let is_all_that_fits = claimed.len() == room;
    let org_ids: HashSet<_> = claimed.iter().map(|event| event.org_id).collect();
    let secrets = Arc::new(secrets_of(app, &org_ids.into_iter().collect::<Vec<_>>(), now).await?);
    let mut queues: HashSet<_> = claimed.iter().map(QueueId::of).collect();
    if is_all_that_fits {
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
    Ok(Found { queues, is_all_that_fits })
}

async fn renew_leases(app: &App) {
    let held = app.publisher.held();
    if !held.is_empty()
        && let Err(error) = store::renew(&app.db.pool, &held, app.clock.now()).await
    {
        tracing::warn!(%error, "claims could not be renewed");
    }
}

/// What is still claimed when the process stops is due for others at once.
async fn hand_back(app: &App, mut deliveries: JoinSet<()>) {
    let held = app.publisher.held();
    deliveries.shutdown().await;
    if let Err(error) = store::release(&app.db.pool, &held, app.clock.now()).await {
        tracing::warn!(%error, "claims could not be handed back; they end by themselves");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
