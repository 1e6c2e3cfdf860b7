//! Whose turn it is: what a look asks for, so that no queue takes all the places, and what is done with
//! its answer.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::address::Address;
use super::delivery::{Parcel, skipped};
use super::lane::Lane;
use super::look::{Found, Look, Looked};
use super::pressure::MOST;
use super::{LOOK_INTERVAL, Publisher};
use crate::events::secrets::Secrets;
use crate::outbox::QueueId;
use crate::outbox::holds::{HeldQueue, LEASE, Search};
use crate::outbox::reading::{DueEvent, Question};

/// A queue may have a quarter as many in flight as there are free slots.
const SHARE_OF_FREE: usize = 4;
/// Queues that one look holds, and lanes that may wait to be read while more are held.
const HOLD: usize = 128;
/// A search of all is told how far a queue was read only where that many events lie before: dead entries of
/// fewer cost it less than the telling.
const DEEP: u64 = 256;
/// Queues that one look reads.
const READ: usize = 256;
/// A search of all is at least so many times its own length after the one before: among thousands of queues that idle
/// between events that nobody fetches, one takes a fifth of a second.
const SEARCH_SHARE: u32 = 50;
/// However long it took: so long may wait what nobody here was told of.
const LONGEST_SEARCH_PAUSE: Duration = Duration::from_secs(10);

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
        let questions = self.questions(free);
        let renews = std::mem::take(&mut self.needs.renewal);
        Look {
            number: self.count,
            holder: self.holder,
            now: self.app.clock.now(),
            release: std::mem::take(&mut self.leaving),
            renew: renews.then(|| self.lanes.keys().cloned().collect()),
            search: self.search(free),
            questions,
        }
    }

    /// What the lanes whose turn it is are asked, where there are places for `free` more requests.
    fn questions(&mut self, free: usize) -> Vec<Question> {
        let share = (free / SHARE_OF_FREE).clamp(1, MOST as usize);
        let (now, mut asked, mut questions) = (self.app.clock.now(), 0, Vec::new());
        while asked < free && questions.len() < READ {
            let Some(queue) = self.hungry.pop_front() else { break };
            let Some(lane) = self.lanes.get_mut(&queue) else { continue };
            lane.is_queued = false;
            let room = lane.room(now).min(share).min(free - asked);
            if room > 0 {
                asked += room;
                questions.push(lane.question(room));
            }
        }
        questions
    }

    /// Which queues to hold: as many as find a place, beside the lanes that wait for one.
    fn search(&mut self, free: usize) -> Option<Search> {
        let limit = free.min(HOLD.saturating_sub(self.hungry.len()));
        if limit == 0 || !self.needs.search && self.wanted.is_empty() {
            return None;
        }
        // It looks at many queues, however few it may hold: better seldom, and then for many.
        if self.needs.search && limit < HOLD / 2 && !self.hungry.is_empty() {
            return None;
        }
        if !std::mem::take(&mut self.needs.search) {
            let wanted: Vec<_> = self.wanted.extract_if(|_| true).take(limit).collect();
            let cursor = |queue: &QueueId| self.remembered.get(queue).map_or(0, |memory| memory.cursor);
            let known =
                wanted.into_iter().map(|queue| (cursor(&queue), queue)).map(|(seq, queue)| (queue, seq));
            return Some(Search { known: known.collect(), others_after: None, limit: limit as i64 });
        }
        self.wanted.clear();
        let deep = self.remembered.iter().filter(|(_, memory)| memory.passed >= DEEP);
        let mut known: HashMap<_, _> = deep.map(|(queue, memory)| (queue.clone(), memory.cursor)).collect();
        // It lies between two gaps, and in none.
        known.entry(self.turn.clone()).or_insert(0);
        let others_after = Some(self.turn.clone());
        Some(Search { known: known.into_iter().collect(), others_after, limit: limit as i64 })
    }

    /// Does what an answer makes possible.
    pub(super) fn looked(&mut self, looked: Looked) {
        let Looked { look, mut found, ended } = looked;
        if let (Some(asked), Some(kept)) = (&look.renew, &found.kept) {
            self.renewed(look.now, asked, kept);
        }
        if let (Some(search), Some(held)) = (&look.search, found.held.take()) {
            if search.others_after.is_some() {
                self.search_after = Instant::now() + pause_after_search(found.searched_for);
            }
            self.held(look.now, search, held);
        }
        self.absent.note(std::mem::take(&mut found.absent));
        match ended {
            Ok(()) => self.answered(look, found),
            Err(error) => {
                tracing::warn!(%error, "due events could not be read");
                self.ask_again(look, &found);
            }
        }
    }

    /// Nothing is known of what was not answered: it is asked again, a little later.
    fn ask_again(&mut self, look: Look, found: &Found) {
        self.look_after = Instant::now() + LOOK_INTERVAL;
        if found.released.is_none() {
            self.leaving.extend(look.release);
        }
        self.needs.renewal |= look.renew.is_some() && found.kept.is_none();
        if let Some(search) = look.search.filter(|_| found.held.is_none()) {
            self.needs.search |= search.others_after.is_some();
            self.wanted.extend(search.known.into_iter().map(|(queue, _)| queue));
        }
        for question in look.questions {
            if let Some(lane) = self.lanes.get_mut(&question.queue) {
                lane.ask_again();
            }
            self.enqueue(question.queue);
        }
    }

    /// Queues are ours now: each waits to be read.
    fn held(&mut self, now: DateTime<Utc>, search: &Search, held: Vec<HeldQueue>) {
        let (master, policy) = (self.app.keyring.master.clone(), self.app.config.targets.policy);
        // A search of all that found as many as it might has more to find.
        self.needs.search |= search.others_after.is_some() && held.len() as i64 == search.limit;
        for held in held {
            let queue = QueueId { org_id: held.org_id, stream: held.stream.as_str().into() };
            let memory = self.remembered.get(&queue).cloned().unwrap_or_default();
            self.wanted.remove(&queue);
            self.absent.appeared(&queue);
            if search.others_after.is_some() {
                self.turn = queue.clone();
            }
            self.lanes.insert(queue.clone(), Lane::new(held, memory, &master, policy, now));
            self.enqueue(queue);
        }
    }

    fn answered(&mut self, look: Look, found: Found) {
        for (question, answer) in look.questions.into_iter().zip(found.answers) {
            let queue = question.queue;
            let Some(lane) = self.lanes.get_mut(&queue) else { continue };
            if answer.put_at != Some(lane.address.put_at) {
                self.lost(queue, answer.put_at.is_some());
                continue;
            }
            let most = lane.room(look.now) * lane.batch();
            let taken = lane.take(answer, question.room, most, look.number);
            if !(taken.events.is_empty() && taken.skipped.is_empty()) {
                self.sweeps.moved();
            }
            let address = lane.address.clone();
            for event in taken.skipped {
                self.close(skipped(&address, self.holder, &event, look.now));
            }
            self.start_all(&queue, &address, taken.events, &found.secrets);
            if self.lanes.get(&queue).is_some_and(|lane| lane.is_done(look.now)) {
                self.give_back(queue);
            } else {
                self.enqueue(queue);
            }
        }
    }

    /// Sends events of a lane, as many in one request as its target takes.
    fn start_all(
        &mut self,
        queue: &QueueId,
        address: &Arc<Address>,
        events: Vec<DueEvent>,
        secrets: &Arc<Secrets>,
    ) {
        let Some(batch) = self.lanes.get(queue).map(Lane::batch) else { return };
        let mut events = events.into_iter().peekable();
        while events.peek().is_some() {
            let events: Vec<_> = events.by_ref().take(batch).collect();
            // There is one: nobody else takes any.
            let Ok(slot) = self.app.outbox.slots.clone().try_acquire_owned() else {
                events.iter().for_each(|event| self.put_off(queue, event.id, event.seq));
                continue;
            };
            let Some(ticket) = self.lanes.get_mut(queue).map(Lane::begin) else { return };
            let (address, secrets) = (address.clone(), secrets.clone());
            self.start(queue, Parcel { address, events, secrets, ticket, slot });
        }
    }

    fn renewed(&mut self, now: DateTime<Utc>, asked: &[QueueId], kept: &HashSet<QueueId>) {
        for queue in asked {
            match self.lanes.get_mut(queue) {
                Some(lane) if kept.contains(queue) => lane.held_until = now + LEASE,
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
}

fn pause_after_search(took: Duration) -> Duration {
    (took * SEARCH_SHARE).min(LONGEST_SEARCH_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_that_costs_much_comes_seldom_but_within_ten_seconds() {
        let paused = |took| pause_after_search(Duration::from_millis(took)).as_millis();
        assert_eq!((paused(2), paused(100), paused(700)), (100, 5_000, 10_000));
    }
}
