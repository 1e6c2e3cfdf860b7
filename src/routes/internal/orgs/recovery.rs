//! An org goes back to its owner, and nothing to the thief (contract 15, findings A3): one transaction of the changes
//! that the owner could have made one by one, each with its audit row and its event.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::input::RecoverOrg;
use super::store;
use crate::changes::{Changeable, Mandate};
use crate::crypto::secret::{Secret, reveal_some};
use crate::db::suspects::DatabaseFailure;
use crate::error::{ApiError, Code};
use crate::events::StreamName;
use crate::http::input::Patch;
use crate::http::networks::NetworkChange;
use crate::identity::orgs::SignaturePolicy;
use crate::identity::stage::KeyStage;
use crate::ids::{KeyId, OrgId};
use crate::routes::claims;
use crate::routes::org::OrgChange;
use crate::routes::org::credentials::Maker;
use crate::routes::public_keys::rules::OrgPublicKeys;
use crate::routes::public_keys::store::PublicKeys;
use crate::routes::queues::operator;
use crate::routes::signing_secrets::rules::OrgSecrets;
use crate::routes::signing_secrets::store::SecretsChange;
use crate::routes::tenant_keys::rules::{OrgTenantKeys, StoredTenantKey};
use crate::routes::tenant_keys::store::TenantKeys;

/// An org that is its owner's again. Secrets, or the link to the new key, are shown only here.
#[derive(Serialize, ToSchema)]
pub struct RecoveredOrg {
    /// The org.
    #[schema(value_type = Uuid)]
    org_id: OrgId,
    /// The one key that works: the new one, or the one that was kept; null until the claim is opened.
    #[schema(required, value_type = Option<Uuid>)]
    key_id: Option<KeyId>,
    /// The new key; neither with `keep_key_id` nor with `claim`.
    #[serde(serialize_with = "reveal_some", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Password)]
    pub tenant_api_key: Option<Secret<String>>,
    /// With `claim`: send a POST there, once, within 72 hours.
    #[serde(serialize_with = "reveal_some", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Password)]
    pub claim_url: Option<Secret<String>>,
    /// The new signing secret, where the one before was made after `since`.
    #[serde(serialize_with = "reveal_some", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Password)]
    pub signing_secret: Option<Secret<String>>,
    /// What ended.
    pub ended: Ended,
    /// What is left, and was not made by this: look at it before the org is thawed.
    pub left: Left,
}

/// What a recovery ended.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Ended {
    /// Tenant keys, those among them that waited for a confirmation.
    #[schema(value_type = Vec<Uuid>)]
    pub tenant_keys: Vec<KeyId>,
    /// Signing secrets, those among them that waited for a confirmation.
    pub signing_secrets: Vec<Uuid>,
    /// Public keys.
    pub public_keys: Vec<Uuid>,
    /// Queues that were paused; one that stood still already does so on.
    pub queues_paused: Vec<StreamName>,
    /// What was changed after `since` and would shut the owner out: it is as if it had never been set.
    pub lifted: Vec<Bar>,
    /// Tokens issued up to then are good for nothing.
    pub tokens_until: DateTime<Utc>,
}

/// A setting of an org that keeps requests out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bar {
    /// Which requests must be signed; `optional` now.
    SignaturePolicy,
    /// Where its keys may be used from; anywhere now.
    AllowedNetworks,
}

impl Bar {
    const ALL: [Self; 2] = [Self::SignaturePolicy, Self::AllowedNetworks];

    /// The change that lifts it.
    fn lifting(self) -> OrgChange {
        match self {
            Self::SignaturePolicy => {
                OrgChange::SetSignaturePolicy { policy: SignaturePolicy::Optional, is_signed: true }
            }
            Self::AllowedNetworks => {
                OrgChange::SetNetworks(NetworkChange { networks: Patch::Clear, policy: None })
            }
        }
    }
}

/// What a recovery left.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Left {
    /// Live public keys that sign requests or get tokens: whoever has the private half of one thaws the org.
    pub authentication_keys: Vec<Uuid>,
    /// Since when the current signing secret is in place, if it was not made by this.
    #[schema(required)]
    pub signing_secret_created_at: Option<DateTime<Utc>>,
}

