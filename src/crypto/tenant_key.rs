//! Tenant API keys (contract 4), whose text is a [`key_text`].

use std::fmt;
use std::str::FromStr;

use super::imported_key::ForeignHash;
use super::key_text::{self, ApiKey};
use super::secret::Secret;

/// Characters after the head: random ones and the checksum.
const BODY_LENGTH: usize = 49;
/// Random characters shown in lists.
const SHOWN: usize = 6;

/// The environment that a key belongs to, so that a test key in production is seen at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyEnv {
    /// `_live_`
    Live,
    /// `_test_`
    Test,
}

impl KeyEnv {
    /// The part of a key between prefix and random characters.
    fn part(self) -> &'static str {
        match self {
            Self::Live => "_live_",
            Self::Test => "_test_",
        }
    }
}

/// `KEY_PREFIX`: the first part of new keys, by which scanners tell a platform's keys from another's (contract 13.4).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyPrefix {
    text: [u8; Self::LONGEST],
    length: usize,
}

impl KeyPrefix {
    const LONGEST: usize = 10;
    /// Where nothing is configured.
    pub const DEFAULT: Self = Self { text: *b"tk\0\0\0\0\0\0\0\0", length: 2 };
    /// Of platform tokens, which are no tenant's.
    const RESERVED: &str = "pt";

    /// The prefix itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..self.length]).unwrap_or_default()
    }

    /// The regular expression of whole keys with this prefix: the one place that it is made in.
    #[must_use]
    pub fn pattern(&self) -> String {
        format!("^{}_(live|test)_[0-9A-Za-z]{{{BODY_LENGTH}}}$", self.as_str())
    }
}

/// The regular expression of every key that any version gave out, whatever its prefix.
pub const ANY_KEY: &str = "^[a-z][a-z0-9]{1,9}_(live|test)_[0-9A-Za-z]{49}$";

impl Default for KeyPrefix {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl FromStr for KeyPrefix {
    type Err = &'static str;

    fn from_str(prefix: &str) -> Result<Self, Self::Err> {
        if !is_prefix(prefix.as_bytes()) {
            return Err("must be a lower-case letter and 1 to 9 lower-case letters or digits");
        }
        if prefix == Self::RESERVED {
            return Err("pt is the prefix of platform tokens");
        }
        let mut text = [0; Self::LONGEST];
        text[..prefix.len()].copy_from_slice(prefix.as_bytes());
        Ok(Self { text, length: prefix.len() })
    }
}

impl fmt::Debug for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How new keys begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyForm {
    /// `KEY_PREFIX`.
    pub prefix: KeyPrefix,
    /// `KEY_ENV`.
    pub env: KeyEnv,
}

impl KeyForm {
    fn head(self) -> String {
        format!("{}{}", self.prefix.as_str(), self.env.part())
    }
}

impl From<KeyEnv> for KeyForm {
    fn from(env: KeyEnv) -> Self {
        Self { prefix: KeyPrefix::DEFAULT, env }
    }
}

/// `[a-z][a-z0-9]{1,9}`.
fn is_prefix(text: &[u8]) -> bool {
    (2..=KeyPrefix::LONGEST).contains(&text.len())
        && text[0].is_ascii_lowercase()
        && text.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// The length of a head such as `tk_live_`, of a text with the shape of a key.
fn head_length(text: &[u8]) -> Option<usize> {
    let length = text.len().checked_sub(BODY_LENGTH)?;
    let (head, body) = text.split_at(length);
    let prefix =
        [KeyEnv::Live, KeyEnv::Test].iter().find_map(|env| head.strip_suffix(env.part().as_bytes()))?;
    (is_prefix(prefix) && body.iter().all(u8::is_ascii_alphanumeric)).then_some(length)
}

/// Returns `true` for what matches [`ANY_KEY`], right checksum or not.
#[must_use]
pub fn is_key_shaped(text: &str) -> bool {
    head_length(text.as_bytes()).is_some()
}

/// The text without the keys that are in it: whoever reports one may quote it.
#[must_use]
pub fn without_keys(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, env)) = next_env(rest) {
        let start = at + env.part().len();
        let body = rest[start..].bytes().take(BODY_LENGTH).take_while(u8::is_ascii_alphanumeric).count();
        clean.push_str(&rest[..start]);
        clean.push_str(if body == BODY_LENGTH { "*" } else { &rest[start..start + body] });
        rest = &rest[start + body..];
    }
    clean.push_str(rest);
    clean
}

