//! Changes of an org's keys, as [`administration`](crate::administration) carries them out.

use sqlx::PgConnection;
use uuid::Uuid;

use super::rules::{Fresh, OrgKeys, Plan};
use super::store;
use crate::administration::{self, Scope, carry_out};
use crate::clock::Clock;
use crate::crypto::keyring::{Hashed, Keyring};
use crate::crypto::tenant_key::{KeyEnv, TenantKey};
use crate::db::Db;
use crate::error::{ApiError, Code};
use crate::ids::{KeyId, new_row_id};
use crate::routes::public_keys::delivery::Recipient;

/// A key that exists nowhere yet.
pub struct NewKey {
    pub fresh: Fresh,
    pub key: TenantKey,
    pub digest: Hashed,
}

impl NewKey {
    /// Makes a key and its identity.
    pub fn generate(keyring: &Keyring, env: KeyEnv) -> Self {
        let key = TenantKey::generate(env);
        let fresh = Fresh { id: KeyId(new_row_id()), prefix: key.prefix().to_owned() };
        Self { digest: keyring.hash(&key), fresh, key }
    }
}

/// A change, as its rules see it: `None` means that there is nothing to do.
pub struct Change<R> {
    /// The key it is about, dead or alive.
    pub subject: Option<KeyId>,
    /// The digest of the key it would add.
    pub digest: Option<Hashed>,
    pub rule: R,
    /// Who reads the key that it would add.
    pub recipient: Recipient,
}

/// Decides on a change and carries it out.
pub async fn change<R>(
    db: &Db,
    clock: &Clock,
    scope: Scope,
    change: Change<R>,
) -> Result<Option<Plan>, ApiError>
where
    R: Fn(&OrgKeys) -> Result<Option<Plan>, ApiError> + Send + Sync + 'static,
{
    carry_out(db, scope.org_id, change.by(scope, clock)).await
}

impl<R> Change<R> {
    /// The change as somebody makes it.
    pub fn by(self, scope: Scope, clock: &Clock) -> Attempt<R> {
        Attempt {
            wanted: [self.subject, scope.caller].into_iter().flatten().map(|id| id.0).collect(),
            digest: self.digest,
            scope,
            clock: clock.clone(),
            rule: self.rule,
            recipient: self.recipient,
        }
    }
}

/// A change that somebody makes.
pub struct Attempt<R> {
    wanted: Vec<Uuid>,
    digest: Option<Hashed>,
    scope: Scope,
    clock: Clock,
    rule: R,
    recipient: Recipient,
}

impl<R> administration::Change for Attempt<R>
where
    R: Fn(&OrgKeys) -> Result<Option<Plan>, ApiError> + Send + Sync + 'static,
{
    type Done = Option<Plan>;

    async fn attempt(&self, db: &mut PgConnection) -> Result<Option<Option<Plan>>, ApiError> {
        let now = self.clock.now();
        let seen = store::load(&mut *db, &self.scope, &self.wanted, now).await?;
        let seen = seen.ok_or(Code::Forbidden)?;
        let Some(plan) = (self.rule)(&seen)? else { return Ok(Some(None)) };
        self.recipient.require(&mut *db, self.scope.org_id, now).await?;
        let applied = store::apply(&mut *db, &self.scope, &seen, &plan, self.digest.as_ref()).await?;
        Ok(applied.then_some(Some(plan)))
    }
}
