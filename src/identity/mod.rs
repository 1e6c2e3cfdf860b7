//! The caller of a request (contract 0, step 4). The order of the checks is the order of the code.

pub mod allowed_networks;
mod bearers;
mod callers;
pub mod client;
pub mod console;
pub mod enforcement;
pub mod event_recipients;
pub mod first_uses;
mod gateway;
pub mod host;
mod key_lookups;
pub mod key_patterns;
pub mod key_scopes;
pub mod keys;
pub mod members;
pub mod message_keys;
pub mod nonces;
pub mod oauth;
pub mod once_a_minute;
pub mod org_names;
pub mod orgs;
mod own_host;
pub mod platform;
pub mod portal;
mod recognised;
mod rehash;
pub mod signatures;
pub mod signers;
pub mod stage;
pub mod token_keys;
pub mod usage;

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, header};
use chrono::{DateTime, Utc};
use message_signatures::Signed;
use uuid::Uuid;

pub use self::callers::{Access, Caller, Found, Identified, Partner};
pub use self::gateway::GatewaySecrets;
use self::gateway::only;
use self::key_patterns::KeyPatterns;
use self::key_scopes::{KeyScope, KeyScopes};
use self::keys::{KeyDirectory, KeyRecord, LookupError, Verdict};
use self::message_keys::MessageKeyDirectory;
use self::once_a_minute::OnceAMinute;
use self::org_names::OrgNames;
use self::orgs::{OrgDirectory, OrgRecord, OrgStanding};
use self::own_host::OwnHost;
use self::platform::PlatformTokens;
use self::signatures::SignedBase;
use self::signers::SignerDirectory;
use self::stage::KeyStage;
use self::token_keys::TokenKeys;
use crate::clock::Clock;
use crate::crypto::keyring::Keyring;
use crate::crypto::tenant_key::TenantKey;
use crate::db::Db;
use crate::db::news::Changed;
use crate::db::trust::Trust;
use crate::error::{ApiError, Code};
use crate::ids::{KeyId, OrgId, parse_uuid};
use crate::metrics::Metrics;

/// The tenant's API key.
pub const TENANT_KEY: HeaderName = HeaderName::from_static("taih-tenant-key");
/// The org, as the gateway found it.
pub const ORG_ID: HeaderName = HeaderName::from_static("orgid");
/// The key that the gateway had checked.
pub const KEY_ID: HeaderName = HeaderName::from_static("x-tenant-key-id");
/// What the key may do, told to the gateway; nobody is believed who says it.
pub const KEY_SCOPES: HeaderName = HeaderName::from_static("x-tenant-scopes");
/// The proof that the gateway sent the request.
pub const GATEWAY_AUTH: HeaderName = HeaderName::from_static("x-gateway-auth");

/// The orgs that the service knows, their keys and the tokens issued under them, from memory where
/// it may be believed.
pub struct Identity {
    /// The orgs, and whether they may be served.
    pub orgs: OrgDirectory,
    /// Their names.
    pub org_names: OrgNames,
    /// The platform's tokens.
    pub platform_tokens: PlatformTokens,
    /// The tenant keys, and whether they are alive.
    pub keys: KeyDirectory,
    /// The forms of keys that were imported.
    pub key_patterns: KeyPatterns,
    /// The keys that sign tokens.
    pub token_keys: TokenKeys,
    /// Whose public keys are.
    pub signers: SignerDirectory,
    /// The keys under the orgs' messages.
    pub message_keys: MessageKeyDirectory,
    scopes_reported: OnceAMinute<(KeyId, KeyScope)>,
    settings: IdentitySettings,
    own_host: OwnHost,
    keyring: Keyring,
    db: Db,
    clock: Clock,
}

/// The rules by which callers are believed.
#[derive(Clone, Debug)]
pub struct IdentitySettings {
    /// `GATEWAY_SECRETS`: whose word `OrgId` is.
    pub gateway_secrets: GatewaySecrets,
    /// `PUBLIC_URL`: the issuer of tokens, and the host that requests are for.
    pub public_url: String,
    /// What signed requests are for.
    pub signed_base: SignedBase,
    /// `REQUIRE_KEY_PROOF`: only proven keys of partners' sign requests and are encrypted to.
    pub require_key_proof: bool,
}

