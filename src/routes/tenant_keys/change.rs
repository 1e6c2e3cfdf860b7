//! Changes of an org's keys, as [`administration`](crate::administration) carries them out.

use sqlx::PgConnection;
use uuid::Uuid;

use super::rules::{Fresh, OrgKeys, Plan};
use super::store;
use crate::administration::{self, Scope, carry_out};
use crate::clock::Clock;
use crate::crypto::keyring::{KeyDigest, Keyring};
use crate::crypto::tenant_key::{KeyEnv, TenantKey};
use crate::db::Db;
use crate::error::{ApiError, Code};
use crate::ids::{KeyId, new_row_id};

/// A key that exists nowhere yet.
pub struct NewKey {
    pub fresh: Fresh,
    pub key: TenantKey,
    digest: KeyDigest,
}

impl NewKey {
    /// Makes a key and its identity.
    pub fn generate(keyring: &Keyring, env: KeyEnv) -> Self {
        let key = TenantKey::generate(env);
        let fresh = Fresh { id: KeyId(new_row_id()), prefix: key.prefix().to_owned() };
        Self { digest: keyring.digest(&key), fresh, key }
    }
}

/// A change, as its rules see it: `None` means that there is nothing to do.
pub struct Change<'n, R> {
    /// The key it is about, dead or alive.
    pub subject: Option<KeyId>,
    /// The key it would add.
    pub new: Option<&'n NewKey>,
    pub rule: R,
}

/// Decides on a change and carries it out.
pub async fn change<R>(
    db: &Db,
    clock: &Clock,
    scope: Scope,
    change: Change<'_, R>,
) -> Result<Option<Plan>, ApiError>
where
    R: Fn(&OrgKeys) -> Result<Option<Plan>, ApiError> + Send + Sync + 'static,
{
    let org_id = scope.org_id;
    let attempt = Attempt {
        wanted: [change.subject, scope.caller].into_iter().flatten().map(|id| id.0).collect(),
        digest: change.new.map(|new| new.digest),
        scope,
        clock: clock.clone(),
        rule: change.rule,
    };
    carry_out(db, org_id, attempt).await
}

struct Attempt<R> {
    wanted: Vec<Uuid>,
    digest: Option<KeyDigest>,
    scope: Scope,
    clock: Clock,
    rule: R,
}

impl<R> administration::Change for Attempt<R>
where
    R: Fn(&OrgKeys) -> Result<Option<Plan>, ApiError> + Send + Sync + 'static,
{
    type Done = Option<Plan>;

    async fn attempt(&self, db: &mut PgConnection) -> Result<Option<Option<Plan>>, ApiError> {
        let Scope { org_id, caller, author } = &self.scope;
        let now = self.clock.now();
        let seen = store::load(&mut *db, *org_id, &self.wanted, *caller, now).await?;
        let seen = seen.ok_or(Code::Forbidden)?;
        let Some(plan) = (self.rule)(&seen)? else { return Ok(Some(None)) };
        let applied = store::apply(&mut *db, *org_id, &seen, &plan, self.digest.as_ref(), author).await?;
        Ok(applied.then_some(Some(plan)))
    }
}
