//! Natural batching: while one statement is on its way, the next requests gather, and then one
//! statement takes them all. It adds no delay when idle, and under load it leaves the database's
//! cost per round trip behind (shared/performance.md).

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, oneshot};

/// Questions that may wait, per worker and batch.
const QUEUED_BATCHES: usize = 8;

/// Answers questions in slices. Bounded; a question whose asker is gone costs nothing more than
/// its place in a slice.
#[derive(Debug)]
pub struct Batcher<I, O> {
    queue: mpsc::Sender<Question<I, O>>,
}

type Question<I, O> = (I, oneshot::Sender<Result<O, Arc<sqlx::Error>>>);

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// Too many wait already.
    #[error("too many requests are waiting for the database")]
    Full,
    /// The statement failed.
    #[error("{0}")]
    Database(Arc<sqlx::Error>),
    /// The worker ended, as it does when the process stops.
    #[error("the worker has ended")]
    Gone,
}

impl<I: Send + 'static, O: Send + 'static> Batcher<I, O> {
    /// Starts `workers` that each run one slice of at most `size` at a time. `run` answers in the
    /// order it was asked. They end when the batcher is dropped.
    #[must_use]
    pub fn spawn<F>(
        workers: usize,
        size: usize,
        run: impl Fn(Vec<I>) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Vec<O>, sqlx::Error>> + Send + 'static,
    {
        let (queue, questions) = mpsc::channel(workers * size * QUEUED_BATCHES);
        let questions = Arc::new(Mutex::new(questions));
        for _ in 0..workers {
            tokio::spawn(work(questions.clone(), size, run.clone()));
        }
        Self { queue }
    }

    /// Asks, and waits for the slice that carries the question.
    ///
    /// # Errors
    /// When too many wait, or the statement failed.
    pub async fn ask(&self, question: I) -> Result<O, BatchError> {
        let (reply, answer) = oneshot::channel();
        self.queue.try_send((question, reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => BatchError::Full,
            mpsc::error::TrySendError::Closed(_) => BatchError::Gone,
        })?;
        answer.await.map_err(|_| BatchError::Gone)?.map_err(BatchError::Database)
    }
}

async fn work<I, O, F>(
    questions: Arc<Mutex<mpsc::Receiver<Question<I, O>>>>,
    size: usize,
    run: impl Fn(Vec<I>) -> F,
) where
    F: Future<Output = Result<Vec<O>, sqlx::Error>>,
{
    let mut slice = Vec::with_capacity(size);
    loop {
        // The lock is held while waiting, so one idle worker waits and the others for it.
        if questions.lock().await.recv_many(&mut slice, size).await == 0 {
            return;
        }
        let (inputs, replies): (Vec<_>, Vec<_>) =
            slice.drain(..).filter(|(_, reply)| !reply.is_closed()).unzip();
        if inputs.is_empty() {
            continue;
        }
        match run(inputs).await {
            Ok(answers) => {
                replies.into_iter().zip(answers).for_each(|(reply, answer)| drop(reply.send(Ok(answer))))
            }
            Err(error) => {
                let error = Arc::new(error);
                replies.into_iter().for_each(|reply| drop(reply.send(Err(error.clone()))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn what_gathers_while_one_slice_runs_shares_the_next() {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = runs.clone();
        let batcher = Arc::new(Batcher::spawn(1, 100, move |numbers: Vec<u32>| {
            counted.fetch_add(1, Ordering::SeqCst);
            async move {
                tokio::time::sleep(Duration::from_millis(5)).await;
                Ok(numbers.into_iter().map(|n| n * 2).collect())
            }
        }));
        let asked: Vec<_> = (0..50)
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
        let batcher = Batcher::spawn(1, 10, |numbers: Vec<u32>| async move {
            if numbers.contains(&0) { Err(sqlx::Error::RowNotFound) } else { Ok(numbers) }
        });
        assert!(matches!(batcher.ask(0).await, Err(BatchError::Database(_))));
        assert_eq!(batcher.ask(1).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn the_queue_is_bounded() {
        let batcher = Arc::new(Batcher::spawn(1, 1, |_: Vec<u32>| std::future::pending()));
        let asking: Vec<_> = (0..20)
            .map(|n| {
                let batcher: Arc<Batcher<u32, u32>> = batcher.clone();
                tokio::spawn(async move { batcher.ask(n).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(asking.iter().filter(|ask| ask.is_finished()).count() >= 10);
        asking.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
