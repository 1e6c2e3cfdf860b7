//! Whether a key is held to its limits, or is only watched (contract 13.3): `report` shows what `enforce` would
//! refuse, before it does.

use serde::Serialize;
use utoipa::ToSchema;

/// What becomes of a request that a key's scopes or networks do not allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Enforcement {
    /// It is refused.
    #[default]
    Enforce,
    /// It is served, counted and logged.
    Report,
}

impl Enforcement {
    /// Either.
    pub const ALL: [Self; 2] = [Self::Enforce, Self::Report];

    /// The name on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Report => "report",
        }
    }

    /// The policy as it was stored; a later version's, which this one does not know, is taken for the strict one.
    #[must_use]
    pub fn stored(name: &str) -> Self {
        Self::parse(name).unwrap_or_default()
    }

    /// The policy of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.name() == name)
    }
}
