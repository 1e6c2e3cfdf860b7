//! The platform's own services on the internal listener (contract 15): whose token it is, and what it may do. They
//! are few and ask seldom, so nothing is remembered of them: a token that is revoked is refused at once.

use axum::http::HeaderMap;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::Identity;
use super::bearers::sent_token;
use super::rehash;
use crate::crypto::keyring::Hashed;
use crate::crypto::platform_token::PlatformToken;
use crate::error::{ApiError, Code};

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
    scopes: Vec<String>,
}

impl Platform {
    /// Passes who may do this.
    ///
    /// # Errors
    /// 403 `insufficient_scope`, with the scope that it takes.
    pub fn require(&self, scope: PlatformScope) -> Result<(), ApiError> {
        if self.scopes.iter().any(|granted| granted == scope.name()) {
            return Ok(());
        }
        let needed = scope.name().to_owned();
        Err(ApiError::new(Code::InsufficientScope).detail("scope", "insufficient_scope", needed))
    }
}

/// A token's row.
struct Row {
    id: Uuid,
    digest: Vec<u8>,
    scopes: Vec<String>,
    last_used_at: Option<DateTime<Utc>>,
}

impl Identity {
    /// The service that a request's token is of.
    ///
    /// # Errors
    /// 401 for whatever is wrong with the token; 503 where the database cannot be asked.
    pub async fn platform(&self, headers: &HeaderMap) -> Result<Platform, ApiError> {
        let token = sent_token(headers).ok_or(Code::Unauthorized)?;
        let token = PlatformToken::parse(token.as_bytes()).ok_or(Code::Unauthorized)?;
        let newest = self.keyring.hash(&token);
        let hashes: Vec<_> = [newest].into_iter().chain(self.keyring.older_hashes(&token)).collect();
        let digests: Vec<&[u8]> = hashes.iter().map(|hashed| &hashed.digest[..]).collect();
        let row = sqlx::query_as!(
            Row,
            "SELECT id, digest, scopes, last_used_at FROM platform_tokens
             WHERE digest = ANY ($1::bytea[]) AND revoked_at IS NULL",
            &digests as &[&[u8]],
        )
        .fetch_optional(&self.db.lookups)
        .await?
        .ok_or(Code::Unauthorized)?;
        self.note_use(&row, newest).await;
        Ok(Platform { token_id: row.id, scopes: row.scopes })
    }

    /// Writes down that a token was used, and moves it to a renewed pepper. A failure is tried again with the next
    /// use.
    async fn note_use(&self, row: &Row, newest: Hashed) {
        let now = self.clock.now();
        let moves = row.digest != newest.digest && rehash::is_settled(&self.keyring, now);
        if !moves && row.last_used_at.is_some_and(|at| now - at < USE_INTERVAL) {
            return;
        }
        let moved = moves.then_some(newest);
        let noted = sqlx::query!(
            "UPDATE platform_tokens SET last_used_at = greatest(last_used_at, $3), digest = coalesce($4, digest),
                 pepper = coalesce($5, pepper)
             WHERE id = $1 AND digest = $2",
            row.id,
            &row.digest,
            now,
            moved.as_ref().map(|hashed| &hashed.digest[..]),
            moved.map(|hashed| hashed.pepper),
        )
        .execute(&self.db.lookups)
        .await;
        if let Err(error) = noted {
            tracing::warn!(%error, token_id = %row.id, "the use of a platform token could not be written down");
        }
    }
}
