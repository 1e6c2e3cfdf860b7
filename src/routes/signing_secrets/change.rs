//! Changes of an org's secrets, as [`administration`](crate::administration) carries them out.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::rules::{OrgSecrets, Plan};
use super::store::{self, Applied, Stored};
use crate::administration::{Change, Scope, carry_out};
use crate::clock::Clock;
use crate::crypto::associated_data;
use crate::crypto::keyring::Keyring;
use crate::crypto::secret::Secret;
use crate::crypto::signing_secret;
use crate::db::Db;
use crate::error::{ApiError, Code};
use crate::ids::new_row_id;
use crate::routes::public_keys::delivery::Recipient;

/// A new secret in place.
pub struct Rotated {
    pub id: Uuid,
    pub at: DateTime<Utc>,
    pub previous_expires_at: Option<DateTime<Utc>>,
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
    scope: Scope,
    new: &NewSecret,
    grace: TimeDelta,
    recipient: Recipient,
) -> impl Change<Done = Rotated> + use<> {
    let (org_id, id) = (scope.org_id, new_row_id());
    let new = Stored {
        sealed: keyring.master.seal(&associated_data::signing_secret(org_id, id), new.secret.expose()),
        fingerprints: keyring.fingerprints(org_id, &new.secret).iter().map(|print| print.to_vec()).collect(),
        source: if new.is_made { "server" } else { "partner" },
    };
    let rule = move |org: &OrgSecrets| org.rotate(id, grace).map(Some);
    let done = move |plan: Option<Plan>, at| {
        let previous_expires_at = plan.and_then(|plan| plan.ended).and_then(|ended| ended.expires_at);
        Rotated { id, at, previous_expires_at }
    };
    Attempt { scope, clock: clock.clone(), wanted: None, new: Some(new), recipient, rule, done }
}

/// Ends a previous secret now.
pub async fn revoke(db: &Db, clock: &Clock, scope: Scope, id: Uuid) -> Result<(), ApiError> {
    let org_id = scope.org_id;
    let rule = move |org: &OrgSecrets| org.revoke(id);
    let done = |_: Option<Plan>, _| ();
    let attempt = Attempt {
        scope,
        clock: clock.clone(),
        wanted: Some(id),
        new: None,
        recipient: Recipient::Caller,
        rule,
        done,
    };
    carry_out(db, org_id, attempt).await
}

struct Attempt<R, D> {
    scope: Scope,
    clock: Clock,
    wanted: Option<Uuid>,
    new: Option<Stored>,
    /// Who reads the new secret.
    recipient: Recipient,
    rule: R,
    /// What is told of it: what was done, if anything was to do, and when.
    done: D,
}

impl<R, D, T> Change for Attempt<R, D>
where
    R: Fn(&OrgSecrets) -> Result<Option<Plan>, ApiError> + Send + Sync + 'static,
    D: Fn(Option<Plan>, DateTime<Utc>) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    type Done = T;

    async fn attempt(&self, db: &mut PgConnection) -> Result<Option<Self::Done>, ApiError> {
        let now = self.clock.now();
        let seen = store::load(&mut *db, &self.scope, self.wanted, now).await?.ok_or(Code::Forbidden)?;
        let Some(plan) = (self.rule)(&seen)? else { return Ok(Some((self.done)(None, now))) };
        if store::is_known(&mut *db, self.scope.org_id, self.new.as_ref()).await? {
            return Err(Code::SecretReused.into());
        }
        self.recipient.require(&mut *db, self.scope.org_id, now).await?;
        match store::apply(&mut *db, &self.scope, &seen, &plan, self.new.as_ref()).await? {
            Applied::Done => Ok(Some((self.done)(Some(plan), now))),
            Applied::Stale => Ok(None),
            Applied::Reused => Err(Code::SecretReused.into()),
        }
    }
}
