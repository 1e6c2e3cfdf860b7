//! The claims (RFC 7523 3).

use serde::Deserialize;

use crate::header::present;
use crate::{Expected, LEEWAY, LIFETIME, Problem, Verified};

/// Longest `jti`, in characters.
const MAX_ID: usize = 256;

/// The claims that are judged. Others may be there and mean nothing; of these none may come twice.
#[derive(Deserialize)]
pub struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: Instant,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<Instant>,
    #[serde(default, deserialize_with = "present")]
    iat: Option<Instant>,
    jti: String,
}

/// One name or several (RFC 7519 4.1.3).
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Seconds since the epoch, whole or not (RFC 7519 2, NumericDate).
#[derive(Clone, Copy, Deserialize)]
#[serde(transparent)]
struct Instant(f64);

/// Above this a double no longer has every second.
const MAX_SECONDS: f64 = 9_007_199_254_740_992.0;

impl Instant {
    /// Rounded up; none outside of what a date can be.
    fn seconds(self) -> Option<i64> {
        let seconds = self.0.ceil();
        #[expect(clippy::cast_possible_truncation, reason = "within the integers that a double has")]
        (0.0..=MAX_SECONDS).contains(&seconds).then_some(seconds as i64)
    }
}

impl Claims {
    /// Reads the decoded payload.
    pub fn parse(payload: &[u8]) -> Result<Self, Problem> {
        if payload.trim_ascii_start().first() != Some(&b'{') {
            return Err(Problem::Claims);
        }
        serde_json::from_slice(payload).map_err(|_| Problem::Claims)
    }

    /// Holds the claims against what is expected.
    pub fn judge(self, expected: &Expected<'_>) -> Result<Verified, Problem> {
        let expires_at = self.exp.seconds().ok_or(Problem::Claims)?;
        if self.iss != self.sub || !expected.clients.contains(&self.iss.as_str()) {
            return Err(Problem::Client);
        }
        if !self.aud.names(expected.audiences) {
            return Err(Problem::Audience);
        }
        if expected.now >= expires_at {
            return Err(Problem::Expired);
        }
        if expires_at > expected.now.saturating_add(LIFETIME) {
            return Err(Problem::TooLongLived);
        }
        let latest = expected.now.saturating_add(LEEWAY);
        for (instant, problem) in [(self.nbf, Problem::NotYet), (self.iat, Problem::Future)] {
            let Some(instant) = instant else { continue };
            if instant.seconds().ok_or(Problem::Claims)? > latest {
                return Err(problem);
            }
        }
        // Four bytes a character at most: what is longer need not be counted.
        let is_long = self.jti.len() > 4 * MAX_ID || self.jti.chars().count() > MAX_ID;
        // Postgres cannot keep a NUL, and who names something with control characters has other plans.
        if self.jti.is_empty() || is_long || self.jti.contains(char::is_control) {
            return Err(Problem::Id);
        }
        Ok(Verified { client: self.iss, id: self.jti, expires_at })
    }
}

impl Audience {
    fn names(&self, audiences: &[&str]) -> bool {
        match self {
            Self::One(name) => audiences.contains(&name.as_str()),
            Self::Several(names) => names.iter().any(|name| audiences.contains(&name.as_str())),
        }
    }
}
