//! Something for each org, in parts with a lock each, so that orgs on different processors seldom wait for each other.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ids::OrgId;

const PARTS: usize = 16;

/// A map by org.
#[derive(Debug)]
pub struct ByOrg<V>([Mutex<HashMap<OrgId, V>>; PARTS]);

impl<V> Default for ByOrg<V> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

impl<V> ByOrg<V> {
    /// The part that has this org; hold it for a few instructions.
    pub fn part(&self, org_id: OrgId) -> MutexGuard<'_, HashMap<OrgId, V>> {
        // Random in an id of ours.
        let [.., last] = org_id.0.into_bytes();
        self.0[usize::from(last) % PARTS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.iter().map(|part| part.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }
}
