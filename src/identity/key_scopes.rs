//! What a tenant key may do (contract 13.3): a closed list of scopes, sets of them, and whether a key is held to its
//! own.

use std::borrow::Cow;

use serde::ser::{Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::enforcement::Enforcement;
use super::usage::Judgement;
use crate::error::{ApiError, Code};

macro_rules! scopes {
    ($($variant:ident = $name:literal,)*) => {
        /// A right to some of the operations. Each operation asks for one, beside its documentation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "the names are all there is to say")]
        pub enum KeyScope { $($variant),* }

        impl KeyScope {
            /// Every scope there is.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name on the wire and in the database.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

scopes! {
    UsersRead = "users:read",
    UsersWrite = "users:write",
    TokensWrite = "tokens:write",
    OrgRead = "org:read",
    OrgWrite = "org:write",
    TenantKeysRead = "tenant_keys:read",
    TenantKeysWrite = "tenant_keys:write",
    SigningSecretsRead = "signing_secrets:read",
    SigningSecretsWrite = "signing_secrets:write",
    QueuesRead = "queues:read",
    QueuesWrite = "queues:write",
    EventsRead = "events:read",
    EventsWrite = "events:write",
    EventsConsume = "events:consume",
    PublicKeysRead = "public_keys:read",
    PublicKeysWrite = "public_keys:write",
    AuditRead = "audit:read",
    ReportsRead = "reports:read",
    ReportsWrite = "reports:write",
}

/// The name of [`KeyScopes::ALL`].
const WILDCARD: &str = "*";

impl KeyScope {
    /// The scope of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scope| scope.name() == name)
    }

    const fn bit(self) -> u32 {
        1 << self as u8
    }
}

impl Serialize for KeyScope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyScopes(u32);

impl KeyScopes {
    /// `*`: every scope, and every one that is still to come.
    pub const ALL: Self = Self(u32::MAX);
    /// No scope.
    pub const NONE: Self = Self(0);

    /// Returns `true` if the set is `*`.
    #[must_use]
    pub fn is_all(self) -> bool {
        self == Self::ALL
    }

    /// Returns `true` if the scope is in the set.
    #[must_use]
    pub fn has(self, scope: KeyScope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Returns `true` if every scope of the other set is in this one.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// The scopes that are in both sets.
    #[must_use]
    pub fn shared(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The names, in the order of the list; `*` alone where it is that.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let listed = KeyScope::ALL.iter().copied().filter(move |scope| !self.is_all() && self.has(*scope));
        self.is_all().then_some(WILDCARD).into_iter().chain(listed.map(KeyScope::name))
    }

    /// The names in one text, by spaces.
    #[must_use]
    pub fn joined(self) -> Cow<'static, str> {
        if self.is_all() {
            return Cow::Borrowed(WILDCARD);
        }
        Cow::Owned(self.names().collect::<Vec<_>>().join(" "))
    }

    /// The set as it was stored. What a later version has stored, and this one does not know, allows nothing.
    #[must_use]
    pub fn stored(names: &[String]) -> Self {
        if names.iter().any(|name| name == WILDCARD) {
            return Self::ALL;
        }
        names.iter().filter_map(|name| KeyScope::parse(name)).collect()
    }

    /// The set that one name stands for.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        if name == WILDCARD { Some(Self::ALL) } else { KeyScope::parse(name).map(Self::from) }
    }

    /// The set that these names stand for together: `*` alone, or scopes, each once.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn together(named: &[Self]) -> Result<Self, &'static str> {
        match named {
            [] => return Err("must name a scope"),
            [one] => return Ok(*one),
            several if several.contains(&Self::ALL) => return Err("must have * alone, or scopes without it"),
            _ => {}
        }
        named.iter().try_fold(Self::NONE, |all, one| {
            if all.covers(*one) { Err("must have each scope once") } else { Ok(Self(all.0 | one.0)) }
        })
    }
}

impl FromIterator<KeyScope> for KeyScopes {
    fn from_iter<T: IntoIterator<Item = KeyScope>>(scopes: T) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl Serialize for KeyScopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.names())
    }
}

impl PartialSchema for KeyScopes {
    fn schema() -> RefOr<Schema> {
        let names = [WILDCARD].into_iter().chain(KeyScope::ALL.iter().map(|scope| scope.name()));
        let name = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
        let set = ArrayBuilder::new().items(name).min_items(Some(1)).unique_items(true);
        let description = "Scopes, each once: the operations that name one of them as `x-required-scope`. `*` alone \
                           is all of them, and all that are still to come.";
        set.description(Some(description)).into()
    }
}

impl ToSchema for KeyScopes {}

/// The scopes of a key, and what becomes of a request that they do not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct KeyRights {
    /// What it may do.
    pub scopes: KeyScopes,
    /// Whether it is held to that.
    #[serde(rename = "scope_policy")]
    pub policy: Enforcement,
}

impl KeyRights {
    /// Those of a key that nobody restricts.
    pub const UNRESTRICTED: Self = Self { scopes: KeyScopes::ALL, policy: Enforcement::Enforce };

    /// The rights as they were stored.
    #[must_use]
    pub fn stored(scopes: &[String], policy: &str) -> Self {
        Self { scopes: KeyScopes::stored(scopes), policy: Enforcement::stored(policy) }
    }

    /// Those of whoever is always held to them.
    #[must_use]
    pub fn of(scopes: KeyScopes) -> Self {
        Self { scopes, policy: Enforcement::Enforce }
    }

