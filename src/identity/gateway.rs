//! The gateway's proof that `OrgId` is its own word.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::GATEWAY_AUTH;
use crate::error::{ApiError, Code};

/// The shared secrets, current and previous; none means that `OrgId` is trusted as it comes.
#[derive(Clone, Default)]
pub struct GatewaySecrets(Vec<Zeroizing<String>>);

/// The shortest acceptable secret, in characters (contract 0).
const MIN_LENGTH: usize = 32;
/// Random hexadecimal digits of that length have fewer once in a hundred thousand.
const MIN_DIFFERENT: usize = 8;

impl GatewaySecrets {
    /// Reads `current` or `current,previous`.
    ///
    /// # Errors
    /// Says what is wrong, without the secret.
    pub fn parse(list: &str) -> Result<Self, &'static str> {
        let secrets: Vec<_> = list.split(',').map(|s| Zeroizing::new(s.trim().to_owned())).collect();
        if secrets.iter().any(|s| s.chars().count() < MIN_LENGTH) {
            return Err("each secret needs at least 32 characters");
        }
        if !secrets.iter().all(|s| s.bytes().all(|b| b.is_ascii_graphic())) {
            return Err("secrets travel in a header: visible ASCII characters only");
        }
        if secrets.len() > 2 {
            return Err("at most two secrets: the current and the previous one");
        }
        Ok(Self(secrets))
    }

    /// Returns `true` if no proof is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of secrets that are taken.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns `true` if a secret looks as if a person had thought of it, or comes twice.
    #[must_use]
    pub fn has_guessable(&self) -> bool {
        let is_plain = |secret: &Zeroizing<String>| {
            let different = (0..=u8::MAX).filter(|b| secret.as_bytes().contains(b)).count();
            different < MIN_DIFFERENT
        };
        let is_twice = matches!(&self.0[..], [first, second] if first == second);
        is_twice || self.0.iter().any(is_plain)
    }

    /// Passes if no proof is asked for, or exactly one good one is there.
    ///
    /// # Errors
    /// 401.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        if self.is_empty() || self.prove(headers) { Ok(()) } else { Err(Code::Unauthorized.into()) }
    }

    /// Returns `true` if exactly one good proof is there.
    #[must_use]
    pub fn prove(&self, headers: &HeaderMap) -> bool {
        let proof = only(headers, &GATEWAY_AUTH).map(HeaderValue::as_bytes).unwrap_or_default();
        // All are compared, so that the time does not tell which one matched.
        let matches =
            self.0.iter().fold(0, |found, secret| found | secret.as_bytes().ct_eq(proof).unwrap_u8());
        matches == 1
    }
}

impl std::fmt::Debug for GatewaySecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GatewaySecrets({})", self.0.len())
    }
}

/// The header's value if it was sent exactly once.
pub(super) fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut sent = headers.get_all(name).iter();
    match (sent.next(), sent.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURRENT: &str = "current-0123456789012345678901234567";
    const PREVIOUS: &str = "previous-012345678901234567890123456";

    fn accepts(secrets: &str, sent: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in sent {
            headers.append(GATEWAY_AUTH, value.parse().unwrap());
        }
        GatewaySecrets::parse(secrets).unwrap().check(&headers).is_ok()
    }

    #[test]
    fn exactly_one_proof_equal_to_either_secret_passes() {
        let both = format!("{CURRENT},{PREVIOUS}");
        assert!(accepts(&both, &[CURRENT]));
        assert!(accepts(&both, &[PREVIOUS]));
        assert!(!accepts(CURRENT, &[PREVIOUS]));
        for sent in [&[][..], &[""], &[CURRENT, CURRENT], &[&CURRENT[1..]], &[&both]] {
            assert!(!accepts(&both, sent), "{sent:?}");
        }
    }

    #[test]
    fn weak_secrets_are_refused_and_never_printed() {
        for bad in [
            "",
            "short",
            &format!("{CURRENT},"),
            &format!("{CURRENT},{CURRENT},{PREVIOUS}"),
            "spaces are not possible in a header value",
        ] {
            assert!(GatewaySecrets::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(format!("{:?}", GatewaySecrets::parse(CURRENT).unwrap()), "GatewaySecrets(1)");
    }
}