impl Identity {
    /// Nobody is known yet; `trust` says whether memory may be believed.
    #[must_use]
    pub fn new(
        settings: IdentitySettings,
        trust: Arc<Trust>,
        keyring: Keyring,
        db: Db,
        clock: Clock,
        metrics: &Metrics,
    ) -> Self {
        Self {
            orgs: OrgDirectory::new(
                trust.clone(),
                metrics.database.cache("orgs"),
                settings.require_key_proof,
            ),
            org_names: OrgNames::new(trust.clone(), metrics.database.cache("org_names")),
            platform_tokens: PlatformTokens::new(trust.clone(), metrics.database.cache("platform_tokens")),
            signers: SignerDirectory::new(trust.clone(), db.clone(), &metrics.database),
            message_keys: MessageKeyDirectory::new(
                trust.clone(),
                keyring.clone(),
                metrics.database.cache("message_keys"),
                settings.require_key_proof,
            ),
            keys: KeyDirectory::new(trust, db.clone(), metrics),
            key_patterns: KeyPatterns::new(db.clone(), keyring.clone(), clock.clone()),
            token_keys: TokenKeys::new(keyring.clone(), db.clone(), clock.clone()),
            scopes_reported: OnceAMinute::default(),
            own_host: OwnHost::of(&settings.public_url),
            settings,
            keyring,
            db,
            clock,
        }
    }

    /// Finds out who is calling.
    ///
    /// # Errors
    /// 400, 401 or 403 as contract 0 orders them; 503 when the org cannot be looked up.
    pub async fn identify(
        &self,
        headers: &HeaderMap,
        signature: &Result<Option<Signed>, ApiError>,
        access: Access,
    ) -> Result<Identified, ApiError> {
        if !signatures::is_signed(headers) {
            return Ok(Identified { found: self.unsigned(headers, access).await?, signer: None });
        }
        if has_bearer(headers) {
            return Err(Code::ConflictingCredentials.into());
        }
        // Whatever kept it from being read is answered alike.
        let Ok(Some(signed)) = signature else { return Err(Code::Unauthorized.into()) };
        let has_other = headers.contains_key(TENANT_KEY) || headers.contains_key(ORG_ID);
        let partner = if has_other { self.by_key_or_org_id(headers).await.map(Some) } else { Ok(None) };
        // Whatever is wrong with the signature comes first, whatever other credential was sent.
        let org_id = partner.as_ref().ok().and_then(|partner| Some(partner.as_ref()?.caller.org_id));
        let (signer, org) = self.signer(signed, org_id).await?;
        let signed_by = Some(signer.unique_id);
        let found = partner?.unwrap_or_else(|| {
            let (org_id, stage) = (signer.org_id, KeyStage::Current);
            let scopes = KeyScopes::ALL;
            let caller = Partner { org_id, key_id: None, stage, scopes, signed_by, token_key: None };
            Found { caller, org, key: None }
        });
        let found = found.map(|partner| Caller::Partner(Partner { signed_by, ..partner }));
        Ok(Identified { found, signer: Some(signer) })
    }

    async fn by_key_or_org_id(&self, headers: &HeaderMap) -> Result<Found<Partner>, ApiError> {
        if headers.contains_key(TENANT_KEY) {
            self.by_key(headers).await
        } else {
            self.by_org_id(headers).await
        }
    }

    async fn unsigned(&self, headers: &HeaderMap, access: Access) -> Result<Found<Caller>, ApiError> {
        let has_key = headers.contains_key(TENANT_KEY);
        let has_org = headers.contains_key(ORG_ID);
        match (has_bearer(headers), has_key, has_org) {
            (true, true, _) | (true, _, true) => Err(Code::ConflictingCredentials.into()),
            (false, true, _) => Ok(self.by_key(headers).await?.map(Caller::Partner)),
            (false, false, true) => Ok(self.by_org_id(headers).await?.map(Caller::Partner)),
            (true, false, false) => self.by_token(headers, access).await,
            (false, false, false) => Err(Code::Unauthorized.into()),
        }
    }

    /// The key decides; an `OrgId` beside it must agree, and `X-Tenant-Key-Id` is ignored.
    async fn by_key(&self, headers: &HeaderMap) -> Result<Found<Partner>, ApiError> {
        let key = self.sent_key(headers).await?;
        let (org_id, live) = match self.verify(&key).await.map_err(ApiError::away)? {
            Verdict::Live(key, org) => (key.org_id, Some((key, org))),
            Verdict::Suspended(org_id) => (org_id, None),
            Verdict::Dead => return Err(Code::Unauthorized.into()),
        };
        if headers.contains_key(ORG_ID) && sent_org(headers)? != org_id {
            return Err(Code::Unauthorized.into());
        }
        let (key, org) = live.ok_or(Code::Forbidden)?;
        Ok(Partner::found(org_id, Some(key), org))
    }

    async fn by_org_id(&self, headers: &HeaderMap) -> Result<Found<Partner>, ApiError> {
        if self.settings.gateway_secrets.is_empty() {
            self.own_host.check(headers)?;
        } else {
            self.settings.gateway_secrets.check(headers)?;
        }
        let org_id = sent_org(headers)?;
        let org = self.orgs.find(&self.db, org_id).await?.ok_or(Code::Forbidden)?;
        if org.standing == OrgStanding::Suspended {
            return Err(Code::Forbidden.into());
        }
        let key = self.gateways_key(headers, org_id).await?;
        Ok(Partner::found(org_id, key, org))
    }

