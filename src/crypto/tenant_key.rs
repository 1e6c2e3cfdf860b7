//! Tenant API keys (contract 4), whose text is a [`key_text`](super::key_text).

use std::fmt;
use std::str::FromStr;

use super::key_text::{self, ApiKey};
use super::secret::Secret;

/// Random characters shown in lists.
const SHOWN: usize = 6;

/// The environment that a key belongs to, so that a test key in production is seen at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyEnv {
    /// `tk_live_`
    Live,
    /// `tk_test_`
    Test,
}

impl KeyEnv {
    fn head(self) -> &'static str {
        match self {
            Self::Live => "tk_live_",
            Self::Test => "tk_test_",
        }
    }
}

impl FromStr for KeyEnv {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "live" => Ok(Self::Live),
            "test" => Ok(Self::Test),
            _ => Err("must be live or test"),
        }
    }
}

/// A well-formed tenant key. Whether it is anybody's, only the database knows.
#[derive(Clone)]
pub struct TenantKey(Secret<String>);

impl TenantKey {
    /// Makes a key from the operating system's randomness.
    #[must_use]
    pub fn generate(env: KeyEnv) -> Self {
        Self(key_text::generate(env.head()))
    }

    /// Recognises a key by its shape and checksum.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        [KeyEnv::Live, KeyEnv::Test].iter().find_map(|env| key_text::parse(text, env.head())).map(Self)
    }

    /// The key itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Gives up the key to the reply that shows it.
    #[must_use]
    pub fn into_secret(self) -> Secret<String> {
        self.0
    }

    /// The part that lists show: enough to tell keys apart, too little to guess one.
    #[must_use]
    pub fn prefix(&self) -> &str {
        let text = self.expose();
        &text[..KeyEnv::Live.head().len() + SHOWN]
    }
}

impl ApiKey for TenantKey {
    fn text(&self) -> &str {
        self.expose()
    }
}

impl fmt::Debug for TenantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TenantKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with Python: `zlib.crc32` and the digits of contract 4.
    const KNOWN: &str = "tk_test_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg2O0zBE";

    #[test]
    fn a_key_made_elsewhere_by_the_published_rules_is_recognised() {
        assert!(TenantKey::parse(KNOWN.as_bytes()).is_some());
    }

    #[test]
    fn generated_keys_match_the_published_pattern_and_differ() {
        for env in [KeyEnv::Live, KeyEnv::Test] {
            let key = TenantKey::generate(env);
            let body = key.expose().strip_prefix(env.head()).unwrap();
            assert_eq!(body.len(), 49);
            assert!(body.bytes().all(|b| b.is_ascii_alphanumeric()));
            assert_eq!(TenantKey::parse(key.expose().as_bytes()).unwrap().expose(), key.expose());
            assert_eq!(key.prefix().len(), 14);
            assert_ne!(key.expose(), TenantKey::generate(env).expose());
        }
    }

    #[test]
    fn any_changed_character_is_noticed() {
        for position in 0..KNOWN.len() {
            let mut bytes = KNOWN.as_bytes().to_vec();
            bytes[position] = if bytes[position] == b'x' { b'y' } else { b'x' };
            assert!(TenantKey::parse(&bytes).is_none(), "position {position}");
        }
        for bad in
            [&b""[..], b"tk_test_", &KNOWN.as_bytes()[..56], b"\xff\xfe", &[KNOWN.as_bytes(), b"0"].concat()]
        {
            assert!(TenantKey::parse(bad).is_none());
        }
    }

    #[test]
    fn debug_output_shows_nothing() {
        assert_eq!(format!("{:?}", TenantKey::parse(KNOWN.as_bytes())), "Some(TenantKey(..))");
    }
}
