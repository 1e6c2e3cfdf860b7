//! Requests a second of each org (contract 13.5): a token bucket per org, kept as the generic cell rate algorithm does
//! (ITU-T I.371 A): one instant, at which the bucket will be full again.

use std::num::NonZeroU32;
use std::str::FromStr;

use chrono::{DateTime, Utc};

use super::by_org::ByOrg;
use crate::ids::OrgId;

/// The highest rate and the largest burst: more is no limit.
pub const MAX_RATE: u32 = 1_000_000;

const SECOND: i64 = 1_000_000_000;

/// A limit on requests: a bucket of `burst`, into which `per_second` flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    per_second: NonZeroU32,
    burst: NonZeroU32,
}

impl RateLimit {
    /// `per_second` requests, and `burst` at once; each 1 to [`MAX_RATE`].
    ///
    /// # Errors
    /// Says which is out of range.
    pub fn new(per_second: u32, burst: u32) -> Result<Self, &'static str> {
        let within = |number| NonZeroU32::new(number).filter(|number| number.get() <= MAX_RATE);
        let per_second = within(per_second).ok_or("the rate must be 1 to 1000000 requests a second")?;
        let burst = within(burst).ok_or("the burst must be 1 to 1000000 requests")?;
        Ok(Self { per_second, burst })
    }

    fn read(text: &str) -> Result<Self, &'static str> {
        let malformed = "must be requests a second, such as 50 or 50;burst=100";
        let number = |text: &str| {
            let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            if is_plain { text.parse().map_err(|_| malformed) } else { Err(malformed) }
        };
        let (per_second, burst) = match text.split_once(';') {
            Some((rate, burst)) => {
                (number(rate)?, number(burst.trim_start().strip_prefix("burst=").ok_or(malformed)?)?)
            }
            None => (number(text)?, number(text)?),
        };
        Self::new(per_second, burst)
    }

    /// Requests a second, in the long run.
    #[must_use]
    pub fn per_second(self) -> u32 {
        self.per_second.get()
    }

    /// Requests at once, after a while without any.
    #[must_use]
    pub fn burst(self) -> u32 {
        self.burst.get()
    }

    /// The time in which an empty bucket fills, in whole seconds, at least one.
    #[must_use]
    pub fn window(self) -> u32 {
        self.burst.get().div_ceil(self.per_second.get())
    }

    /// Nanoseconds from one request to the next.
    fn interval(self) -> i64 {
        SECOND / i64::from(self.per_second.get())
    }
}

/// Reads `50`, which is also the burst, or `50;burst=100`.
impl FromStr for RateLimit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        Self::read(text)
    }
}

/// The limit that is set for one org.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RateSetting {
    /// That of all (`RATE_LIMIT`).
    #[default]
    Default,
    /// None, whatever all others have.
    Unlimited,
    /// One of its own.
    Own(RateLimit),
}

impl RateSetting {
    /// The setting as it is stored; what this version cannot read is the default.
    #[must_use]
    pub fn stored(rate: Option<i32>, burst: Option<i32>) -> Self {
        match (rate, burst) {
            (Some(0), _) => Self::Unlimited,
            (Some(rate), Some(burst)) => {
                let limit = RateLimit::new(rate.try_into().unwrap_or(0), burst.try_into().unwrap_or(0));
                limit.map_or(Self::Default, Self::Own)
            }
            _ => Self::Default,
        }
    }

    /// As it is stored: a rate of 0 is none.
    #[must_use]
    pub fn columns(self) -> (Option<i32>, Option<i32>) {
        match self {
            Self::Default => (None, None),
            Self::Unlimited => (Some(0), None),
            Self::Own(limit) => {
                (Some(limit.per_second.get().cast_signed()), Some(limit.burst.get().cast_signed()))
            }
        }
    }

    /// The limit that holds, where `default` is that of all.
    #[must_use]
    pub fn or(self, default: Option<RateLimit>) -> Option<RateLimit> {
        match self {
            Self::Default => default,
            Self::Unlimited => None,
            Self::Own(limit) => Some(limit),
        }
    }
}

/// What is left in a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The limit.
    pub limit: RateLimit,
    /// Requests that would be served now.
    pub remaining: u32,
    /// Whole seconds until there is one more, rounded up.
    pub more_in: u32,
}

/// The buckets of all orgs that are limited.
#[derive(Debug, Default)]
pub struct Rates {
    /// For each org the instant, in nanoseconds, at which its bucket is full again; one that is full is not there.
    full_at: ByOrg<i64>,
}

impl Rates {
    /// Takes a request out of the org's bucket.
    ///
    /// # Errors
    /// If it is empty, how long to wait; nothing is taken then.
    pub fn take(&self, org_id: OrgId, limit: RateLimit, now: DateTime<Utc>) -> Result<Quota, Quota> {
        let (now, interval) = (now.timestamp_micros() * 1_000, limit.interval());
        let room = interval * i64::from(limit.burst.get());
        let mut part = self.full_at.part(org_id);
        // An instant beyond the room is from a clock that was set back, or from a limit that was another.
        let full_at = part.get(&org_id).map_or(now, |full_at| (*full_at).clamp(now, now + room));
        let after = full_at + interval;
        if after - now > room {
            part.insert(org_id, full_at);
            let more_in = seconds(after - room - now);
            return Err(Quota { limit, remaining: 0, more_in });
        }
        if part.len() == part.capacity() {
            // Those whose bucket is full: looked for when it would grow, so that it stays as large as what is in use.
            part.retain(|_, full_at| *full_at > now);
        }
        part.insert(org_id, after);
        let left = room - (after - now);
        let remaining = u32::try_from(left / interval).unwrap_or(u32::MAX);
        Ok(Quota { limit, remaining, more_in: seconds(interval - left % interval) })
    }
}

