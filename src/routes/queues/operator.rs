//! An org's queues at the command line (contract 15), with `operator` in the audit log.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgExecutor;

use super::change;
use super::rules::QueueAction;
use super::store;
use crate::changes::{Change, Mandate, Rule};
use crate::clock::{Clock, rfc3339};
use crate::crypto::keyring::Keyring;
use crate::db::Db;
use crate::error::ApiError;
use crate::events::{PauseReason, StreamName};
use crate::ids::OrgId;
use crate::streams;

/// A queue as an operator sees it, without its secrets.
#[derive(Debug, Serialize)]
pub struct QueueSummary {
    queue_name: String,
    #[serde(rename = "type")]
    kind: String,
    settings: serde_json::Value,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    waiting_events: i64,
    failed_events: i64,
    skipped_events: i64,
    lost_events: i64,
    consecutive_failures: i32,
}

/// One line for people.
impl fmt::Display for QueueSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queue_name, kind, settings, updated_at, waiting_events, failed_events, .. } = self;
        let updated_at = rfc3339(*updated_at);
        write!(
            f,
            "{queue_name}  {kind}  {settings}  since {updated_at}  {waiting_events} waiting  {failed_events} failed"
        )
    }
}

/// The org's queues.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list(db: &Db, clock: &Clock, org_id: OrgId) -> Result<Vec<QueueSummary>, ApiError> {
    let rows = store::find(&db.pool, org_id, None, clock.now()).await?;
    let summary = |row: store::QueueRow| QueueSummary {
        queue_name: row.stream,
        kind: row.kind,
        settings: row.settings,
        created_at: row.created_at,
        updated_at: row.updated_at,
        waiting_events: row.waiting,
        failed_events: row.failed,
        skipped_events: row.skipped,
        lost_events: row.lost,
        consecutive_failures: row.failures,
    };
    Ok(rows.into_iter().map(summary).collect())
}

/// The streams whose queues do not stand still.
///
/// # Errors
/// When the database cannot be asked.
pub async fn running(db: impl PgExecutor<'_>, org_id: OrgId) -> Result<Vec<StreamName>, sqlx::Error> {
    let names = store::not_paused(db, org_id).await?;
    Ok(names.iter().map(|name| StreamName::stored(name)).collect())
}

/// Lets the queue of a stream stand still until it is resumed or replaced.
pub fn pausing(
    clock: &Clock,
    mandate: Mandate,
    stream: StreamName,
) -> Change<store::StreamQueue, impl Rule<store::StreamQueue> + use<>> {
    change::step(clock, mandate, QueueAction::Pause(PauseReason::Requested), Some(stream))
}

/// The steps that an operator can take with a queue.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Later events wait for the next one.
    Remove,
    /// Its events wait until it is resumed or replaced.
    Pause,
    /// Events are sent again.
    Resume,
}

/// Takes a step with a stream's queue.
///
/// # Errors
/// When there is no such stream, or no queue for it.
pub async fn take(
    db: &Db,
    clock: &Clock,
    keyring: &Keyring,
    org_id: OrgId,
    (step, stream): (Step, &str),
) -> Result<(), ApiError> {
    let kind = match step {
        Step::Remove => QueueAction::Delete,
        Step::Pause => QueueAction::Pause(PauseReason::Requested),
        Step::Resume => QueueAction::Resume,
    };
    let mandate = Mandate::operator(org_id, keyring);
    let stream = streams::store::find(&db.pool, stream).await?;
    change::step(clock, mandate, kind, stream).execute(db).await?;
    Ok(())
}
