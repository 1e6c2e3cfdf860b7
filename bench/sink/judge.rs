//! What a receiver can take: how long it needs, and how much of it a second.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use super::wire;

/// How it answers.
#[derive(Args)]
pub struct Behaviour {
    /// What a delivery takes.
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
    /// Deliveries a second; 429 beyond.
    #[arg(long)]
    rate: Option<f64>,
    /// How they are counted.
    #[arg(long, value_enum, default_value_t = Limit::Window)]
    limit: Limit,
    /// Seconds, told with whatever is no success.
    #[arg(long)]
    retry_after: Option<u32>,
    /// The answer to what it takes: 503, say, for one that takes nothing.
    #[arg(long, default_value_t = 204)]
    status: u16,
    /// Ends the connection with each answer.
    #[arg(long)]
    close: bool,
}

/// How deliveries a second are counted.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Limit {
    /// Anew with every second of the clock.
    Window,
    /// Tokens that come back evenly, at most a second's worth.
    Bucket,
}

/// Judges deliveries.
pub struct Judge {
    behaviour: Behaviour,
    began: Instant,
    room: Mutex<Room>,
}

/// What may still be taken.
struct Room {
    tokens: f64,
    at: f64,
}

/// The answer to a delivery.
pub struct Verdict {
    status: u16,
    headers: Vec<String>,
}

impl Judge {
    /// One that has taken nothing yet.
    pub fn new(behaviour: Behaviour) -> Self {
        let tokens = behaviour.rate.unwrap_or_default();
        Self { behaviour, began: Instant::now(), room: Mutex::new(Room { tokens, at: 0.0 }) }
    }

    /// Takes as long as a delivery does, and says what became of it.
    pub async fn judge(&self) -> Verdict {
        let status = if self.behaviour.rate.is_some_and(|rate| !self.takes(rate)) {
            429
        } else {
            if self.behaviour.delay_ms > 0 {
                tokio::time::sleep(Duration::from_millis(self.behaviour.delay_ms)).await;
            }
            self.behaviour.status
        };
        let mut headers = Vec::new();
        if let Some(seconds) = self.behaviour.retry_after.filter(|_| !is_good(status)) {
            headers.push(format!("retry-after: {seconds}"));
        }
        if self.behaviour.close {
            headers.push("connection: close".to_owned());
        }
        Verdict { status, headers }
    }

    /// Whether a connection ends with its first answer.
    pub fn closes(&self) -> bool {
        self.behaviour.close
    }

    fn takes(&self, rate: f64) -> bool {
        let now = self.began.elapsed().as_secs_f64();
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        match self.behaviour.limit {
            Limit::Window if now.floor() > room.at.floor() => room.tokens = rate,
            Limit::Window => {}
            Limit::Bucket => room.tokens = (room.tokens + rate * (now - room.at)).min(rate.max(1.0)),
        }
        room.at = now;
        let takes = room.tokens >= 1.0;
        if takes {
            room.tokens -= 1.0;
        }
        takes
    }
}

impl Verdict {
    /// Whether it was taken.
    pub fn is_good(&self) -> bool {
        is_good(self.status)
    }

    /// As it is sent.
    pub fn reply(&self) -> Vec<u8> {
        wire::reply(self.status, &self.headers, "")
    }
}

fn is_good(status: u16) -> bool {
    (200..300).contains(&status)
}