/// Whole seconds, rounded up, at least one.
fn seconds(nanoseconds: i64) -> u32 {
    let whole = u64::try_from(nanoseconds).unwrap_or_default().div_ceil(SECOND.unsigned_abs());
    u32::try_from(whole.max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const ACME: OrgId = OrgId(Uuid::from_u128(1));
    const ZETA: OrgId = OrgId(Uuid::from_u128(17));

    fn limit(text: &str) -> RateLimit {
        text.parse().expect(text)
    }

    /// Milliseconds after the start.
    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_795_248_000_000 + milliseconds).expect("an instant")
    }

    fn served(rates: &Rates, limit: RateLimit, at: DateTime<Utc>, tries: usize) -> usize {
        (0..tries).filter(|_| rates.take(ACME, limit, at).is_ok()).count()
    }

    #[test]
    fn a_rate_is_read_in_one_spelling() {
        for (text, per_second, burst, window) in [
            ("50", 50, 50, 1),
            ("50;burst=100", 50, 100, 2),
            ("3; burst=10", 3, 10, 4),
            ("50;burst=10", 50, 10, 1),
        ] {
            let limit = limit(text);
            assert_eq!((limit.per_second(), limit.burst(), limit.window()), (per_second, burst, window));
        }
        for bad in [
            "",
            "0",
            "-1",
            "+5",
            "1.5",
            "50/s",
            "50;",
            "50;100",
            "50;burst=",
            "50;burst=0",
            "1000001",
            "50;burst=1000001",
            "99999999999",
            "50;burst=1;burst=2",
        ] {
            assert!(bad.parse::<RateLimit>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_burst_is_served_at_once_and_then_the_rate() {
        let (rates, fifty) = (Rates::default(), limit("50;burst=100"));
        assert_eq!(served(&rates, fifty, at(0), 1_000), 100);
        assert_eq!(served(&rates, fifty, at(19), 10), 0);
        assert_eq!(served(&rates, fifty, at(20), 10), 1);
        // Ten seconds of flooding, a try each millisecond.
        let served: usize = (21..10_021).map(|ms| served(&rates, fifty, at(ms), 1)).sum();
        assert_eq!(served, 500);
    }

    #[test]
    fn what_is_left_and_when_there_is_more_is_told() {
        let (rates, two) = (Rates::default(), limit("2;burst=3"));
        let told = |ms| match rates.take(ACME, two, at(ms)) {
            Ok(quota) => (true, quota.remaining, quota.more_in),
            Err(quota) => (false, quota.remaining, quota.more_in),
        };
        assert_eq!([told(0), told(0), told(0)], [(true, 2, 1), (true, 1, 1), (true, 0, 1)]);
        assert_eq!([told(0), told(499)], [(false, 0, 1), (false, 0, 1)]);
        assert_eq!(told(500), (true, 0, 1));
        // After a quiet while the bucket is full, and no fuller.
        assert_eq!(told(60_000), (true, 2, 1));
    }

    #[test]
    fn each_org_has_a_bucket_of_its_own_and_one_that_is_full_is_forgotten() {
        let (rates, one) = (Rates::default(), limit("1"));
        assert!(rates.take(ACME, one, at(0)).is_ok() && rates.take(ZETA, one, at(0)).is_ok());
        assert!(rates.take(ACME, one, at(0)).is_err());
        for n in 0..100_000_u128 {
            let later = at(2_000 + i64::try_from(n).expect("it is small") * 10);
            assert!(rates.take(OrgId(Uuid::from_u128(n)), one, later).is_ok());
        }
        assert!(rates.full_at.len() < 2_000, "{}", rates.full_at.len());
    }

    #[test]
    fn a_clock_that_is_set_back_and_a_limit_that_is_lowered_block_nobody_for_long() {
        let rates = Rates::default();
        assert_eq!(served(&rates, limit("10;burst=1000"), at(3_600_000), 2_000), 1_000);
        assert_eq!(served(&rates, limit("10;burst=1000"), at(0), 10), 0);
        assert_eq!(served(&rates, limit("10;burst=1000"), at(100), 10), 1);
        assert_eq!(served(&rates, limit("1"), at(100), 10), 0);
        assert_eq!(served(&rates, limit("1"), at(1_100), 10), 1);
    }

    #[test]
    fn an_orgs_own_setting_goes_before_that_of_all() {
        let (all, own) = (Some(limit("50")), limit("5;burst=7"));
        for (setting, columns, holds) in [
            (RateSetting::Default, (None, None), all),
            (RateSetting::Unlimited, (Some(0), None), None),
            (RateSetting::Own(own), (Some(5), Some(7)), Some(own)),
        ] {
            assert_eq!(setting.columns(), columns);
            assert_eq!(RateSetting::stored(columns.0, columns.1), setting);
            assert_eq!(setting.or(all), holds);
        }
        assert_eq!(RateSetting::stored(Some(-1), Some(7)), RateSetting::Default);
    }
}
