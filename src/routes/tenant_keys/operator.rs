//! The manual rotation that the integration contact performs at the command line (contract 11).
//! The same rules as over HTTP, with `operator` in the audit log.

use chrono::{DateTime, TimeDelta, Utc};

use super::change::{Change, NewKey, change};
use super::rules::{Key, OrgKeys, Plan, Rotation};
use super::store;
use crate::administration::{self, Scope, carry_out};
use crate::clock::Clock;
use crate::crypto::keyring::Keyring;
use crate::crypto::tenant_key::{KeyEnv, TenantKey};
use crate::db::Db;
use crate::error::ApiError;
use crate::http::paging::Page;
use crate::ids::{KeyId, OrgId};

/// A key more, as an operator makes it.
pub fn minting(
    clock: &Clock,
    scope: Scope,
    new: &NewKey,
    name: String,
    expires_at: Option<DateTime<Utc>>,
) -> impl administration::Change<Done = Option<Plan>> + use<> {
    let fresh = new.fresh.clone();
    let rule = move |keys: &OrgKeys| keys.mint(&name, expires_at, &fresh).map(Some);
    Change { subject: None, digest: Some(new.digest), rule }.by(scope, clock)
}

/// What an operator works with.
pub struct Operator<'a> {
    pub db: &'a Db,
    pub clock: &'a Clock,
    pub keyring: &'a Keyring,
    pub key_env: KeyEnv,
    pub org_id: OrgId,
}

impl Operator<'_> {
    /// Makes a key.
    pub async fn create(
        &self,
        name: &str,
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<(Key, TenantKey), ApiError> {
        let new = NewKey::generate(self.keyring, self.key_env);
        let attempt = minting(self.clock, self.scope(), &new, name.to_owned(), expires_at);
        let plan = carry_out(self.db, self.org_id, attempt).await?;
        Ok((added(plan)?, new.key))
    }

    /// Replaces a key; gives the old one, the new one and the new key itself.
    pub async fn rotate(
        &self,
        key_id: Option<KeyId>,
        grace: TimeDelta,
    ) -> Result<(Key, Key, TenantKey), ApiError> {
        let new = NewKey::generate(self.keyring, self.key_env);
        let rotation = Rotation { key_id, grace, expires_at: None };
        let fresh = new.fresh.clone();
        let rule = move |keys: &OrgKeys| keys.rotate(&rotation, &fresh).map(Some);
        let plan = change(
            self.db,
            self.clock,
            self.scope(),
            Change { subject: key_id, digest: Some(new.digest), rule },
        )
        .await?;
        let old = plan.as_ref().and_then(|plan| plan.changed.clone()).ok_or_else(super::unplanned)?;
        Ok((old, added(plan)?, new.key))
    }

    /// Ends a key now.
    pub async fn revoke(&self, key_id: KeyId) -> Result<(), ApiError> {
        let rule = move |keys: &OrgKeys| keys.revoke(key_id);
        change(self.db, self.clock, self.scope(), Change { subject: Some(key_id), digest: None, rule })
            .await?;
        Ok(())
    }

    /// The first 100 keys, dead ones included.
    pub async fn list(&self) -> Result<Vec<Key>, ApiError> {
        let page = Page::at(0, 100);
        Ok(store::list(&self.db.pool, self.org_id, true, page, self.clock.now()).await?.0)
    }

    fn scope(&self) -> Scope {
        Scope::operator(self.org_id, self.keyring)
    }
}

fn added(plan: Option<Plan>) -> Result<Key, ApiError> {
    plan.and_then(|plan| plan.added).ok_or_else(super::unplanned)
}
