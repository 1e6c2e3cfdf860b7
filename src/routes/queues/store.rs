//! The SQL of queues.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgExecutor};

use super::rules::{QueueAction, QueueNow, QueuePlan, Standing};
use crate::changes::{Changeable, Mandate, change, snapshot};
use crate::error::ApiError;
use crate::events::StreamName;
use crate::events::options::{MessageForm, QueueOptions, QueueOrdering};
use crate::events::targets::DeliveryError;
use crate::http::totals::EXACT_UP_TO;
use crate::ids::OrgId;

/// A queue as it is stored.
#[derive(Debug)]
pub struct QueueRow {
    pub stream: String,
    pub kind: String,
    pub settings: serde_json::Value,
    pub sealed: Option<Vec<u8>>,
    pub expires_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub failures: i32,
    pub paused_until: Option<DateTime<Utc>>,
    pub pause_reason: Option<String>,
    pub event_types: Option<Vec<String>>,
    pub ordering: Option<String>,
    pub format: String,
    pub encrypt_to: Option<String>,
    /// Cut off above [`EXACT_UP_TO`].
    pub waiting: i64,
    /// Cut off above [`EXACT_UP_TO`].
    pub failed: i64,
    /// Cut off above [`EXACT_UP_TO`].
    pub skipped: i64,
    pub lost: i64,
    /// When the oldest event that waits happened. Of those that were tried, the [`LOOKED_AT`] that are due first are
    /// looked at.
    pub oldest_waiting: Option<DateTime<Utc>>,
    /// Attempts within [`SHOWN`].
    pub attempts: i64,
    /// Of these, those that were acknowledged.
    pub delivered: i64,
    /// The attempts by how long they took, in the order of the bounds.
    pub durations: Vec<i64>,
}

impl QueueRow {
    /// The form of its messages.
    ///
    /// # Errors
    /// That it cannot be read.
    pub fn form(&self) -> Result<MessageForm, DeliveryError> {
        MessageForm::stored(&self.format, self.encrypt_to.as_deref())
    }
}

/// Events looked at to find the oldest.
const LOOKED_AT: i64 = 1_000;
/// The time in which attempts are shown (contract 14).
const SHOWN: TimeDelta = TimeDelta::hours(1);

/// The org's queues, or the one of a stream.
pub async fn find(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    stream: Option<&StreamName>,
    now: DateTime<Utc>,
) -> Result<Vec<QueueRow>, sqlx::Error> {
    sqlx::query_as!(
        QueueRow,
        r#"
        SELECT q.stream, q.type AS kind, q.settings, q.sealed, q.expires_at, q.created_at, q.updated_at, q.failures,
               q.paused_until, q.pause_reason, q.event_types, q.ordering, q.format, q.encrypt_to,
               (SELECT count(*) FROM (SELECT FROM events e WHERE e.org_id = q.org_id AND e.stream = q.stream
                                      AND e.state = 'pending' LIMIT $3) AS first) AS "waiting!",
               (SELECT count(*) FROM (SELECT FROM events e WHERE e.org_id = q.org_id AND e.stream = q.stream
                                      AND e.state = 'failed' LIMIT $3) AS first) AS "failed!",
               (SELECT count(*) FROM (SELECT FROM events e WHERE e.org_id = q.org_id AND e.stream = q.stream
                                      AND e.state = 'skipped' LIMIT $3) AS first) AS "skipped!",
               coalesce(l.lost, 0) AS "lost!",
               least((SELECT e.created_at FROM events e WHERE e.org_id = q.org_id AND e.stream = q.stream
                          AND e.state = 'pending' AND e.attempts = 0 ORDER BY e.seq LIMIT 1),
                     (SELECT min(first.created_at) FROM (
                          SELECT e.created_at FROM events e WHERE e.org_id = q.org_id AND e.stream = q.stream
                              AND e.state = 'pending' AND e.attempts > 0 ORDER BY e.next_attempt_at, e.seq LIMIT $4
                      ) AS first)) AS oldest_waiting,
               coalesce(recent.attempts, 0)::bigint AS "attempts!", coalesce(recent.delivered, 0)::bigint AS "delivered!",
               ARRAY(SELECT sum(d.count)::bigint FROM queue_minutes m
                     CROSS JOIN LATERAL unnest(m.durations) WITH ORDINALITY AS d (count, place)
                     WHERE m.org_id = q.org_id AND m.stream = q.stream AND m.minute > $5
                     GROUP BY d.place ORDER BY d.place) AS "durations!"
        FROM event_queues q
        LEFT JOIN event_losses l ON l.org_id = q.org_id AND l.stream = q.stream
        LEFT JOIN LATERAL (
            SELECT sum(m.attempts) AS attempts, sum(m.delivered) AS delivered FROM queue_minutes m
            WHERE m.org_id = q.org_id AND m.stream = q.stream AND m.minute > $5
        ) AS recent ON true
        WHERE q.org_id = $1 AND ($2::text IS NULL OR q.stream = $2)
        ORDER BY q.created_at, q.stream
        "#,
        org_id.0,
        stream.map(StreamName::as_str),
        EXACT_UP_TO + 1,
        LOOKED_AT,
        now - SHOWN,
    )
    .fetch_all(db)
    .await
}

