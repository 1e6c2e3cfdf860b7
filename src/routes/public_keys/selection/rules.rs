//! The choice of a key for each use that there is (contract 12's table), as pure functions: the same that
//! [`usable`](crate::routes::public_keys::store::usable) makes at this moment, at any moment, with its reason.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::routes::public_keys::reply::shown;
use crate::routes::public_keys::usage::Usage;

/// The time that is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// That time.
    pub at: DateTime<Utc>,
    /// The present.
    pub now: DateTime<Utc>,
    /// `REQUIRE_KEY_PROOF`.
    pub is_proof_required: bool,
}

/// A key, as far as it may be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The key's `UniqueId`.
    pub unique_id: Uuid,
    /// The key's fingerprint.
    pub fingerprint: String,
    /// What it was registered for.
    pub usages: Vec<Usage>,
    /// `true` for a pair made here.
    pub is_ours: bool,
    /// The instant of its registration.
    pub created_at: DateTime<Utc>,
    /// The end that was set.
    pub expires_at: DateTime<Utc>,
    /// The instant of its deletion.
    pub deleted_at: Option<DateTime<Utc>>,
    /// The instant of its last proof.
    pub proven_at: Option<DateTime<Utc>>,
}

/// A use of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purpose {
    /// What for.
    pub usage: Usage,
    /// Whether the service holds the private half; else the partner does.
    pub is_ours: bool,
    /// What else of the live keys is used, if it is, and how.
    others: Option<&'static str>,
}

/// A purpose, and the key that serves it.
#[derive(Debug, PartialEq, Eq)]
pub struct Selected<'k> {
    /// The use.
    pub purpose: Purpose,
    /// The key; none where there is none.
    pub key: Option<&'k Candidate>,
    /// Why, for people.
    pub reason: String,
}

/// Contract 12's table.
const PURPOSES: [Purpose; 6] = [
    partners(Usage::Reports, None),
    partners(Usage::Authentication, Some("a signature names its key, and each of them verifies")),
    partners(Usage::MessageLevelEncryption, Some("a request may name another one")),
    ours(Usage::MessageLevelEncryption, Some("a message names its key, and each of them opens")),
    partners(Usage::CredentialsDownload, Some("deliver_to may name another one")),
    ours(Usage::ResponseSignature, None),
];

const fn partners(usage: Usage, others: Option<&'static str>) -> Purpose {
    Purpose { usage, is_ours: false, others }
}

const fn ours(usage: Usage, others: Option<&'static str>) -> Purpose {
    Purpose { usage, is_ours: true, others }
}

/// The key for each purpose, in the order of usages.
pub fn select(keys: &[Candidate], moment: Moment) -> Vec<Selected<'_>> {
    PURPOSES.into_iter().map(|purpose| purpose.select(keys, moment)).collect()
}

impl Candidate {
    fn order(&self) -> (DateTime<Utc>, Uuid) {
        (self.created_at, self.unique_id)
    }

    fn ended_at(&self) -> DateTime<Utc> {
        self.deleted_at.unwrap_or(self.expires_at)
    }
}

impl Moment {
    fn is_past(self) -> bool {
        self.at < self.now
    }

    /// Whether the key was there; whatever is there now is there from now on.
    fn has(self, key: &Candidate) -> bool {
        !self.is_past() || key.created_at <= self.at
    }

    /// A deletion holds at once, whatever the clocks say.
    fn is_alive(self, key: &Candidate) -> bool {
        let is_deleted = key.deleted_at.is_some_and(|deleted_at| !self.is_past() || deleted_at <= self.at);
        self.has(key) && !is_deleted && self.at < key.expires_at
    }

    fn is_good_enough(self, key: &Candidate) -> bool {
        let is_proven = key.proven_at.is_some_and(|proven_at| !self.is_past() || proven_at <= self.at);
        key.is_ours || is_proven || !self.is_proof_required
    }
}

impl Purpose {
    fn select(self, keys: &[Candidate], moment: Moment) -> Selected<'_> {
        let fits = |key: &&Candidate| key.is_ours == self.is_ours && key.usages.contains(&self.usage);
        let (alive, ended): (Vec<_>, Vec<_>) = keys
            .iter()
            .filter(fits)
            .filter(|key| moment.has(key))
            .partition(|key: &&Candidate| moment.is_alive(key));
        let (usable, unproven): (Vec<_>, Vec<_>) =
            alive.into_iter().partition(|key| moment.is_good_enough(key));
        let chosen = usable.iter().copied().max_by_key(|key| key.order());
        let reason = match chosen {
            Some(key) => self.why(key, usable.len(), &unproven),
            None => self.why_not(&unproven, &ended, moment),
        };
        Selected { purpose: self, key: chosen, reason }
    }

    fn why(self, chosen: &Candidate, usable: usize, unproven: &[&Candidate]) -> String {
        let proven = if unproven.is_empty() { "live" } else { "live and proven" };
        let mut why = match (usable, self.is_ours) {
            (1, false) => format!("the only {proven} key"),
            (1, true) => "the only live pair".to_owned(),
            (count, false) => format!("registered last of {count} {proven} keys"),
            (count, true) => format!("generated last of {count} live pairs"),
        };
        if let Some(others) = self.others.filter(|_| usable > 1) {
            why = format!("{why}; {others}");
        }
        let later = unproven.iter().filter(|key| key.order() > chosen.order()).count();
        match later {
            0 => why,
            1 => format!("{why}; one registered later is not proven yet, which REQUIRE_KEY_PROOF asks for"),
            _ => format!(
                "{why}; {later} registered later are not proven yet, which REQUIRE_KEY_PROOF asks for"
            ),
        }
    }

    fn why_not(self, unproven: &[&Candidate], ended: &[&Candidate], moment: Moment) -> String {
        if let Some(newest) = unproven.iter().max_by_key(|key| key.order()) {
            let id = newest.unique_id;
            return match unproven.len() {
                1 => format!("{id} is not proven yet, which REQUIRE_KEY_PROOF asks for"),
                count => {
                    format!(
                        "none of {count} live keys is proven yet, which REQUIRE_KEY_PROOF asks for; the last is {id}"
                    )
                }
            };
        }
        let last = ended.iter().max_by_key(|key| (key.ended_at(), key.order()));
        let Some(last) = last else {
            return if self.is_ours { "no pair was generated" } else { "no key was registered" }.to_owned();
        };
        let (id, end) = (last.unique_id, shown(last.ended_at()));
        match (last.deleted_at, last.expires_at <= moment.now) {
            (Some(_), _) => format!("the last one, {id}, was deleted on {end}"),
            (None, true) => format!("the last one, {id}, expired on {end}"),
            (None, false) => format!("the last one, {id}, expires on {end}"),
        }
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
