//! The deliveries that are running, so that no queue takes all the capacity.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use super::store::{Claimed, DEAD_AFTER, HeldClaim};
use super::{MAX_PER_QUEUE, Outbox, QueueId, lock};

/// Counts of what is in flight.
#[derive(Debug, Default)]
pub struct InFlight {
    /// Events by queue.
    queues: HashMap<QueueId, usize>,
    /// The events, and the claims they are held by.
    pub held: HashSet<HeldClaim>,
    /// Queues that are probed with one event at a time.
    dead: HashSet<QueueId>,
}

impl InFlight {
    /// Queues that have enough in flight, where each may have `most`; of a dead one, one is enough.
    pub fn full(&self, most: usize) -> Vec<QueueId> {
        let is_full = |queue: &QueueId, count: usize| count >= most || self.dead.contains(queue);
        let full = self.queues.iter().filter(|(queue, count)| is_full(queue, **count));
        full.map(|(queue, _)| queue.clone()).collect()
    }

    fn start(&mut self, queue: &QueueId, held: HeldClaim, is_dead: bool) {
        *self.queues.entry(queue.clone()).or_default() += 1;
        self.held.insert(held);
        if is_dead {
            self.dead.insert(queue.clone());
        }
    }

    /// Ends a delivery. Returns `true` if so much capacity is free for the queue again that it is
    /// worth a look: at half of what it may have, so that it never runs dry, and when it is
    /// drained.
    fn finish(&mut self, queue: &QueueId, held: HeldClaim) -> bool {
        let left = count_down(&mut self.queues, queue);
        if left == 0 {
            self.dead.remove(queue);
        }
        self.held.remove(&held);
        left == 0 || left == MAX_PER_QUEUE / 2
    }
}

/// Counts an event as in flight for as long as it lives.
pub struct InFlightGuard {
    outbox: Arc<Outbox>,
    queue: QueueId,
    held: HeldClaim,
}

impl InFlightGuard {
    /// Counts an event in.
    pub fn start(outbox: Arc<Outbox>, event: &Claimed, lease: Uuid) -> Self {
        let queue = QueueId::of(event);
        let held = HeldClaim { org_id: event.org_id, id: event.id, lease };
        lock(&outbox.in_flight).start(&queue, held, event.failures >= DEAD_AFTER);
        Self { outbox, queue, held }
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        let has_room = lock(&self.outbox.in_flight).finish(&self.queue, self.held);
        if has_room {
            self.outbox.wake_again([self.queue.clone()]);
        }
    }
}

/// Counts one down; gives how many are left.
fn count_down(counts: &mut HashMap<QueueId, usize>, key: &QueueId) -> usize {
    let Some(count) = counts.get_mut(key) else { return 0 };
    *count -= 1;
    let left = *count;
    if left == 0 {
        counts.remove(key);
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::OrgId;

    fn queue() -> QueueId {
        QueueId { org_id: OrgId(Uuid::from_u128(1)), stream: "users".to_owned() }
    }

    fn held(n: u128) -> HeldClaim {
        HeldClaim { org_id: OrgId(Uuid::from_u128(1)), id: Uuid::from_u128(n), lease: Uuid::from_u128(2) }
    }

    /// Some of a queue's events in flight under one lease.
    fn started(count: u128, is_dead: bool) -> InFlight {
        let mut in_flight = InFlight::default();
        (0..count).for_each(|n| in_flight.start(&queue(), held(n), is_dead));
        in_flight
    }

    #[test]
    fn a_queue_is_worth_a_look_at_half_its_share_and_when_it_is_drained() {
        let mut in_flight = started(128, false);
        let worth: Vec<_> = (0..128).rev().filter(|n| in_flight.finish(&queue(), held(*n))).collect();
        assert_eq!(worth, [64, 0]);
        assert!(in_flight.held.is_empty());
    }

    #[test]
    fn a_queue_is_full_at_its_share_and_a_dead_one_with_one() {
        let in_flight = started(3, false);
        assert_eq!((in_flight.full(3), in_flight.full(4)), (vec![queue()], vec![]));
        let mut in_flight = started(1, true);
        assert_eq!(in_flight.full(128), [queue()]);
        in_flight.finish(&queue(), held(0));
        in_flight.start(&queue(), held(0), false);
        assert_eq!(in_flight.full(128), []);
    }
}
