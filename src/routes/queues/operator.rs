//! An org's queues at the command line (contract 15), with `operator` in the audit log.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
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
use crate::error::ApiError;
use crate::events::options::Format;
use crate::events::queue::{QueueSettings, StoredQueue, secret};
use crate::events::{PauseReason, StreamName};
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

/// A field in which a queue differs from the wanted one, without credentials.
pub struct QueueDifference {
    /// Its name.
    pub field: &'static str,
    /// What it is; null where there is no queue.
    pub from: Value,
    /// What it would be.
    pub to: Value,
}

/// Where a stream's queue differs from the wanted one, and whether there is a queue. Without one, everything that is not
/// as by default differs.
///
/// # Errors
/// When the database cannot be asked.
pub async fn differences(
    app: &App,
    org_id: Option<OrgId>,
    stream: &str,
    wanted: &RegisterQueue,
) -> Result<(bool, Vec<QueueDifference>), ApiError> {
    let stream = app.streams.find(stream).await?;
    let row = match (org_id, &stream) {
        (Some(org_id), Some(_)) => {
            store::find(&app.db.pool, org_id, stream.as_ref(), app.clock.now()).await?.pop()
        }
        _ => None,
    };
    // Settings are those of a type, and stand under its name.
    let kind = wanted.settings.kind();
    let names = ["type", kind, "event_types", "ordering", "format", "encrypt_to"];
    let found = row.as_ref().map_or_else(without_queue, |row| stored_fields(row, kind));
    let fields = names.into_iter().zip(found).zip(wanted_fields(wanted));
    let differing = fields.filter(|((_, from), to)| from != to);
    let mut differences: Vec<_> =
        differing.map(|((field, from), to)| QueueDifference { field, from, to }).collect();
    if let (Some(org_id), Some(row)) = (org_id, &row)
        && row.kind == kind
        && !has_credential(app, org_id, row, &wanted.settings)
    {
        let (from, to) = ("(as it is stored)".into(), "(another one)".into());
        differences.push(QueueDifference { field: "credential", from, to });
    }
    Ok((row.is_some(), differences))
}

fn wanted_fields(wanted: &RegisterQueue) -> [Value; 6] {
    let RegisterQueue { settings, options } = wanted;
    [
        settings.kind().into(),
        settings.to_json(),
        json!(options.event_types),
        json!(options.ordering.map(|ordering| ordering.name())),
        options.form.format.name().into(),
        json!(options.form.encrypt_to.map(|encrypt_to| encrypt_to.text())),
    ]
}

/// The options are those by default.
fn without_queue() -> [Value; 6] {
    [Value::Null, Value::Null, Value::Null, Value::Null, Format::default().name().into(), Value::Null]
}

fn stored_fields(row: &store::QueueRow, kind: &str) -> [Value; 6] {
    [
        row.kind.as_str().into(),
        if row.kind == kind { row.settings.clone() } else { Value::Null },
        json!(row.event_types),
        json!(row.ordering),
        row.format.as_str().into(),
        json!(row.encrypt_to),
    ]
}

/// Whether what is sealed in a queue is the wanted one's.
fn has_credential(app: &App, org_id: OrgId, row: &store::QueueRow, wanted: &QueueSettings) -> bool {
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
        return false;
    };
    match (secret(&stored), secret(&wanted)) {
        (None, None) => true,
        (Some(stored), Some(wanted)) => stored.expose().as_bytes().ct_eq(wanted.expose().as_bytes()).into(),
        _ => false,
    }
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
