//! What arrived: how much, how fast, what of it twice, and what too late.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::sqs;
use super::wire::Request;

/// The counts.
pub struct Tally {
    began: Instant,
    check: Option<Check>,
    /// Connections that were taken.
    pub connections: u64,
    requests: u64,
    refused: u64,
    accepted: u64,
    /// When the first and the last event was taken.
    span: Option<(Duration, Duration)>,
    running: usize,
    most_running: usize,
    /// Requests by how many messages they held.
    batches: BTreeMap<usize, u64>,
}

/// The events that were taken.
#[derive(Default)]
struct Check {
    ids: HashSet<u128>,
    /// The highest version of each subject.
    versions: HashMap<u128, i64>,
    again: u64,
    disordered: u64,
}

impl Tally {
    /// Nothing has arrived; with `is_checked`, every id is remembered.
    pub fn new(is_checked: bool) -> Self {
        Self {
            began: Instant::now(),
            check: is_checked.then(Check::default),
            connections: 0,
            requests: 0,
            refused: 0,
            accepted: 0,
            span: None,
            running: 0,
            most_running: 0,
            batches: BTreeMap::new(),
        }
    }

    /// Starts anew; what is running goes on.
    pub fn reset(&mut self) {
        *self = Self { running: self.running, ..Self::new(self.check.is_some()) };
    }

    /// A request has begun.
    pub fn begin(&mut self) {
        self.requests += 1;
        self.running += 1;
        self.most_running = self.most_running.max(self.running);
    }

    /// A request was judged; gives how many messages it held.
    pub fn end(&mut self, request: &Request<'_>, is_good: bool) -> usize {
        self.running -= 1;
        let messages = sqs::messages(request);
        let count = messages.as_ref().map_or(1, Vec::len);
        if !is_good {
            self.refused += 1;
            return count;
        }
        let now = self.began.elapsed();
        if count > 0 {
            self.span = Some((self.span.map_or(now, |(first, _)| first), now));
        }
        self.accepted += count as u64;
        if let Some(messages) = &messages {
            *self.batches.entry(count).or_default() += 1;
            messages.iter().for_each(|message| self.note(message.as_bytes(), None));
        } else {
            self.note(request.body, request.header("webhook-id"));
        }
        count
    }

    fn note(&mut self, message: &[u8], id: Option<&str>) {
        let Some(check) = &mut self.check else { return };
        let id = id.and_then(hex).or_else(|| number(after(message, b"evt_")?, 16));
        let Some(id) = id else { return };
        if !check.ids.insert(id) {
            check.again += 1;
            return;
        }
        let subject = after(message, b"\"user_id\":\"").and_then(uuid);
        let version = after(message, b"\"version\":").and_then(|text| number(text, 10));
        if let (Some(subject), Some(version)) = (subject, version) {
            let (version, highest) = (version as i64, check.versions.entry(subject).or_default());
            check.disordered += u64::from(version < *highest);
            *highest = version.max(*highest);
        }
    }

    /// The counts as JSON.
    pub fn report(&self) -> Value {
        let seconds = self.span.map_or(0.0, |(first, last)| (last - first).as_secs_f64());
        let rate = if seconds > 0.0 { (self.accepted as f64 - 1.0) / seconds } else { 0.0 };
        let check = self.check.as_ref();
        json!({
            "accepted": self.accepted,
            "again": check.map(|check| check.again),
            "batches": self.batches.iter().map(|(size, count)| (size.to_string(), *count)).collect::<BTreeMap<_, _>>(),
            "connections": self.connections,
            "disordered": check.map(|check| check.disordered),
            "distinct": check.map(|check| check.ids.len()),
            "most_running": self.most_running,
            "rate": rate,
            "refused": self.refused,
            "requests": self.requests,
            "seconds": seconds,
        })
    }
}

/// What follows the first `marker`.
pub fn after<'m>(message: &'m [u8], marker: &[u8]) -> Option<&'m [u8]> {
    let at = message.windows(marker.len()).position(|window| window == marker)?;
    Some(&message[at + marker.len()..])
}

/// An event's id on the wire.
fn hex(id: &str) -> Option<u128> {
    u128::from_str_radix(id.strip_prefix("evt_")?, 16).ok()
}

/// The UUID at the beginning.
pub fn uuid(text: &[u8]) -> Option<u128> {
    let text = std::str::from_utf8(text.get(..36)?).ok()?;
    u128::from_str_radix(&text.replace('-', ""), 16).ok()
}

/// The number at the beginning.
fn number(text: &[u8], radix: u32) -> Option<u128> {
    let length = text.iter().take_while(|byte| char::from(**byte).is_digit(radix)).count();
    u128::from_str_radix(std::str::from_utf8(&text[..length]).ok()?, radix).ok()
}
