//! Concurrency limits: of each listener, and within it of bulk bodies and of those who wait for events, so
//! that none starves another;
//! [`shares`] divide each between the orgs, and [`rates`] limit how often each asks.

mod by_org;
pub mod quota;
pub mod rates;
pub mod shares;

use std::sync::Arc;

use tokio::sync::Semaphore;

use self::rates::Rates;
use self::shares::Shares;

/// A listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// The listener that partners connect to.
    Public,
    /// The listener that the gateway asks and monitoring scrapes.
    Internal,
}

impl Listener {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Public, Self::Internal];

    /// As metrics name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
        }
    }
}

/// The kinds of requests that are limited by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Partners' and members' requests.
    Public,
    /// Bulk bodies: a client may take as long as it likes to send one, so these must not be able
    /// to use up what all others need.
    Bulk,
    /// Requests that fetch events, and may wait for them.
    Poll,
    /// The gateway's questions.
    Internal,
}

impl Limit {
    /// Every limit.
    pub const ALL: [Self; 4] = [Self::Public, Self::Bulk, Self::Poll, Self::Internal];

    /// As metrics name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Bulk => "bulk",
            Self::Poll => "poll",
            Self::Internal => "internal",
        }
    }
}

/// The limits on running requests, by what is limited.
#[derive(Debug)]
pub struct Limits {
    public: Divided,
    bulk: Divided,
    poll: Divided,
    /// The gateway asks for all orgs, and nobody's share is counted there.
    internal: Divided,
    max_in_flight: usize,
    /// Requests a second of each org.
    pub rates: Rates,
}

/// The permits under a limit, and how the orgs divide them.
#[derive(Debug)]
struct Divided {
    permits: Arc<Semaphore>,
    shares: Shares,
}

impl Limits {
    /// The part of the limit that bulk bodies have to themselves, and those who wait as well: one in so many.
    const PART: usize = 8;
    /// One for an org, and one for the others.
    const LEAST: usize = 2;

    /// `max_in_flight` for each listener, of which an org may have the part `org_share`.
    #[must_use]
    pub fn new(max_in_flight: usize, org_share: f64) -> Self {
        let divided = |limit| {
            let permits = Self::capacity_of(limit, max_in_flight);
            Divided { permits: Arc::new(Semaphore::new(permits)), shares: Shares::of(permits, org_share) }
        };
        Self {
            public: divided(Limit::Public),
            bulk: divided(Limit::Bulk),
            poll: divided(Limit::Poll),
            internal: divided(Limit::Internal),
            max_in_flight,
            rates: Rates::default(),
        }
    }

    /// The permits that requests under this limit take.
    #[must_use]
    pub fn permits(&self, limit: Limit) -> &Arc<Semaphore> {
        &self.of(limit).permits
    }

    /// The shares that the orgs have of them.
    #[must_use]
    pub fn shares(&self, limit: Limit) -> &Shares {
        &self.of(limit).shares
    }

    fn of(&self, limit: Limit) -> &Divided {
        match limit {
            Limit::Public => &self.public,
            Limit::Bulk => &self.bulk,
            Limit::Poll => &self.poll,
            Limit::Internal => &self.internal,
        }
    }

    /// The number of requests that may run under this limit in all.
    #[must_use]
    pub fn capacity(&self, limit: Limit) -> usize {
        Self::capacity_of(limit, self.max_in_flight)
    }

    fn capacity_of(limit: Limit, max_in_flight: usize) -> usize {
        match limit {
            Limit::Bulk | Limit::Poll => max_in_flight.div_ceil(Self::PART).max(Self::LEAST),
            Limit::Public | Limit::Internal => max_in_flight,
        }
    }
}
