//! The outbox of events: what this process should look at, and its SQL (contract 6 and 14, architecture
//! 4). [`background::publisher`](crate::background::publisher) delivers.

mod closer;
pub(crate) mod closing;
pub(crate) mod holds;
pub(crate) mod reading;
mod shard_by_shard;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore};
use uuid::Uuid;

use self::closer::Closer;
pub use self::closing::DEAD_AFTER;
use crate::db::Db;
use crate::db::batch::Batcher;
use crate::events::StreamName;
use crate::events::pollers::Pollers;
use crate::ids::OrgId;
use crate::metrics::BatchMetrics;

/// Deliveries that run at the same time.
pub(crate) const MAX_IN_FLIGHT: usize = 512;
const CLOSE_BATCH: usize = 256;
/// Statements that run side by side where a distributed database needs one for each shard.
const AT_ONCE: usize = 4;

/// Names a queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QueueId {
    /// The tenant.
    pub org_id: OrgId,
    /// The stream.
    pub stream: Arc<str>,
}

/// The queues as the columns of a statement.
pub(crate) fn columns<'a>(queues: impl IntoIterator<Item = &'a QueueId>) -> (Vec<Uuid>, Vec<String>) {
    queues.into_iter().map(|queue| (queue.org_id.0, queue.stream.to_string())).unzip()
}

/// What the publisher of this process shares with the rest of it.
#[derive(Debug)]
pub struct Outbox {
    woken: Mutex<HashSet<QueueId>>,
    wake: Notify,
    /// One for each delivery.
    pub(crate) slots: Arc<Semaphore>,
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
            slots: Arc::new(Semaphore::new(MAX_IN_FLIGHT)),
            closer: Batcher::spawn(1, CLOSE_BATCH, Closer(db), metrics),
            are_queues_changed: AtomicBool::new(true),
            pollers: Pollers::default(),
        }
    }

    /// Says that a queue may have something new: this process looks at once.
    pub fn wake(&self, org_id: OrgId, stream: impl Into<StreamName>) {
        lock(&self.woken).insert(QueueId { org_id, stream: stream.into().as_str().into() });
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

    /// Resolves when there is something to look at.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Queues that may have something new.
    pub(crate) fn take_woken(&self) -> HashSet<QueueId> {
        std::mem::take(&mut *lock(&self.woken))
    }

    /// Returns `true` if queues were changed since this was asked last.
    pub(crate) fn take_changed(&self) -> bool {
        self.are_queues_changed.swap(false, Ordering::Relaxed)
    }

    /// Says that queues may have been changed, by whomever.
    pub(crate) fn note_changes(&self) {
        self.are_queues_changed.store(true, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
