//! Receivers as partners have them.

use std::time::Duration;

/// What a request comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    Taken,
    /// 429, and its `Retry-After`.
    Refused(Option<Duration>),
    Timeout,
}

/// Someone who answers.
pub trait Receiver {
    /// The time that the answer takes, in microseconds, and the answer to a request that arrives at `now` beside
    /// `others`.
    fn ask(&mut self, now: u64, others: usize) -> (u64, Answer);

    /// A request has ended.
    fn ended(&mut self) {}
}

const MILLI: u64 = 1_000;
const SECOND: u64 = 1_000_000;
const TIMEOUT: u64 = 10 * SECOND;

/// All of them: what they are, how many events a second they can take, and themselves.
pub fn all() -> Vec<(&'static str, f64, Box<dyn Receiver>)> {
    let in_a_second = Some(Duration::from_secs(1));
    vec![
        (
            "5 a second, 429 with Retry-After: 1",
            5.0,
            Box::new(Window { each: 5, asks: in_a_second, at: 0, count: 0 }),
        ),
        (
            "5 a second, 429 without Retry-After",
            5.0,
            Box::new(Window { each: 5, asks: None, at: 0, count: 0 }),
        ),
        (
            "one each 200 ms, 429 with Retry-After: 1",
            5.0,
            Box::new(Spaced { each: SECOND / 5, asks: in_a_second, free_at: 0 }),
        ),
        (
            "one worker, 20 ms, a backlog of 5",
            50.0,
            Box::new(Workers { count: 1, backlog: 5, each: 20 * MILLI, busy_until: vec![0] }),
        ),
        (
            "32 workers, 20 ms",
            1_600.0,
            Box::new(Workers { count: 32, backlog: 64, each: 20 * MILLI, busy_until: vec![0; 32] }),
        ),
        (
            "8 workers, 100 ms, hangs from 40 s to 60 s",
            80.0,
            Box::new(Hanging(Workers { count: 8, backlog: 16, each: 100 * MILLI, busy_until: vec![0; 8] })),
        ),
    ]
}

/// So many in each second of the clock.
struct Window {
    each: u32,
    asks: Option<Duration>,
    at: u64,
    count: u32,
}

impl Receiver for Window {
    fn ask(&mut self, now: u64, _: usize) -> (u64, Answer) {
        if now / SECOND != self.at {
            (self.at, self.count) = (now / SECOND, 0);
        }
        self.count += 1;
        let answer = if self.count <= self.each { Answer::Taken } else { Answer::Refused(self.asks) };
        (10 * MILLI, answer)
    }
}

/// One, and then none for a while.
struct Spaced {
    each: u64,
    asks: Option<Duration>,
    free_at: u64,
}

impl Receiver for Spaced {
    fn ask(&mut self, now: u64, _: usize) -> (u64, Answer) {
        if now < self.free_at {
            return (10 * MILLI, Answer::Refused(self.asks));
        }
        self.free_at = now + self.each;
        (10 * MILLI, Answer::Taken)
    }
}

/// Workers that each take one request, before them a line of those that wait; who finds it full hears nothing.
struct Workers {
    count: usize,
    backlog: usize,
    each: u64,
    busy_until: Vec<u64>,
}

impl Receiver for Workers {
    fn ask(&mut self, now: u64, others: usize) -> (u64, Answer) {
        if others >= self.count + self.backlog {
            return (TIMEOUT, Answer::Timeout);
        }
        let Some(first) = self.busy_until.iter_mut().min() else { return (TIMEOUT, Answer::Timeout) };
        *first = now.max(*first) + self.each;
        (*first - now, Answer::Taken)
    }
}

/// The same, out of order for a while.
struct Hanging(Workers);

impl Receiver for Hanging {
    fn ask(&mut self, now: u64, others: usize) -> (u64, Answer) {
        if (40 * SECOND..60 * SECOND).contains(&now) {
            (TIMEOUT, Answer::Timeout)
        } else {
            self.0.ask(now, others)
        }
    }
}
