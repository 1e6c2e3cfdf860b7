//! Changes of an org's public keys, as the routes ask for them.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::rules::OrgPublicKeys;
use super::store::{NewPublicKey, PublicKeys};
use crate::changes::{Change, Mandate, Rule};
use crate::clock::Clock;

/// Adds a key to those of the org with this `key`.
pub fn registration(
    clock: &Clock,
    mandate: Mandate,
    owner_code: String,
    (unique_id, expires_at): (Uuid, DateTime<Utc>),
    new: NewPublicKey,
) -> Change<PublicKeys, impl Rule<PublicKeys> + use<>> {
    let (fingerprint, authenticates) = (new.fingerprint.clone(), new.authenticates());
    let keys = PublicKeys { named: None, new: Some(new) };
    mandate.change(clock, keys, move |org: &OrgPublicKeys| {
        org.require_right_over(authenticates)?;
        org.register(&owner_code, unique_id, &fingerprint, expires_at).map(Some)
    })
}
