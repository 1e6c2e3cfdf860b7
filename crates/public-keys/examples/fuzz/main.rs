//! Changes keys in ways that people, tools and attackers might, and holds the crate to its promises with
//! each: `cargo run --example fuzz -- --seconds 30 [--seed N]`.
//!
//! What breaks one is written to `tests/corpus`, tried first by every later run, and part of the tests.
//! The README says why it is made like this.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it reports to a terminal")]

mod certificates;
mod der;
mod promises;
mod seeds;
mod text;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::{ExitCode, exit};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use self::promises::{Measured, examine};
use self::seeds::Seeds;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// How long one input may take by the wall before it counts as hanging: the machine may be busy.
const HANGS: Duration = Duration::from_secs(60);
/// Where inputs that broke a promise are kept.
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");

type Failure = Box<dyn Error>;

/// The input that is being looked at, for when nothing comes back.
type Current = Arc<Mutex<Option<(Instant, String)>>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("fuzz: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let seconds = argument("--seconds")?.unwrap_or(30);
    let seed = match argument("--seed")? {
        Some(seed) => seed,
        None => rand::random(),
    };
    println!("fuzz: seed {seed}, {seconds} s");
    let current = Current::default();
    watch(Arc::clone(&current));
    public_keys::rsa::prepare();
    let mut tally = Tally::default();
    for text in seeds::corpus(Path::new(CORPUS))? {
        tally.take(&text, &current)?;
    }
    let mut seeds = Seeds::read()?;
    let mut rng = StdRng::seed_from_u64(seed);
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        let form = seeds.mutated(&mut rng);
        let text = form.to_text(&mut rng);
        // What leads to a verdict that was not seen before is a seed of its own.
        if tally.take(&text, &current)? {
            seeds.add(form);
        }
        if rng.random_ratio(1, 64) {
            tally.take(&seeds.untouched(&mut rng), &current)?;
        }
    }
    tally.print();
    if tally.accepted == 0 {
        Err("no input was accepted: the mutations destroy everything".into())
    } else {
        Ok(())
    }
}

fn argument(name: &str) -> Result<Option<u64>, Failure> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name).skip(1);
    arguments
        .next()
        .map(|value| value.parse().map_err(|_| format!("{name} takes a number").into()))
        .transpose()
}

/// What was seen so far.
#[derive(Default)]
struct Tally {
    verdicts: BTreeMap<String, usize>,
    inputs: usize,
    accepted: usize,
    worst: Measured,
}

impl Tally {
    /// Tries one input; `true` for a verdict that is new.
    fn take(&mut self, text: &str, current: &Current) -> Result<bool, Failure> {
        *current.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), text.to_owned()));
        let examined = examine(text, &MEMORY);
        *current.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let examined = examined.map_err(|broken| kept(text, &broken))?;
        self.inputs += 1;
        self.accepted += usize::from(examined.accepted);
        self.worst = self.worst.max(examined.measured);
        let seen = self.verdicts.entry(examined.verdict).or_default();
        *seen += 1;
        Ok(*seen == 1)
    }

    fn print(&self) {
        for (verdict, count) in &self.verdicts {
            println!("{count:>8}  {verdict}");
        }
        println!(
            "fuzz: {} inputs, {} accepted, {} verdicts; at most {:?} of processor time and {} KiB for one",
            self.inputs,
            self.accepted,
            self.verdicts.len(),
            self.worst.time,
            self.worst.bytes / 1024
        );
    }
}

/// Writes an input that broke a promise down, and says where.
fn kept(text: &str, broken: &str) -> String {
    let name = format!("{CORPUS}/{}.txt", seeds::name(text));
    match std::fs::write(&name, text) {
        Ok(()) => format!("{broken}\nthe input is in {name}"),
        Err(error) => format!("{broken}\nthe input cannot be kept in {name} ({error}): {text:?}"),
    }
}

/// Ends the process when one input takes forever.
fn watch(current: Current) {
    thread::spawn(move || {
        loop {
            thread::sleep(Duration::from_secs(1));
            let current = current.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((since, text)) = current.as_ref()
                && since.elapsed() > HANGS
            {
                eprintln!("fuzz: {}", kept(text, "nothing came back within 60 s"));
                exit(1);
            }
        }
    });
}
