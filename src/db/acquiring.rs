//! Connections that are made although whoever asked for one has given up. sqlx drops a connection that is half made
//! with the one who waits for it. Where making one takes longer than anybody waits, as when a busy machine gets to a
//! new primary, everybody would begin anew and none would ever be made.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx::{Error, Postgres};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// The time that sqlx may take to give a connection out, whoever still waits for it.
pub(super) const MADE_WITHIN: Duration = Duration::from_secs(5);
/// So many are made at a time with nobody waiting: those who wait get on with them, and a crowd that left
/// leaves no crowd behind.
const FINISHED_AT_ONCE: usize = 2;

/// The right to go on with what nobody waits for any more.
#[derive(Clone, Debug)]
pub(super) struct Finishing(Arc<Semaphore>);

impl Default for Finishing {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(FINISHED_AT_ONCE)))
    }
}

/// A connection on its way from sqlx's pool.
pub(super) struct Acquiring {
    made: Option<BoxFuture<'static, Result<PoolConnection<Postgres>, Error>>>,
    finishing: Finishing,
}

impl Acquiring {
    pub(super) fn new(
        made: impl Future<Output = Result<PoolConnection<Postgres>, Error>> + Send + 'static,
        finishing: &Finishing,
    ) -> Self {
        Self { made: Some(Box::pin(made)), finishing: finishing.clone() }
    }
}

impl Future for Acquiring {
    type Output = Result<PoolConnection<Postgres>, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(made) = &mut self.made else { return Poll::Ready(Err(Error::WorkerCrashed)) };
        let polled = made.as_mut().poll(context);
        if polled.is_ready() {
            self.made = None;
        }
        polled
    }
}

impl Drop for Acquiring {
    fn drop(&mut self) {
        let Some(made) = self.made.take() else { return };
        let Ok(permit) = self.finishing.0.clone().try_acquire_owned() else { return };
        // A process that stops has no runtime any more.
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            // It goes to the pool, for whoever comes next.
            drop(made.await);
            drop(permit);
        });
    }
}
