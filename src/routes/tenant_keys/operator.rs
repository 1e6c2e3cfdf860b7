//! The manual rotation that the integration contact performs at the command line (contract 11).
//! The same rules as over HTTP, with `operator` in the audit log.

use chrono::{DateTime, Utc};

use super::change::{Change, NewKey, change};
use super::input::{CreateTenantKey, RotateTenantKey};
use super::rules::{Key, OrgKeys, Plan, Rotation};
use super::store;
use crate::administration::{self, Scope, carry_out_shown};
use crate::clock::Clock;
use crate::crypto::keyring::Keyring;
use crate::crypto::tenant_key::{KeyEnv, TenantKey};
use crate::db::Db;
use crate::db::doubts::DatabaseFailure;
use crate::error::ApiError;
use crate::http::paging::Page;
use crate::ids::{KeyId, OrgId};
use crate::routes::public_keys::delivery::Recipient;

/// Keys that one statement reads.
const PAGE: i64 = 500;

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
    Change { subject: None, digest: Some(new.digest), rule, recipient: Recipient::Caller }.by(scope, clock)
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
    /// Makes a key, which `show` sees before it counts.
    pub async fn create<E>(
        &self,
        wanted: CreateTenantKey,
        show: impl FnOnce(&Key, &TenantKey) -> Result<(), E> + Send + 'static,
    ) -> Result<(), E>
    where
        E: From<ApiError> + From<sqlx::Error> + DatabaseFailure + Send + 'static,
    {
        let new = NewKey::generate(self.keyring, self.key_env);
        let attempt = minting(self.clock, self.scope(), &new, wanted.name, wanted.expires_at);
        carry_out_shown(self.db, self.org_id, attempt, move |plan| show(&added(plan)?, &new.key)).await
    }

    /// Replaces a key; `show` sees the old one, the new one and the new key itself before that
    /// counts.
    pub async fn rotate<E>(
        &self,
        wanted: RotateTenantKey,
        show: impl FnOnce(&Key, &Key, &TenantKey) -> Result<(), E> + Send + 'static,
    ) -> Result<(), E>
    where
        E: From<ApiError> + From<sqlx::Error> + DatabaseFailure + Send + 'static,
    {
        let new = NewKey::generate(self.keyring, self.key_env);
        let rotation =
            Rotation { key_id: wanted.key_id, grace: wanted.grace(), expires_at: wanted.expires_at };
        let fresh = new.fresh.clone();
        let rule = move |keys: &OrgKeys| keys.rotate(&rotation, &fresh).map(Some);
        let change =
            Change { subject: wanted.key_id, digest: Some(new.digest), rule, recipient: Recipient::Caller };
        carry_out_shown(
            self.db,
            self.org_id,
            change.by(self.scope(), self.clock),
            move |plan: Option<Plan>| {
                let old = plan.as_ref().and_then(|plan| plan.changed.clone()).ok_or_else(super::unplanned)?;
                show(&old, &added(plan)?, &new.key)
            },
        )
        .await
    }

    /// Ends a key now.
    pub async fn revoke(&self, key_id: KeyId) -> Result<(), ApiError> {
        let rule = move |keys: &OrgKeys| keys.revoke(key_id);
        change(
            self.db,
            self.clock,
            self.scope(),
            Change { subject: Some(key_id), digest: None, rule, recipient: Recipient::Caller },
        )
        .await?;
        Ok(())
    }

    /// Every key, or every live one, oldest first.
    pub async fn list(&self, only_live: bool) -> Result<Vec<Key>, ApiError> {
        let mut keys = Vec::new();
        loop {
            let page = Page::at(keys.len() as i64, PAGE);
            let (more, _) =
                store::list(&self.db.pool, self.org_id, !only_live, page, self.clock.now()).await?;
            let is_last = (more.len() as i64) < PAGE;
            keys.extend(more);
            if is_last {
                return Ok(keys);
            }
        }
    }

    fn scope(&self) -> Scope {
        Scope::operator(self.org_id, self.keyring)
    }
}

fn added(plan: Option<Plan>) -> Result<Key, ApiError> {
    plan.and_then(|plan| plan.added).ok_or_else(super::unplanned)
}
