//! The format of a tenant API key (contract 4): recognisable by secret scanners, and checkable
//! without a database.

use std::fmt;
use std::str::FromStr;

use rand::TryRng as _;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

use super::secret::Secret;

/// base62 digits, most significant first.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 43 base62 characters hold 256 bits.
const RANDOM_LENGTH: usize = 43;
/// Six base62 characters hold a CRC-32.
const CHECKSUM_LENGTH: usize = 6;
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
    ///
    /// # Panics
    /// When the operating system has none: there is nothing sensible left to do.
    #[must_use]
    pub fn generate(env: KeyEnv) -> Self {
        // Reserved whole, so that growing leaves no copy behind.
        let mut text = String::with_capacity(env.head().len() + RANDOM_LENGTH + CHECKSUM_LENGTH);
        text.push_str(env.head());
        while text.len() < env.head().len() + RANDOM_LENGTH {
            let mut bytes = Zeroizing::new([0u8; 64]);
            SysRng.try_fill_bytes(&mut bytes[..]).expect("the operating system has randomness");
            // Bytes from 248 up would make the first digits likelier than the others.
            let fair = bytes.iter().filter(|byte| **byte < 248);
            let missing = env.head().len() + RANDOM_LENGTH - text.len();
            text.extend(fair.take(missing).map(|byte| char::from(DIGITS[usize::from(byte % 62)])));
        }
        let checksum = checksum(&text);
        text.extend(checksum.map(char::from));
        Self(Secret::new(text))
    }

    /// Recognises a key by its shape and checksum.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let body =
            [KeyEnv::Live, KeyEnv::Test].iter().find_map(|env| text.strip_prefix(env.head().as_bytes()))?;
        if body.len() != RANDOM_LENGTH + CHECKSUM_LENGTH || !body.iter().all(u8::is_ascii_alphanumeric) {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        let (signed, sent) = text.split_at(text.len() - CHECKSUM_LENGTH);
        (checksum(signed) == sent.as_bytes()).then(|| Self(Secret::new(text.to_owned())))
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

impl fmt::Debug for TenantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TenantKey(..)")
    }
}

/// CRC-32 (IEEE) of everything before it, in base62, padded with zeros.
fn checksum(text: &str) -> [u8; CHECKSUM_LENGTH] {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut out = [b'0'; CHECKSUM_LENGTH];
    for digit in out.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    out
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