fn next_env(text: &str) -> Option<(usize, KeyEnv)> {
    let found =
        [KeyEnv::Live, KeyEnv::Test].into_iter().filter_map(|env| Some((text.find(env.part())?, env)));
    found.min_by_key(|(at, _)| *at)
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
pub struct TenantKey {
    text: Secret<String>,
    /// Of one that was made elsewhere: the hashes that it may have been imported by.
    foreign: Vec<ForeignHash>,
}

impl TenantKey {
    /// Makes a key from the operating system's randomness.
    #[must_use]
    pub fn generate(form: impl Into<KeyForm>) -> Self {
        Self { text: key_text::generate(&form.into().head()), foreign: Vec::new() }
    }

    /// A text of the form of imported keys (contract 15), with the hashes that it may have been imported by.
    #[must_use]
    pub fn imported(text: String, foreign: Vec<ForeignHash>) -> Self {
        Self { text: Secret::new(text), foreign }
    }

    /// Recognises a key by its shape and checksum, whatever its prefix but that of platform tokens: keys outlive
    /// `KEY_PREFIX`.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let head = std::str::from_utf8(&text[..head_length(text)?]).ok()?;
        let is_tenants = head.split('_').next() != Some(KeyPrefix::RESERVED);
        let text = key_text::parse(text, head).filter(|_| is_tenants)?;
        Some(Self { text, foreign: Vec::new() })
    }

    /// The key itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose()
    }

    /// Gives up the key to the reply that shows it.
    #[must_use]
    pub fn into_secret(self) -> Secret<String> {
        self.text
    }

    /// The part that lists show: enough to tell keys apart, too little to guess one.
    #[must_use]
    pub fn prefix(&self) -> &str {
        let text = self.expose();
        text.get(..(text.len() + SHOWN).saturating_sub(BODY_LENGTH)).unwrap_or_default()
    }
}

impl ApiKey for TenantKey {
    fn text(&self) -> &str {
        self.expose()
    }

    fn foreign(&self) -> &[ForeignHash] {
        &self.foreign
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
            let body = key.expose().strip_prefix(&KeyForm::from(env).head()).unwrap();
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
    fn keys_of_every_prefix_are_recognised_and_new_ones_have_the_configured_one() {
        let prefix: KeyPrefix = "acme2".parse().unwrap();
        let key = TenantKey::generate(KeyForm { prefix, env: KeyEnv::Live });
        assert!(key.expose().starts_with("acme2_live_"));
        assert_eq!(key.prefix().len(), 17);
        assert!(TenantKey::parse(key.expose().as_bytes()).is_some() && is_key_shaped(key.expose()));
        assert_eq!(prefix.pattern(), "^acme2_(live|test)_[0-9A-Za-z]{49}$");
        assert_eq!(KeyPrefix::DEFAULT.pattern(), "^tk_(live|test)_[0-9A-Za-z]{49}$");
        for bad in ["", "a", "1a", "Ab", "a_b", "abcdefghijk", "pt", "\u{e9}a"] {
            assert!(bad.parse::<KeyPrefix>().is_err(), "{bad}");
        }
        for good in ["ab", "a1", "abcdefghij"] {
            assert_eq!(good.parse::<KeyPrefix>().unwrap().as_str(), good);
        }
    }

    #[test]
    fn the_shape_is_judged_without_the_checksum() {
        let typo = KNOWN.replace("zBE", "zBF");
        assert!(is_key_shaped(KNOWN) && is_key_shaped(&typo) && TenantKey::parse(typo.as_bytes()).is_none());
        for bad in ["", "tk_test_", &KNOWN[1..], &KNOWN[..KNOWN.len() - 1], &format!("{KNOWN}0"), "\u{1f4a9}"]
        {
            assert!(!is_key_shaped(bad), "{bad}");
        }
    }

    #[test]
    fn a_text_that_quotes_keys_is_cleared_of_them() {
        let text = format!("https://example.com/?a={KNOWN}&b=2#{KNOWN}x _live_ tk_live_short \u{e9}");
        let clean = "https://example.com/?a=tk_test_*&b=2#tk_test_*x _live_ tk_live_short \u{e9}";
        assert_eq!(without_keys(&text), clean);
        assert_eq!(without_keys(""), "");
    }

    #[test]
    fn debug_output_shows_nothing() {
        assert_eq!(format!("{:?}", TenantKey::parse(KNOWN.as_bytes())), "Some(TenantKey(..))");
    }
}