/// Recovers an org; `show` sees the outcome before that counts.
///
/// # Errors
/// 404 or 409 where the key that is to be kept is no current one; that the database cannot be asked.
pub async fn recover<E>(
    maker: &Maker,
    mandate: Mandate,
    wanted: RecoverOrg,
    show: impl FnOnce(&RecoveredOrg) -> Result<(), E> + Send + 'static,
) -> Result<RecoveredOrg, E>
where
    E: From<ApiError> + From<sqlx::Error> + DatabaseFailure + Send + 'static,
{
    let maker = maker.clone();
    maker
        .db
        .clone()
        .transaction(async move |mut tx| {
            let recovered =
                Recovery { maker: &maker, mandate: &mandate, wanted: &wanted }.run(&mut tx).await?;
            show(&recovered)?;
            tx.commit().await?;
            Ok(recovered)
        })
        .await
}

struct Recovery<'a> {
    maker: &'a Maker,
    mandate: &'a Mandate,
    wanted: &'a RecoverOrg,
}

impl Recovery<'_> {
    async fn run(&self, tx: &mut PgConnection) -> Result<RecoveredOrg, ApiError> {
        let now = self.maker.clock.now();
        // First, for it locks the org's row: nobody changes the org in between.
        self.change_org(tx, OrgChange::Recover).await?;
        self.change_org(tx, OrgChange::Freeze { reason: Some("recovery".to_owned()) }).await?;
        let mut ended = Ended { tokens_until: now, ..Ended::default() };
        let mut left = Left::default();
        self.end_keys(tx, &mut ended).await?;
        let signing_secret = self.end_secrets(tx, &mut ended, &mut left).await?;
        self.end_public_keys(tx, &mut ended, &mut left).await?;
        self.lift_bars(tx, &mut ended).await?;
        self.pause_queues(tx, &mut ended).await?;
        let mut recovered = RecoveredOrg {
            org_id: self.mandate.org_id,
            key_id: self.wanted.keep_key_id,
            tenant_api_key: None,
            claim_url: None,
            signing_secret,
            ended,
            left,
        };
        if self.wanted.claim {
            recovered.claim_url = Some(claims::make(tx, self.maker, self.mandate).await?);
        } else if self.wanted.keep_key_id.is_none() {
            let (key_id, key) = self.maker.mint(tx, self.mandate, "made at recovery").await?;
            recovered.key_id = Some(key_id);
            recovered.tenant_api_key = Some(key.into_secret());
        }
        Ok(recovered)
    }

    async fn end_keys(&self, tx: &mut PgConnection, ended: &mut Ended) -> Result<(), ApiError> {
        let keep = self.wanted.keep_key_id;
        let org: OrgTenantKeys = self.load(tx, &TenantKeys::named(keep)).await?;
        if let Some(keep) = keep {
            require_current(org.keys.iter().find(|key| key.id == keep), org.org.now)?;
        }
        let mut keys: Vec<_> = org.keys.iter().filter(|key| key.is_live(org.org.now)).collect();
        keys.retain(|key| Some(key.id) != keep);
        // A key that is waited for would be replaced by its successor: those go first.
        keys.sort_by_key(|key| key.pending.is_none());
        for key in keys {
            let key_id = key.id;
            let rule = move |org: &OrgTenantKeys| org.revoke(key_id);
            self.mandate
                .clone()
                .change(&self.maker.clock, TenantKeys::with(key_id), rule)
                .execute_in(tx)
                .await?;
            ended.tenant_keys.push(key_id);
        }
        Ok(())
    }

    async fn end_secrets(
        &self,
        tx: &mut PgConnection,
        ended: &mut Ended,
        left: &mut Left,
    ) -> Result<Option<Secret<String>>, ApiError> {
        let org: OrgSecrets = self.load(tx, &SecretsChange::with(None)).await?;
        let current = org.current();
        for secret in
            org.secrets.iter().filter(|secret| current.is_none_or(|current| current.id != secret.id))
        {
            let id = secret.id;
            let rule = move |org: &OrgSecrets| org.revoke(id);
            self.mandate
                .clone()
                .change(&self.maker.clock, SecretsChange::with(Some(id)), rule)
                .execute_in(tx)
                .await?;
            ended.signing_secrets.push(id);
        }
        match current {
            Some(current) if self.is_suspect(current.created_at) => {
                ended.signing_secrets.push(current.id);
                self.maker.renew_secret(tx, self.mandate).await.map(Some)
            }
            current => {
                left.signing_secret_created_at = current.map(|current| current.created_at);
                Ok(None)
            }
        }
    }

    async fn end_public_keys(
        &self,
        tx: &mut PgConnection,
        ended: &mut Ended,
        left: &mut Left,
    ) -> Result<(), ApiError> {
        let org: OrgPublicKeys = self.load(tx, &PublicKeys::default()).await?;
        let (suspects, others): (Vec<_>, Vec<_>) =
            org.keys.iter().partition(|key| self.is_suspect(key.created_at));
        let others = others.into_iter().filter(|key| key.authenticates).map(|key| key.unique_id);
        left.authentication_keys = others.collect();
        if left.authentication_keys.is_empty() && suspects.iter().any(|key| key.authenticates) {
            // With nobody left who could sign, any policy would lock the owner out.
            self.lift(tx, Bar::SignaturePolicy, ended).await?;
        }
        for key in suspects {
            let unique_id = Some(key.unique_id);
            let rule = move |org: &OrgPublicKeys| org.delete(unique_id, false);
            let keys = PublicKeys { named: unique_id, new: None };
            self.mandate.clone().change(&self.maker.clock, keys, rule).execute_in(tx).await?;
            ended.public_keys.push(key.unique_id);
        }
        Ok(())
    }

    /// The owner works with one key, whatever the thief demanded of it.
    async fn lift_bars(&self, tx: &mut PgConnection, ended: &mut Ended) -> Result<(), ApiError> {
        let Some(since) = self.wanted.since else { return Ok(()) };
        for bar in Bar::ALL {
            let action = bar.lifting().action();
            if store::is_changed_since(&mut *tx, self.mandate.org_id, action, since).await? {
                self.lift(tx, bar, ended).await?;
            }
        }
        Ok(())
    }

    async fn lift(&self, tx: &mut PgConnection, bar: Bar, ended: &mut Ended) -> Result<(), ApiError> {
        if !ended.lifted.contains(&bar) {
            self.change_org(tx, bar.lifting()).await?;
            ended.lifted.push(bar);
        }
        Ok(())
    }

    async fn pause_queues(&self, tx: &mut PgConnection, ended: &mut Ended) -> Result<(), ApiError> {
        for stream in operator::running(&mut *tx, self.mandate.org_id).await? {
            operator::pausing(&self.maker.clock, self.mandate.clone(), stream.clone()).execute_in(tx).await?;
            ended.queues_paused.push(stream);
        }
        Ok(())
    }

    fn is_suspect(&self, created_at: DateTime<Utc>) -> bool {
        self.wanted.since.is_some_and(|since| created_at >= since)
    }

    async fn change_org(&self, tx: &mut PgConnection, change: OrgChange) -> Result<(), ApiError> {
        change.by(self.mandate.clone(), &self.maker.clock).execute_in(tx).await.map(drop)
    }

    async fn load<C: Changeable>(&self, tx: &mut PgConnection, of: &C) -> Result<C::Snapshot, ApiError> {
        let loaded = of.load(tx, self.mandate, self.maker.clock.now()).await?;
        Ok(loaded.ok_or(Code::Forbidden)?)
    }
}

/// The key that is kept must be able to go on alone.
fn require_current(key: Option<&StoredTenantKey>, now: DateTime<Utc>) -> Result<(), ApiError> {
    let key = key.ok_or(Code::NotFound)?;
    if !key.is_live(now) {
        return Err(Code::KeyNotLive.into());
    }
    match key.stage() {
        KeyStage::Current => Ok(()),
        KeyStage::Pending => Err(Code::RotationPending.into()),
        KeyStage::Superseded => Err(Code::KeyAlreadyRotated.into()),
        KeyStage::Leaked => Err(Code::KeyLeaked.into()),
    }
}
