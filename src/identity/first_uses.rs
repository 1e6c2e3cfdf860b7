//! First uses that are waited for: a successor whose rotation they confirm (contract 13.1). Noted where a key opens
//! something, carried out beside requests (`background::rotations`).

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::ids::{KeyId, OrgId};

/// Keys that may be waiting to be confirmed; the next use of any more is noted again.
const MAX_NOTED: usize = 10_000;

/// Keys that were used and are not confirmed yet, as far as memory knows.
#[derive(Debug, Default)]
pub struct FirstUses {
    keys: Mutex<HashSet<(OrgId, KeyId)>>,
    noted: Notify,
}

impl FirstUses {
    /// A key that waits for it was used.
    pub fn note(&self, org_id: OrgId, key_id: KeyId) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() < MAX_NOTED && keys.insert((org_id, key_id)) {
            self.noted.notify_one();
        }
    }

    /// Waits until there is one.
    pub async fn noted(&self) {
        self.noted.notified().await;
    }

    /// Takes all that there are.
    pub fn take(&self) -> Vec<(OrgId, KeyId)> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).drain().collect()
    }
}
