//! Changes of an org's public keys, as [`administration`](crate::administration) carries them out.

use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::rules::{OrgKeys, Plan};
use super::store::{self, Stored};
use crate::administration::{self, Scope, carry_out};
use crate::clock::Clock;
use crate::error::{ApiError, Code};
use crate::events::Stream;
use crate::idempotency::{self, Claim, Reply};
use crate::state::App;

/// What is wanted of an org's keys.
pub enum Change {
    /// A new key.
    Register { owner_code: String, unique_id: Uuid, expires_at: DateTime<Utc>, key: Stored },
    /// A new end for a live key.
    SetExpiration { unique_id: Uuid, expires_at: DateTime<Utc> },
    /// An end now; what is no id names no key.
    Delete { unique_id: Option<Uuid> },
}

impl Change {
    /// The rules' answer; `None` where there is nothing to do.
    fn decide(&self, seen: &OrgKeys) -> Result<Option<Plan>, ApiError> {
        match self {
            Self::Register { owner_code, unique_id, expires_at, key } => {
                seen.register(owner_code, *unique_id, &key.fingerprint, *expires_at).map(Some)
            }
            Self::SetExpiration { unique_id, expires_at } => {
                seen.set_expiration(*unique_id, *expires_at).map(Some)
            }
            Self::Delete { unique_id } => seen.delete(*unique_id),
        }
    }

    /// The key it is about, dead or alive.
    fn subject(&self) -> Option<Uuid> {
        match self {
            Self::Register { .. } => None,
            Self::SetExpiration { unique_id, .. } => Some(*unique_id),
            Self::Delete { unique_id } => *unique_id,
        }
    }

    fn added(&self) -> Option<&Stored> {
        if let Self::Register { key, .. } = self { Some(key) } else { None }
    }
}

/// Carries a change out and sends its event on its way.
pub async fn carry(app: &App, scope: Scope, change: Change) -> Result<(), ApiError> {
    let org_id = scope.org_id;
    carry_out(&app.db, org_id, Attempt { scope, clock: app.clock.clone(), change }).await?;
    app.outbox.wake(org_id, Stream::Credentials);
    Ok(())
}

/// The same for a POST, which answers with `data`.
pub async fn carry_once(
    app: &App,
    scope: Scope,
    claim: Option<Claim>,
    change: Change,
    data: impl Serialize + Send + 'static,
) -> Result<Response, ApiError> {
    let org_id = scope.org_id;
    let attempt = Attempt { scope, clock: app.clock.clone(), change };
    let reply = move |()| Reply::new(StatusCode::OK, &data);
    let response = idempotency::carry_out(app, org_id, claim, attempt, reply).await?;
    app.outbox.wake(org_id, Stream::Credentials);
    Ok(response)
}

/// The org's keys as the rules see them now: for what is to be known before costly work.
pub async fn glance(app: &App, scope: &Scope, wanted: Option<Uuid>) -> Result<OrgKeys, ApiError> {
    let seen = store::load(&app.db.pool, scope, wanted, app.clock.now()).await?;
    Ok(seen.ok_or(Code::Forbidden)?)
}

struct Attempt {
    scope: Scope,
    clock: Clock,
    change: Change,
}

impl administration::Change for Attempt {
    type Done = ();

    async fn attempt(&self, db: &mut PgConnection) -> Result<Option<()>, ApiError> {
        let (scope, change) = (&self.scope, &self.change);
        let seen = store::load(&mut *db, scope, change.subject(), self.clock.now()).await?;
        let seen = seen.ok_or(Code::Forbidden)?;
        let Some(plan) = change.decide(&seen)? else { return Ok(Some(())) };
        let applied = store::apply(&mut *db, scope, &seen, &plan, change.added()).await?;
        Ok(applied.then_some(()))
    }
}
