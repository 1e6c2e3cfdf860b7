//! Natural batching: while one statement is on its way, the next requests gather, and then one
//! statement takes them all. It adds no delay when idle, and under load it leaves the database's
//! cost per round trip behind (docs/performance.md).

use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::metrics::histogram::Histogram;
use sqlx::PgConnection;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::notices::heeding;
use super::pool::{Pool, RESTED, answers};
use crate::limits::shares::{self, Share, Shares};
use crate::metrics::BatchMetrics;

/// Questions that may wait, per worker and batch.
const QUEUED_BATCHES: usize = 8;

/// A statement that answers many questions at once.
pub trait Slice: Send + Sync + 'static {
    /// `true` if it changes nothing, and so may be run again where a connection had died while it
    /// was not in use, as it does when Postgres restarts.
    const IS_READ: bool = false;

    /// A statement that takes longer is given up together with its connection.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// A question.
    type In: Send + Sync + 'static;
    /// Its answer.
    type Out: Send + 'static;
    /// The state that a worker keeps between slices, such as its connection.
    type Worker: Default + Send;

    /// Answers in the order asked.
    fn run(
        &self,
        worker: &mut Self::Worker,
        questions: &[Self::In],
    ) -> impl Future<Output = Result<Vec<Self::Out>, sqlx::Error>> + Send;
}

/// Answers questions in slices. Bounded; a question whose asker is gone costs nothing more than
/// its place in a slice. The queue is one, first come first served, and an org has a part of it: so
/// whatever it asks, the others wait for a few slices.
#[derive(Debug)]
pub struct Batcher<S: Slice> {
    queue: mpsc::Sender<Question<S>>,
    shares: Option<Shares>,
    metrics: BatchMetrics,
}

type Question<S> = (<S as Slice>::In, Asker<<S as Slice>::Out>);

/// Whoever waits for an answer.
struct Asker<T> {
    reply: oneshot::Sender<Result<T, Arc<sqlx::Error>>>,
    /// Of the queue, and given back with the answer even if nobody waits for it any more.
    _share: Option<Share>,
}

/// The reasons why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// Too many wait already.
    #[error("too many requests are waiting for the database")]
    Full,
    /// Too many of this org's do.
    #[error("too many requests of this org are waiting for the database")]
    OverShare,
    /// The statement failed.
    #[error("{0}")]
    Database(Arc<sqlx::Error>),
    /// The worker ended, as it does when the process stops.
    #[error("the worker has ended")]
    Gone,
}

impl<S: Slice> Batcher<S> {
    /// Starts `workers` that each run one slice of at most `size` at a time, inside a tokio
    /// runtime. They end when the batcher is dropped.
    #[must_use]
    pub fn spawn(workers: usize, size: usize, slice: S, metrics: BatchMetrics) -> Self {
        let (queue, questions) = mpsc::channel(workers * size * QUEUED_BATCHES);
        let (questions, slice) = (Arc::new(Mutex::new(questions)), Arc::new(slice));
        for _ in 0..workers {
            tokio::spawn(work(questions.clone(), size, slice.clone(), metrics.size.clone()));
        }
        Self { queue, shares: None, metrics }
    }

    /// An org has at most the part `org_share` of the queue.
    #[must_use]
    pub fn shared(self, org_share: f64) -> Self {
        Self { shares: Some(Shares::of(self.queue.max_capacity(), org_share)), ..self }
    }

    /// Asks, and waits for the slice that carries the question.
    ///
    /// # Errors
    /// When too many wait, or the statement failed.
    pub async fn ask(&self, question: S::In) -> Result<S::Out, BatchError> {
        let (reply, answer) = oneshot::channel();
        let asker = Asker { reply, _share: self.share()? };
        self.queue.try_send((question, asker)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                self.metrics.refused.inc();
                BatchError::Full
            }
            mpsc::error::TrySendError::Closed(_) => BatchError::Gone,
        })?;
        answer.await.map_err(|_| BatchError::Gone)?.map_err(BatchError::Database)
    }

    fn share(&self) -> Result<Option<Share>, BatchError> {
        let (Some(shares), Some(org_id)) = (&self.shares, shares::served()) else { return Ok(None) };
        let share = shares.try_take(org_id);
        if share.is_none() {
            self.metrics.refused.inc();
        }
        share.map(Some).ok_or(BatchError::OverShare)
    }

    /// The number of questions that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }
}

