//! Rotations that wait (contract 13.1): confirmed by the successor's first use, or given up when their time is over. Any
//! replica may do either: of several that try, the change itself lets one.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::rounds::ticks;
use crate::changes::{Change, Changeable, Mandate, Rule};
use crate::error::{ApiError, Code};
use crate::events::{EventType, Stream};
use crate::ids::{KeyId, OrgId};
use crate::routes::signing_secrets;
use crate::routes::signing_secrets::rules::SigningSecretPlan;
use crate::routes::tenant_keys::operator::{abandoning, confirming_by_use};
use crate::routes::tenant_keys::rules::TenantKeyPlan;
use crate::state::App;

const LOOK_INTERVAL: Duration = Duration::from_secs(20);
/// The wait after a failure.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Rotations that one look gives up; the rest come with the next one.
const BATCH: i64 = 200;

/// Looks for as long as the process lives, and whenever a successor was first used.
pub async fn run(app: App) {
    let mut ticks = ticks(LOOK_INTERVAL);
    loop {
        let is_used = tokio::select! {
            _ = ticks.tick() => false,
            () = app.identity.keys.first_uses.noted() => true,
        };
        let done = step(&app).await;
        if let Err(error) = &done {
            tracing::warn!(%error, "rotations could not be confirmed or given up");
        }
        // What is noted again, because it failed or its org is frozen, must not be tried as fast as that goes.
        if done.is_err() || (is_used && done.is_ok_and(|done| done == 0)) {
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }
}

/// Confirms and gives up what is due; gives how many rotations that were.
///
/// # Errors
/// When the database cannot be asked. A use that could not be acted on is noted again.
pub async fn step(app: &App) -> Result<usize, ApiError> {
    let (mut done, mut failed) = (0, None);
    let first_uses = &app.identity.keys.first_uses;
    let mut used = first_uses.take().into_iter();
    for (org_id, key_id) in used.by_ref() {
        let mandate = Mandate::service(org_id, &app.keyring);
        match settle(app, org_id, confirming_by_use(&app.clock, mandate, key_id)).await {
            Ok(happened) => done += usize::from(happened),
            Err(error) => {
                first_uses.note(org_id, key_id);
                failed = Some(error);
                break;
            }
        }
    }
    used.for_each(|(org_id, key_id)| first_uses.note(org_id, key_id));
    for (org_id, id, is_secret) in overdue(app, app.clock.now()).await? {
        let (mandate, clock) = (Mandate::service(org_id, &app.keyring), &app.clock);
        done += usize::from(if is_secret {
            settle(app, org_id, signing_secrets::abandoning(clock, mandate, id)).await?
        } else {
            settle(app, org_id, abandoning(clock, mandate, KeyId(id))).await?
        });
    }
    failed.map_or(Ok(done), Err)
}

/// What a change did, as far as it is announced.
trait Done {
    fn kind(&self) -> Option<EventType>;
}

impl Done for Option<TenantKeyPlan> {
    fn kind(&self) -> Option<EventType> {
        self.as_ref().map(|plan| plan.kind)
    }
}

impl Done for Option<SigningSecretPlan> {
    fn kind(&self) -> Option<EventType> {
        self.as_ref().map(|plan| plan.kind)
    }
}

/// Makes a change; whether there was still one to make: another replica, or the partner, may have been faster.
async fn settle<C: Changeable<Done: Done>, R: Rule<C>>(
    app: &App,
    org_id: OrgId,
    change: Change<C, R>,
) -> Result<bool, ApiError> {
    match change.execute(&app.db).await.map(|done| done.kind()) {
        Ok(Some(kind)) => {
            app.metrics.events.changed(kind);
            app.outbox.wake(org_id, Stream::Credentials);
            Ok(true)
        }
        Ok(None) => Ok(false),
        Err(ApiError::Failed(failure)) if is_settled(failure.code) => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_settled(code: Code) -> bool {
    matches!(code, Code::RotationNotPending | Code::KeyNotLive | Code::NotFound | Code::Forbidden)
}

/// Keys and secrets that were not confirmed in time, and which of them are secrets.
async fn overdue(app: &App, now: DateTime<Utc>) -> Result<Vec<(OrgId, Uuid, bool)>, sqlx::Error> {
    let overdue = sqlx::query!(
        r#"SELECT org_id AS "org_id!: OrgId", id AS "id!", is_secret AS "is_secret!"
           FROM (SELECT org_id, id, false AS is_secret, confirm_by FROM tenant_keys
                 WHERE pending_of IS NOT NULL AND confirm_by <= $1
                 UNION ALL
                 SELECT org_id, id, true, confirm_by FROM signing_secrets
                 WHERE pending_of IS NOT NULL AND confirm_by <= $1) AS waiting
           ORDER BY confirm_by LIMIT $2"#,
        now,
        BATCH,
    );
    let rows = overdue.fetch_all(&app.db.pool).await?;
    Ok(rows.into_iter().map(|row| (row.org_id, row.id, row.is_secret)).collect())
}
