//! A new secret, and how it gets in place: over HTTP, and for operators.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::rules::{OrgSecrets, SecretRotation, SigningSecretPlan};
use super::store::{NewSigningSecret, SecretsChange};
use crate::changes::{Change, Mandate, Rule};
use crate::clock::Clock;
use crate::crypto::associated_data;
use crate::crypto::keyring::Keyring;
use crate::crypto::secret::Secret;
use crate::crypto::signing_secret;
use crate::error::ApiError;
use crate::ids::new_row_id;
use crate::routes::public_keys::recipient::Recipient;

/// A new secret in place.
pub struct Rotated {
    /// The new secret's id.
    pub id: Uuid,
    /// The instant of the rotation.
    pub at: DateTime<Utc>,
    /// The end of the secret before.
    pub previous_expires_at: Option<DateTime<Utc>>,
    /// Until when it may be confirmed, if it waits for that.
    pub confirm_by: Option<DateTime<Utc>>,
}

impl Rotated {
    /// The outcome of a [`rotation`].
    ///
    /// # Errors
    /// The plan is another one's.
    pub fn of(plan: Option<SigningSecretPlan>) -> Result<Self, ApiError> {
        let rotated = plan.and_then(|SigningSecretPlan { at, ended, added, waits, .. }| {
            let previous_expires_at = ended.and_then(|ended| ended.expires_at);
            Some(Self {
                id: added?,
                at,
                previous_expires_at,
                confirm_by: waits.map(|waits| waits.confirm_by),
            })
        });
        rotated.ok_or_else(|| ApiError::internal("a rotation has put no secret in place"))
    }
}

/// A secret that is in place nowhere yet.
pub struct NewSecret {
    secret: Secret<Vec<u8>>,
    is_made: bool,
}

impl NewSecret {
    /// The partner's, or a new one.
    pub fn of(given: Option<Secret<Vec<u8>>>) -> Self {
        Self { is_made: given.is_none(), secret: given.unwrap_or_else(signing_secret::generate) }
    }

    /// The secret, if the service made it: only then is it shown.
    pub fn made(&self) -> Option<&Secret<Vec<u8>>> {
        self.is_made.then_some(&self.secret)
    }
}

/// Puts a secret in place, unless its recipient could not read it.
pub fn rotation(
    clock: &Clock,
    keyring: &Keyring,
    mandate: Mandate,
    new: &NewSecret,
    wanted: SecretRotation,
    recipient: Recipient,
) -> Change<SecretsChange, impl Rule<SecretsChange> + use<>> {
    let (org_id, id) = (mandate.org_id, new_row_id());
    let new = NewSigningSecret {
        sealed: keyring.master.seal(&associated_data::signing_secret(org_id, id), new.secret.expose()),
        fingerprints: keyring.fingerprints(org_id, &new.secret).iter().map(|print| print.to_vec()).collect(),
        source: if new.is_made { "server" } else { "partner" },
    };
    let secrets = SecretsChange { named: None, new: Some(new), recipient };
    mandate.change(clock, secrets, move |org: &OrgSecrets| org.rotate(id, wanted).map(Some))
}

/// The confirmation of the rotation to a secret that waits for it.
pub fn confirming(
    clock: &Clock,
    mandate: Mandate,
    id: Uuid,
) -> Change<SecretsChange, impl Rule<SecretsChange> + use<>> {
    mandate.change(clock, SecretsChange::with(Some(id)), move |org: &OrgSecrets| org.confirm(id).map(Some))
}

/// The end of a wait for a confirmation that did not come.
pub fn abandoning(
    clock: &Clock,
    mandate: Mandate,
    id: Uuid,
) -> Change<SecretsChange, impl Rule<SecretsChange> + use<>> {
    mandate.change(clock, SecretsChange::with(Some(id)), move |org: &OrgSecrets| org.abandon(id))
}