    /// What becomes of a request that needs this scope.
    #[must_use]
    pub fn judge(self, scope: KeyScope) -> Judgement {
        match self.policy {
            _ if self.scopes.has(scope) => Judgement::Allowed,
            Enforcement::Enforce => Judgement::Refused,
            Enforcement::Report => Judgement::Reported,
        }
    }

    /// What the key can do: everything, while what is beyond its scopes is only reported.
    #[must_use]
    pub fn granted(self) -> KeyScopes {
        match self.policy {
            Enforcement::Enforce => self.scopes,
            Enforcement::Report => KeyScopes::ALL,
        }
    }
}

/// Passes whoever holds what is needed; else names the part that is missing, and nothing of what is held.
///
/// # Errors
/// 403 `insufficient_scope`.
pub fn require(held: KeyScopes, needed: KeyScopes) -> Result<(), ApiError> {
    // Where `*` is needed, more is missing than the scopes of today.
    let missing = if needed.is_all() { needed } else { KeyScopes(needed.0 & !held.0) };
    if held.covers(needed) { Ok(()) } else { Err(insufficient(missing)) }
}

/// 403 `insufficient_scope` for want of these.
#[must_use]
pub fn insufficient(missing: KeyScopes) -> ApiError {
    let refusal = ApiError::new(Code::InsufficientScope);
    missing
        .names()
        .fold(refusal, |refusal, name| refusal.detail("scope", "insufficient_scope", name.to_owned()))
}

impl From<KeyScope> for KeyScopes {
    fn from(scope: KeyScope) -> Self {
        Self(scope.bit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(names: &[&str]) -> Option<KeyScopes> {
        let named: Option<Vec<_>> = names.iter().map(|name| KeyScopes::named(name)).collect();
        KeyScopes::together(&named?).ok()
    }

    fn missing(held: KeyScopes, needed: KeyScopes) -> Vec<String> {
        match require(held, needed) {
            Err(ApiError::Failed(failure)) => {
                assert_eq!(failure.code, Code::InsufficientScope);
                failure.details.into_iter().map(|detail| detail.message).collect()
            }
            _ => Vec::new(),
        }
    }

    #[test]
    fn the_list_is_the_contracts() {
        let names: Vec<_> = KeyScope::ALL.iter().map(|scope| scope.name()).collect();
        assert_eq!(
            names.join(" "),
            "users:read users:write tokens:write org:read org:write tenant_keys:read tenant_keys:write \
             signing_secrets:read signing_secrets:write queues:read queues:write events:read events:write \
             events:consume public_keys:read public_keys:write audit:read reports:read reports:write"
        );
        for scope in KeyScope::ALL {
            assert_eq!(KeyScope::parse(scope.name()), Some(*scope));
        }
    }

    #[test]
    fn a_set_is_read_as_it_is_written_in_the_order_of_the_list() {
        let some = read(&["users:write", "users:read"]).unwrap();
        assert_eq!(some.names().collect::<Vec<_>>(), ["users:read", "users:write"]);
        assert_eq!((some.joined(), KeyScopes::ALL.joined()), ("users:read users:write".into(), "*".into()));
        assert_eq!(read(&["*"]).unwrap(), KeyScopes::ALL);
        assert_eq!(KeyScopes::ALL.names().collect::<Vec<_>>(), ["*"]);
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for names in [
            &[][..],
            &["users:read", "users:read"],
            &["users:read", "*"],
            &["*", "users:read"],
            &["*", "*"],
            &["users"],
            &["users:read", ""],
            &["Users:read"],
            &["users:read users:write"],
        ] {
            assert_eq!(read(names), None, "{names:?}");
        }
    }

    #[test]
    fn all_that_are_listed_are_not_all() {
        let listed: KeyScopes = KeyScope::ALL.iter().copied().collect();
        assert!(KeyScopes::ALL.covers(listed) && !listed.covers(KeyScopes::ALL) && !listed.is_all());
        assert_eq!(missing(listed, KeyScopes::ALL), ["*"]);
    }

    #[test]
    fn a_refusal_names_what_is_missing_and_nothing_of_what_is_held() {
        let held: KeyScopes = [KeyScope::UsersRead, KeyScope::UsersWrite].into_iter().collect();
        let needed: KeyScopes = [KeyScope::UsersRead, KeyScope::EventsRead].into_iter().collect();
        assert_eq!(missing(held, needed), ["events:read"]);
        assert_eq!(missing(held, KeyScopes::ALL), ["*"]);
        assert!(missing(held, held).is_empty() && missing(KeyScopes::ALL, KeyScopes::ALL).is_empty());
    }

    #[test]
    fn what_a_later_version_stored_allows_nothing_here() {
        let stored =
            |names: &[&str]| KeyScopes::stored(&names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>());
        assert_eq!(stored(&["users:read", "stars:write"]), KeyScope::UsersRead.into());
        assert_eq!(stored(&["stars:write"]), KeyScopes::NONE);
        assert_eq!(
            KeyRights::stored(&["users:read".to_owned()], "suggest").granted(),
            KeyScope::UsersRead.into()
        );
    }

    #[test]
    fn a_key_that_is_only_reported_can_do_everything() {
        let rights = |policy| KeyRights { scopes: KeyScope::UsersRead.into(), policy };
        assert_eq!(rights(Enforcement::Enforce).granted(), KeyScope::UsersRead.into());
        assert_eq!(rights(Enforcement::Report).granted(), KeyScopes::ALL);
    }
}
