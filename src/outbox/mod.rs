//! The outbox of events: what of it this process is delivering, what should be looked at, and its SQL
//! (contract 6, architecture 4). [`background::publisher`](crate::background::publisher) delivers.

mod closer;
mod in_flight;
pub(crate) mod store;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore};
use uuid::Uuid;

use self::closer::Closer;
use self::in_flight::InFlight;
pub(crate) use self::in_flight::InFlightGuard;
pub use self::store::DEAD_AFTER;
use self::store::HeldClaim;
use crate::db::Db;
use crate::db::batch::Batcher;
use crate::events::StreamName;
use crate::events::pollers::Pollers;
use crate::ids::OrgId;
use crate::metrics::BatchMetrics;

/// Deliveries that run at the same time.
pub(crate) const MAX_IN_FLIGHT: usize = 512;
/// Of one queue.
pub(crate) const MAX_PER_QUEUE: usize = 128;
const CLOSE_BATCH: usize = 256;

/// Names a queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QueueId {
    /// The tenant.
    pub org_id: OrgId,
    /// The stream.
    pub stream: String,
}

impl QueueId {
    pub(crate) fn of(event: &store::Claimed) -> Self {
        Self { org_id: event.org_id, stream: event.stream.clone() }
    }
}

/// The events that this process is delivering, and the queues that should be looked at.
#[derive(Debug)]
pub struct Outbox {
    woken: Mutex<HashSet<QueueId>>,
    wake: Notify,
    in_flight: Mutex<InFlight>,
    /// One for each delivery.
    pub(crate) slots: Arc<Semaphore>,
    /// The queue that had its turn last.
    turn: Mutex<QueueId>,
    /// Notes what became of attempts.
    pub(crate) closer: Batcher<Closer>,
    /// A queue was changed: retries may have to be woken, and a target to be told.
    are_queues_changed: AtomicBool,
    /// Who waits to fetch.
    pub pollers: Pollers,
}

impl Outbox {
    /// Nothing is in flight yet; events are closed in `db`. Inside a tokio runtime.
    #[must_use]
    pub fn new(db: Db, metrics: BatchMetrics) -> Self {
        Self {
            woken: Mutex::default(),
            wake: Notify::new(),
            in_flight: Mutex::default(),
            slots: Arc::new(Semaphore::new(MAX_IN_FLIGHT)),
            turn: Mutex::new(QueueId { org_id: OrgId(Uuid::nil()), stream: String::new() }),
            closer: Batcher::spawn(1, CLOSE_BATCH, Closer(db), metrics),
            are_queues_changed: AtomicBool::new(true),
            pollers: Pollers::default(),
        }
    }

    /// Says that a queue may have something new: this process looks at once.
    pub fn wake(&self, org_id: OrgId, stream: impl Into<StreamName>) {
        lock(&self.woken).insert(QueueId { org_id, stream: stream.into().as_str().to_owned() });
        self.wake.notify_one();
        self.pollers.wake(org_id);
    }

    /// Says that a queue was put in place, removed, proven, paused or resumed: this process looks at
    /// once.
    pub fn queue_changed(&self, org_id: OrgId, stream: impl Into<StreamName>) {
        self.are_queues_changed.store(true, Ordering::Relaxed);
        self.wake(org_id, stream);
    }

    /// The number of deliveries that run.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        MAX_IN_FLIGHT - self.slots.available_permits()
    }

    /// The number of attempts that wait to be noted.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.closer.waiting()
    }

    /// Says that these queues may have more.
    pub(crate) fn wake_again(&self, queues: impl IntoIterator<Item = QueueId>) {
        lock(&self.woken).extend(queues);
        self.wake.notify_one();
    }

    /// Resolves when there is something to look at.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Queues that may have something new.
    pub(crate) fn take_woken(&self) -> Vec<QueueId> {
        lock(&self.woken).drain().collect()
    }

    /// Keeps queues for the next look.
    pub(crate) fn keep_woken(&self, queues: impl IntoIterator<Item = QueueId>) {
        lock(&self.woken).extend(queues);
    }

    /// Returns `true` if queues were changed since this was asked last.
    pub(crate) fn take_changed(&self) -> bool {
        self.are_queues_changed.swap(false, Ordering::Relaxed)
    }

    /// Says that queues may have been changed, by whomever.
    pub(crate) fn note_changes(&self) {
        self.are_queues_changed.store(true, Ordering::Relaxed);
    }

    /// The queue that had its turn last.
    pub(crate) fn turn(&self) -> QueueId {
        lock(&self.turn).clone()
    }

    /// The next look starts after this queue.
    pub(crate) fn set_turn(&self, queue: QueueId) {
        *lock(&self.turn) = queue;
    }

    /// Events in flight, by claim.
    pub(crate) fn held(&self) -> Vec<HeldClaim> {
        lock(&self.in_flight).held.iter().copied().collect()
    }

    /// Queues that have enough in flight, where each may have `most`.
    pub(crate) fn full(&self, most: usize) -> Vec<QueueId> {
        lock(&self.in_flight).full(most)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
