//! A held queue, as the publisher sees it: where it goes, how much it is asked at a time, how far it was
//! read, and what of it is on its way.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;
use uuid::Uuid;

use super::DELIVERY_TIMEOUT;
use super::address::Address;
use super::pressure::Pressure;
use crate::crypto::master::MasterKeys;
use crate::events::targets::settings::Policy;
use crate::outbox::closing::{AttemptOutcome, Closing, DEAD_AFTER, Health, PROBE_INTERVAL};
use crate::outbox::holds::{HeldQueue, LEASE};
use crate::outbox::reading::{Answer, DueEvent, Question};

/// A queue that asked for more time than this is given back meanwhile.
const SHORT_PAUSE: TimeDelta = TimeDelta::seconds(15);
/// After so many events in one hold, a queue that ran dry is kept for a moment.
const HOT: u64 = 64;
/// That moment. So is one that was given back as lately: it gets events now and then, and holding it anew for each would
/// cost as much as delivering it.
const KEPT: Duration = Duration::from_secs(2);
/// A request that waits for so long, and for four times as long as others take, may wait for a receiver that
/// serves one connection until it is closed: then those that are served are closed.
const STARVING: Duration = Duration::from_millis(500);
/// Events that are on their way or wait to be noted.
const MAX_OPEN: usize = 512;

/// What is remembered of a queue between two holds.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Its fresh events were read up to here.
    pub cursor: i64,
    /// Events that were taken of it since it was first held.
    pub passed: u64,
    /// When it was given back.
    left_at: Option<Instant>,
    pressure: Pressure,
}

/// What a request keeps until it ends.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    began: (Instant, u64),
    /// See [`Pressure::epoch`].
    pub epoch: u32,
    /// Its connection is closed afterwards.
    pub is_last: bool,
}

/// Of an event that is on its way.
#[derive(Debug)]
struct Open {
    seq: i64,
    subject: Option<String>,
}

/// What one look at a lane made of it.
#[derive(Debug, Default)]
pub struct Taken {
    /// To be sent.
    pub events: Vec<DueEvent>,
    /// Of types that the queue does not take.
    pub skipped: Vec<DueEvent>,
}

/// A held queue.
#[derive(Debug)]
pub struct Lane {
    pub address: Arc<Address>,
    pub pressure: Pressure,
    pub held_until: DateTime<Utc>,
    /// Failures in a row.
    pub failures: i32,
    /// There may be more to read.
    pub has_more: bool,
    /// It waits for its turn to be read.
    pub is_queued: bool,
    cursor: i64,
    /// A look that runs asks what it has.
    is_asked: bool,
    /// An event waits here that the look which runs may pass by.
    rewound: Option<i64>,
    /// Requests on their way, the oldest first.
    sending: BTreeSet<(Instant, u64)>,
    /// Numbers them.
    count: u64,
    /// The time that the last success took.
    latency: Duration,
    open: HashMap<Uuid, Open>,
    /// Closed after the look of this number began: it may still have seen them.
    settled: Vec<(u64, Uuid)>,
    /// It stands still until then.
    resume_at: Option<DateTime<Utc>>,
    /// The end of the last pause.
    resumed_at: DateTime<Utc>,
    /// With a gap: not before.
    next_start: Instant,
    /// See [`Memory::passed`].
    passed: u64,
    /// It was held a moment ago.
    is_back: bool,
    /// Events that were taken in this hold.
    taken: u64,
    active_at: Instant,
}

impl Lane {
    /// A queue that is held from `now` on.
    pub fn new(
        held: HeldQueue,
        memory: Memory,
        master: &MasterKeys,
        policy: Policy,
        now: DateTime<Utc>,
    ) -> Self {
        let failures = held.failures;
        let address = Address::new(held, master, policy);
        Self {
            // What waits for an earlier event of its subject lies behind the cursor.
            cursor: if address.is_ordered { 0 } else { memory.cursor },
            address: Arc::new(address),
            pressure: memory.pressure,
            held_until: now + LEASE,
            failures,
            has_more: true,
            is_queued: false,
            is_asked: false,
            rewound: None,
            sending: BTreeSet::new(),
            count: 0,
            latency: Duration::ZERO,
            open: HashMap::new(),
            settled: Vec::new(),
            resume_at: None,
            resumed_at: now,
            next_start: Instant::now(),
            passed: memory.passed,
            is_back: memory.left_at.is_some_and(|left| left.elapsed() < KEPT),
            taken: 0,
            active_at: Instant::now(),
        }
    }

