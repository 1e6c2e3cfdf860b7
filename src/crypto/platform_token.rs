//! Tokens of the platform's own services, and the tokens of claims (contract 15). The text of both is a
//! [`key_text`].

use std::fmt;

use super::key_text::{self, ApiKey};
use super::secret::Secret;
use super::tenant_key::KeyEnv;

/// Random characters shown in lists.
const SHOWN: usize = 6;

/// A well-formed platform token. Whether it is any service's, only the database knows.
#[derive(Clone)]
pub struct PlatformToken(Secret<String>);

impl PlatformToken {
    fn head(env: KeyEnv) -> &'static str {
        match env {
            KeyEnv::Live => "pt_live_",
            KeyEnv::Test => "pt_test_",
        }
    }

    /// Makes a token from the operating system's randomness.
    #[must_use]
    pub fn generate(env: KeyEnv) -> Self {
        Self(key_text::generate(Self::head(env)))
    }

    /// Recognises a token by its shape and checksum.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        [KeyEnv::Live, KeyEnv::Test]
            .into_iter()
            .find_map(|env| key_text::parse(text, Self::head(env)))
            .map(Self)
    }

    /// The token itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// The part that lists show.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.expose()[..Self::head(KeyEnv::Live).len() + SHOWN]
    }
}

/// What opens a claim.
#[derive(Clone)]
pub struct ClaimToken(Secret<String>);

impl ClaimToken {
    const HEAD: &str = "claim_";

    /// Makes a token from the operating system's randomness.
    #[must_use]
    pub fn generate() -> Self {
        Self(key_text::generate(Self::HEAD))
    }

    /// Recognises a token by its shape and checksum.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        key_text::parse(text.as_bytes(), Self::HEAD).map(Self)
    }

    /// The token itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl ApiKey for PlatformToken {
    fn text(&self) -> &str {
        self.expose()
    }
}

impl ApiKey for ClaimToken {
    fn text(&self) -> &str {
        self.expose()
    }
}

impl fmt::Debug for PlatformToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlatformToken(..)")
    }
}

impl fmt::Debug for ClaimToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClaimToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::tenant_key::TenantKey;

    #[test]
    fn each_kind_of_key_is_read_back_and_is_none_of_the_others() {
        let (platform, claim) = (PlatformToken::generate(KeyEnv::Live), ClaimToken::generate());
        let tenant = TenantKey::generate(KeyEnv::Live);
        let readers = |text: &str| {
            [
                PlatformToken::parse(text.as_bytes()).is_some(),
                ClaimToken::parse(text).is_some(),
                TenantKey::parse(text.as_bytes()).is_some(),
            ]
        };
        assert_eq!(readers(platform.expose()), [true, false, false]);
        assert_eq!(readers(claim.expose()), [false, true, false]);
        assert_eq!(readers(tenant.expose()), [false, false, true]);
        assert!(platform.prefix().starts_with("pt_live_") && platform.prefix().len() == 14);
    }

    #[test]
    fn debug_output_shows_nothing() {
        assert_eq!(format!("{:?}", PlatformToken::generate(KeyEnv::Test)), "PlatformToken(..)");
        assert_eq!(format!("{:?}", ClaimToken::generate()), "ClaimToken(..)");
    }
}
