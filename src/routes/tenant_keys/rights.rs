//! Who may make a key, or change one, by their scopes and its (contract 13.3): nobody makes, lets out or ends what may
//! do more than they may. A key's own rotation is its own affair.

use super::rules::OrgTenantKeys;
use super::stored::StoredTenantKey;
use crate::error::ApiError;
use crate::identity::enforcement::Enforcement;
use crate::identity::key_scopes::{KeyRights, KeyScope, KeyScopes};

/// What a request changes of a key's rights; by default nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RightsChange {
    /// Its scopes.
    pub scopes: Option<KeyScopes>,
    /// Whether it is held to them.
    pub policy: Option<Enforcement>,
}

impl RightsChange {
    /// The rights after the change.
    pub fn applied_to(self, rights: KeyRights) -> KeyRights {
        KeyRights {
            scopes: self.scopes.unwrap_or(rights.scopes),
            policy: self.policy.unwrap_or(rights.policy),
        }
    }
}

impl OrgTenantKeys {
    /// Passes who may make keys, and one with these rights.
    pub(super) fn require_right_to_make(&self, rights: KeyRights) -> Result<(), ApiError> {
        self.org.caller.require_scopes(KeyScope::TenantKeysWrite)?;
        self.org.caller.require_scopes(rights.granted())
    }

    /// Passes who may change or end this key, or hear that there is none.
    pub(super) fn require_right_over(&self, key: Option<&StoredTenantKey>) -> Result<(), ApiError> {
        self.org.caller.require_scopes(KeyScope::TenantKeysWrite)?;
        key.map_or(Ok(()), |key| self.org.caller.require_scopes(key.rights.granted()))
    }

    /// Passes whose rotation it is that waits for this successor, and who has the right over both keys.
    pub(super) fn require_right_over_rotation(
        &self,
        successor: Option<&StoredTenantKey>,
    ) -> Result<(), ApiError> {
        let pending = successor.and_then(|key| Some((key, key.pending.as_ref()?)));
        let Some((successor, pending)) = pending else { return self.require_right_over(successor) };
        let either = [successor.id, pending.key_id].map(Some);
        if either.contains(&self.org.caller.key_id) {
            return Ok(());
        }
        self.require_right_over(Some(successor))?;
        self.require_right_over(self.find(pending.key_id))
    }
}
