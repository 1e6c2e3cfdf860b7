//! What makes a publisher look: events of this process, the time, and changes of queues.

use std::time::Duration;

use tokio::time::Instant;

use super::{Publisher, notices, retries};
use crate::outbox::QueueId;

impl Publisher {
    /// Once a second: other replicas' events are told to nobody here.
    pub(super) fn tick(&mut self) {
        self.app.outbox.note_changes();
        self.needs.search |= self.search_after <= Instant::now();
        let now = self.app.clock.now();
        let all: Vec<_> = self.lanes.keys().cloned().collect();
        for queue in all {
            if let Some(lane) = self.lanes.get_mut(&queue) {
                if lane.is_done(now) {
                    self.give_back(queue);
                } else if lane.room(now) > 0 {
                    lane.has_more = true;
                    self.enqueue(queue);
                }
            }
        }
        self.sweeps.all();
    }

    /// Takes what this process told of.
    pub(super) fn hear(&mut self) {
        for queue in self.app.outbox.take_woken() {
            match self.lanes.get_mut(&queue) {
                Some(lane) => {
                    lane.has_more = true;
                    self.enqueue(queue);
                }
                None if self.absent.puts_off(&queue) => {}
                None => drop(self.wanted.insert(queue)),
            }
        }
    }

    /// Does what changes of queues left to do.
    pub(super) async fn attend(&mut self) {
        self.wanted.extend(self.absent.take_told());
        let attended = async {
            let woken = retries::wake(&self.app).await?;
            if woken.is_behind {
                self.app.outbox.note_changes();
            }
            for queue in woken.queues {
                match self.lanes.get_mut(&queue) {
                    Some(lane) => {
                        lane.revive();
                        self.enqueue(queue);
                    }
                    None => drop(self.wanted.insert(queue)),
                }
            }
            notices::step(&self.app, &mut self.notices).await
        };
        if let Err(error) = attended.await {
            tracing::warn!(%error, "changed queues could not be looked at");
        }
    }

    /// A lane waits for its turn to be read, if it may go on at all.
    pub(super) fn enqueue(&mut self, queue: QueueId) {
        let now = self.app.clock.now();
        let Some(lane) = self.lanes.get_mut(&queue) else { return };
        if lane.is_queued {
            return;
        }
        if lane.is_worth_a_look(now) {
            lane.is_queued = true;
            self.hungry.push_back(queue);
        } else if let Some(wait) = lane.wakes_in(now) {
            self.count += 1;
            // A clock that stands still must not make us spin.
            let at = Instant::now() + wait.max(Duration::from_millis(1));
            self.alarms.insert((at, self.count), queue);
        }
    }

    /// The end of a pause or a gap.
    pub(super) fn ring(&mut self) {
        let now = Instant::now();
        while let Some(alarm) = self.alarms.first_entry().filter(|alarm| alarm.key().0 <= now) {
            let queue = alarm.remove();
            self.enqueue(queue);
        }
    }
}
