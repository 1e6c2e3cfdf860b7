//! A key before it is the org's.

use super::rules::Fresh;
use crate::crypto::keyring::{Hashed, Keyring};
use crate::crypto::tenant_key::{KeyForm, TenantKey};
use crate::ids::{KeyId, new_row_id};

/// A key that exists nowhere yet.
pub struct NewKey {
    /// Its id and prefix.
    pub fresh: Fresh,
    /// The key itself.
    pub key: TenantKey,
    /// The parts of it that are stored.
    pub digest: Hashed,
}

impl NewKey {
    /// Makes a key and its identity.
    pub fn generate(keyring: &Keyring, form: KeyForm) -> Self {
        let key = TenantKey::generate(form);
        let fresh = Fresh { id: KeyId(new_row_id()), prefix: key.prefix().to_owned() };
        Self { digest: keyring.hash(&key), fresh, key }
    }
}
