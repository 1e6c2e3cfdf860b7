//! Delivers events to the partners' queues: at least once, at the pace that each target can take, from
//! any number of replicas side by side (contract 6 and 14, architecture 4).
//!
//! A publisher *holds* the queues that it delivers, each in a lane: so one process knows
//! all that is on its way to a target, and events are read in their order and written once. One loop
//! (`Publisher`) owns the lanes; requests to targets, looks at the database and the notes of what
//! became of attempts run beside it and report back.

mod absent;
mod address;
mod delivery;
mod lane;
mod look;
mod notices;
pub mod pressure;
mod retries;
mod schedule;
mod step;
mod sweep;
mod turns;
mod wakes;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::Instant;
use uuid::Uuid;

use self::absent::Absent;
use self::delivery::{Parcel, Sent};
use self::lane::{Lane, Memory, Ticket};
use self::look::Looked;
pub use self::step::step;
use self::sweep::Sweeps;
use crate::db::batch::BatchError;
use crate::events::wire_id;
use crate::ids::OrgId;
use crate::outbox::QueueId;
use crate::outbox::closing::Closing;
use crate::outbox::holds;
use crate::state::App;

/// The time that a queue has to acknowledge (contract 6).
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);
/// The interval between looks for other replicas' events, give or take a quarter.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
const RENEW_INTERVAL: Duration = Duration::from_secs(5);
/// Queues of which is remembered how far they were read.
const MAX_REMEMBERED: usize = 100_000;

/// Delivers until `stop` turns true, then lets what runs finish and gives its queues back.
pub async fn run(app: App, stop: watch::Receiver<bool>) {
    run_until(app, stop, DELIVERY_TIMEOUT).await;
}

/// [`run`], where what runs has `patience` to finish.
pub async fn run_until(app: App, mut stop: watch::Receiver<bool>, patience: Duration) {
    let outbox = app.outbox.clone();
    let mut publisher = Publisher::new(app);
    let mut tick = tokio::time::interval(LOOK_INTERVAL);
    let mut renew = tokio::time::interval(RENEW_INTERVAL);
    renew.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        publisher.look_if_idle();
        tokio::select! {
            // Turns once, to true; a sender that is gone means the same.
            _ = stop.changed() => break,
            _ = renew.tick() => publisher.needs.renewal = true,
            _ = tick.tick() => {
                tick.reset_after(LOOK_INTERVAL.mul_f64(rand::random_range(0.75..1.25)));
                publisher.tick();
            }
            () = outbox.woken() => publisher.hear(),
            () = publisher.happens() => {}
        }
        if outbox.take_changed() {
            publisher.attend().await;
        }
    }
    if tokio::time::timeout(patience, publisher.finish()).await.is_err() {
        publisher.deliveries.shutdown().await;
    }
    publisher.hand_back().await;
}

/// What the next look has to do besides reading.
#[derive(Debug, Default)]
struct Needs {
    /// Look at all queues.
    search: bool,
    renewal: bool,
}

/// The state of a publisher.
struct Publisher {
    app: App,
    /// Its name in the rows of the queues that it holds.
    holder: Uuid,
    lanes: HashMap<QueueId, Lane>,
    remembered: HashMap<QueueId, Memory>,
    /// Lanes that wait to be read.
    hungry: VecDeque<QueueId>,
    /// Queues that are not held, and may have something.
    wanted: HashSet<QueueId>,
    absent: Absent,
    /// Lanes to be given back.
    leaving: Vec<QueueId>,
    needs: Needs,
    /// Lanes to be looked at again at some instant.
    alarms: BTreeMap<(Instant, u64), QueueId>,
    /// The queue that was held last in a search of all.
    turn: QueueId,
    /// Numbers looks and alarms.
    count: u64,
    /// The look that runs.
    look: Option<BoxFuture<'static, Looked>>,
    sweeps: Sweeps,
    /// No look before that: the database could not be asked.
    look_after: Instant,
    /// No search of all before that.
    search_after: Instant,
    deliveries: JoinSet<Sent>,
    running: HashMap<task::Id, Running>,
    closings: FuturesUnordered<BoxFuture<'static, Closed>>,
    notices: JoinSet<()>,
    /// Events that were tried or skipped.
    tried: usize,
}

/// A request on its way: what is lost if its task panics.
struct Running {
    queue: QueueId,
    ids: Vec<Uuid>,
    ticket: Ticket,
}

/// An attempt that was noted, or could not be.
struct Closed {
    queue: QueueId,
    id: Uuid,
    noted: Result<bool, BatchError>,
}

impl Publisher {
    fn new(app: App) -> Self {
        let now = Instant::now();
        Self {
            app,
            holder: Uuid::new_v4(),
            lanes: HashMap::new(),
            remembered: HashMap::new(),
            hungry: VecDeque::new(),
            wanted: HashSet::new(),
            absent: Absent::default(),
            leaving: Vec::new(),
            needs: Needs::default(),
            alarms: BTreeMap::new(),
            turn: QueueId { org_id: OrgId(Uuid::nil()), stream: "".into() },
            count: 0,
            look: None,
            sweeps: Sweeps::new(now),
            look_after: now,
            search_after: now,
            deliveries: JoinSet::new(),
            running: HashMap::new(),
            closings: FuturesUnordered::new(),
            notices: JoinSet::new(),
            tried: 0,
        }
    }

