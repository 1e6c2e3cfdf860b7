//! How queues' receivers did of late (contract 14): attempts to deliver, counted in memory by queue and minute and
//! written now and then in batches, never on the way of a delivery; exact over a graceful stop, some seconds are lost
//! over `kill -9`. Replicas add up.

mod durations;
pub mod store;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};

pub use self::durations::Durations;
use crate::clock::Clock;
use crate::db::Db;
use crate::ids::OrgId;

/// The time that is kept: the hour that is shown, and a margin for clocks.
pub const KEPT: TimeDelta = TimeDelta::hours(2);
const FLUSH_INTERVAL: Duration = Duration::from_secs(15);
/// Queues and minutes that wait to be written; attempts on further ones are not counted.
const MAX_WAITING: usize = 100_000;
/// Rows a statement writes.
const BATCH: usize = 2_000;

/// The attempts of all queues that are not written yet.
#[derive(Debug)]
pub struct QueueHealth {
    clock: Clock,
    waiting: Mutex<Waiting>,
    /// Held while what was counted is written: two writers would write it twice.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Waiting {
    orgs: HashMap<OrgId, Vec<Minute>>,
    rows: usize,
}

/// The attempts on one queue in one minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minute {
    stream: Box<str>,
    minute: DateTime<Utc>,
    delivered: i64,
    durations: Durations,
}

impl QueueHealth {
    /// Nothing is counted yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, waiting: Mutex::default(), writing: tokio::sync::Mutex::default() }
    }

    /// Counts an attempt, once it is over.
    pub fn attempted(&self, org_id: OrgId, stream: &str, is_delivered: bool, took: Duration) {
        let minute = minute_of(self.clock.now());
        let mut waiting = self.waiting();
        let Waiting { orgs, rows } = &mut *waiting;
        let minutes = match orgs.get_mut(&org_id) {
            Some(minutes) => minutes,
            None if *rows >= MAX_WAITING => return,
            None => orgs.entry(org_id).or_default(),
        };
        let known = minutes.iter_mut().rev().find(|known| known.minute == minute && *known.stream == *stream);
        let counted = match known {
            Some(known) => known,
            None if *rows >= MAX_WAITING => return,
            None => {
                *rows += 1;
                minutes.push(Minute::new(stream, minute));
                minutes.last_mut().expect("it was just added")
            }
        };
        counted.delivered += i64::from(is_delivered);
        counted.durations.add(took);
    }

    /// Writes what was counted, for as long as the process lives.
    pub async fn flush_forever(self: &Arc<Self>, db: &Db) {
        let mut ticks = tokio::time::interval(FLUSH_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.flush(db).await;
        }
    }

    /// Writes what was counted since the last time; what cannot be written is kept for the next. In a task of its own:
    /// what is on its way would be lost with a future that is dropped.
    pub async fn flush(self: &Arc<Self>, db: &Db) {
        let (health, db) = (self.clone(), db.clone());
        let written = tokio::spawn(async move { health.write(&db).await }).await;
        if let Err(stopped) = written
            && let Ok(panic) = stopped.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
    }

    async fn write(&self, db: &Db) {
        let _alone = self.writing.lock().await;
        let taken = std::mem::take(&mut *self.waiting());
        let minutes = taken.orgs.into_iter();
        let mut rows: Vec<_> = minutes
            .flat_map(|(org_id, minutes)| minutes.into_iter().map(move |minute| (org_id, minute)))
            .collect();
        // In the order of their keys, so that two replicas cannot deadlock.
        rows.sort_unstable_by(|(a_org, a), (b_org, b)| {
            (a_org.0, &a.stream, a.minute).cmp(&(b_org.0, &b.stream, b.minute))
        });
        for (number, batch) in rows.chunks(BATCH).enumerate() {
            if let Err(error) = store::add(db, batch).await {
                tracing::warn!(%error, "attempts on queues could not be written yet");
                self.put_back(&rows[number * BATCH..]);
                return;
            }
        }
    }

    fn put_back(&self, rows: &[(OrgId, Minute)]) {
        let mut waiting = self.waiting();
        for (org_id, older) in rows {
            let minutes = waiting.orgs.entry(*org_id).or_default();
            let known = minutes.iter_mut().find(|m| m.minute == older.minute && m.stream == older.stream);
            match known {
                Some(known) => {
                    known.delivered += older.delivered;
                    known.durations.add_all(&older.durations);
                }
                None => {
                    minutes.push(older.clone());
                    waiting.rows += 1;
                }
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Minute {
    fn new(stream: &str, minute: DateTime<Utc>) -> Self {
        Self { stream: stream.into(), minute, delivered: 0, durations: Durations::default() }
    }
}

fn minute_of(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_trunc(TimeDelta::minutes(1)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn org(number: u128) -> OrgId {
        OrgId(Uuid::from_u128(number))
    }

    #[test]
    fn attempts_are_counted_by_queue_and_minute() {
        let clock = Clock::manual(DateTime::UNIX_EPOCH + TimeDelta::seconds(59));
        let health = QueueHealth::new(clock.clone());
        health.attempted(org(1), "users", true, Duration::from_millis(3));
        health.attempted(org(1), "users", false, Duration::from_secs(10));
        health.attempted(org(1), "credentials", true, Duration::ZERO);
        clock.advance(TimeDelta::seconds(1));
        health.attempted(org(1), "users", true, Duration::from_millis(3));
        let waiting = health.waiting();
        let seen: Vec<_> = waiting.orgs[&org(1)]
            .iter()
            .map(|minute| {
                (&*minute.stream, minute.minute.timestamp(), minute.delivered, minute.durations.total())
            })
            .collect();
        assert_eq!(seen, [("users", 0, 1, 2), ("credentials", 0, 1, 1), ("users", 60, 1, 1)]);
        assert_eq!(waiting.rows, 3);
    }

    #[test]
    fn what_could_not_be_written_is_added_to_what_came_meanwhile() {
        let health = QueueHealth::new(Clock::system());
        let older = Minute { delivered: 2, ..Minute::new("users", minute_of(health.clock.now())) };
        health.attempted(org(1), "users", true, Duration::ZERO);
        health.put_back(&[(org(1), older.clone()), (org(2), older)]);
        let waiting = health.waiting();
        assert_eq!((waiting.orgs[&org(1)][0].delivered, waiting.orgs[&org(2)][0].delivered), (3, 2));
        assert_eq!(waiting.rows, 2);
    }
}
