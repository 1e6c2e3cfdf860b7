//! The manual rotation that the integration contact performs at the command line (contract 11).
//! The same rules as over HTTP, with `operator` in the audit log.

use uuid::Uuid;

use super::input::{CreateTenantKey, RotateTenantKey};
use super::new_key::NewKey;
use super::rules::{Fresh, Minting, OrgTenantKeys, StoredTenantKey, TenantKeyPlan};
use super::store::{self, TenantKeys};
use crate::changes::{Change, Mandate, Rule};
use crate::clock::Clock;
use crate::crypto::keyring::{Hashed, Keyring};
use crate::crypto::tenant_key::{KeyForm, TenantKey};
use crate::db::Db;
use crate::db::suspects::DatabaseFailure;
use crate::error::ApiError;
use crate::http::paging::Page;
use crate::ids::{KeyId, OrgId};
use crate::routes::public_keys::recipient::Recipient;

/// Keys that one statement reads.
const PAGE: i64 = 500;

/// A key more, as an operator makes it.
pub fn minting(
    clock: &Clock,
    mandate: Mandate,
    new: &NewKey,
    wanted: Minting,
) -> Change<TenantKeys, impl Rule<TenantKeys> + use<>> {
    let (keys, fresh) = (TenantKeys::adding(new, Recipient::Caller), new.fresh.clone());
    mandate.change(clock, keys, move |org: &OrgTenantKeys| org.mint(&wanted, &fresh).map(Some))
}

/// A key that was made elsewhere, as it is taken over: what is stored of its hash, and its form.
pub fn importing(
    clock: &Clock,
    mandate: Mandate,
    (hashed, pattern_id): (Hashed, Uuid),
    fresh: Fresh,
    wanted: Minting,
) -> Change<TenantKeys, impl Rule<TenantKeys> + use<>> {
    let keys = TenantKeys::importing(hashed, pattern_id);
    mandate.change(clock, keys, move |org: &OrgTenantKeys| org.mint(&wanted, &fresh).map(Some))
}

/// The confirmation of the rotation to a key.
pub fn confirming(
    clock: &Clock,
    mandate: Mandate,
    key_id: KeyId,
) -> Change<TenantKeys, impl Rule<TenantKeys> + use<>> {
    mandate.change(clock, TenantKeys::with(key_id), move |org: &OrgTenantKeys| org.confirm(key_id).map(Some))
}

/// The same by the successor's first use, which is traffic: it changes nothing while the administration is frozen.
pub fn confirming_by_use(
    clock: &Clock,
    mandate: Mandate,
    key_id: KeyId,
) -> Change<TenantKeys, impl Rule<TenantKeys> + use<>> {
    let confirm = move |org: &OrgTenantKeys| {
        if org.org.is_frozen { Ok(None) } else { org.confirm(key_id).map(Some) }
    };
    mandate.change(clock, TenantKeys::with(key_id), confirm)
}

/// The end of a wait for a confirmation that did not come.
pub fn abandoning(
    clock: &Clock,
    mandate: Mandate,
    key_id: KeyId,
) -> Change<TenantKeys, impl Rule<TenantKeys> + use<>> {
    mandate.change(clock, TenantKeys::with(key_id), move |org: &OrgTenantKeys| org.abandon(key_id))
}

/// The end of a wait because the successor leaked (contract 13.4), with the rotation that it waits for.
pub fn giving_up(
    clock: &Clock,
    mandate: Mandate,
    key_id: KeyId,
) -> Change<TenantKeys, impl Rule<TenantKeys> + use<>> {
    mandate.change(clock, TenantKeys::with(key_id), move |org: &OrgTenantKeys| Ok(org.give_up(key_id)))
}

/// The means that an operator works with.
pub struct Operator<'a> {
    /// Postgres.
    pub db: &'a Db,
    /// The time.
    pub clock: &'a Clock,
    /// The service's own keys.
    pub keyring: &'a Keyring,
    /// How new keys begin.
    pub key_form: KeyForm,
    /// The tenant.
    pub org_id: OrgId,
}

impl Operator<'_> {
    /// Makes a key, which `show` sees before it counts.
    pub async fn create<E>(
        &self,
        wanted: CreateTenantKey,
        show: impl FnOnce(&StoredTenantKey, &TenantKey) -> Result<(), E> + Send + 'static,
    ) -> Result<(), E>
    where
        E: From<ApiError> + From<sqlx::Error> + DatabaseFailure + Send + 'static,
    {
        let new = NewKey::generate(self.keyring, self.key_form);
        let change = minting(self.clock, self.mandate(), &new, wanted.minting());
        change.execute_shown(self.db, move |plan| show(&added(plan)?, &new.key)).await
    }

    /// Replaces a key; `show` sees the old one, the new one and the new key itself before that
    /// counts.
    pub async fn rotate<E>(
        &self,
        wanted: RotateTenantKey,
        show: impl FnOnce(&StoredTenantKey, &StoredTenantKey, &TenantKey) -> Result<(), E> + Send + 'static,
    ) -> Result<(), E>
    where
        E: From<ApiError> + From<sqlx::Error> + DatabaseFailure + Send + 'static,
    {
        let new = NewKey::generate(self.keyring, self.key_form);
        let (rotation, fresh) = (wanted.rotation(), new.fresh.clone());
        let keys = TenantKeys::adding(&new, Recipient::Caller).replacing(wanted.key_id);
        let rule = move |org: &OrgTenantKeys| org.rotate(&rotation, &fresh).map(Some);
        let change = self.mandate().change(self.clock, keys, rule);
        change
            .execute_shown(self.db, move |plan| {
                let old =
                    plan.as_ref().and_then(|plan| plan.replaced().cloned()).ok_or_else(super::unplanned)?;
                show(&old, &added(plan)?, &new.key)
            })
            .await
    }

    /// Confirms the rotation to a successor that waits for it.
    pub async fn confirm(&self, key_id: KeyId) -> Result<(), ApiError> {
        confirming(self.clock, self.mandate(), key_id).execute(self.db).await.map(drop)
    }

    /// Ends a key now.
    pub async fn revoke(&self, key_id: KeyId) -> Result<(), ApiError> {
        let keys = TenantKeys::with(key_id);
        let change = self.mandate().change(self.clock, keys, move |org: &OrgTenantKeys| org.revoke(key_id));
        change.execute(self.db).await?;
        Ok(())
    }

    /// Every key, or every live one, oldest first.
    pub async fn list(&self, only_live: bool) -> Result<Vec<StoredTenantKey>, ApiError> {
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

    fn mandate(&self) -> Mandate {
        Mandate::operator(self.org_id, self.keyring)
    }
}

fn added(plan: Option<TenantKeyPlan>) -> Result<StoredTenantKey, ApiError> {
    plan.and_then(|plan| plan.added).ok_or_else(super::unplanned)
}
