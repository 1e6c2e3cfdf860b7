//! The uses of keys: the last one, the member tokens they issued, how often they were sent after their end, and the
//! requests with them (contract 13.2). Counted in memory and written once a minute in batches, never on the request
//! path; exact over a graceful stop, at most a minute is lost over `kill -9`. Replicas add up.
//!
//! A request is counted where it reaches the public listener and its key is known, whatever the answer: under the hour,
//! the source and the scope that it needs. That a gateway asked for a key is a use (`last_used_at`), but no request:
//! what it lets through comes here as well.

mod requests;
mod source;
mod store;
mod uses;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;

pub use self::requests::{Arrival, Judgement};
use self::requests::{Requests, Room};
pub use self::source::SourceNetwork;
pub use self::store::{KEPT_SOURCES, forget_old};
use self::uses::Tally;
pub use self::uses::Uses;
use super::Identity;
use crate::db::Db;
use crate::ids::{KeyId, OrgId};

const FLUSH_INTERVAL: Duration = Duration::from_secs(60);
/// The time for which it is remembered what a key was used for and from where: a month and a margin, so that what runs
/// monthly is seen.
pub const SEEN_WITHIN: TimeDelta = TimeDelta::days(35);
/// Keys that are counted: those in memory, and those that are not written yet. Uses of more are
/// not counted.
const MAX_KEYS: usize = 400_000;
/// Parts of the keys, each behind a lock, so that whoever writes them all holds up nobody for long.
const SHARDS: usize = 16;
/// Rows a statement writes, of keys, hours, sources and scopes together.
const BATCH: usize = 5_000;

type Shard = Mutex<HashMap<(OrgId, KeyId), Arc<Uses>>>;

/// The uses of all keys since the process started.
#[derive(Debug, Default)]
pub struct KeyUses {
    shards: [Shard; SHARDS],
    room: Room,
    /// Held while what was counted is written: two writers would write it twice.
    writing: tokio::sync::Mutex<()>,
}

/// What of a key is to be written.
#[derive(Debug)]
struct Due {
    org_id: OrgId,
    key_id: KeyId,
    seen: Tally,
    written: Tally,
    requests: Box<Requests>,
    uses: Arc<Uses>,
}

impl KeyUses {
    /// The uses of a key.
    pub fn of(&self, org_id: OrgId, key_id: KeyId) -> Arc<Uses> {
        let mut keys = lock(&self.shards[shard(key_id)]);
        if keys.len() >= MAX_KEYS / SHARDS && !keys.contains_key(&(org_id, key_id)) {
            return Arc::new(Uses::of_nobody());
        }
        keys.entry((org_id, key_id)).or_default().clone()
    }

    /// Counts a request with a key.
    pub fn arrived(&self, uses: &Uses, arrival: &Arrival<'_>) {
        if !uses.is_not_counted {
            uses.requests().get_or_insert_default().note(arrival, &self.room);
        }
    }

    /// Writes what was counted since the last time; on failure it is kept for the next. In a task of its own: what is
    /// on its way would be lost with a future that is dropped.
    pub async fn flush(self: &Arc<Self>, db: &Db) {
        let (uses, db) = (self.clone(), db.clone());
        let written = tokio::spawn(async move { uses.write(&db).await }).await;
        if let Err(stopped) = written
            && let Ok(panic) = stopped.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
    }

    async fn write(&self, db: &Db) {
        let _alone = self.writing.lock().await;
        let mut due = self.take_due().into_iter().peekable();
        while due.peek().is_some() {
            let mut rows = 0;
            let batch: Vec<_> = std::iter::from_fn(|| {
                due.next_if(|next| {
                    rows += next.rows();
                    rows <= BATCH || rows == next.rows()
                })
            })
            .collect();
            if let Err(error) = store::write(db, &batch).await {
                tracing::warn!(%error, "uses of keys could not be written yet");
                batch.into_iter().chain(due).for_each(|due| self.put_back(due));
                break;
            }
            for Due { uses, seen, requests, .. } in &batch {
                *uses.written() = *seen;
                self.room.give_back(requests);
            }
            if let Err(error) = store::drop_sources(db, &batch).await {
                tracing::warn!(%error, "sources of keys could not be forgotten yet");
            }
        }
        // What nobody remembers and the database knows.
        for keys in &self.shards {
            lock(keys).retain(|_, uses| Arc::strong_count(uses) > 1 || uses.is_due());
        }
    }

    /// Takes what is not written yet, in the order of keys, so that two replicas cannot deadlock.
    fn take_due(&self) -> Vec<Due> {
        let take = |(&(org_id, key_id), uses): (&(OrgId, KeyId), &Arc<Uses>)| {
            let (seen, written, requests) = (uses.tally(), *uses.written(), uses.requests().take());
            let is_due = seen != written || requests.is_some();
            let requests = requests.unwrap_or_default();
            is_due.then(|| Due { org_id, key_id, seen, written, requests, uses: uses.clone() })
        };
        let mut due: Vec<_> = Vec::new();
        for keys in &self.shards {
            due.extend(lock(keys).iter().filter_map(take));
        }
        due.sort_unstable_by_key(|due| (due.org_id.0, due.key_id.0));
        due
    }

    fn put_back(&self, due: Due) {
        self.room.give_back(&due.requests);
        if *due.requests != Requests::default() {
            due.uses.requests().get_or_insert_default().put_back(*due.requests, &self.room);
        }
    }
}

impl Due {
    /// The number of rows that it writes.
    fn rows(&self) -> usize {
        1 + self.requests.hours.len() + self.requests.sources.len() + self.requests.scopes.len()
    }
}

/// Ids of ours are random at their end.
fn shard(key_id: KeyId) -> usize {
    usize::from(key_id.0.as_bytes()[15]) % SHARDS
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Identity {
    /// Writes what keys are used for, for as long as the process lives.
    pub async fn flush_forever(&self) {
        let mut ticks = tokio::time::interval(FLUSH_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.flush().await;
        }
    }

    /// Writes what keys were used for, and digests under the newest pepper.
    pub async fn flush(&self) {
        self.keys.usage.flush(&self.db).await;
        self.keys.rehashes.write(&self.db, &self.keyring, self.clock.now()).await;
    }
}