/// Waits for a question and takes all that are there. The lock is held meanwhile, so one idle
/// worker waits, and the others for it.
async fn gather<Q>(
    questions: &mut mpsc::Receiver<Q>,
    asked: &mut Vec<Q>,
    size: usize,
    were_several: bool,
) -> usize {
    let first = questions.recv_many(asked, size).await;
    if were_several && first > 0 && first < size {
        // Those who were answered together ask again together: let the tasks that can run do so
        // first, or the quickest would have a statement for itself. Whoever asked alone last time
        // is not kept waiting for others: to yield costs waking a thread, in vain.
        tokio::task::yield_now().await;
        while asked.len() < size
            && let Ok(question) = questions.try_recv()
        {
            asked.push(question);
        }
    }
    asked.len()
}

async fn work<S: Slice>(
    questions: Arc<Mutex<mpsc::Receiver<Question<S>>>>,
    size: usize,
    slice: Arc<S>,
    sizes: Histogram,
) {
    let mut worker = S::Worker::default();
    let mut asked = Vec::with_capacity(size);
    let mut were_several = false;
    loop {
        were_several = match gather(&mut *questions.lock().await, &mut asked, size, were_several).await {
            0 => return,
            gathered => gathered > 1,
        };
        let (inputs, askers): (Vec<_>, Vec<_>) =
            asked.drain(..).filter(|(_, asker)| !asker.reply.is_closed()).unzip();
        if inputs.is_empty() {
            continue;
        }
        sizes.observe(inputs.len() as f64);
        let answers = tokio::time::timeout(S::PATIENCE, async {
            match heeding(slice.run(&mut worker, &inputs)).await {
                Err(sqlx::Error::Io(_)) if S::IS_READ => slice.run(&mut worker, &inputs).await,
                answers => answers,
            }
        });
        match answers.await.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            Ok(answers) => {
                askers
                    .into_iter()
                    .zip(answers)
                    .for_each(|(asker, answer)| drop(asker.reply.send(Ok(answer))));
            }
            Err(error) => {
                let error = Arc::new(error);
                askers.into_iter().for_each(|asker| drop(asker.reply.send(Err(error.clone()))));
            }
        }
    }
}

/// A connection that a worker keeps for itself: the pool would test it after every statement,
/// which costs as much as the statement.
#[derive(Debug, Default)]
pub struct KeptConnection {
    /// The connection, and when it was made.
    connection: Option<(PgConnection, Instant)>,
    /// The time when the last use ended cleanly; without one a statement may still run in the
    /// connection.
    healthy_since: Option<Instant>,
}

/// The time that a connection that rested may take to answer.
const TEST_PATIENCE: Duration = Duration::from_millis(300);

impl KeptConnection {
    /// The connection, or a new one. Tell [`KeptConnection::used`] how its use has ended.
    ///
    /// # Errors
    /// When the pool has none.
    pub async fn get(&mut self, pool: &Pool) -> Result<&mut PgConnection, sqlx::Error> {
        let connection = match self.kept(pool).await {
            Some(kept) => kept,
            // Older than it claims, if the pool had it for a while: but then the pool judged it.
            None => (pool.detach().await?, Instant::now()),
        };
        Ok(&mut self.connection.insert(connection).0)
    }

    async fn kept(&mut self, pool: &Pool) -> Option<(PgConnection, Instant)> {
        let ((mut kept, made), healthy_since) = (self.connection.take()?, self.healthy_since.take()?);
        let is_healthy = !pool.suspects().contains(made)
            && (healthy_since.elapsed() < RESTED || answers(&mut kept, TEST_PATIENCE).await);
        is_healthy.then_some((kept, made))
    }

