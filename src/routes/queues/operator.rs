//! An org's queues at the command line (contract 15), with `operator` in the audit log.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgExecutor;
use subtle::ConstantTimeEq as _;

use super::change;
use super::input::QueuePath;
pub(crate) use super::input::RegisterQueue;
use super::put::Put;
use super::rules::QueueAction;
use super::store;
use crate::changes::{Change, Mandate, Rule};
use crate::clock::{Clock, rfc3339};
use crate::crypto::keyring::Keyring;
use crate::db::Db;
use crate::error::{ApiError, Code};
use crate::events::queue::{QueueSettings, StoredQueue, secret};
use crate::events::{PauseReason, StreamName};
use crate::features::Feature;
use crate::ids::OrgId;
use crate::state::App;
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

/// The streams that the org has queues for.
///
/// # Errors
/// When the database cannot be asked.
pub async fn streams(db: &Db, clock: &Clock, org_id: OrgId) -> Result<Vec<String>, ApiError> {
    let rows = store::find(&db.pool, org_id, None, clock.now()).await?;
    Ok(rows.into_iter().map(|row| row.stream).collect())
}

/// The name under which [`differences`] reports another credential.
pub const CREDENTIAL: &str = "credential";

/// The fields in which a stream's queue differs from the wanted one; `None` where there is no queue.
///
/// # Errors
/// 422 for settings that no queue may have, or that the database cannot be asked.
pub async fn differences(
    app: &App,
    org_id: OrgId,
    stream: &str,
    wanted: &RegisterQueue,
) -> Result<Option<Vec<String>>, ApiError> {
    let Some(stream) = app.streams.find(stream).await? else { return Ok(None) };
    let found = store::find(&app.db.pool, org_id, Some(&stream), app.clock.now()).await?.pop();
    let Some(row) = found else { return Ok(None) };
    let (settings, options) = (wanted.settings.live(app)?, &wanted.options);
    let ordering = options.ordering.map(|ordering| ordering.name().to_owned());
    let encrypt_to = options.form.encrypt_to.map(|encrypt_to| encrypt_to.text());
    let pairs = [
        ("type", settings.kind() != row.kind),
        (settings.kind(), settings.kind() == row.kind && settings.to_json() != row.settings),
        ("event_types", options.event_types != row.event_types),
        ("ordering", ordering != row.ordering),
        ("format", options.form.format.name() != row.format),
        ("encrypt_to", encrypt_to != row.encrypt_to),
        (CREDENTIAL, settings.kind() == row.kind && !has_credential(app, org_id, &row, settings)?),
    ];
    Ok(Some(pairs.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field.to_owned()).collect()))
}

/// Settings of a type whose queues may not be live.
trait Live {
    /// The settings.
    fn live(&self, app: &App) -> Result<&QueueSettings, ApiError>;
}

impl Live for QueueSettings {
    fn live(&self, _: &App) -> Result<&QueueSettings, ApiError> {
        Ok(self)
    }
}

impl Live for Result<QueueSettings, Feature> {
    fn live(&self, app: &App) -> Result<&QueueSettings, ApiError> {
        let planned = |feature: &Feature| app.require_live(*feature).err();
        self.as_ref().map_err(|it| planned(it).unwrap_or_else(|| Code::ServiceUnavailable.into()))
    }
}

/// Whether what is sealed in a queue is the wanted one's.
fn has_credential(
    app: &App,
    org_id: OrgId,
    row: &store::QueueRow,
    wanted: &QueueSettings,
) -> Result<bool, ApiError> {
    let policy = app.config.targets.policy;
    let stored = StoredQueue {
        org_id,
        stream: &row.stream,
        kind: &row.kind,
        settings: &row.settings,
        sealed: row.sealed.as_deref(),
    };
    // What is stored may be refused by today's rules, and what is wanted is tried with the change.
    let (Ok(stored), Ok(wanted)) = (stored.target(&app.keyring.master, policy), wanted.target(policy)) else {
        return Ok(false);
    };
    Ok(match (secret(&stored), secret(&wanted)) {
        (None, None) => true,
        (Some(stored), Some(wanted)) => stored.expose().as_bytes().ct_eq(wanted.expose().as_bytes()).into(),
        _ => false,
    })
}

/// Registers a stream's queue, or replaces it, as the routes do: after a test event has reached it.
///
/// # Errors
/// As the routes answer.
pub async fn put(
    app: &App,
    mandate: Mandate,
    (stream, exists): (&str, bool),
    wanted: RegisterQueue,
) -> Result<(), ApiError> {
    let kind = if exists { QueueAction::Replace } else { QueueAction::Create };
    Put { app, mandate, path: QueuePath::of(stream), kind }.execute(wanted, None).await.map(drop)
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