/// The streams of the org whose queues do not stand still.
pub async fn not_paused(db: impl PgExecutor<'_>, org_id: OrgId) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT stream FROM event_queues WHERE org_id = $1 AND pause_reason IS NULL ORDER BY stream",
        org_id.0
    )
    .fetch_all(db)
    .await
}

/// A queue to store.
#[derive(Clone, Debug)]
pub struct NewQueue {
    pub kind: &'static str,
    pub settings: serde_json::Value,
    pub sealed: Option<Vec<u8>>,
    pub expires_at: Option<DateTime<Utc>>,
    pub options: QueueOptions,
}

/// Notices that may wait for an org's old targets: each takes a test event that succeeds, or a call.
const MAX_NOTICES: i64 = 50;

/// A stream's queue, as a change is made to it.
pub struct StreamQueue {
    /// `None` where the name is no stream's.
    pub stream: Option<StreamName>,
    /// The queue that is put in place.
    pub new: Option<NewQueue>,
}

impl Changeable for StreamQueue {
    type Snapshot = Standing;
    type Plan = QueuePlan;
    /// The queue, where there is one now.
    type Done = Option<QueueRow>;

    async fn load(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        now: DateTime<Utc>,
    ) -> Result<Option<Standing>, sqlx::Error> {
        let loaded = snapshot!(
            db,
            mandate,
            now,
            columns = r#"
                EXISTS (SELECT FROM signing_secrets s WHERE s.org_id = o.id AND s.superseded_at IS NULL) AS "has_secret!",
                q.updated_at AS "updated_at?", q.paused_at IS NOT NULL AS "is_paused!""#,
            from = "LEFT JOIN event_queues q ON q.org_id = o.id AND q.stream = given.stream",
            { "stream": "text" = self.stream.as_ref().map(StreamName::as_str) }
        )?;
        let Some((org, rows)) = loaded else { return Ok(None) };
        Ok(rows.into_iter().next().map(|row| Standing {
            org,
            has_secret: row.has_secret,
            queue: row.updated_at.map(|updated_at| QueueNow { updated_at, is_paused: row.is_paused }),
        }))
    }

    async fn apply(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        seen: &Standing,
        plan: QueuePlan,
    ) -> Result<Option<Option<QueueRow>>, ApiError> {
        if !plan.is_done && !self.write(&mut *db, mandate, seen, &plan).await? {
            return Ok(None);
        }
        Ok(Some(find(db, mandate.org_id, Some(&plan.stream), seen.org.now).await?.pop()))
    }
}

