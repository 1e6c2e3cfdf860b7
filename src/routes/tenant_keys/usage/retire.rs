//! Whether somebody would miss a key (contract 13.2), as a pure function of what is known of it.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::rules::StoredTenantKey;

/// A key that was not used for so long is not used; or for its whole grace window, if that is shorter.
const LONG_ENOUGH: TimeDelta = TimeDelta::hours(24);
/// However short the window: what is counted comes up to a minute late.
const AT_LEAST: TimeDelta = TimeDelta::minutes(2);

/// Whether a key may go, and why.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SafeToRetire {
    /// `yes`: its successor was used and it was not for 24 hours (or its grace window, if shorter), or it has ended
    /// already, or it leaked. `no`: it was used lately. `unknown`: what is known does not tell.
    answer: Answer,
    /// For people: why.
    #[schema(example = "Not used for 2 days, while its successor is: last 3 minutes ago.")]
    reason: String,
    /// Since its last use, or where it was never used since it was made.
    #[schema(minimum = 0, example = 172_800)]
    unused_for_seconds: i64,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Nobody would miss it.
    Yes,
    /// Somebody would.
    No,
    /// That cannot be told.
    Unknown,
}

/// What is known of a key.
#[derive(Clone, Copy, Debug)]
pub struct Known<'k> {
    /// Its row.
    pub key: &'k StoredTenantKey,
    /// The key that replaces it, or waits to.
    pub successor: Option<&'k StoredTenantKey>,
    /// Where its last request came from.
    pub network: Option<&'k str>,
    /// The time.
    pub now: DateTime<Utc>,
}

impl SafeToRetire {
    /// Judges a key.
    pub fn of(known: Known<'_>) -> Self {
        let (answer, reason) = known.judge();
        Self { answer, reason, unused_for_seconds: known.unused_for().num_seconds() }
    }
}

impl Known<'_> {
    fn judge(self) -> (Answer, String) {
        if !self.key.is_live(self.now) {
            return (Answer::Yes, self.ended());
        }
        if let Some(leak) = &self.key.leak {
            let ago = in_words(self.now - leak.leaked_at);
            return (Answer::Yes, format!("It leaked {ago} ago: whoever uses it may be anybody. End it."));
        }
        let (unused_for, window) = (self.unused_for(), self.window());
        let ago = in_words(unused_for);
        if unused_for < window {
            return match self.key.last_used_at {
                Some(_) => (Answer::No, self.used_lately(&ago)),
                None => {
                    (Answer::Unknown, format!("Made {ago} ago and not used yet: that is too soon to tell."))
                }
            };
        }
        let unused = match self.key.last_used_at {
            Some(_) => format!("Not used for {ago}"),
            None => format!("Never used in the {ago} since it was made"),
        };
        let Some(successor) = self.successor else {
            let reason =
                format!("{unused}, but no other key replaces it: what runs seldom may still need it.");
            return (Answer::Unknown, reason);
        };
        match successor.last_used_at {
            None => {
                let reason =
                    format!("{unused}, but its successor {} was never used either.", successor.prefix);
                (Answer::Unknown, reason)
            }
            Some(_) if !successor.is_live(self.now) && successor.rotated_to.is_none() => {
                let reason = format!("{unused}, but its successor {} has ended.", successor.prefix);
                (Answer::Unknown, reason)
            }
            Some(last) => {
                let last = in_words(self.now - last);
                (Answer::Yes, format!("{unused}, while its successor is: last {last} ago."))
            }
        }
    }

    fn ended(self) -> String {
        match self.key.dead_used_at {
            None => "It has ended, and was not sent since.".to_owned(),
            Some(at) => {
                let (times, ago) = (self.key.dead_uses, in_words(self.now - at));
                format!("It has ended; it was sent and refused {times} times since, last {ago} ago.")
            }
        }
    }

    fn used_lately(self, ago: &str) -> String {
        match self.network {
            Some(network) => format!("Used {ago} ago; its last request came from {network}."),
            None => format!("Used {ago} ago."),
        }
    }

    fn unused_for(self) -> TimeDelta {
        (self.now - self.key.last_used_at.unwrap_or(self.key.created_at)).max(TimeDelta::zero())
    }

    fn window(self) -> TimeDelta {
        let grace = self.key.rotated_at.zip(self.key.expires_at).map(|(rotated, end)| end - rotated);
        grace.map_or(LONG_ENOUGH, |grace| grace.clamp(AT_LEAST, LONG_ENOUGH))
    }
}

