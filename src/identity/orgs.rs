//! Which orgs exist, whether they are served and how their requests must be signed, from memory.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use message_signatures::VerifyingKey;
use public_keys::rsa::RsaKey;
use uuid::Uuid;

use super::allowed_networks::AllowedNetworks;
use crate::db::Db;
use crate::db::cache::LookupCache;
use crate::db::trust::Trust;
use crate::ids::OrgId;
use crate::limits::rates::RateSetting;
use crate::metrics::CacheMetrics;

/// Orgs held in memory; at about two hundred bytes each, and a public key at half a kilobyte.
const KNOWN_ORGS: usize = 50_000;
const UNKNOWN_ORGS: usize = 10_000;

/// The orgs, looked up once and then remembered.
#[derive(Debug)]
pub struct OrgDirectory {
    cache: LookupCache<OrgId, Arc<OrgRecord>>,
    require_key_proof: bool,
}

/// An org, as far as its requests go. Every change of it announces the org.
#[derive(Debug)]
pub struct OrgRecord {
    /// `OwnerCode`: its public name.
    pub key: String,
    /// Whether it is served.
    pub standing: OrgStanding,
    /// What it wants of signatures.
    pub policy: MessagePolicy,
    /// Its administration is frozen (contract 13.4).
    pub is_frozen: bool,
    /// Where its partner may call from.
    pub networks: AllowedNetworks,
    /// How many requests it may make.
    pub rate: RateSetting,
    /// Tokens issued up to then are good for nothing, in seconds of Unix time.
    pub tokens_ended_at: Option<i64>,
    /// The keys that verify its signatures.
    pub authentication_keys: Vec<AuthenticationKey>,
}

/// The standing of an org: whether it is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrgStanding {
    /// Served.
    Active,
    /// Switched off by an operator.
    Suspended,
}

/// What an org wants of the signatures under its messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessagePolicy {
    /// Which of its requests must be signed.
    pub requests: SignaturePolicy,
    /// Whether all its responses are signed, asked for or not (contract 12.2).
    pub signs_responses: bool,
}

/// Which requests of an org must be signed (contract 12.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignaturePolicy {
    /// None.
    #[default]
    Optional,
    /// What changes its credentials, its queues and itself.
    Administration,
    /// All of the partner's.
    Required,
}

impl SignaturePolicy {
    /// Every policy.
    pub const ALL: [Self; 3] = [Self::Optional, Self::Administration, Self::Required];

    /// The name on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Optional => "optional",
            Self::Administration => "administration",
            Self::Required => "required",
        }
    }

    /// The policy as it was stored; a later version's, which this one does not know, asks for everything.
    #[must_use]
    pub fn stored(name: &str) -> Self {
        Self::parse(name).unwrap_or(Self::Required)
    }

    /// The policy of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.name() == name)
    }
}

/// A public key of the usage `Authentication`, whose private half the partner holds, and with
/// `REQUIRE_KEY_PROOF` has proven that it does.
#[derive(Debug)]
pub struct AuthenticationKey {
    /// The `keyid` of its signatures.
    pub unique_id: Uuid,
    /// The client that the partner registered it for, if it named one.
    pub related_client_id: Option<String>,
    /// Its end.
    pub expires_at: DateTime<Utc>,
    /// The key itself.
    pub key: VerifyingKey,
}

impl OrgRecord {
    /// The live key with this id.
    #[must_use]
    pub fn authentication_key(&self, unique_id: Uuid, now: DateTime<Utc>) -> Option<&AuthenticationKey> {
        self.authentication_keys.iter().find(|key| key.unique_id == unique_id && now < key.expires_at)
    }
}

impl OrgDirectory {
    /// An empty memory; with `require_key_proof`, of proven keys alone.
    #[must_use]
    pub fn new(trust: Arc<Trust>, metrics: CacheMetrics, require_key_proof: bool) -> Self {
        Self { cache: LookupCache::new(KNOWN_ORGS, UNKNOWN_ORGS, trust, metrics), require_key_proof }
    }

    /// The org; `None` if there is no such org.
    ///
    /// # Errors
    /// When memory does not know and the database cannot be asked.
    pub async fn find(&self, db: &Db, org_id: OrgId) -> Result<Option<Arc<OrgRecord>>, sqlx::Error> {
        if let Some(known) = self.cache.peek(&org_id) {
            return Ok(known);
        }
        let load = async || load(db, org_id, self.require_key_proof).await;
        self.cache.get(org_id, |_| vec![org_id.0], load).await
    }

    /// The org, if memory has it.
    pub(super) fn recall(&self, org_id: OrgId) -> Option<Arc<OrgRecord>> {
        self.cache.peek(&org_id)?
    }

    /// How many answers memory holds.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.cache.entries()
    }

    /// Forgets one org.
    pub fn forget(&self, org_id: OrgId) {
        self.cache.forget(&org_id);
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.cache.clear();
    }
}

async fn load(
    db: &Db,
    org_id: OrgId,
    require_key_proof: bool,
) -> Result<Option<Arc<OrgRecord>>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        SELECT o.key, o.suspended_at IS NOT NULL AS "is_suspended!", o.signature_policy, o.sign_responses,
               o.frozen_at IS NOT NULL AS "is_frozen!",
               o.allowed_networks, o.network_policy, o.rate_limit, o.rate_burst,
               o.tokens_valid_from, k.unique_id AS "unique_id?", k.expires_at AS "expires_at?", k.public_key AS "public_key?",
               k.related_client_id
        FROM orgs o
        LEFT JOIN public_keys k ON k.org_id = o.id AND k.type = 'RSA' AND k.sealed IS NULL AND k.deleted_at IS NULL
            AND 'Authentication' = ANY (k.usages) AND (k.proven_at IS NOT NULL OR NOT $2)
        WHERE o.id = $1
        "#,
        org_id.0,
        require_key_proof,
    )
    .fetch_all(&db.lookups)
    .await?;
    let Some(org) = rows.first() else { return Ok(None) };
    let standing = if org.is_suspended { OrgStanding::Suspended } else { OrgStanding::Active };
    let requests = SignaturePolicy::stored(&org.signature_policy);
    let policy = MessagePolicy { requests, signs_responses: org.sign_responses };
    let networks = AllowedNetworks::stored(org.allowed_networks.clone(), &org.network_policy);
    let rate = RateSetting::stored(org.rate_limit, org.rate_burst);
    let is_frozen = org.is_frozen;
    let (key, tokens_ended_at) = (org.key.clone(), org.tokens_valid_from.map(|from| from.timestamp()));
    let keys = rows.into_iter().filter_map(|row| {
        let (unique_id, expires_at) = (row.unique_id?, row.expires_at?);
        // Postgres has the empty text, which names nobody.
        let related_client_id = row.related_client_id.filter(|name| !name.is_empty());
        match RsaKey::stored(&row.public_key?) {
            Ok(key) => {
                let key = VerifyingKey::new(key.spki().to_vec());
                Some(AuthenticationKey { unique_id, related_client_id, expires_at, key })
            }
            Err(error) => {
                tracing::error!(%org_id, %unique_id, %error, "a public key cannot be read");
                None
            }
        }
    });
    let authentication_keys = keys.collect();
    Ok(Some(Arc::new(OrgRecord {
        key,
        standing,
        policy,
        is_frozen,
        networks,
        rate,
        tokens_ended_at,
        authentication_keys,
    })))
}
