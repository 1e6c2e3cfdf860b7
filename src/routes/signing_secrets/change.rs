//! Changes of an org's secrets, as [`administration`](crate::administration) carries them out.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::rules::{OrgSecrets, Plan};
use super::store::{self, Applied, Stored};
use crate::administration::{Change, Scope, carry_out};
use crate::clock::Clock;
use crate::crypto::keyring::Keyring;
use crate::crypto::secret::Secret;
use crate::crypto::signing_secret;
use crate::db::Db;
use crate::error::{ApiError, Code};
use crate::ids::{OrgId, new_row_id};

/// A new secret in place.
pub struct Rotated {
    pub id: Uuid,
    pub at: DateTime<Utc>,
    pub previous_expires_at: Option<DateTime<Utc>>,
    /// The secret, if the service made it.
    pub made: Option<Secret<Vec<u8>>>,
}

/// Where a secret is stored sealed: it opens only there.
pub fn place(org_id: OrgId, id: Uuid) -> Vec<u8> {
    format!("signing_secrets/{org_id}/{id}").into_bytes()
}

/// Puts the partner's secret in place, or a new one.
pub async fn rotate(
    db: &Db,
    clock: &Clock,
    keyring: &Keyring,
    scope: Scope,
    given: Option<Secret<Vec<u8>>>,
    grace: TimeDelta,
) -> Result<Rotated, ApiError> {
    let (org_id, id) = (scope.org_id, new_row_id());
    let made = given.is_none().then(signing_secret::generate);
    let secret = given.as_ref().or(made.as_ref()).ok_or(Code::InternalError)?;
    let new = Stored {
        sealed: keyring.master.seal(&place(org_id, id), secret.expose()),
        fingerprint: keyring.fingerprint(org_id, secret).to_vec(),
        source: if made.is_some() { "server" } else { "partner" },
    };
    let rule = move |org: &OrgSecrets| org.rotate(id, grace).map(Some);
    let attempt = Attempt { scope, clock: clock.clone(), wanted: None, new: Some(new), rule };
    let (plan, at) = carry_out(db, org_id, attempt).await?;
    let previous_expires_at = plan.and_then(|plan| plan.ended).and_then(|ended| ended.expires_at);
    Ok(Rotated { id, at, previous_expires_at, made })
}

/// Ends a previous secret now.
pub async fn revoke(db: &Db, clock: &Clock, scope: Scope, id: Uuid) -> Result<(), ApiError> {
    let org_id = scope.org_id;
    let rule = move |org: &OrgSecrets| org.revoke(id);
    carry_out(db, org_id, Attempt { scope, clock: clock.clone(), wanted: Some(id), new: None, rule }).await?;
    Ok(())
}

struct Attempt<R> {
    scope: Scope,
    clock: Clock,
    wanted: Option<Uuid>,
    new: Option<Stored>,
    rule: R,
}

impl<R> Change for Attempt<R>
where
    R: Fn(&OrgSecrets) -> Result<Option<Plan>, ApiError> + Send + Sync + 'static,
{
    /// What was done, and when; nothing, where there was nothing to do.
    type Done = (Option<Plan>, DateTime<Utc>);

    async fn attempt(&self, db: &mut PgConnection) -> Result<Option<Self::Done>, ApiError> {
        let now = self.clock.now();
        let seen = store::load(&mut *db, &self.scope, self.wanted, now).await?.ok_or(Code::Forbidden)?;
        let Some(plan) = (self.rule)(&seen)? else { return Ok(Some((None, now))) };
        match store::apply(&mut *db, &self.scope, &seen, &plan, self.new.as_ref()).await? {
            Applied::Done => Ok(Some((Some(plan), now))),
            Applied::Stale => Ok(None),
            Applied::Reused => Err(Code::SecretReused.into()),
        }
    }
}