    /// The key that the gateway had checked, if it says which. It may have been revoked while the
    /// gateway still remembered it.
    async fn gateways_key(
        &self,
        headers: &HeaderMap,
        org_id: OrgId,
    ) -> Result<Option<Arc<KeyRecord>>, ApiError> {
        if !headers.contains_key(KEY_ID) {
            return Ok(None);
        }
        let key_id = sent_uuid(headers, &KEY_ID).map(KeyId).ok_or(Code::Unauthorized)?;
        let live =
            self.keys.find_live(&self.db, org_id, key_id, self.clock.now()).await.map_err(ApiError::away)?;
        if live.is_some() { Ok(live) } else { Err(Code::Unauthorized.into()) }
    }

    /// What signed requests are for.
    #[must_use]
    pub fn signed_base(&self) -> &SignedBase {
        &self.settings.signed_base
    }

    /// The one well-formed key that was sent.
    ///
    /// # Errors
    /// 401 where there is none; as [`KeyPatterns::key`].
    pub async fn sent_key(&self, headers: &HeaderMap) -> Result<TenantKey, ApiError> {
        let text = only(headers, &TENANT_KEY).ok_or(Code::Unauthorized)?;
        let key = self.key_patterns.key(text.as_bytes()).await?;
        key.ok_or_else(|| Code::Unauthorized.into())
    }

    /// Returns what `key` opens now.
    ///
    /// # Errors
    /// When memory does not know and the database cannot be asked in time.
    pub async fn verify(&self, key: &TenantKey) -> Result<Verdict, LookupError> {
        self.keys.verify(&self.keyring, &self.orgs, &self.db, key, self.clock.now()).await
    }

    /// Returns what the one key that was sent opens now, if memory alone can say: a live key of a served org, seen
    /// before.
    #[must_use]
    pub fn recall(
        &self,
        headers: &HeaderMap,
        now: DateTime<Utc>,
    ) -> Option<(Arc<KeyRecord>, Arc<OrgRecord>)> {
        self.keys.recall(&self.keyring, &self.orgs, only(headers, &TENANT_KEY)?.as_bytes(), now)
    }

    /// Tells operators of a key that did what its scopes do not allow, since it is only reported; once a minute.
    pub fn report_scope(&self, key: &KeyRecord, scope: KeyScope) {
        if self.scopes_reported.is_due((key.key_id, scope), self.clock.now()) {
            let (org_id, key_id, scope) = (key.org_id, key.key_id, scope.name());
            tracing::info!(%org_id, %key_id, scope, "a key's scopes do not allow what it did; its scope_policy is report");
        }
    }

    /// Forgets what was changed.
    pub fn forget(&self, changed: &Changed) {
        match changed {
            Changed::Org(org_id) => self.forget_org(*org_id),
            Changed::Key(org_id, key_id, digest) => self.keys.forget(*org_id, *key_id, digest),
            // The new one first, as "there is none": without the old one the key must be found there.
            Changed::Moved(org_id, key_id, digests) => {
                for digest in digests {
                    self.keys.forget(*org_id, *key_id, digest);
                }
            }
            Changed::ServiceKeys => self.token_keys.forget(),
            Changed::PlatformTokens => self.platform_tokens.clear(),
            Changed::KeyPatterns => self.key_patterns.changed.notify_one(),
            Changed::Streams => {}
        }
    }

    /// Forgets what is known of an org, its public keys included.
    pub fn forget_org(&self, org_id: OrgId) {
        self.orgs.forget(org_id);
        self.message_keys.forget(org_id);
    }

    /// Forgets every org and key.
    pub fn forget_all(&self) {
        self.orgs.clear();
        self.org_names.clear();
        self.platform_tokens.clear();
        self.message_keys.clear();
        self.keys.clear();
        self.signers.clear();
        self.key_patterns.changed.notify_one();
    }
}

fn sent_org(headers: &HeaderMap) -> Result<OrgId, ApiError> {
    sent_uuid(headers, &ORG_ID)
        .map(OrgId)
        .ok_or_else(|| ApiError::with_message(Code::InvalidRequest, "OrgId must be sent once, as a UUID."))
}

fn sent_uuid(headers: &HeaderMap, name: &HeaderName) -> Option<Uuid> {
    parse_uuid(only(headers, name)?.to_str().ok()?)
}

fn has_bearer(headers: &HeaderMap) -> bool {
    headers.get_all(header::AUTHORIZATION).iter().any(|value| is_bearer(value.as_bytes()))
}

/// The scheme is case-insensitive (RFC 9110 11.1).
fn is_bearer(authorization: &[u8]) -> bool {
    let scheme = authorization.split(|b| *b == b' ').next().unwrap_or_default();
    scheme.eq_ignore_ascii_case(b"bearer")
}
