//! Telling a queue's old target, once, that it was replaced, removed or paused, so that an owner whose
//! queue somebody else takes hears of it. Best effort: one attempt, which a publisher that dies in it
//! leaves to another; nobody waits for it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgExecutor;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::events::message::Message;
use crate::events::options::MessageForm;
use crate::events::queue::StoredQueue;
use crate::events::secrets::{Secrets, secrets_of};
use crate::events::targets::DeliveryError;
use crate::events::wire_id;
use crate::ids::OrgId;
use crate::request_id::TraceContext;
use crate::sending::Sender;
use crate::state::App;

/// Notices that one look takes.
const LIMIT: i64 = 16;
/// The time that a target has to acknowledge.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The time that a publisher has a notice in hand.
const HOLD: TimeDelta = TimeDelta::seconds(30);
/// One that nobody could send for so long is of no use: the event tells the other stream.
const KEPT: TimeDelta = TimeDelta::days(1);

/// A notice in hand.
struct Notice {
    org_id: OrgId,
    event_id: Uuid,
    stream: String,
    queue_type: String,
    settings: serde_json::Value,
    sealed: Option<Vec<u8>>,
    format: String,
    encrypt_to: Option<String>,
    kind: String,
    body: String,
    traceparent: Option<String>,
}

/// Takes some notices in hand and starts to send them.
///
/// # Errors
/// When the database cannot be asked.
pub async fn step(app: &App, deliveries: &mut JoinSet<()>) -> Result<(), sqlx::Error> {
    let now = app.clock.now();
    let notices = take(&app.db.pool, now).await?;
    if notices.is_empty() {
        return Ok(());
    }
    let org_ids: Vec<_> = notices.iter().map(|notice| notice.org_id).collect();
    let secrets = Arc::new(secrets_of(&app.db.pool, &app.keyring.master, &org_ids, now).await?);
    for notice in notices {
        let (app, secrets) = (app.clone(), secrets.clone());
        deliveries.spawn(async move {
            if let Err(error) = send(&app, &notice, &secrets).await {
                tracing::info!(event_id = %wire_id(notice.event_id), %error, "a queue's old target was not told");
            }
            if let Err(error) = forget(&app.db.pool, notice.org_id, notice.event_id).await {
                tracing::warn!(event_id = %wire_id(notice.event_id), %error, "a notice could not be removed");
            }
        });
    }
    Ok(())
}

async fn send(app: &App, notice: &Notice, secrets: &Secrets) -> Result<(), DeliveryError> {
    // Without a secret nothing can be signed, and nobody would believe it.
    let Some(secrets) = secrets.get(&notice.org_id) else { return Ok(()) };
    let stored = StoredQueue {
        org_id: notice.org_id,
        stream: &notice.stream,
        kind: &notice.queue_type,
        settings: &notice.settings,
        sealed: notice.sealed.as_deref(),
    };
    let target = stored.target(&app.keyring.master, app.config.targets.policy)?;
    let trace = notice.traceparent.as_deref().and_then(TraceContext::parse);
    let Notice { event_id, stream, kind, body, .. } = notice;
    let message = Message { id: *event_id, stream, kind, body, subject: None, trace, anew: false };
    let form = MessageForm::stored(&notice.format, notice.encrypt_to.as_deref())?;
    Sender { org_id: notice.org_id, form, secrets }.send(app, message, &target, TIMEOUT).await
}

async fn take(db: impl PgExecutor<'_>, now: DateTime<Utc>) -> Result<Vec<Notice>, sqlx::Error> {
    sqlx::query_as!(
        Notice,
        r#"
        WITH old AS (DELETE FROM queue_notices WHERE created_at < $4),
        free AS (
            SELECT org_id, event_id FROM queue_notices WHERE held_until <= $1 AND created_at >= $4
            ORDER BY created_at LIMIT $3 FOR UPDATE SKIP LOCKED
        )
        UPDATE queue_notices n SET held_until = $2 FROM free
        WHERE n.org_id = free.org_id AND n.event_id = free.event_id
        RETURNING n.org_id AS "org_id: OrgId", n.event_id, n.stream, n.queue_type, n.settings, n.sealed, n.format,
                  n.encrypt_to, n.type AS kind, n.body, n.traceparent
        "#,
        now,
        now + HOLD,
        LIMIT,
        now - KEPT,
    )
    .fetch_all(db)
    .await
}

async fn forget(db: impl PgExecutor<'_>, org_id: OrgId, event_id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM queue_notices WHERE org_id = $1 AND event_id = $2", org_id.0, event_id)
        .execute(db)
        .await?;
    Ok(())
}