    /// Resolves when something that runs beside the loop has reported.
    async fn happens(&mut self) {
        let alarm = self.alarms.first_key_value().map(|((at, _), _)| *at);
        let held_up = self.has_work().then_some(self.look_after);
        let sweeps_at = self.sweeps.due_at();
        tokio::select! {
            biased;
            looked = pending_or(&mut self.look) => {
                self.look = None;
                self.looked(looked);
            }
            swept = self.sweeps.swept() => self.swept(swept),
            Some(ended) = self.deliveries.join_next_with_id() => self.ended(ended),
            Some(closed) = self.closings.next() => self.closed(closed),
            Some(_) = self.notices.join_next() => {}
            () = sleep_until(alarm) => self.ring(),
            () = sleep_until(held_up), if self.look.is_none() => {}
            () = sleep_until(sweeps_at) => self.sweep_if_due(),
        }
        // What has ended meanwhile is cheap to take along, and one look then serves all of it.
        while let Some(ended) = self.deliveries.try_join_next_with_id() {
            self.ended(ended);
        }
    }

    /// Sends what a lane may send now.
    fn start(&mut self, queue: &QueueId, parcel: Parcel) {
        let ticket = parcel.ticket;
        let ids = parcel.events.iter().map(|event| event.id).collect();
        let app = self.app.clone();
        let task = self.deliveries.spawn(async move { parcel.send(&app).await });
        self.running.insert(task.id(), Running { queue: queue.clone(), ids, ticket });
    }

    fn ended(&mut self, ended: Result<(task::Id, Sent), JoinError>) {
        match ended {
            Ok((id, sent)) => {
                self.running.remove(&id);
                self.sent(sent);
            }
            Err(error) => {
                tracing::error!(%error, "a delivery ended without a result");
                let Some(Running { queue, ids, ticket }) = self.running.remove(&error.id()) else { return };
                let look = self.count;
                if let Some(lane) = self.lanes.get_mut(&queue) {
                    lane.end(ticket);
                    ids.into_iter().for_each(|id| lane.settle(id, look));
                }
            }
        }
    }

    /// A request has ended: the lane learns from it, and its attempts are noted.
    fn sent(&mut self, sent: Sent) {
        let now = self.app.clock.now();
        let queue = sent.address.queue.clone();
        let mut lane = self.lanes.get_mut(&queue).filter(|lane| lane.address.put_at == sent.address.put_at);
        let (mut was_failing, mut resumes_at) = (true, None);
        if let Some(lane) = &mut lane {
            let running_for = lane.running_for(now);
            lane.end(sent.ticket);
            was_failing = lane.failures > 0;
            resumes_at = sent.tell(&mut lane.pressure, now, running_for);
        }
        let took = sent.took;
        let closings = sent.closings(&self.app, self.holder, was_failing, resumes_at);
        if let Some(lane) = lane {
            lane.learn(&closings, took, now, resumes_at);
        }
        closings.into_iter().for_each(|closing| self.close(closing));
        self.enqueue(queue);
    }

    /// Has an attempt noted.
    fn close(&mut self, closing: Closing) {
        self.tried += 1;
        let (outbox, queue, id) = (self.app.outbox.clone(), closing.queue.clone(), closing.id);
        self.closings
            .push(Box::pin(async move { Closed { queue, id, noted: outbox.closer.ask(closing).await } }));
    }

    fn closed(&mut self, closed: Closed) {
        let event_id = || wire_id(closed.id);
        match closed.noted {
            Ok(true) => {}
            Ok(false) => tracing::warn!(event_id = %event_id(), "a queue had passed to another publisher"),
            // It comes again.
            Err(error) => tracing::warn!(event_id = %event_id(), %error, "an attempt could not be noted"),
        }
        let look = self.count;
        let Some(lane) = self.lanes.get_mut(&closed.queue) else { return };
        lane.settle(closed.id, look);
        if lane.is_done(self.app.clock.now()) {
            self.give_back(closed.queue);
        } else {
            self.enqueue(closed.queue);
        }
    }

    /// A lane ends; the next look says so in the database.
    fn give_back(&mut self, queue: QueueId) {
        if let Some(lane) = self.lanes.remove(&queue) {
            self.remember(queue.clone(), lane.memory());
            self.leaving.push(queue);
        }
    }

    fn remember(&mut self, queue: QueueId, memory: Memory) {
        if self.remembered.len() >= MAX_REMEMBERED {
            self.remembered.clear();
        }
        self.remembered.insert(queue, memory);
    }

    /// Ends when nothing is on its way any more.
    async fn finish(&mut self) {
        while !self.running.is_empty()
            || !self.closings.is_empty()
            || self.look.is_some()
            || !self.notices.is_empty()
        {
            self.happens().await;
        }
    }

    /// Gives all queues back: what was on its way is due for others at once.
    async fn hand_back(mut self) {
        let held: Vec<_> = self.lanes.drain().map(|(queue, _)| queue).chain(self.leaving).collect();
        if let Err(error) = holds::release(&self.app.db, self.holder, &held).await {
            tracing::warn!(%error, "queues could not be given back; their holds end by themselves");
        }
    }
}

async fn pending_or<T>(running: &mut Option<BoxFuture<'static, T>>) -> T {
    match running {
        Some(running) => running.await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
