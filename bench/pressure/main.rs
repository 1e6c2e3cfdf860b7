//! Draws what the publisher's pressure does to receivers of several kinds: offered, accepted, in flight.
//!
//!     cargo bench --bench pressure > docs/pressure.svg
//!
//! A simulation: the controller is the service's own, receivers and time are made up, and nothing is random,
//! so the drawing is the same on every machine.

#![expect(clippy::print_stdout, reason = "it prints the drawing")]

mod drawing;
mod receivers;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use partner_api::background::publisher::pressure::Pressure;

use self::receivers::{Answer, Receiver};

/// One second of a run.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    offered: u32,
    accepted: u32,
    in_flight: u32,
}

/// A request on its way, ordered by when it ends, in microseconds.
type OnItsWay = Reverse<(u64, u64, u64, u32, Answer)>;

const SECONDS: usize = 120;
const MICROS: u64 = 1_000_000;

fn main() {
    let panels: Vec<_> = receivers::all()
        .into_iter()
        .map(|(title, rate, mut receiver)| {
            let seconds = simulate(&mut *receiver);
            let accepted: u32 = seconds.iter().map(|second| second.accepted).sum();
            let share = f64::from(accepted) / SECONDS as f64 / rate;
            (title, share, seconds)
        })
        .collect();
    println!("{}", drawing::svg(&panels));
}

/// A queue with endless events and one receiver.
fn simulate(receiver: &mut dyn Receiver) -> Vec<Second> {
    let (mut pressure, mut seconds) = (Pressure::default(), vec![Second::default(); SECONDS]);
    let mut on_its_way: BinaryHeap<OnItsWay> = BinaryHeap::new();
    let (mut now, mut next_start, mut resume_at, mut count) = (0, 0, 0, 0);
    while now < SECONDS as u64 * MICROS {
        let may_start = |in_flight: usize| in_flight < pressure.limit() as usize;
        if may_start(on_its_way.len()) && now >= next_start.max(resume_at) {
            let (latency, answer) = receiver.ask(now, on_its_way.len());
            on_its_way.push(Reverse((now + latency, count, now, pressure.epoch(), answer)));
            next_start = now + micros(pressure.gap());
            count += 1;
            let second = &mut seconds[(now / MICROS) as usize];
            second.offered += 1;
            second.in_flight = second.in_flight.max(on_its_way.len() as u32);
            continue;
        }
        let ends = on_its_way.peek().map(|Reverse((at, ..))| *at);
        let starts = may_start(on_its_way.len()).then(|| next_start.max(resume_at));
        let Some(next) = ends.into_iter().chain(starts).min() else { break };
        now = next.max(now);
        if ends == Some(now)
            && let Some(Reverse((_, _, began, epoch, answer))) = on_its_way.pop()
        {
            receiver.ended();
            match answer {
                Answer::Taken => {
                    pressure.succeeded(Duration::from_micros(now - began));
                    if let Some(second) = seconds.get_mut((now / MICROS) as usize) {
                        second.accepted += 1;
                    }
                }
                Answer::Timeout => pressure.failed(epoch),
                Answer::Refused(asked) => {
                    let since = Duration::from_micros(now.saturating_sub(resume_at));
                    resume_at = resume_at.max(now + micros(pressure.refused(epoch, asked, since)));
                }
            }
        }
    }
    seconds
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
