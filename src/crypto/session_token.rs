//! What opens the portal, and what keeps it and the console open (contract 17). The texts are [`key_text`]s.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::key_text::{self, ApiKey};
use super::secret::Secret;

/// The end of a link that opens the portal once, or the cookie of the session that it opens. Whether it is either, only
/// the database knows.
#[derive(Clone)]
pub struct PortalToken(Secret<String>);

impl PortalToken {
    const HEAD: &str = "portal_";

    /// Makes a token from the operating system's randomness.
    #[must_use]
    pub fn generate() -> Self {
        Self(key_text::generate(Self::HEAD))
    }

    /// The token itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// What keeps the console open.
#[derive(Clone)]
pub struct ConsoleToken(Secret<String>);

impl ConsoleToken {
    const HEAD: &str = "console_";

    /// Makes a token from the operating system's randomness.
    #[must_use]
    pub fn generate() -> Self {
        Self(key_text::generate(Self::HEAD))
    }
}

/// The cookie of a session.
pub trait SessionToken: ApiKey + Sized {
    /// Recognises a token by its shape and checksum.
    fn parse(text: &str) -> Option<Self>;

    /// What the session's forms carry, so that none is sent by another site: an HMAC under the cookie, which no other
    /// site knows.
    #[must_use]
    fn form_token(&self) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.text().as_bytes()).expect("HMAC takes keys of any length");
        mac.update(b"partner-api portal form");
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }

    /// Returns `true` for what a form of this session carries, in constant time.
    #[must_use]
    fn is_form_token(&self, sent: &str) -> bool {
        self.form_token().as_bytes().ct_eq(sent.as_bytes()).into()
    }
}

impl SessionToken for PortalToken {
    fn parse(text: &str) -> Option<Self> {
        key_text::parse(text.as_bytes(), Self::HEAD).map(Self)
    }
}

impl SessionToken for ConsoleToken {
    fn parse(text: &str) -> Option<Self> {
        key_text::parse(text.as_bytes(), Self::HEAD).map(Self)
    }
}

impl ApiKey for ConsoleToken {
    fn text(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for ConsoleToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConsoleToken(..)")
    }
}

impl ApiKey for PortalToken {
    fn text(&self) -> &str {
        self.expose()
    }
}

impl fmt::Debug for PortalToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PortalToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sessions_form_token_is_its_own_and_is_not_the_cookie() {
        let (one, other) = (PortalToken::generate(), PortalToken::generate());
        assert!(one.is_form_token(&one.form_token()));
        assert!(PortalToken::parse(one.expose()).is_some_and(|again| again.is_form_token(&one.form_token())));
        for wrong in ["", &other.form_token(), one.expose(), &one.form_token()[1..]] {
            assert!(!one.is_form_token(wrong), "{wrong}");
        }
        assert_eq!(format!("{one:?}"), "PortalToken(..)");
    }

    #[test]
    fn what_keeps_one_place_open_opens_not_the_other() {
        let (portal, console) = (PortalToken::generate(), ConsoleToken::generate());
        assert!(
            ConsoleToken::parse(console.text())
                .is_some_and(|again| again.is_form_token(&console.form_token()))
        );
        assert!(ConsoleToken::parse(portal.text()).is_none() && PortalToken::parse(console.text()).is_none());
        assert_eq!(format!("{console:?}"), "ConsoleToken(..)");
    }
}
