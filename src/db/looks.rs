//! What a change and the listener of its own process have to say to each other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};

/// The time that a change waits for this process to have seen it. Nothing hangs on it: memory that is not up to date
/// is believed for less than a second.
const PATIENCE: Duration = Duration::from_millis(50);

/// The looks of this process at what is announced, counted from one.
#[derive(Debug, Default)]
pub(super) struct Looks {
    wanted: Notify,
    begun: AtomicU64,
    /// The last that is over; none where nobody listens.
    done: watch::Sender<Option<u64>>,
}

impl Looks {
    /// Has the listener look, and waits until it has: whoever asks this process next is answered by what is true now.
    pub(super) async fn want(&self) {
        let mut done = self.done.subscribe();
        if done.borrow().is_none() {
            return;
        }
        // One that has begun before may have begun before the commit.
        let begun = self.begun.load(Ordering::Acquire);
        self.wanted.notify_one();
        let seen = done.wait_for(|done| done.is_none_or(|number| number > begun));
        let _ = tokio::time::timeout(PATIENCE, seen).await;
    }

    /// Resolves when a look is wanted.
    pub(super) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// A look begins; gives its number.
    pub(super) fn begin(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// What a look saw is forgotten; `None` where nobody looks any more.
    pub(super) fn end(&self, look: Option<u64>) {
        self.done.send_replace(look);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_change_waits_for_a_look_that_began_after_it() {
        let looks = Arc::new(Looks::default());
        looks.end(Some(0));
        let early = looks.begin();
        let change = tokio::spawn({
            let looks = looks.clone();
            async move { looks.want().await }
        });
        looks.wanted().await;
        looks.end(Some(early));
        tokio::task::yield_now().await;
        assert!(!change.is_finished());
        looks.end(Some(looks.begin()));
        change.await.expect("it goes on");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_who_does_not_listen_or_answer() {
        let looks = Looks::default();
        let began = tokio::time::Instant::now();
        looks.want().await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        looks.end(Some(0));
        looks.want().await;
        assert_eq!(began.elapsed(), PATIENCE);
    }
}
