//! Whose turn it is: what a look asks for, so that no queue takes all the places, and what is done with
//! its answer.

use std::collections::HashSet;
use std::time::Instant as Clock;

use tokio::time::Instant;

use super::delivery::{Parcel, skipped};
use super::lane::Lane;
use super::look::{Found, Look, Looked, Wanted};
use super::pressure::{FIRST, MOST};
use super::{LOOK_INTERVAL, Publisher, Swept};
use crate::outbox::QueueId;
use crate::outbox::reading::{self, Question};

/// A queue may have a quarter as many in flight as there are free slots.
const SHARE_OF_FREE: usize = 4;
/// Queues that one look holds.
const HOLD: usize = 128;
/// Queues that one look reads.
const READ: usize = 256;
/// A sweep is at least so many times its own length after the one before.
const SWEEP_SHARE: u32 = 20;

impl Publisher {
    /// Returns `true` if a look has something to do.
    pub(super) fn has_work(&self) -> bool {
        self.needs.search
            || self.needs.renewal
            || !self.wanted.is_empty()
            || !self.hungry.is_empty()
            || !self.leaving.is_empty()
    }

    /// Starts a look if none runs and there is something to do.
    pub(super) fn look_if_idle(&mut self) {
        if self.look.is_some() || Instant::now() < self.look_after || !self.has_work() {
            return;
        }
        let look = self.plan();
        let is_idle = look.release.is_empty()
            && look.renew.is_none()
            && look.search.is_none()
            && look.questions.is_empty();
        if !is_idle {
            self.look = Some(Box::pin(look.run(self.app.clone())));
        } else {
            // All places are taken: whatever ends makes room.
            self.look_after = Instant::now() + LOOK_INTERVAL / 50;
        }
    }

    fn plan(&mut self) -> Look {
        self.count += 1;
        let free = self.app.outbox.slots.available_permits();
        // Half of what is free for lanes that are there, so that new ones find room.
        let (questions, asked) =
            self.questions(free.div_ceil(2), (free / SHARE_OF_FREE).clamp(1, MOST as usize));
        let renews = std::mem::take(&mut self.needs.renewal);
        Look {
            number: self.count,
            holder: self.holder,
            now: self.app.clock.now(),
            release: std::mem::take(&mut self.leaving),
            renew: renews.then(|| self.lanes.keys().cloned().collect()),
            search: self.search(free - asked),
            questions,
        }
    }

    /// What the lanes whose turn it is are asked, `budget` requests in all and `share` each; and how many
    /// requests that makes.
    fn questions(&mut self, budget: usize, share: usize) -> (Vec<Question>, usize) {
        let (now, mut asked, mut questions) = (self.app.clock.now(), 0, Vec::new());
        while asked < budget && questions.len() < READ {
            let Some(queue) = self.hungry.pop_front() else { break };
            let Some(lane) = self.lanes.get_mut(&queue) else { continue };
            lane.is_queued = false;
            let room = lane.room(now).min(share).min(budget - asked);
            if room > 0 {
                asked += room;
                questions.push(lane.question(room));
            }
        }
        (questions, asked)
    }

    /// Which queues to hold, where there are places for `free` more requests.
    fn search(&mut self, free: usize) -> Option<Wanted> {
        let limit = free.div_ceil(FIRST as usize).min(HOLD);
        if limit == 0 || !self.needs.search && self.wanted.is_empty() {
            return None;
        }
        let is_narrow = !std::mem::take(&mut self.needs.search);
        let known = if is_narrow {
            let wanted: Vec<_> = self.wanted.extract_if(|_| true).take(limit).collect();
            wanted
                .into_iter()
                .map(|queue| (self.cursor_of(&queue), queue))
                .map(|(seq, queue)| (queue, seq))
                .collect()
        } else {
            self.wanted.clear();
            self.remembered.iter().map(|(queue, memory)| (queue.clone(), memory.cursor)).collect()
        };
        let room = i64::from(FIRST).min(free as i64).max(1);
        Some(Wanted { is_narrow, known, after: self.turn.clone(), limit: limit as i64, room })
    }

    fn cursor_of(&self, queue: &QueueId) -> i64 {
        self.remembered.get(queue).map_or(0, |memory| memory.cursor)
    }

    /// Does what an answer makes possible.
    pub(super) fn looked(&mut self, looked: Looked) {
        let Looked { look, found } = looked;
        match found {
            Ok(found) => self.found(&look, found),
            Err(error) => {
                tracing::warn!(%error, "due events could not be read");
                self.ask_again(look);
            }
        }
    }

    /// Nothing is known of what was asked: it is asked again, a little later.
    fn ask_again(&mut self, look: Look) {
        self.look_after = Instant::now() + LOOK_INTERVAL;
        self.leaving.extend(look.release);
        self.needs.renewal |= look.renew.is_some();
        if let Some(wanted) = look.search {
            self.needs.search |= !wanted.is_narrow;
            self.wanted.extend(wanted.known.into_iter().filter(|_| wanted.is_narrow).map(|(queue, _)| queue));
        }
        for question in look.questions {
            if let Some(lane) = self.lanes.get_mut(&question.queue) {
                lane.ask_again();
            }
            self.enqueue(question.queue);
        }
    }

