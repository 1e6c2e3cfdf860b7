//! Threads for what keeps a processor busy: judging partners' keys, encrypting to them, making
//! pairs. The threads that serve requests never wait for it, and it is bounded three ways: how
//! much runs, how much waits, and for how long.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::error::{ApiError, Code};

/// Work that is judged in milliseconds: how much of it may be waiting, and for how long.
const QUEUED: usize = 64;
const PATIENCE: Duration = Duration::from_secs(2);
/// Pairs that may be in the making, those that wait included: few, because one takes up to a
/// second or two, and whoever wants many can ask again.
const PAIRS: usize = 4;
/// Below the default request timeout, so that the answer is 429 and not 503.
const PAIR_PATIENCE: Duration = Duration::from_secs(8);

/// The service's worker threads.
#[derive(Debug)]
pub struct Workers {
    short: Lane,
    pairs: Lane,
}

impl Default for Workers {
    fn default() -> Self {
        Self::new()
    }
}

impl Workers {
    /// Half of the processors for each kind of work; none is taken while there is nothing to do.
    #[must_use]
    pub fn new() -> Self {
        let threads = available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
        Self {
            short: Lane::new(threads, threads + QUEUED, PATIENCE),
            pairs: Lane::new(threads, threads.max(PAIRS), PAIR_PATIENCE),
        }
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

    /// Makes a key pair.
    ///
    /// # Errors
    /// 429 where too many are being made.
    pub async fn make_pair<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        const MESSAGE: &str = "Too many key pairs are being generated; try again in a moment.";
        let made = self.pairs.run(work).await;
        made.ok_or_else(|| ApiError::with_message(Code::RateLimited, MESSAGE).retry_after(2))
    }
}

/// A queue of its own, so that slow work does not hold up quick work.
#[derive(Debug)]
struct Lane {
    admitted: Arc<Semaphore>,
    running: Arc<Semaphore>,
    patience: Duration,
}

impl Lane {
    fn new(threads: usize, admitted: usize, patience: Duration) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self { admitted: semaphore(admitted), running: semaphore(threads), patience }
    }

    /// `None` where there is no room, or no answer in time.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
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

    use super::*;

    #[tokio::test]
    async fn what_finds_no_room_is_refused_at_once_and_giving_up_makes_no_room() {
        let lane = Lane::new(1, 1, Duration::from_millis(20));
        let (finish, wait) = mpsc::channel::<()>();
        assert_eq!(lane.run(move || wait.recv().is_ok()).await, None);
        assert_eq!(lane.run(|| 1).await, None, "the first still runs");
        finish.send(()).expect("it waits for this");
        while lane.admitted.available_permits() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(lane.run(|| 2).await, Some(2));
    }

    #[tokio::test]
    async fn what_waits_too_long_for_its_turn_never_runs() {
        let lane = Arc::new(Lane::new(1, 2, Duration::from_millis(50)));
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
