//! A task that woke itself goes on in its place.
//!
//! hyper reads a request's body once its handler wants it, and says so to its own connection, which is being polled
//! just then. tokio puts a task that was woken meanwhile behind all others and wakes another thread for it, which often
//! takes it away from the processor that has it in its caches (docs/performance.md).

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Polls in a row. A body that came with its head takes two; whoever wants more lets the others have their turn first.
const AT_MOST: usize = 4;

/// Nobody polls the task: whoever wakes it means the one outside.
const RESTING: u8 = 0;
/// It is being polled.
const POLLED: u8 = 1;
/// It was woken since.
const WOKEN: u8 = 2;

/// Polls `future` again at once where it was woken while it was polled.
pub async fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut kept: Option<(Arc<Bell>, Waker)> = None;
    poll_fn(move |cx| {
        let (bell, waker) = match &mut kept {
            Some(kept) if kept.0.task.will_wake(cx.waker()) => kept,
            kept => kept.insert(Bell::of(cx.waker())),
        };
        for _ in 0..AT_MOST {
            bell.state.store(POLLED, Ordering::SeqCst);
            let polled = future.as_mut().poll(&mut Context::from_waker(waker));
            if polled.is_ready() || bell.state.swap(RESTING, Ordering::SeqCst) == POLLED {
                return polled;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

/// Wakes the task, unless it is at work.
struct Bell {
    task: Waker,
    state: AtomicU8,
}

impl Bell {
    fn of(task: &Waker) -> (Arc<Self>, Waker) {
        let bell = Arc::new(Self { task: task.clone(), state: AtomicU8::new(RESTING) });
        (bell.clone(), Waker::from(bell))
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let noted = self.state.compare_exchange(POLLED, WOKEN, Ordering::SeqCst, Ordering::SeqCst);
        if noted == Err(RESTING) {
            self.task.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::oneshot;

    use super::*;

    /// Counts how often the task outside was woken.
    #[derive(Default)]
    struct Outside(AtomicUsize);

    impl Outside {
        fn woken(&self) -> usize {
            self.0.load(Ordering::SeqCst)
        }
    }

    impl Wake for Outside {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Wakes itself `times`, and then is ready with the number of polls.
    async fn wakes_itself(times: usize) -> usize {
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            if polls > times {
                return Poll::Ready(polls);
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }

    /// Polls once; gives the outcome and how often the task outside was woken meanwhile.
    fn polled_once(task: impl Future<Output = usize>) -> (Poll<usize>, usize) {
        let outside = Arc::new(Outside::default());
        let waker = Waker::from(outside.clone());
        let polled = pin!(at_once(task)).poll(&mut Context::from_waker(&waker));
        (polled, outside.woken())
    }

    #[test]
    fn a_task_that_woke_itself_goes_on_in_its_place() {
        assert_eq!(polled_once(wakes_itself(2)), (Poll::Ready(3), 0));
    }

    #[test]
    fn one_that_wakes_itself_again_and_again_gives_way_and_is_not_forgotten() {
        assert_eq!(polled_once(wakes_itself(usize::MAX)), (Poll::Pending, 1));
    }

    #[test]
    fn whoever_wakes_it_while_it_rests_wakes_the_task_where_it_is_now() {
        let [before, now] = [(); 2].map(|()| Arc::new(Outside::default()));
        let (sender, receiver) = oneshot::channel();
        let mut task = pin!(at_once(receiver));
        for outside in [&before, &now] {
            let waker = Waker::from(outside.clone());
            assert!(task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert_eq!([before.woken(), now.woken()], [0, 0]);
        sender.send(7).unwrap();
        assert_eq!([before.woken(), now.woken()], [0, 1]);
        let waker = Waker::from(now);
        assert_eq!(task.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Ready(Ok(7)));
    }
}
