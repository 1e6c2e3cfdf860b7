//! Threads for what keeps a processor busy: judging partners' keys, encrypting to them, making
//! pairs. The threads that serve requests never wait for it, and it is bounded three ways: how
//! much runs, how much waits, and for how long. Of what waits, and of the threads, one org has a
//! share (contract 13.5): another's work waits for the piece that runs, and not for all that the
//! first has waiting.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use crate::error::{ApiError, Code};
use crate::ids::OrgId;
use crate::limits::shares::{self, Shares};
use crate::metrics::{self, WORK};

/// Work that is judged in milliseconds: how much of it may be waiting, and for how long.
const QUEUED: usize = 64;
const PATIENCE: Duration = Duration::from_secs(2);
/// Signatures and encryption of messages that are being served.
const MESSAGE_PATIENCE: Duration = Duration::from_secs(8);
/// Pairs that may be in the making, those that wait included: few, because one takes up to a
/// second or two, and whoever wants many can ask again.
const PAIRS: usize = 4;
/// Below the default request timeout, so that the answer is 429 and not 503.
const PAIR_PATIENCE: Duration = Duration::from_secs(8);

/// The service's worker threads. Cheap to clone; all clones are the same threads.
#[derive(Clone, Debug)]
pub struct Workers {
    short: Arc<WorkQueue>,
    pairs: Arc<WorkQueue>,
    messages: Arc<WorkQueue>,
}

/// The reasons why work is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    /// Too much of this org's waits, or it waited for too long behind its own.
    OverShare,
    /// Too much waits in all, or it takes too long.
    Busy,
}

/// The load of one kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Threads that work.
    pub running: usize,
    /// The number of jobs that wait for a thread.
    pub waiting: usize,
}

impl Workers {
    /// Half of the processors for each kind of work; none is taken while there is nothing to do. An
    /// org has the part `org_share` of them. `max_in_flight` requests may be served at a time.
    #[must_use]
    pub fn new(metrics: &metrics::DatabaseMetrics, org_share: f64, max_in_flight: usize) -> Self {
        let threads = available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
        // Whoever is being served, bulk bodies included, has room for the one message that it has.
        let room = max_in_flight * 2;
        let [judging, key_pairs, messages] = WORK.map(|work| metrics.work_refused(work));
        Self {
            short: Arc::new(WorkQueue::new(threads, threads + QUEUED, org_share, PATIENCE, judging)),
            pairs: Arc::new(WorkQueue::new(threads, threads.max(PAIRS), org_share, PAIR_PATIENCE, key_pairs)),
            messages: Arc::new(WorkQueue::new(threads, room, org_share, MESSAGE_PATIENCE, messages)),
        }
    }

    /// The load of each kind, in the order of [`WORK`].
    #[must_use]
    pub fn load(&self) -> [Load; 3] {
        [self.short.load(), self.pairs.load(), self.messages.load()]
    }

    /// Runs work of milliseconds, for the org that is served.
    ///
    /// # Errors
    /// 429 where too much of the org's is waiting; 503 where too much is in all, or it takes too long.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        self.short.run(shares::served(), work).await.map_err(|refused| match refused {
            Refused::OverShare => Code::RateLimited.into(),
            Refused::Busy => ApiError::unavailable("the worker threads are busy"),
        })
    }

    /// Signs, opens or encrypts a message of an org's. What is refused here may have been carried out already, so
    /// that it is refused for want of time only.
    ///
    /// # Errors
    /// 503 where it takes too long.
    pub async fn message<T: Send + 'static>(
        &self,
        org_id: OrgId,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let done = self.messages.run(Some(org_id), work).await;
        done.map_err(|_| ApiError::unavailable("the worker threads are busy with messages"))
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
        let made = self.pairs.run(Some(org_id), work).await;
        made.map_err(|_| ApiError::with_message(Code::RateLimited, MESSAGE).retry_after(2))
    }
}

/// A queue of its own, so that slow work does not hold up quick work.
#[derive(Debug)]
struct WorkQueue {
    admitted: Arc<Semaphore>,
    running: Arc<Semaphore>,
    /// The shares that the orgs have of the admitted jobs, and of the threads.
    admitted_shares: Shares,
    running_shares: Shares,
    threads: usize,
    permits: usize,
    patience: Duration,
    refused: Counter,
}