    /// Notes how the last use ended: only after a good end is the connection used again.
    ///
    /// # Errors
    /// As given.
    pub fn used<T>(&mut self, pool: &Pool, outcome: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        match &outcome {
            Ok(_) => self.healthy_since = Some(Instant::now()),
            Err(error) => pool.suspects().observe(error),
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use prometheus_client::metrics::counter::Counter;
    use uuid::Uuid;

    use super::*;
    use crate::ids::OrgId;

    fn metrics() -> BatchMetrics {
        BatchMetrics { size: Histogram::new([]), refused: Counter::default() }
    }

    /// Doubles numbers, fails for a slice with 0, and never answers one with 99.
    #[derive(Default)]
    struct Doubles {
        runs: Arc<AtomicUsize>,
    }

    impl Slice for Doubles {
        type In = u32;
        type Out = u32;
        type Worker = ();

        async fn run(&self, (): &mut (), numbers: &[u32]) -> Result<Vec<u32>, sqlx::Error> {
            self.runs.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
            match numbers {
                numbers if numbers.contains(&0) => Err(sqlx::Error::RowNotFound),
                numbers if numbers.contains(&99) => std::future::pending().await,
                numbers => Ok(numbers.iter().map(|n| n * 2).collect()),
            }
        }
    }

    #[tokio::test]
    async fn what_gathers_while_one_slice_runs_shares_the_next() {
        let slice = Doubles::default();
        let runs = slice.runs.clone();
        let batcher = Arc::new(Batcher::spawn(1, 100, slice, metrics()));
        let asked: Vec<_> = (1..50)
            .map(|n| {
                let batcher = batcher.clone();
                tokio::spawn(async move { (n, batcher.ask(n).await.unwrap()) })
            })
            .collect();
        for answer in asked {
            let (n, doubled) = answer.await.unwrap();
            assert_eq!(doubled, n * 2);
        }
        assert!(runs.load(Ordering::SeqCst) <= 3, "{runs:?}");
    }

    #[tokio::test]
    async fn a_failed_statement_fails_its_slice_and_no_other() {
        let batcher = Batcher::spawn(1, 10, Doubles::default(), metrics());
        assert!(matches!(batcher.ask(0).await, Err(BatchError::Database(_))));
        assert_eq!(batcher.ask(1).await.unwrap(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_statement_that_hangs_is_given_up() {
        let batcher = Batcher::spawn(1, 10, Doubles::default(), metrics());
        assert!(matches!(batcher.ask(99).await, Err(BatchError::Database(_))));
        assert_eq!(batcher.ask(1).await.unwrap(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_org_that_asks_too_much_is_refused_and_the_others_are_answered() {
        let [acme, zeta] = [1, 2].map(|n| OrgId(Uuid::from_u128(n)));
        // Eight permits, four of them for an org.
        let batcher = Arc::new(Batcher::spawn(1, 1, Doubles::default(), metrics()).shared(0.5));
        let ask = |org_id, number| {
            let batcher = batcher.clone();
            shares::serving(org_id, async move { batcher.ask(number).await })
        };
        let waiting: Vec<_> = (0..4).map(|_| tokio::spawn(ask(acme, 1))).collect();
        tokio::task::yield_now().await;
        assert!(matches!(ask(acme, 1).await, Err(BatchError::OverShare)));
        assert_eq!(ask(zeta, 2).await.unwrap(), 4);
        for one in waiting {
            assert_eq!(one.await.unwrap().unwrap(), 2);
        }
        assert_eq!(ask(acme, 1).await.unwrap(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_is_bounded() {
        let batcher = Arc::new(Batcher::spawn(1, 1, Doubles::default(), metrics()));
        let asking: Vec<_> = (0..20)
            .map(|_| {
                let batcher = batcher.clone();
                tokio::spawn(async move { batcher.ask(99).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(asking.iter().filter(|ask| ask.is_finished()).count() >= 10);
    }
}
