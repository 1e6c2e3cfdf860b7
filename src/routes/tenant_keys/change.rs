//! How a change of an org's keys is carried out: read, decide, apply. Usually that is two
//! statements and no lock; if somebody else changed the org in between, the second attempt queues.

use std::sync::Arc;

use sqlx::PgConnection;
use uuid::Uuid;

use super::rules::{Fresh, OrgKeys, Plan};
use super::store;
use crate::audit::Author;
use crate::clock::Clock;
use crate::crypto::keyring::{KeyDigest, Keyring};
use crate::crypto::tenant_key::{KeyEnv, TenantKey};
use crate::db::Db;
use crate::error::{ApiError, Code};
use crate::ids::{KeyId, OrgId, new_row_id};

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

/// Who changes which org's keys.
pub struct Scope {
    pub org_id: OrgId,
    /// The key that authenticated, if one did.
    pub caller: Option<KeyId>,
    pub author: Author,
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
    let attempt = Attempt {
        wanted: [change.subject, scope.caller].into_iter().flatten().map(|id| id.0).collect(),
        digest: change.new.map(|new| new.digest),
        scope,
        clock: clock.clone(),
        rule: Arc::new(change.rule),
    };
    let mut connection = db.pool.acquire().await?;
    if let Some(done) = attempt.run(&mut connection).await? {
        return Ok(done);
    }
    drop(connection);
    db.transaction(async move |mut tx| {
        store::lock_org(&mut *tx, attempt.scope.org_id).await?;
        let done = attempt.run(&mut tx).await?;
        tx.commit().await?;
        done.ok_or_else(|| ApiError::internal("an org changed under its lock"))
    })
    .await
}

struct Attempt<R> {
    wanted: Vec<Uuid>,
    digest: Option<KeyDigest>,
    scope: Scope,
    clock: Clock,
    rule: Arc<R>,
}

impl<R: Fn(&OrgKeys) -> Result<Option<Plan>, ApiError>> Attempt<R> {
    /// `None` if somebody else's change came between the reading and the applying.
    async fn run(&self, db: &mut PgConnection) -> Result<Option<Option<Plan>>, ApiError> {
        let Scope { org_id, caller, author } = &self.scope;
        let now = self.clock.now();
        let seen = store::load(&mut *db, *org_id, &self.wanted, *caller, now).await?;
        let seen = seen.ok_or(Code::Forbidden)?;
        let Some(plan) = (self.rule)(&seen)? else { return Ok(Some(None)) };
        let applied = store::apply(&mut *db, *org_id, &seen, &plan, self.digest.as_ref(), author).await?;
        Ok(applied.then_some(Some(plan)))
    }
}
