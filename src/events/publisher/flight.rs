//! What is being delivered at the moment, so that no queue takes all the room.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::store::{Claimed, DEAD_AFTER};
use super::{MAX_PER_QUEUE, QueueId, lock};
use crate::state::App;

/// Counts of what is in flight.
#[derive(Debug, Default)]
pub struct InFlight {
    /// Events by queue.
    queues: HashMap<QueueId, usize>,
    /// Events by lease.
    pub leases: HashMap<Uuid, usize>,
    /// Queues that are probed with one event at a time.
    dead: HashSet<QueueId>,
}

impl InFlight {
    /// Queues that have enough in flight, where each may have `most`.
    pub fn full(&self, most: usize) -> Vec<QueueId> {
        let is_full = |queue: &QueueId, count: usize| count >= most || self.dead.contains(queue);
        let full = self.queues.iter().filter(|(queue, count)| is_full(queue, **count));
        full.map(|(queue, _)| queue.clone()).collect()
    }
}

/// Counts an event as in flight for as long as it lives.
pub struct Flight {
    app: App,
    queue: QueueId,
    lease: Uuid,
}

impl Flight {
    /// Counts an event in.
    pub fn take_off(app: App, event: &Claimed, lease: Uuid) -> Self {
        let queue = QueueId::of(event);
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
