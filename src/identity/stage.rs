//! The stage of a tenant key, which decides whether it administers (contract 4 and 13.1).

use crate::error::{ApiError, Code};

/// What a live key may do besides traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyStage {
    /// It administers.
    #[default]
    Current,
    /// It succeeds another once that is confirmed (contract 13.1), and administers nothing else until then.
    Pending,
    /// It was rotated, and administers nothing any more.
    Superseded,
    /// It was found where others can read it (contract 13.4): whoever has it administers nothing and acts for no user.
    Leaked,
}

impl KeyStage {
    /// The stage of a key.
    #[must_use]
    pub fn of(is_superseded: bool, is_pending: bool, is_leaked: bool) -> Self {
        match (is_superseded, is_pending) {
            _ if is_leaked => Self::Leaked,
            (true, _) => Self::Superseded,
            (false, true) => Self::Pending,
            (false, false) => Self::Current,
        }
    }

    /// Passes what may act for the org's users, as a key that waits may.
    ///
    /// # Errors
    /// 403 `key_superseded` for a key in its grace window, `key_leaked` for one that leaked.
    pub fn require_unrotated(self) -> Result<(), ApiError> {
        if self == Self::Pending { Ok(()) } else { self.require_administrator() }
    }

    /// Passes what may change anything.
    ///
    /// # Errors
    /// 403 `key_superseded` for a key in its grace window, `key_not_confirmed` for one that waits, `key_leaked` for one
    /// that leaked.
    pub fn require_administrator(self) -> Result<(), ApiError> {
        match self {
            Self::Current => Ok(()),
            Self::Pending => Err(Code::KeyNotConfirmed.into()),
            Self::Superseded => Err(Code::KeySuperseded.into()),
            Self::Leaked => Err(Code::KeyLeaked.into()),
        }
    }
}
