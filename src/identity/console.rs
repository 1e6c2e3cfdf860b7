//! Who sits in the console (contract 17): somebody of the platform's, who has shown a platform token. The session is read
//! anew with every page, and so is the token: it ends in that moment, not a second later.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Identity;
use super::platform::Platform;
use crate::crypto::session_token::ConsoleToken;

/// Somebody in the console.
#[derive(Clone, Debug)]
pub struct Operator {
    /// The session.
    pub session_id: Uuid,
    /// The token, and what it may do now.
    pub platform: Platform,
    /// The token's name for people.
    pub name: String,
    /// The session's end.
    pub expires_at: DateTime<Utc>,
}

impl Identity {
    /// Who has this cookie, while the session and the token that it was opened with live.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn operator(&self, token: &ConsoleToken) -> Result<Option<Operator>, sqlx::Error> {
        let digests = self.keyring.digests(token);
        let digests: Vec<&[u8]> = digests.iter().map(|digest| &digest[..]).collect();
        let row = sqlx::query!(
            "SELECT s.id, s.platform_token_id, s.expires_at, t.name, t.scopes
             FROM console_sessions s JOIN platform_tokens t ON t.id = s.platform_token_id
             WHERE s.token_digest = ANY ($1::bytea[]) AND s.ended_at IS NULL AND s.expires_at > $2
                 AND t.revoked_at IS NULL",
            &digests as &[&[u8]],
            self.clock.now(),
        );
        let row = row.fetch_optional(&self.db.lookups).await?;
        Ok(row.map(|row| Operator {
            session_id: row.id,
            platform: Platform::holder(row.platform_token_id, row.scopes),
            name: row.name,
            expires_at: row.expires_at,
        }))
    }
}