    fn found(&mut self, look: &Look, found: Found) {
        if let (Some(asked), Some(kept)) = (&look.renew, &found.kept) {
            self.renewed(look, asked, kept);
        }
        let (master, policy) = (self.app.keyring.master.clone(), self.app.config.targets.policy);
        let (mut held_now, is_wide) = (0, look.search.as_ref().is_some_and(|wanted| !wanted.is_narrow));
        for held in found.held {
            let queue = QueueId { org_id: held.org_id, stream: held.stream.as_str().into() };
            let memory = self.remembered.get(&queue).cloned().unwrap_or_default();
            let mut lane = Lane::new(held, memory, &master, policy, look.now);
            // What was told since the look began, it may not know.
            lane.has_more = self.wanted.remove(&queue);
            held_now += 1;
            if is_wide {
                self.turn = queue.clone();
            }
            self.lanes.insert(queue, lane);
        }
        // A search of all that found as many as it might has more to find.
        if let Some(wanted) = &look.search
            && is_wide
            && held_now == wanted.limit
        {
            self.needs.search = true;
        }
        for (question, answer) in found.answers {
            let queue = question.queue.clone();
            let Some(lane) = self.lanes.get_mut(&queue) else { continue };
            if answer.put_at != Some(lane.address.put_at) {
                self.lost(queue, answer.put_at.is_some());
                continue;
            }
            let batch = lane.batch();
            let most = lane.room(look.now) * batch;
            let taken = lane.take(answer, question.room, most, look.number);
            let address = lane.address.clone();
            for event in taken.skipped {
                self.close(skipped(&address, self.holder, &event, look.now));
            }
            let mut events = taken.events.into_iter().peekable();
            while events.peek().is_some() {
                let events: Vec<_> = events.by_ref().take(batch).collect();
                // There is one: nobody else takes any.
                let Ok(slot) = self.app.outbox.slots.clone().try_acquire_owned() else {
                    events.iter().for_each(|event| self.put_off(&queue, event.id, event.seq));
                    continue;
                };
                let Some(ticket) = self.lanes.get_mut(&queue).map(Lane::begin) else { break };
                let secrets = found.secrets.clone();
                self.start(&queue, Parcel { address: address.clone(), events, secrets, ticket, slot });
            }
            if self.lanes.get(&queue).is_some_and(|lane| lane.is_done(look.now)) {
                self.give_back(queue);
            } else {
                self.enqueue(queue);
            }
        }
    }

    fn renewed(&mut self, look: &Look, asked: &[QueueId], kept: &HashSet<QueueId>) {
        for queue in asked {
            match self.lanes.get_mut(queue) {
                Some(lane) if kept.contains(queue) => {
                    lane.held_until = look.now + crate::outbox::holds::LEASE
                }
                _ => drop(self.lanes.remove(queue)),
            }
        }
    }

    /// A queue is another one by now, stands still, or is not ours any more.
    fn lost(&mut self, queue: QueueId, is_replaced: bool) {
        self.lanes.remove(&queue);
        self.remembered.remove(&queue);
        if is_replaced {
            self.wanted.insert(queue.clone());
        }
        self.leaving.push(queue);
    }

    /// An event that was read has no place after all.
    fn put_off(&mut self, queue: &QueueId, id: uuid::Uuid, seq: i64) {
        if let Some(lane) = self.lanes.get_mut(queue) {
            lane.settle(id, 0);
            lane.rewind(seq);
        }
    }

    /// Looks for events that were passed by: those of transactions that ended after later ones.
    pub(super) fn sweep_if_due(&mut self) {
        if self.sweep.is_some() || Instant::now() < self.sweep_after {
            return;
        }
        let read = self.lanes.iter().filter(|(_, lane)| lane.cursor() > 0).map(|(queue, _)| queue);
        let queues: Vec<_> = read.chain(self.remembered.keys()).cloned().collect();
        if queues.is_empty() {
            return;
        }
        let app = self.app.clone();
        self.sweep = Some(Box::pin(async move {
            let began = Clock::now();
            let first = reading::first_waiting(&app.db.pool, &queues).await;
            Swept { first, took: began.elapsed() }
        }));
    }

    pub(super) fn swept(&mut self, swept: Swept) {
        self.sweep_after = Instant::now() + swept.took * SWEEP_SHARE;
        let first = match swept.first {
            Ok(first) => first,
            Err(error) => {
                tracing::warn!(%error, "events that were passed by could not be looked for");
                return;
            }
        };
        for (queue, seq) in first {
            if let Some(lane) = self.lanes.get_mut(&queue) {
                if seq <= lane.cursor() {
                    lane.rewind(seq);
                    self.enqueue(queue);
                }
            } else if let Some(memory) = self.remembered.get_mut(&queue)
                && seq <= memory.cursor
            {
                memory.cursor = seq - 1;
                self.wanted.insert(queue);
            }
        }
    }
}
