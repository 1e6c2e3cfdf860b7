//! The platform's own services on the internal listener (contract 15): whose token it is, and what it may do. Some
//! publish thousands of events a second, so tokens are remembered as tenant keys are; the end of one is announced, and
//! voids the memory of all.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::http::HeaderMap;
use chrono::TimeDelta;
use uuid::Uuid;

use super::Identity;
use super::bearers::sent_token;
use super::rehash;
use crate::crypto::keyring::{Hashed, KeyDigest};
use crate::crypto::platform_token::PlatformToken;
use crate::db::cache::LookupCache;
use crate::db::news::ALL_PLATFORM_TOKENS;
use crate::db::trust::Trust;
use crate::error::{ApiError, Code};
use crate::metrics::CacheMetrics;

/// Uses in a row are written down once.
const USE_INTERVAL: TimeDelta = TimeDelta::seconds(60);

/// What a platform token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlatformScope {
    /// Read all orgs.
    OrgsRead,
    /// Make, change, recover and delete orgs.
    OrgsWrite,
    /// Publish the platform's events to any org.
    EventsPublish,
    /// Report leaked keys.
    LeaksWrite,
}

impl PlatformScope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::OrgsRead, Self::OrgsWrite, Self::EventsPublish, Self::LeaksWrite];

    /// The name on the command line and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OrgsRead => "orgs:read",
            Self::OrgsWrite => "orgs:write",
            Self::EventsPublish => "events:publish",
            Self::LeaksWrite => "leaks:write",
        }
    }

    /// The scope of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// A service of the platform.
#[derive(Clone, Debug)]
pub struct Platform {
    /// Its token.
    pub token_id: Uuid,
    scopes: Arc<[String]>,
}

impl Platform {
    /// Whoever holds this live token, which is granted these scopes.
    pub(super) fn holder(token_id: Uuid, scopes: Vec<String>) -> Self {
        Self { token_id, scopes: scopes.into() }
    }

    /// Returns `true` for who may do this.
    #[must_use]
    pub fn may(&self, scope: PlatformScope) -> bool {
        self.scopes.iter().any(|granted| granted == scope.name())
    }

    /// Passes who may do this.
    ///
    /// # Errors
    /// 403 `insufficient_scope`, with the scope that it takes.
    pub fn require(&self, scope: PlatformScope) -> Result<(), ApiError> {
        if self.may(scope) {
            return Ok(());
        }
        let needed = scope.name().to_owned();
        Err(ApiError::new(Code::InsufficientScope).detail("scope", "insufficient_scope", needed))
    }
}

/// Tokens held in memory, and texts that are none.
const KNOWN_TOKENS: usize = 1_000;
const UNKNOWN_TOKENS: usize = 1_000;

/// The tokens in memory, by the newest digest of each.
#[derive(Debug)]
pub struct PlatformTokens(LookupCache<KeyDigest, Arc<TokenRecord>>);

/// A live token.
#[derive(Debug)]
struct TokenRecord {
    platform: Platform,
    /// As it is stored.
    digest: Vec<u8>,
    /// When its use was last written down, in seconds of Unix time.
    used_at: AtomicI64,
}

impl PlatformTokens {
    /// An empty memory.
    #[must_use]
    pub fn new(trust: Arc<Trust>, metrics: CacheMetrics) -> Self {
        Self(LookupCache::new(KNOWN_TOKENS, UNKNOWN_TOKENS, trust, metrics))
    }

    /// How many answers memory holds.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.0.entries()
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.0.clear();
    }
}

impl Identity {
    /// The service that a request's token is of.
    ///
    /// # Errors
    /// 401 for whatever is wrong with the token; 503 where neither memory nor the database knows.
    pub async fn platform(&self, headers: &HeaderMap) -> Result<Platform, ApiError> {
        let token = sent_token(headers).ok_or(Code::Unauthorized)?;
        self.platform_by(token).await
    }

    /// The service, or the person of the platform's, that has this token.
    ///
    /// # Errors
    /// As [`platform`](Self::platform).
    pub async fn platform_by(&self, token: &str) -> Result<Platform, ApiError> {
        let token = PlatformToken::parse(token.as_bytes()).ok_or(Code::Unauthorized)?;
        let newest = self.keyring.hash(&token);
        let record = match self.platform_tokens.0.peek(&newest.digest) {
            Some(known) => known,
            None => {
                let load = async || self.load_token(&token, newest).await;
                self.platform_tokens.0.get(newest.digest, |_| vec![ALL_PLATFORM_TOKENS], load).await?
            }
        };
        let record = record.ok_or(Code::Unauthorized)?;
        self.note_use(&record, newest).await;
        Ok(record.platform.clone())
    }

    async fn load_token(
        &self,
        token: &PlatformToken,
        newest: Hashed,
    ) -> Result<Option<Arc<TokenRecord>>, sqlx::Error> {
        let hashes: Vec<_> = [newest].into_iter().chain(self.keyring.older_hashes(token)).collect();
        let digests: Vec<&[u8]> = hashes.iter().map(|hashed| &hashed.digest[..]).collect();
        let row = sqlx::query!(
            "SELECT id, digest, scopes, last_used_at FROM platform_tokens
             WHERE digest = ANY ($1::bytea[]) AND revoked_at IS NULL",
            &digests as &[&[u8]],
        );
        let row = row.fetch_optional(&self.db.lookups).await?;
        Ok(row.map(|row| {
            let used_at = row.last_used_at.map_or(i64::MIN, |at| at.timestamp());
            let platform = Platform::holder(row.id, row.scopes);
            Arc::new(TokenRecord { platform, digest: row.digest, used_at: AtomicI64::new(used_at) })
        }))
    }

    /// Writes down that a token was used, and moves it to a renewed pepper; once a minute, by one request.
    async fn note_use(&self, record: &TokenRecord, newest: Hashed) {
        let now = self.clock.now();
        let before = record.used_at.load(Ordering::Relaxed);
        let moves = record.digest != newest.digest && rehash::is_settled(&self.keyring, now);
        let is_due = before.saturating_add(USE_INTERVAL.num_seconds()) <= now.timestamp();
        let claim =
            |to| record.used_at.compare_exchange(before, to, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if !(moves || is_due) || !claim(now.timestamp()) {
            return;
        }
        let moved = moves.then_some(newest);
        let noted = sqlx::query!(
            "UPDATE platform_tokens SET last_used_at = greatest(last_used_at, $3), digest = coalesce($4, digest),
                 pepper = coalesce($5, pepper)
             WHERE id = $1 AND digest = $2",
            record.platform.token_id,
            &record.digest,
            now,
            moved.as_ref().map(|hashed| &hashed.digest[..]),
            moved.map(|hashed| hashed.pepper),
        )
        .execute(&self.db.lookups)
        .await;
        if moves {
            // As it is stored now.
            self.platform_tokens.0.forget(&newest.digest);
        }
        if let Err(error) = noted {
            tracing::warn!(%error, token_id = %record.platform.token_id, "the use of a platform token could not be written down");
        }
    }
}
