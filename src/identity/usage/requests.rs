//! The requests of one key since they were last written: by hour, by source, and by the scope that they needed.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, Utc};

use super::source::{SourceNetwork, told_apart};

/// Sources that are told apart between two writings, for each key. Requests from further ones are counted, but for no
/// source.
const MAX_SOURCES: usize = 64;
/// The same, of all keys together: with half a kilobyte for the longest `User-Agent`, 50 MB at most.
const MAX_SOURCES_IN_ALL: usize = 100_000;
/// Hours that wait to be written; older ones would be shown to nobody by then.
const MAX_HOURS: usize = 50;
const MICROS_PER_HOUR: i64 = 3_600_000_000;

/// A request with a key, as it reaches the public listener.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'r> {
    /// When.
    pub at: DateTime<Utc>,
    /// From where, as far as somebody vouches for it.
    pub client: Option<IpAddr>,
    /// Its `User-Agent`, empty where it has none.
    pub agent: &'r [u8],
    /// Whether it may come from there.
    pub network: Judgement,
    /// The scope that its route needs, and whether the key has that.
    pub scope: Option<(&'static str, Judgement)>,
}

/// What a restriction of the key says of a request (contract 13.3), from good to bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Judgement {
    /// It may.
    #[default]
    Allowed,
    /// It may not, and does: the policy is to report.
    Reported,
    /// It may not.
    Refused,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Requests.
    pub requests: i64,
    /// Of these, let through against a restriction.
    pub reported: i64,
    /// Of these, refused.
    pub refused: i64,
}

/// The requests of one key.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Requests by the hour's beginning, in microseconds.
    pub hours: Vec<(i64, i64)>,
    /// Where they came from.
    pub sources: Vec<Source>,
    /// What they needed.
    pub scopes: Vec<Need>,
    /// The last time, in microseconds, that a source was left out; 0 if none was.
    pub dropped_at: i64,
    /// The source of the last request, which is most often that of the next.
    latest: usize,
}

/// Requests from one network with one `User-Agent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The network.
    pub network: SourceNetwork,
    /// What the client says it is, as it was sent.
    pub agent: Box<[u8]>,
    /// The first and the last, in microseconds.
    pub seen: (i64, i64),
    /// How many.
    pub count: Count,
}

/// Requests that needed one scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The scope.
    pub scope: &'static str,
    /// The last one, in microseconds.
    pub last: i64,
    /// The last one that the key's scopes did not cover and that was let through; 0 if there is none.
    pub last_reported: i64,
    /// How many.
    pub count: Count,
}

/// The sources that memory still has room for.
#[derive(Debug)]
pub struct Room(AtomicUsize);

impl Default for Room {
    fn default() -> Self {
        Self(AtomicUsize::new(MAX_SOURCES_IN_ALL))
    }
}

impl Room {
    fn take(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// The sources of these requests are no longer in memory.
    pub fn give_back(&self, requests: &Requests) {
        self.0.fetch_add(requests.sources.len(), Ordering::Relaxed);
    }
}

impl Count {
    fn one(judgement: Judgement) -> Self {
        Self {
            requests: 1,
            reported: (judgement == Judgement::Reported).into(),
            refused: (judgement == Judgement::Refused).into(),
        }
    }

    /// Adds another one.
    pub fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.reported += other.reported;
        self.refused += other.refused;
    }
}

impl Requests {
    /// Counts a request.
    pub fn note(&mut self, arrival: &Arrival<'_>, room: &Room) {
        let at = arrival.at.timestamp_micros();
        self.add_hour(at - at.rem_euclid(MICROS_PER_HOUR), 1);
        let (network, agent) = (SourceNetwork::of(arrival.client), told_apart(arrival.agent));
        self.add_source(network, agent, (at, at), Count::one(arrival.network), room);
        if let Some((scope, judgement)) = arrival.scope {
            let last_reported = if judgement == Judgement::Reported { at } else { 0 };
            self.add_need(Need { scope, last: at, last_reported, count: Count::one(judgement) });
        }
    }

    /// Adds what could not be written and was counted before these.
    pub fn put_back(&mut self, older: Self, room: &Room) {
        older.hours.iter().for_each(|(hour, requests)| self.add_hour(*hour, *requests));
        for Source { network, agent, seen, count } in older.sources {
            self.add_source(network, &agent, seen, count, room);
        }
        older.scopes.into_iter().for_each(|need| self.add_need(need));
        self.dropped_at = self.dropped_at.max(older.dropped_at);
    }

    fn add_hour(&mut self, hour: i64, requests: i64) {
        match self.hours.iter_mut().rev().find(|(known, _)| *known == hour) {
            Some((_, counted)) => *counted += requests,
            None => {
                self.hours.push((hour, requests));
                if self.hours.len() > MAX_HOURS {
                    self.hours.sort_unstable();
                    self.hours.remove(0);
                }
            }
        }
    }