/// A time as people say it.
fn in_words(time: TimeDelta) -> String {
    let (seconds, minutes, hours) = (time.num_seconds().max(0), time.num_minutes(), time.num_hours());
    let (number, unit) = match seconds {
        ..120 => (seconds, "second"),
        120..7_200 => (minutes, "minute"),
        7_200..172_800 => (hours, "hour"),
        _ => (time.num_days(), "day"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::super::super::stored::StoredTenantKey;
    use super::*;
    use crate::identity::allowed_networks::AllowedNetworks;
    use crate::identity::key_scopes::KeyRights;
    use crate::ids::KeyId;
    use crate::routes::tenant_keys::rules::KeyOrigin;

    fn at(text: &str) -> DateTime<Utc> {
        format!("2026-11-{text}:00Z").parse().unwrap()
    }

    /// Made on the first of November; used then.
    fn key(last_used_at: Option<&str>) -> StoredTenantKey {
        StoredTenantKey {
            id: KeyId(uuid::Uuid::from_u128(1)),
            name: "billing".to_owned(),
            prefix: "tk_test_aaaaaa".to_owned(),
            created_at: at("01T08:00"),
            last_used_at: last_used_at.map(at),
            tokens_issued: 0,
            dead_uses: 0,
            dead_used_at: None,
            expires_at: None,
            rotated_at: None,
            rotated_to: None,
            revoked_at: None,
            pending: None,
            origin: KeyOrigin::Made,
            leak: None,
            rights: KeyRights::UNRESTRICTED,
            networks: AllowedNetworks::ANY,
        }
    }

    /// The same, rotated to another one with this end.
    fn rotated(key: StoredTenantKey, rotated_at: &str, end: &str) -> StoredTenantKey {
        let rotated_to = Some(KeyId(uuid::Uuid::from_u128(2)));
        StoredTenantKey { rotated_at: Some(at(rotated_at)), expires_at: Some(at(end)), rotated_to, ..key }
    }

    fn judged(
        key: &StoredTenantKey,
        successor: Option<&StoredTenantKey>,
        now: &str,
    ) -> (Answer, String, i64) {
        let network = Some("198.51.100.0/24");
        let SafeToRetire { answer, reason, unused_for_seconds } =
            SafeToRetire::of(Known { key, successor, network, now: at(now) });
        (answer, reason, unused_for_seconds)
    }

    #[track_caller]
    fn is(judged: (Answer, String, i64), answer: Answer, reason: &str, unused_for: i64) {
        assert_eq!(judged, (answer, reason.to_owned(), unused_for));
    }

    #[test]
    fn a_leaked_key_is_never_kept_for_its_use() {
        let mut leaked = key(Some("10T08:00"));
        leaked.leak = Some(super::super::super::stored::Leak {
            leaked_at: at("10T07:00"),
            source: "report".to_owned(),
            url: None,
            note: None,
            response: crate::routes::leaks::rules::LeakPolicy::Notify,
            own_end: None,
        });
        let reason = "It leaked 2 hours ago: whoever uses it may be anybody. End it.";
        is(judged(&leaked, None, "10T09:00"), Answer::Yes, reason, 3_600);
    }

    #[test]
    fn yes_needs_a_day_without_use_and_a_successor_that_is_used() {
        let old = rotated(key(Some("10T08:00")), "10T07:00", "17T07:00");
        let new = key(Some("11T07:55"));
        let last = "its last request came from 198.51.100.0/24.";
        is(judged(&old, Some(&new), "11T07:59"), Answer::No, &format!("Used 23 hours ago; {last}"), 86_340);
        let yes = "Not used for 24 hours, while its successor is: last 5 minutes ago.";
        is(judged(&old, Some(&new), "11T08:00"), Answer::Yes, yes, 86_400);
        let never = rotated(key(None), "10T07:00", "17T07:00");
        let yes = "Never used in the 10 days since it was made, while its successor is: last 5 minutes ago.";
        is(judged(&never, Some(&new), "11T08:00"), Answer::Yes, yes, 864_000);
    }

    #[test]
    fn a_shorter_grace_window_is_long_enough() {
        let old = rotated(key(Some("10T07:59")), "10T08:00", "10T09:00");
        let new = key(Some("10T08:30"));
        is(
            judged(&old, Some(&new), "10T08:58"),
            Answer::No,
            "Used 59 minutes ago; its last request came from 198.51.100.0/24.",
            3_540,
        );
        is(
            judged(&old, Some(&new), "10T08:59"),
            Answer::Yes,
            "Not used for 60 minutes, while its successor is: last 29 minutes ago.",
            3_600,
        );
    }

    #[test]
    fn what_is_counted_late_is_waited_for_however_short_the_window() {
        let mut old = rotated(key(None), "10T08:00", "10T08:01");
        old.last_used_at = Some(at("10T07:59"));
        let new = key(Some("10T08:00"));
        assert_eq!(judged(&old, Some(&new), "10T08:00").0, Answer::No);
    }

    #[test]
    fn what_does_not_tell_is_said_so() {
        let new = key(Some("11T07:55"));
        is(
            judged(&key(None), Some(&new), "01T09:00"),
            Answer::Unknown,
            "Made 60 minutes ago and not used yet: that is too soon to tell.",
            3_600,
        );
        is(
            judged(&key(Some("10T08:00")), None, "12T08:00"),
            Answer::Unknown,
            "Not used for 2 days, but no other key replaces it: what runs seldom may still need it.",
            172_800,
        );
        is(
            judged(&key(Some("10T08:00")), Some(&key(None)), "12T08:00"),
            Answer::Unknown,
            "Not used for 2 days, but its successor tk_test_aaaaaa was never used either.",
            172_800,
        );
        let ended = StoredTenantKey { revoked_at: Some(at("11T08:00")), ..new };
        is(
            judged(&key(Some("10T08:00")), Some(&ended), "12T08:00"),
            Answer::Unknown,
            "Not used for 2 days, but its successor tk_test_aaaaaa has ended.",
            172_800,
        );
        let onward = StoredTenantKey { rotated_to: Some(KeyId(uuid::Uuid::from_u128(3))), ..ended };
        assert_eq!(judged(&key(Some("10T08:00")), Some(&onward), "12T08:00").0, Answer::Yes);
    }

    #[test]
    fn what_has_ended_is_retired_already() {
        let mut ended = StoredTenantKey { revoked_at: Some(at("11T08:00")), ..key(Some("11T07:59")) };
        is(judged(&ended, None, "11T08:00"), Answer::Yes, "It has ended, and was not sent since.", 60);
        (ended.dead_uses, ended.dead_used_at) = (3, Some(at("11T08:09")));
        let reason = "It has ended; it was sent and refused 3 times since, last 60 seconds ago.";
        is(judged(&ended, None, "11T08:10"), Answer::Yes, reason, 660);
    }

    #[test]
    fn times_are_said_in_the_unit_that_people_would_take() {
        for (seconds, words) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (119, "119 seconds"),
            (120, "2 minutes"),
            (7_199, "119 minutes"),
            (7_200, "2 hours"),
            (172_799, "47 hours"),
            (172_800, "2 days"),
            (31_536_000, "365 days"),
        ] {
            assert_eq!(in_words(TimeDelta::seconds(seconds)), words);
        }
        assert_eq!(in_words(TimeDelta::seconds(-5)), "0 seconds");
    }
}