impl WorkQueue {
    fn new(threads: usize, permits: usize, org_share: f64, patience: Duration, refused: Counter) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        let (admitted, running) = (semaphore(permits), semaphore(threads));
        let (admitted_shares, running_shares) =
            (Shares::of(permits, org_share), Shares::of(threads, org_share));
        Self { admitted, running, admitted_shares, running_shares, threads, permits, patience, refused }
    }

    fn load(&self) -> Load {
        let running = self.threads.saturating_sub(self.running.available_permits());
        let admitted = self.permits.saturating_sub(self.admitted.available_permits());
        Load { running, waiting: admitted.saturating_sub(running) }
    }

    /// Runs work for an org, or for nobody's account.
    async fn run<T: Send + 'static>(
        &self,
        org_id: Option<OrgId>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refused> {
        let answer = self.admit(org_id, work).await;
        if answer.is_err() {
            self.refused.inc();
        }
        answer
    }

    async fn admit<T: Send + 'static>(
        &self,
        org_id: Option<OrgId>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refused> {
        let until = Instant::now() + self.patience;
        let share = org_id.map(|org_id| self.admitted_shares.try_take(org_id).ok_or(Refused::OverShare));
        let share = share.transpose()?;
        let permit = self.admitted.clone().try_acquire_owned().map_err(|_| Refused::Busy)?;
        // First among the org's own, so that in the common queue it never stands with all it has.
        let own_turn = match org_id {
            None => None,
            Some(org_id) => {
                let turn = timeout_at(until, self.running_shares.take(org_id)).await;
                Some(turn.map_err(|_| Refused::OverShare)?)
            }
        };
        let answered = async {
            let turn = self.running.clone().acquire_owned().await.map_err(|_| Refused::Busy)?;
            let done = spawn_blocking(move || {
                // Held by the work and not by who waits for it: giving up frees no permit.
                let _held = (permit, turn, share, own_turn);
                work()
            });
            done.await.map_err(|stopped| match stopped.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(_) => Refused::Busy,
            })
        };
        timeout_at(until, answered).await.unwrap_or(Err(Refused::Busy))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use uuid::Uuid;

    use super::*;

    const ACME: Option<OrgId> = Some(OrgId(Uuid::from_u128(1)));
    const ZETA: Option<OrgId> = Some(OrgId(Uuid::from_u128(2)));

    fn queue(threads: usize, permits: usize, patience: u64) -> Arc<WorkQueue> {
        Arc::new(WorkQueue::new(threads, permits, 0.5, Duration::from_millis(patience), Counter::default()))
    }

    #[tokio::test]
    async fn what_finds_no_permit_is_refused_at_once_and_giving_up_frees_none() {
        let queue = queue(1, 1, 20);
        let (finish, wait) = mpsc::channel::<()>();
        assert_eq!(queue.run(None, move || wait.recv().is_ok()).await, Err(Refused::Busy));
        assert_eq!(queue.run(None, || 1).await, Err(Refused::Busy), "the first still runs");
        finish.send(()).expect("it waits for this");
        while queue.admitted.available_permits() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(queue.run(None, || 2).await, Ok(2));
    }

    #[tokio::test]
    async fn an_org_that_floods_the_threads_holds_another_up_for_one_piece_of_work() {
        let queue = queue(1, 8, 60_000);
        let (finish, wait) = mpsc::channel::<()>();
        let wait = Arc::new(std::sync::Mutex::new(wait));
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let flood: Vec<_> = (0..4)
            .map(|number| {
                let (queue, wait, order) = (queue.clone(), wait.clone(), order.clone());
                tokio::spawn(async move {
                    let work = move || {
                        wait.lock().expect("no panic").recv().expect("it is told to go on");
                        order.lock().expect("no panic").push(format!("acme {number}"));
                    };
                    queue.run(ACME, work).await
                })
            })
            .collect();
        while queue.admitted.available_permits() > 4 {
            tokio::task::yield_now().await;
        }
        assert_eq!(queue.run(ACME, || ()).await, Err(Refused::OverShare), "half of the permits");
        let other = tokio::spawn({
            let (queue, order) = (queue.clone(), order.clone());
            async move { queue.run(ZETA, move || order.lock().expect("no panic").push("zeta".to_owned())).await }
        });
        while queue.admitted.available_permits() > 3 {
            tokio::task::yield_now().await;
        }
        for _ in 0..4 {
            finish.send(()).expect("somebody waits");
        }
        for one in flood {
            assert_eq!(one.await.expect("no panic"), Ok(()));
        }
        assert_eq!(other.await.expect("no panic"), Ok(()));
        let order = order.lock().expect("no panic");
        assert_eq!(*order, ["acme 0", "zeta", "acme 1", "acme 2", "acme 3"]);
    }

    #[tokio::test]
    async fn what_waits_too_long_for_its_turn_never_runs() {
        for (org_id, refused) in [(None, Refused::Busy), (ACME, Refused::OverShare), (ZETA, Refused::Busy)] {
            let queue = queue(1, 4, 50);
            let (finish, wait) = mpsc::channel::<()>();
            let first = tokio::spawn({
                let queue = queue.clone();
                async move { queue.run(ACME, move || wait.recv().is_ok()).await }
            });
            while queue.running.available_permits() == 1 {
                tokio::task::yield_now().await;
            }
            assert_eq!(queue.run(org_id, || panic!("it has no turn")).await, Err::<(), _>(refused));
            finish.send(()).expect("it waits for this");
            drop(first.await);
        }
    }
}