    /// What is kept of it when it is given back.
    pub fn memory(&self) -> Memory {
        let first_open = self.open.values().map(|open| open.seq - 1).min().unwrap_or(i64::MAX);
        Memory {
            cursor: self.cursor.min(first_open),
            passed: self.passed + self.taken,
            left_at: Some(Instant::now()),
            pressure: self.pressure.clone(),
        }
    }

    /// The requests that may begin now.
    pub fn room(&self, now: DateTime<Utc>) -> usize {
        let is_ours = now + TimeDelta::from_std(DELIVERY_TIMEOUT).unwrap_or_default() < self.held_until;
        if !is_ours || self.resume_at.is_some_and(|at| now < at) || self.open.len() >= MAX_OPEN {
            return 0;
        }
        if self.is_dead() {
            return 1usize.saturating_sub(self.sending.len());
        }
        let free = (self.pressure.limit() as usize).saturating_sub(self.sending.len());
        if self.pressure.gap().is_zero() {
            free
        } else {
            free.min(usize::from(self.next_start <= Instant::now()))
        }
    }

    /// It is worth a look: half of what it may have is free, so that it never runs dry.
    pub fn is_worth_a_look(&self, now: DateTime<Utc>) -> bool {
        let room = self.room(now);
        self.has_more
            && room > 0
            && (self.sending.is_empty() || room >= (self.pressure.limit() as usize).div_ceil(2))
    }

    /// When it is to be looked at again though nothing ends before: the end of a pause or of a gap.
    pub fn wakes_in(&self, now: DateTime<Utc>) -> Option<Duration> {
        if !self.has_more {
            return None;
        }
        if let Some(at) = self.resume_at.filter(|at| now < *at) {
            return (at - now).to_std().ok();
        }
        let gap = self.next_start.saturating_duration_since(Instant::now());
        (!self.pressure.gap().is_zero() && !gap.is_zero()).then_some(gap)
    }

    /// It has nothing on its way and nothing to read, or stands still for long: it can be given back.
    pub fn is_done(&self, now: DateTime<Utc>) -> bool {
        let stands = self.resume_at.is_some_and(|at| now + SHORT_PAUSE < at);
        let is_dry = !self.has_more && !self.is_queued && !self.is_asked;
        let is_warm = (self.is_back || self.taken >= HOT) && self.active_at.elapsed() < KEPT;
        self.open.is_empty() && (stands || is_dry && !is_warm)
    }

    /// The events that go in one request; a dead queue is probed with one.
    pub fn batch(&self) -> usize {
        if self.is_dead() { 1 } else { self.address.batch() }
    }

    /// The question for what it has for `room` requests.
    pub fn question(&mut self, room: usize) -> Question {
        // What is told from here on, the answer may not know.
        (self.has_more, self.rewound, self.is_asked) = (false, None, true);
        let subjects = || self.open.values().filter_map(|open| open.subject.clone()).collect();
        Question {
            queue: self.address.queue.clone(),
            after: self.cursor,
            // Those on their way may be seen again.
            room: (room * self.batch() + self.open.len()) as i64,
            busy: self.address.is_ordered.then(subjects),
            with_subject: self.address.wants_subjects(),
        }
    }

    /// Takes what may go now of an answer to look number `look`: at most `most` events.
    pub fn take(&mut self, answer: Answer, asked: i64, most: usize, look: u64) -> Taken {
        let settled: HashSet<_> =
            self.settled.iter().filter(|(at, _)| *at >= look).map(|(_, id)| *id).collect();
        self.settled.clear();
        self.is_asked = false;
        self.has_more |= answer.fresh.len() as i64 == asked || answer.retried.len() as i64 == asked;
        let mut taken = Taken::default();
        let mut busy: HashSet<_> = self.open.values().filter_map(|open| open.subject.clone()).collect();
        let mut retried = answer.retried.into_iter().peekable();
        let mut fresh = answer.fresh.into_iter().peekable();
        loop {
            // In turns, so that neither holds the other up.
            let from_fresh =
                retried.peek().is_none() || taken.events.len() % 2 == 1 && fresh.peek().is_some();
            let Some(event) = (if from_fresh { fresh.peek() } else { retried.peek() }) else { break };
            let is_known = self.open.contains_key(&event.id) || settled.contains(&event.id);
            if !is_known && taken.events.len() == most {
                self.has_more = true;
                break;
            }
            let Some(event) = (if from_fresh { fresh.next() } else { retried.next() }) else { break };
            if from_fresh {
                self.cursor = self.cursor.max(event.seq);
            }
            // Of a subject only the first; the others are read again when it has ended.
            let is_blocked = event.subject.as_ref().is_some_and(|subject| !busy.insert(subject.clone()));
            let is_blocked = self.address.is_ordered && is_blocked;
            if is_known || is_blocked {
                continue;
            }
            self.open.insert(event.id, Open { seq: event.seq, subject: event.subject.clone() });
            if self.address.takes(&event) { taken.events.push(event) } else { taken.skipped.push(event) }
        }
        if let Some(seq) = self.rewound {
            self.cursor = self.cursor.min(seq - 1);
        }
        let count = taken.events.len() + taken.skipped.len();
        if count > 0 {
            self.taken += count as u64;
            self.active_at = Instant::now();
        }
        taken
    }

