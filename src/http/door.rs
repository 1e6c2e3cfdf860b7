//! The two listeners, and the lanes in which their requests run: each bounded by itself, so that
//! none starves another.

use std::sync::Arc;

use axum::extract::MatchedPath;
use tokio::sync::Semaphore;

use crate::routes::health;
use crate::routes::users::bulk;
use crate::shares::Shares;

/// A listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Where partners connect.
    Public,
    /// Where the gateway asks and monitoring scrapes.
    Internal,
}

impl Door {
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

/// What shares a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Partners' and members' requests.
    Public,
    /// Bulk bodies: a client may take as long as it likes to send one, so these must not be able
    /// to fill the lane of all others.
    Bulk,
    /// The gateway's questions.
    Internal,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 3] = [Self::Public, Self::Bulk, Self::Internal];

    /// As metrics name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Bulk => "bulk",
            Self::Internal => "internal",
        }
    }

    /// The lane of a request; `None` for probes and scrapes, which cost next to nothing and must
    /// be answered above all while the rest is not.
    #[must_use]
    pub fn of(door: Door, route: Option<&MatchedPath>) -> Option<Self> {
        let route = route.map(MatchedPath::as_str).unwrap_or_default();
        if health::ALWAYS_ANSWERED.contains(&route) {
            return None;
        }
        Some(match door {
            Door::Internal => Self::Internal,
            Door::Public if route == bulk::PATH => Self::Bulk,
            Door::Public => Self::Public,
        })
    }
}

/// Room for requests, lane by lane.
#[derive(Debug)]
pub struct Lanes {
    public: Room,
    bulk: Room,
    /// The gateway asks for all orgs, and nobody's share is counted there.
    internal: Room,
    limit: usize,
}

/// A lane's places, and how the orgs divide them.
#[derive(Debug)]
struct Room {
    places: Arc<Semaphore>,
    shares: Shares,
}

impl Lanes {
    /// The part of the limit that bulk bodies have to themselves, one in so many.
    const BULK_PART: usize = 8;
    /// One for an org, and one for the others.
    const LEAST_BULK: usize = 2;

    /// `limit` for each listener, of which an org may have the part `org_share`.
    #[must_use]
    pub fn new(limit: usize, org_share: f64) -> Self {
        let room = |lane| {
            let places = Self::limit_of(lane, limit);
            Room { places: Arc::new(Semaphore::new(places)), shares: Shares::of(places, org_share) }
        };
        Self { public: room(Lane::Public), bulk: room(Lane::Bulk), internal: room(Lane::Internal), limit }
    }

    /// What a lane still takes.
    #[must_use]
    pub fn room(&self, lane: Lane) -> &Arc<Semaphore> {
        &self.of(lane).places
    }

    /// How the orgs divide it.
    #[must_use]
    pub fn shares(&self, lane: Lane) -> &Shares {
        &self.of(lane).shares
    }

    fn of(&self, lane: Lane) -> &Room {
        match lane {
            Lane::Public => &self.public,
            Lane::Bulk => &self.bulk,
            Lane::Internal => &self.internal,
        }
    }

    /// What a lane takes in all.
    #[must_use]
    pub fn limit(&self, lane: Lane) -> usize {
        Self::limit_of(lane, self.limit)
    }

    fn limit_of(lane: Lane, limit: usize) -> usize {
        if lane == Lane::Bulk { limit.div_ceil(Self::BULK_PART).max(Self::LEAST_BULK) } else { limit }
    }
}
