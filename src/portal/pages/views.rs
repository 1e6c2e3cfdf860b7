//! What pages read of the API's replies.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use uuid::Uuid;

/// A tenant key, by itself.
#[derive(Deserialize)]
pub struct Key {
    pub id: Uuid,
    pub name: String,
    pub prefix: String,
    pub created_at: DateTime<Utc>,
    pub last_used_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub expires_at: Option<DateTime<Utc>>,
    pub scopes: Vec<String>,
    pub allowed_networks: Option<Vec<String>>,
    pub leaked_at: Option<DateTime<Utc>>,
    pub is_current: bool,
    #[serde(default)]
    pub rotation: Option<Rotation>,
}

/// The rotation that a key takes part in.
#[derive(Deserialize)]
pub struct Rotation {
    pub state: RotationState,
    pub successor_id: Uuid,
    pub previous_key_id: Uuid,
    pub confirmation_expires_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum RotationState {
    Pending,
    Grace,
    Completed,
}

/// How a key stands, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Live,
    Waiting,
    Replaced,
    Leaked,
    Over,
}

impl Key {
    /// How it stands at `now`.
    pub fn standing(&self, now: DateTime<Utc>) -> Standing {
        let is_over = self.revoked_at.is_some() || self.expires_at.is_some_and(|end| end <= now);
        let state = self.rotation.as_ref().map(|rotation| (rotation.state, rotation.successor_id == self.id));
        match state {
            _ if is_over => Standing::Over,
            _ if self.leaked_at.is_some() => Standing::Leaked,
            Some((RotationState::Pending, true)) => Standing::Waiting,
            Some((RotationState::Grace, false)) => Standing::Replaced,
            _ => Standing::Live,
        }
    }

    /// When it ends, as it stands now.
    pub fn ends_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let rotation = self.rotation.as_ref().filter(|_| self.standing(now) == Standing::Waiting);
        rotation.and_then(|rotation| rotation.confirmation_expires_at).or(self.expires_at)
    }
}

/// The signing secrets.
#[derive(Deserialize)]
pub struct Secrets {
    pub current: CurrentSecret,
    pub previous: Vec<PreviousSecret>,
    pub pending: Option<WaitingSecret>,
}

#[derive(Deserialize)]
pub struct CurrentSecret {
    pub id: Uuid,
    pub created_at: DateTime<Utc>,
    pub source: String,
}

#[derive(Deserialize)]
pub struct PreviousSecret {
    pub id: Uuid,
    pub expires_at: DateTime<Utc>,
}

#[derive(Deserialize)]
pub struct WaitingSecret {
    pub id: Uuid,
    pub confirmation_expires_at: DateTime<Utc>,
}

/// A public key.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PublicKey {
    pub unique_id: Uuid,
    pub usage: Vec<String>,
    #[serde(rename = "Type")]
    pub kind: String,
    pub public_key: String,
    pub expiration_utc: DateTime<Utc>,
    pub related_client_id: Option<String>,
    pub has_private_key: bool,
    pub fingerprint: String,
    pub algorithm: String,
    pub proven_utc: Option<DateTime<Utc>>,
}

/// A page of public keys.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PublicKeys {
    pub items: Vec<PublicKey>,
    pub next: Option<String>,
}

/// A queue.
#[derive(Deserialize)]
pub struct Queue {
    pub queue_name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub state: String,
    pub pause_reason: Option<String>,
    pub paused_until: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub format: String,
    pub ordering: Option<String>,
    pub encrypt_to: Option<String>,
    pub event_types: Option<Vec<String>>,
    pub waiting_events: i64,
    pub failed_events: i64,
    pub skipped_events: i64,
    pub lost_events: i64,
    pub consecutive_failures: i32,
    pub oldest_waiting_at: Option<DateTime<Utc>>,
    pub success_rate_1h: Option<f64>,
    pub p95_ms_1h: Option<i64>,
}