    /// A request begins.
    pub fn begin(&mut self) -> Ticket {
        let now = Instant::now();
        let starving = self.sending.first().map(|(began, _)| now - *began).unwrap_or_default();
        let is_last = starving > STARVING.max(self.latency * 4);
        self.count += 1;
        self.sending.insert((now, self.count));
        self.next_start = now + self.pressure.gap();
        Ticket { began: (now, self.count), epoch: self.pressure.epoch(), is_last }
    }

    /// A request has ended.
    pub fn end(&mut self, ticket: Ticket) {
        self.sending.remove(&ticket.began);
    }

    /// An event was noted, or given up: it is on its way no more.
    pub fn settle(&mut self, id: Uuid, look: u64) {
        let Some(open) = self.open.remove(&id) else { return };
        self.settled.push((look, id));
        self.active_at = Instant::now();
        if self.address.is_ordered {
            // The next ones of its subject come after it.
            self.rewind(open.seq);
        }
    }

    /// The look had no answer.
    pub fn ask_again(&mut self) {
        (self.is_asked, self.has_more) = (false, true);
    }

    /// An event waits at `seq`, which may have been passed already.
    pub fn rewind(&mut self, seq: i64) {
        self.cursor = self.cursor.min(seq - 1);
        self.rewound = Some(self.rewound.map_or(seq, |earlier| earlier.min(seq)));
        self.has_more = true;
    }

    /// Events of it were read or noted within that time. A queue that keeps order is none of these: it is read from
    /// where its subjects wait.
    pub fn is_moving(&self, within: Duration) -> bool {
        !self.address.is_ordered && self.active_at.elapsed() < within
    }

    /// How far a sweep goes, and how many events it needs to find one that is not on its way.
    pub fn swept_up_to(&self) -> (i64, i64) {
        (self.cursor, self.open.len() as i64 + 1)
    }

    /// The event is on its way.
    pub fn is_open(&self, id: Uuid) -> bool {
        self.open.contains_key(&id)
    }

    /// How far it was read.
    pub fn cursor(&self) -> i64 {
        self.cursor
    }

    /// Learns from a request that has ended how the queue does.
    pub fn learn(
        &mut self,
        closings: &[Closing],
        took: Duration,
        now: DateTime<Utc>,
        resumes_at: Option<DateTime<Utc>>,
    ) {
        if closings.iter().any(|closing| matches!(closing.outcome, AttemptOutcome::Delivered)) {
            self.latency = took;
        }
        if let Some(at) = resumes_at {
            self.pause(at);
        }
        for closing in closings {
            match closing.health {
                Health::Healthy => self.failures = 0,
                Health::Failing => self.failures += 1,
                Health::Busy(_) | Health::Unknown => {}
            }
        }
        if self.is_dead() {
            self.pause(now + PROBE_INTERVAL);
        }
    }

    /// It is left alone until `at`.
    fn pause(&mut self, at: DateTime<Utc>) {
        self.resume_at = self.resume_at.max(Some(at));
        self.resumed_at = self.resumed_at.max(at);
    }

    /// Somebody helped it: it was tested well, put anew or resumed.
    pub fn revive(&mut self) {
        // One failure stays, so that its next success is noted: an outage that was told ends with that (contract 14).
        (self.resume_at, self.failures, self.has_more) = (None, self.failures.min(1), true);
    }

    /// The time since the end of its last pause.
    pub fn running_for(&self, now: DateTime<Utc>) -> Duration {
        (now - self.resumed_at).to_std().unwrap_or_default()
    }

    /// It failed so often that it is probed with one event at a time (contract 6).
    pub fn is_dead(&self) -> bool {
        self.failures >= DEAD_AFTER
    }
}
