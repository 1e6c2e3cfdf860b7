//! What the gate leaves for the edge. It goes with the request, because a handler that takes too long has no response
//! to leave it with.

use std::sync::{Arc, OnceLock};

use super::signed_response::ResponseSigner;
use crate::limits::rates::Quota;

/// The place for it, empty at first.
#[derive(Clone, Default)]
pub struct EdgeSlot(Arc<Left>);

#[derive(Default)]
struct Left {
    signer: OnceLock<ResponseSigner>,
    quota: OnceLock<Quota>,
}

impl EdgeSlot {
    /// Leaves the signer of the response. The first one stays.
    pub fn leave_signer(&self, signer: ResponseSigner) {
        let _ = self.0.signer.set(signer);
    }

    /// The signer, if there is to be a signature.
    pub fn signer(&self) -> Option<&ResponseSigner> {
        self.0.signer.get()
    }

    /// Leaves what the response tells of the org's limit. The first one stays.
    pub fn leave_quota(&self, quota: Quota) {
        let _ = self.0.quota.set(quota);
    }

    /// What is left of the org's limit, if it has one.
    pub fn quota(&self) -> Option<Quota> {
        self.0.quota.get().copied()
    }
}