    fn add_source(
        &mut self,
        network: SourceNetwork,
        agent: &[u8],
        (first, last): (i64, i64),
        count: Count,
        room: &Room,
    ) {
        let is_it = |source: &Source| source.network == network && *source.agent == *agent;
        if !self.sources.get(self.latest).is_some_and(is_it) {
            self.latest = self.sources.iter().position(is_it).unwrap_or(self.sources.len());
        }
        if let Some(source) = self.sources.get_mut(self.latest) {
            source.seen = (source.seen.0.min(first), source.seen.1.max(last));
            source.count.add(count);
        } else if self.sources.len() < MAX_SOURCES && room.take() {
            self.sources.push(Source { network, agent: agent.into(), seen: (first, last), count });
        } else {
            self.dropped_at = self.dropped_at.max(last);
        }
    }

    fn add_need(&mut self, need: Need) {
        match self.scopes.iter_mut().find(|known| known.scope == need.scope) {
            Some(known) => {
                known.last = known.last.max(need.last);
                known.last_reported = known.last_reported.max(need.last_reported);
                known.count.add(need.count);
            }
            None => self.scopes.push(need),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(at: i64, agent: &[u8]) -> Arrival<'_> {
        Arrival {
            at: DateTime::from_timestamp_micros(at).unwrap(),
            client: Some("198.51.100.7".parse().unwrap()),
            agent,
            network: Judgement::Allowed,
            scope: Some(("users:read", Judgement::Allowed)),
        }
    }

    #[test]
    fn a_request_counts_for_its_hour_its_source_and_the_scope_it_needs() {
        let (mut requests, room) = (Requests::default(), Room::default());
        requests.note(&arrival(MICROS_PER_HOUR - 1, b"a"), &room);
        requests.note(&arrival(MICROS_PER_HOUR, b"b"), &room);
        let outside = Arrival { network: Judgement::Reported, ..arrival(MICROS_PER_HOUR + 5, b"a") };
        requests.note(&Arrival { scope: Some(("users:write", Judgement::Reported)), ..outside }, &room);
        requests.note(&Arrival { network: Judgement::Refused, scope: None, ..outside }, &room);
        assert_eq!(requests.hours, [(0, 1), (MICROS_PER_HOUR, 3)]);
        let counted: Vec<_> = requests.sources.iter().map(|s| (&*s.agent, s.seen, s.count)).collect();
        let of = |requests, reported, refused| Count { requests, reported, refused };
        let a = (&b"a"[..], (MICROS_PER_HOUR - 1, MICROS_PER_HOUR + 5), of(3, 1, 1));
        assert_eq!(counted, [a, (&b"b"[..], (MICROS_PER_HOUR, MICROS_PER_HOUR), of(1, 0, 0))]);
        let needed: Vec<_> = requests.scopes.iter().map(|n| (n.scope, n.last_reported, n.count)).collect();
        assert_eq!(
            needed,
            [("users:read", 0, of(2, 0, 0)), ("users:write", MICROS_PER_HOUR + 5, of(1, 1, 0))]
        );
    }

    #[test]
    fn sources_are_bounded_for_a_key_and_in_all_and_every_request_counts() {
        let (mut requests, room) = (Requests::default(), Room::default());
        for number in 0..1_000_u32 {
            requests.note(&arrival(i64::from(number), &number.to_be_bytes()), &room);
        }
        assert_eq!((requests.sources.len(), requests.dropped_at), (64, 999));
        assert_eq!(requests.hours, [(0, 1_000)]);
        room.give_back(&requests);

        let full = Room(AtomicUsize::new(1));
        let mut first = Requests::default();
        first.note(&arrival(1, b"a"), &full);
        first.note(&arrival(2, b"b"), &full);
        first.note(&arrival(3, b"a"), &full);
        assert_eq!((first.sources.len(), first.sources[0].count.requests, first.dropped_at), (1, 2, 2));
        full.give_back(&first);
        let mut second = Requests::default();
        second.note(&arrival(4, b"c"), &full);
        assert_eq!((second.sources.len(), second.dropped_at), (1, 0));
    }

    #[test]
    fn what_is_put_back_adds_up_with_what_came_meanwhile() {
        let room = Room::default();
        let (mut before, mut all) = (Requests::default(), Requests::default());
        let mut after = Requests::default();
        for at in 0..10 {
            let one = [&b"a"[..], b"b", b"c"][at as usize % 3];
            if at < 5 { &mut before } else { &mut after }.note(&arrival(at, one), &room);
            all.note(&arrival(at, one), &room);
        }
        after.put_back(before, &room);
        assert_eq!((after.hours, after.scopes), (all.hours, all.scopes));
        let sorted = |mut sources: Vec<Source>| {
            sources.sort_unstable_by(|a, b| a.agent.cmp(&b.agent));
            sources
        };
        assert_eq!(sorted(after.sources), sorted(all.sources));
    }

    #[test]
    fn a_database_that_is_away_for_days_costs_no_more_than_the_hours_that_are_shown() {
        let (mut requests, room) = (Requests::default(), Room::default());
        for hour in 0..200 {
            requests.note(&arrival(hour * MICROS_PER_HOUR, b"a"), &room);
        }
        assert_eq!((requests.hours.len(), requests.hours.first()), (50, Some(&(150 * MICROS_PER_HOUR, 1))));
    }
}
