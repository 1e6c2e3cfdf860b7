//! Threads for what keeps a processor busy: judging partners' keys, encrypting to them, making
//! pairs. The threads that serve requests never wait for it, and it is bounded three ways: how
//! much runs, how much waits, and for how long.

use std::collections::HashMap;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::error::{ApiError, Code};
use crate::ids::OrgId;
use crate::metrics::{self, WORK};

/// Work that is judged in milliseconds: how much of it may be waiting, and for how long.
const QUEUED: usize = 64;
const PATIENCE: Duration = Duration::from_secs(2);
/// Pairs that may be in the making, those that wait included: few, because one takes up to a
/// second or two, and whoever wants many can ask again.
const PAIRS: usize = 4;
/// Below the default request timeout, so that the answer is 429 and not 503.
const PAIR_PATIENCE: Duration = Duration::from_secs(8);

/// Of these, what one org may have: the others always find room.
const PAIRS_OF_AN_ORG: usize = 2;

/// The service's worker threads.
#[derive(Debug)]
pub struct Workers {
    short: Lane,
    pairs: Lane,
    shares: Arc<Shares>,
}

/// How busy one kind of work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Threads that work.
    pub running: usize,
    /// What waits for one.
    pub waiting: usize,
}

impl Workers {
    /// Half of the processors for each kind of work; none is taken while there is nothing to do.
    #[must_use]
    pub fn new(metrics: &metrics::Database) -> Self {
        let threads = available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
        let [judging, key_pairs] = WORK.map(|work| metrics.work_refused(work));
        Self {
            short: Lane::new(threads, threads + QUEUED, PATIENCE, judging),
            pairs: Lane::new(threads, threads.max(PAIRS), PAIR_PATIENCE, key_pairs),
            shares: Arc::default(),
        }
    }

    /// How busy they are, in the order of [`WORK`].
    #[must_use]
    pub fn load(&self) -> [Load; 2] {
        [self.short.load(), self.pairs.load()]
    }

    /// Runs work of milliseconds.
    ///
    /// # Errors
    /// 503 where too much is waiting, or it takes too long.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        self.short.run(work).await.ok_or_else(|| ApiError::unavailable("the worker threads are busy"))
    }

    /// Makes a key pair for an org.
    ///
    /// # Errors
    /// 429 where too many are being made, in all or for this org.
    pub async fn make_pair<T: Send + 'static>(
        &self,
        org_id: OrgId,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        const MESSAGE: &str = "Too many key pairs are being generated; try again in a moment.";
        let made = match Share::take(&self.shares, org_id) {
            Some(share) => {
                self.pairs
                    .run(move || {
                        // Held by the work, as its place is.
                        let _held = share;
                        work()
                    })
                    .await
            }
            None => {
                self.pairs.refused.inc();
                None
            }
        };
        made.ok_or_else(|| ApiError::with_message(Code::RateLimited, MESSAGE).retry_after(2))
    }
}

/// How many pairs are in the making, by org.
type Shares = Mutex<HashMap<OrgId, usize>>;

/// One of an org's places, for as long as it lives.
struct Share {
    shares: Arc<Shares>,
    org_id: OrgId,
}

impl Share {
    fn take(shares: &Arc<Shares>, org_id: OrgId) -> Option<Self> {
        let mut taken = shares.lock().unwrap_or_else(PoisonError::into_inner);
        let of_org = taken.entry(org_id).or_default();
        if *of_org == PAIRS_OF_AN_ORG {
            return None;
        }
        *of_org += 1;
        drop(taken);
        Some(Self { shares: shares.clone(), org_id })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_org) = taken.get_mut(&self.org_id) {
            *of_org -= 1;
            if *of_org == 0 {
                taken.remove(&self.org_id);
            }
        }
    }
}

/// A queue of its own, so that slow work does not hold up quick work.
#[derive(Debug)]
struct Lane {
    admitted: Arc<Semaphore>,
    running: Arc<Semaphore>,
    threads: usize,
    places: usize,
    patience: Duration,
    refused: Counter,
}

impl Lane {
    fn new(threads: usize, places: usize, patience: Duration, refused: Counter) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self { admitted: semaphore(places), running: semaphore(threads), threads, places, patience, refused }
    }

    fn load(&self) -> Load {
        let running = self.threads.saturating_sub(self.running.available_permits());
        let admitted = self.places.saturating_sub(self.admitted.available_permits());
        Load { running, waiting: admitted.saturating_sub(running) }
    }

    /// `None` where there is no room, or no answer in time.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let answer = self.admit(work).await;
        if answer.is_none() {
            self.refused.inc();
        }
        answer
    }

    async fn admit<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let place = self.admitted.clone().try_acquire_owned().ok()?;
        let answered = async {
            let turn = self.running.clone().acquire_owned().await.ok()?;
            let done = spawn_blocking(move || {
                // Held by the work and not by who waits for it: giving up makes no room.
                let _held = (place, turn);
                work()
            });
            match done.await {
                Ok(answer) => Some(answer),
                Err(stopped) => stopped.try_into_panic().map_or(None, |panic| resume_unwind(panic)),
            }
        };
        timeout(self.patience, answered).await.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn what_finds_no_room_is_refused_at_once_and_giving_up_makes_no_room() {
        let lane = Lane::new(1, 1, Duration::from_millis(20), Counter::default());
        let (finish, wait) = mpsc::channel::<()>();
        assert_eq!(lane.run(move || wait.recv().is_ok()).await, None);
        assert_eq!(lane.run(|| 1).await, None, "the first still runs");
        finish.send(()).expect("it waits for this");
        while lane.admitted.available_permits() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(lane.run(|| 2).await, Some(2));
    }

    #[test]
    fn an_org_has_two_places_and_gives_them_back() {
        let (shares, [acme, zeta]) = (Arc::default(), [1, 2].map(|n| OrgId(Uuid::from_u128(n))));
        let held = [Share::take(&shares, acme), Share::take(&shares, acme)];
        assert!(held.iter().all(Option::is_some));
        assert!(Share::take(&shares, acme).is_none(), "a third one");
        assert!(Share::take(&shares, zeta).is_some(), "another org's first one");
        drop(held);
        assert!(Share::take(&shares, acme).is_some());
        assert!(shares.lock().expect("no panic").is_empty(), "who has none is forgotten");
    }

    #[tokio::test]
    async fn what_waits_too_long_for_its_turn_never_runs() {
        let lane = Arc::new(Lane::new(1, 2, Duration::from_millis(50), Counter::default()));
        let (finish, wait) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let lane = lane.clone();
            async move { lane.run(move || wait.recv().is_ok()).await }
        });
        while lane.running.available_permits() == 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(lane.run(|| panic!("it has no turn")).await, None::<()>);
        finish.send(()).expect("it waits for this");
        drop(first.await);
    }
}
