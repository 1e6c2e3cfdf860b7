//! Streams that nobody registered a queue for. Each of their events tells this process to look; it would find nothing,
//! at the price of the statement that wrote the event.

use std::collections::HashMap;

use crate::outbox::QueueId;

/// Queues that were looked for and are not there. They are looked for again when some queue changes, and with the tick.
#[derive(Debug, Default)]
pub struct Absent(HashMap<QueueId, Told>);

/// Whether there was something new for a queue since it was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Something,
}

impl Absent {
    /// Notes that these are not there.
    pub fn note(&mut self, queues: impl IntoIterator<Item = QueueId>) {
        self.0.extend(queues.into_iter().map(|queue| (queue, Told::Nothing)));
    }

    /// A queue is there after all.
    pub fn appeared(&mut self, queue: &QueueId) {
        self.0.remove(queue);
    }

    /// Returns `true` if there is no point in looking for the queue now; it is remembered.
    pub fn puts_off(&mut self, queue: &QueueId) -> bool {
        self.0.get_mut(queue).map(|told| *told = Told::Something).is_some()
    }

    /// Forgets all; gives those that there was something new for.
    pub fn take_told(&mut self) -> impl Iterator<Item = QueueId> {
        let told = self.0.extract_if(|_, told| *told == Told::Something).map(|(queue, _)| queue);
        let told: Vec<_> = told.collect();
        self.0.clear();
        told.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::ids::OrgId;

    fn queue(n: u128) -> QueueId {
        QueueId { org_id: OrgId(Uuid::from_u128(n)), stream: "users".into() }
    }

    #[test]
    fn what_is_told_of_a_queue_that_is_not_there_waits_and_is_not_lost() {
        let mut absent = Absent::default();
        assert!(!absent.puts_off(&queue(1)), "nobody looked yet");
        absent.note([queue(1), queue(2), queue(3)]);
        assert!(absent.puts_off(&queue(1)) && absent.puts_off(&queue(3)));
        absent.appeared(&queue(3));
        assert!(!absent.puts_off(&queue(3)));
        assert_eq!(absent.take_told().collect::<Vec<_>>(), [queue(1)]);
        assert!(!absent.puts_off(&queue(1)) && !absent.puts_off(&queue(2)), "all is forgotten");
    }
}
