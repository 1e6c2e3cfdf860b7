//! An org's fresh credentials: what it begins with, and begins again with.

use sqlx::PgConnection;

use crate::changes::{Changeable as _, Mandate};
use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::keyring::Keyring;
use crate::crypto::secret::Secret;
use crate::crypto::signing_secret;
use crate::crypto::tenant_key::{KeyForm, TenantKey};
use crate::db::Db;
use crate::error::{ApiError, Code};
use crate::ids::KeyId;
use crate::routes::public_keys::recipient::Recipient;
use crate::routes::signing_secrets::rules::SecretRotation;
use crate::routes::signing_secrets::store::SecretsChange;
use crate::routes::signing_secrets::{NewSecret, rotation};
use crate::routes::tenant_keys::new_key::NewKey;
use crate::routes::tenant_keys::operator::minting;
use crate::routes::tenant_keys::rules::Minting;
use crate::state::App;

/// What credentials are made with.
#[derive(Clone)]
pub struct Maker {
    /// Postgres.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// The service's own keys.
    pub keyring: Keyring,
    /// How new keys begin.
    pub key_form: KeyForm,
    /// `PUBLIC_URL`, where claims are opened.
    pub public_url: String,
}

/// An org's credentials in clear.
pub struct Credentials {
    /// The key's id.
    pub key_id: KeyId,
    /// The key.
    pub tenant_api_key: TenantKey,
    /// The signing secret, where the org had none.
    pub signing_secret: Option<Secret<String>>,
}

impl Maker {
    /// As the service is configured.
    #[must_use]
    pub fn new(config: &Config, db: Db, clock: Clock, keyring: Keyring) -> Self {
        Self { db, clock, keyring, key_form: config.key_form, public_url: config.public_url.clone() }
    }

    /// The service's own.
    #[must_use]
    pub fn of(app: &App) -> Self {
        Self::new(&app.config, app.db.clone(), app.clock.clone(), app.keyring.clone())
    }

    /// Mints a key, and makes a signing secret where the org has none.
    ///
    /// # Errors
    /// What the rules refuse, or that the database cannot be asked.
    pub async fn provide(
        &self,
        tx: &mut PgConnection,
        mandate: &Mandate,
        name: &str,
    ) -> Result<Credentials, ApiError> {
        let (key_id, tenant_api_key) = self.mint(tx, mandate, name).await?;
        let secrets = SecretsChange::with(None).load(&mut *tx, mandate, self.clock.now()).await?;
        let has_secret = secrets.ok_or(Code::Forbidden)?.current().is_some();
        let signing_secret = if has_secret { None } else { Some(self.renew_secret(tx, mandate).await?) };
        Ok(Credentials { key_id, tenant_api_key, signing_secret })
    }

    /// Mints a key.
    ///
    /// # Errors
    /// As [`provide`](Self::provide).
    pub async fn mint(
        &self,
        tx: &mut PgConnection,
        mandate: &Mandate,
        name: &str,
    ) -> Result<(KeyId, TenantKey), ApiError> {
        let new = NewKey::generate(&self.keyring, self.key_form);
        minting(&self.clock, mandate.clone(), &new, Minting::unrestricted(name)).execute_in(tx).await?;
        Ok((new.fresh.id, new.key))
    }

    /// Puts a new signing secret in place; the one before ends now.
    ///
    /// # Errors
    /// As [`provide`](Self::provide).
    pub async fn renew_secret(
        &self,
        tx: &mut PgConnection,
        mandate: &Mandate,
    ) -> Result<Secret<String>, ApiError> {
        let new = NewSecret::of(None);
        let (mandate, wanted) = (mandate.clone(), SecretRotation::FIRST);
        rotation(&self.clock, &self.keyring, mandate, &new, wanted, Recipient::Caller).execute_in(tx).await?;
        let made = new.made().map(signing_secret::encode);
        made.ok_or_else(|| ApiError::internal("no signing secret was made"))
    }
}