impl StreamQueue {
    /// Puts the new queue in place, removes the queue, or lets it stand still or go on. A replaced
    /// queue starts with a clean record; the events of one that is gone wait. What waits for its retry
    /// is woken by all that may help it.
    async fn write(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        seen: &Standing,
        plan: &QueuePlan,
    ) -> Result<bool, sqlx::Error> {
        let (new, subject) = (self.new.as_ref(), plan.subject());
        let options = new.map(|new| &new.options);
        let event =
            plan.kind.event().map(|kind| mandate.draft(seen.org, kind, &subject).on(plan.stream.told_on()));
        change!(
            db,
            &mandate.entry(seen.org, plan.kind.action(), plan.stream.as_str()),
            event = event.as_ref(),
            version = "seq",
            writes = "old AS (
                SELECT q.type, q.settings, q.sealed, q.format, q.encrypt_to FROM event_queues q, change
                WHERE q.org_id = change.org_id AND q.stream = change.queue
            ),
            put AS (
                INSERT INTO event_queues (org_id, stream, type, settings, sealed, expires_at, created_at, updated_at,
                                          event_types, ordering, format, encrypt_to, is_woken)
                SELECT org_id, queue, type, settings, sealed, expires_at, at, at, event_types, ordering, format,
                       encrypt_to, true
                FROM change WHERE type IS NOT NULL
                ON CONFLICT ON CONSTRAINT event_queues_pkey DO UPDATE
                SET type = excluded.type, settings = excluded.settings, sealed = excluded.sealed,
                    expires_at = excluded.expires_at, expiry_told = NULL, updated_at = excluded.updated_at,
                    event_types = excluded.event_types, ordering = excluded.ordering, format = excluded.format,
                    encrypt_to = excluded.encrypt_to,
                    failures = 0, paused_until = NULL, paused_at = NULL, pause_reason = NULL, is_woken = true
            ),
            gone AS (
                DELETE FROM event_queues q USING change
                WHERE q.org_id = change.org_id AND q.stream = change.queue AND change.is_deleted
            ),
            paused AS (
                UPDATE event_queues q SET paused_at = change.at, pause_reason = change.pause_reason FROM change
                WHERE q.org_id = change.org_id AND q.stream = change.queue AND change.pause_reason IS NOT NULL
            ),
            resumed AS (
                UPDATE event_queues q
                SET paused_at = NULL, pause_reason = NULL, paused_until = NULL, is_woken = true,
                    -- An outage that was told is over with the next success, which one failure lets publishers note.
                    failures = CASE WHEN q.failing_since IS NULL THEN 0 ELSE 1 END
                FROM change
                WHERE q.org_id = change.org_id AND q.stream = change.queue AND change.is_resumed
            ),
            noticed AS (
                INSERT INTO queue_notices (org_id, event_id, stream, queue_type, settings, sealed, format, encrypt_to,
                                           type, body, traceparent, created_at, held_until)
                SELECT change.org_id, event_id, queue, old.type, old.settings, old.sealed, old.format, old.encrypt_to,
                       action, event_head || seq || event_tail, traceparent, at, at
                FROM change, old
                WHERE tells_target AND old.type <> 'poll'
                    AND (SELECT count(*) FROM queue_notices n WHERE n.org_id = change.org_id) < max_notices
            )",
            {
                "queue": "text" = plan.stream.as_str(),
                "type": "text" = new.map(|new| new.kind),
                "settings": "jsonb" = new.map(|new| &new.settings),
                "sealed": "bytea" = new.and_then(|new| new.sealed.as_deref()),
                "expires_at": "timestamptz" = new.and_then(|new| new.expires_at),
                "event_types": "text[]" = options.and_then(|options| options.event_types.as_deref()),
                "ordering": "text" = options.and_then(|options| options.ordering).map(QueueOrdering::name),
                "format": "text" = options.map(|options| options.form.format.name()),
                "encrypt_to": "text" =
                    options.and_then(|options| options.form.encrypt_to).map(|encrypt_to| encrypt_to.text()),
                "is_deleted": "boolean" = plan.kind == QueueAction::Delete,
                "pause_reason": "text" = plan.kind.pause_reason().map(|reason| reason.name()),
                "is_resumed": "boolean" = plan.kind == QueueAction::Resume,
                "tells_target": "boolean" = plan.kind.notifies_the_target(),
                "max_notices": "bigint" = MAX_NOTICES,
            }
        )
    }
}

/// Notes that a test event arrived: the queue's record is clean, and what waits for its retry is
/// tried now. A queue that stands still goes on doing so.
pub async fn proven(db: impl PgExecutor<'_>, org_id: OrgId, stream: &StreamName) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE event_queues SET failures = 0, paused_until = NULL, is_woken = true WHERE org_id = $1 AND stream = $2",
        org_id.0,
        stream.as_str(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Attempts of a minute.
pub struct MinuteRow {
    /// Its beginning.
    pub minute: DateTime<Utc>,
    /// How many.
    pub attempts: i64,
    /// Of these, those that were acknowledged.
    pub delivered: i64,
    /// All by how long they took, in the order of the bounds.
    pub durations: Vec<i64>,
}

/// The minutes from `first` on in which something was tried; `None` if the stream has no queue.
pub async fn minutes(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    stream: &StreamName,
    first: DateTime<Utc>,
) -> Result<Option<Vec<MinuteRow>>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        SELECT m.minute AS "minute?", m.attempts AS "attempts?", m.delivered AS "delivered?",
               m.durations::bigint[] AS "durations?"
        FROM event_queues q
        LEFT JOIN queue_minutes m ON m.org_id = q.org_id AND m.stream = q.stream AND m.minute >= $3
        WHERE q.org_id = $1 AND q.stream = $2
        ORDER BY m.minute
        "#,
        org_id.0,
        stream.as_str(),
        first,
    )
    .fetch_all(db)
    .await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let counted = rows.into_iter().filter_map(|row| {
        let (minute, attempts, delivered, durations) =
            (row.minute?, row.attempts?, row.delivered?, row.durations?);
        Some(MinuteRow { minute, attempts, delivered, durations })
    });
    Ok(Some(counted.collect()))
}
