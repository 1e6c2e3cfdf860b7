//! Noting what became of attempts: one write an event, when its attempt is over.

use std::collections::HashSet;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::QueueId;
use crate::db::distribution::{by_shard, or_nothing};

/// Failures in a row from which on a queue is probed with one event at a time (contract 6).
pub const DEAD_AFTER: i32 = 20;
/// Between probes of a dead queue.
pub const PROBE_INTERVAL: TimeDelta = TimeDelta::minutes(1);
/// Attempts that are shown of an event (contract 14).
pub const SHOWN: i32 = 20;

/// The record of an attempt.
#[derive(Clone, Debug)]
pub struct Closing {
    pub queue: QueueId,
    /// Who held the queue.
    pub holder: Uuid,
    pub id: Uuid,
    /// With `attempts`, tells that the event is as it was read: not replayed, and not tried by another.
    pub seq: i64,
    pub attempts: i32,
    pub began_at: DateTime<Utc>,
    pub at: DateTime<Utc>,
    /// `true` if the queue was known to fail when the attempt began.
    pub was_failing: bool,
    pub outcome: AttemptOutcome,
    pub health: Health,
    /// `None` where there was no attempt, because the queue does not take the type.
    pub delivery: Option<DeliveryRecord>,
}

/// An attempt as it is shown (contract 14).
#[derive(Clone, Debug, Serialize)]
pub struct DeliveryRecord {
    pub attempt: i32,
    /// When it began.
    #[serde(serialize_with = "in_millis")]
    pub at: DateTime<Utc>,
    pub duration_ms: u64,
    /// Of an HTTP answer.
    pub status: Option<u16>,
    pub error: Option<String>,
}

fn in_millis<S: serde::Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&shown(*at))
}

/// The beginning of an attempt, as it is kept and shown.
pub fn shown(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The health of a queue, as an attempt shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It answers: it took the event, or refused this one.
    Healthy,
    /// It does not work.
    Failing,
    /// It works, and has enough for now: until then.
    Busy(DateTime<Utc>),
    /// It was not asked.
    Unknown,
}

impl Health {
    fn paused_until(self) -> Option<DateTime<Utc>> {
        if let Self::Busy(until) = self { Some(until) } else { None }
    }
}

/// The outcome of an attempt.
#[derive(Clone, Debug)]
pub enum AttemptOutcome {
    Delivered,
    Retry {
        at: DateTime<Utc>,
        error: String,
    },
    /// The receiver has enough for now: it is asked again, which uses up no retry.
    Deferred {
        at: DateTime<Utc>,
        error: String,
    },
    Failed {
        error: String,
    },
    /// The queue does not take its type.
    Skipped,
}

impl AttemptOutcome {
    fn state(&self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retry { .. } | Self::Deferred { .. } => "pending",
            Self::Failed { .. } => "failed",
            Self::Skipped => "skipped",
        }
    }

    fn error(&self) -> Option<&str> {
        match self {
            Self::Delivered | Self::Skipped => None,
            Self::Retry { error, .. } | Self::Deferred { error, .. } | Self::Failed { error } => Some(error),
        }
    }

    fn next_attempt_at(&self) -> Option<DateTime<Utc>> {
        if let Self::Retry { at, .. } | Self::Deferred { at, .. } = self { Some(*at) } else { None }
    }
}

/// The statement of [`close`]. `events` and `queues` are what it says of the orgs besides, of each table.
macro_rules! close {
    ($closings:expr, events = $events:tt, queues = $queues:tt) => {{
        let closings = $closings;
        let record = |closing: &Closing| closing.delivery.as_ref().map(|it| serde_json::json!([it]));
        sqlx::query_scalar!(
            r#"
        UPDATE events e
        SET state = c.state, attempts = e.attempts + c.counts, deferrals = e.deferrals + c.is_deferred::integer,
            last_error = c.error, lease = NULL, next_attempt_at = coalesce(c.next, c.at),
            closed_at = CASE WHEN c.state <> 'pending' THEN c.at END,
            first_attempt_at = coalesce(e.first_attempt_at, CASE WHEN c.counts > 0 THEN c.began_at END),
            deliveries = CASE WHEN e.deliveries IS NULL THEN c.delivery
                              WHEN jsonb_array_length(e.deliveries) < $14 THEN e.deliveries || coalesce(c.delivery, '[]')
                              ELSE (e.deliveries - 0) || coalesce(c.delivery, '[]') END
        FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::bigint[], $6::integer[], $7::text[], $8::boolean[],
                    $9::text[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[], $13::jsonb[])
             AS closing (org_id, stream, holder, id, seq, attempts, state, is_deferred, error, next, began_at, at, delivery)
        CROSS JOIN LATERAL (SELECT closing.*, CASE WHEN closing.delivery IS NULL THEN 0 ELSE 1 END AS counts) AS c
        -- By the primary key and no other index. With `e.state = 'pending'`, old statistics make the
        -- planner walk all of an org's waiting events for each row (measured: a fifth of the throughput).
        WHERE e.org_id = c.org_id AND e.id = c.id"# + $events + r#" AND e.seq IS NOT DISTINCT FROM c.seq
            AND e.attempts IS NOT DISTINCT FROM c.attempts AND e.state IS NOT DISTINCT FROM 'pending'
            AND NOT EXISTS (SELECT FROM event_queues q
                            WHERE q.org_id = c.org_id AND q.stream = c.stream AND q.holder <> c.holder"# + $queues + r#")
        RETURNING e.id
        "#,
            &closings.iter().map(|c| c.queue.org_id.0).collect::<Vec<_>>(),
            &closings.iter().map(|c| c.queue.stream.to_string()).collect::<Vec<_>>(),
            &closings.iter().map(|c| c.holder).collect::<Vec<_>>(),
            &closings.iter().map(|c| c.id).collect::<Vec<_>>(),
            &closings.iter().map(|c| c.seq).collect::<Vec<_>>(),
            &closings.iter().map(|c| c.attempts).collect::<Vec<_>>(),
            &closings.iter().map(|c| c.outcome.state().to_owned()).collect::<Vec<_>>(),
            &closings.iter().map(|c| matches!(c.outcome, AttemptOutcome::Deferred { .. })).collect::<Vec<_>>(),
            &closings.iter().map(|c| c.outcome.error()).collect::<Vec<_>>() as &[Option<&str>],
            &closings.iter().map(|c| c.outcome.next_attempt_at()).collect::<Vec<_>>() as &[Option<DateTime<Utc>>],
            &closings.iter().map(|c| c.began_at).collect::<Vec<_>>(),
            &closings.iter().map(|c| c.at).collect::<Vec<_>>(),
            &closings.iter().map(|c| record(c)).collect::<Vec<_>>() as &[Option<serde_json::Value>],
            SHOWN,
        )
    }};
}

/// Closes a slice of attempts, each only if its event is as it was read and nobody else holds its queue: a late owner
/// changes nothing. Answers for each whether it did. Of distributed tables by one statement for each shard, which goes
/// to its worker whole.
pub async fn close(
    db: &mut PgConnection,
    is_distributed: bool,
    closings: &[Closing],
) -> Result<Vec<bool>, sqlx::Error> {
    let mut closed = HashSet::new();
    if is_distributed {
        for closings in by_shard(&mut *db, closings, |closing| closing.queue.org_id).await? {
            let of_shard = close!(
                &closings,
                events = " AND e.org_id = ANY ($1::uuid[])",
                queues = " AND q.org_id = ANY ($1::uuid[])"
            );
            closed.extend(or_nothing(of_shard.fetch_all(&mut *db).await)?);
        }
    } else {
        closed.extend(close!(closings, events = "", queues = "").fetch_all(db).await?);
    }
    Ok(closings.iter().map(|closing| closed.contains(&closing.id)).collect())
}

/// The statement of [`note_health`]. `locked` and `changed` are what it says of the orgs besides.
macro_rules! note_health {
    ($concerned:expr, $now:expr, locked = $locked:tt, changed = $changed:tt) => {
        sqlx::query!(
            r#"
        WITH seen AS (
            SELECT org_id, stream, bool_or(well) AS well, count(*) FILTER (WHERE unwell) AS failed, max(busy_until) AS busy_until
            FROM unnest($1::uuid[], $2::text[], $3::boolean[], $4::boolean[], $5::timestamptz[])
                 AS s (org_id, stream, well, unwell, busy_until)
            GROUP BY org_id, stream
        ),
        locked AS (
            SELECT q.org_id, q.stream, q.failures AS before, seen.busy_until,
                   CASE WHEN seen.well THEN 0 ELSE (q.failures + seen.failed)::integer END AS failures
            FROM event_queues q JOIN seen USING (org_id, stream)"# + $locked + r#"
            ORDER BY q.org_id, q.stream FOR UPDATE OF q
        )
        UPDATE event_queues q
        SET failures = locked.failures,
            paused_until = CASE WHEN locked.failures >= $6 THEN greatest($7::timestamptz, locked.busy_until)
                                WHEN locked.busy_until IS NOT NULL THEN greatest(q.paused_until, locked.busy_until)
                                -- The end of a dead queue's wait; a receiver's own wish stands.
                                WHEN locked.before < $6 THEN q.paused_until END
        FROM locked WHERE q.org_id = locked.org_id AND q.stream = locked.stream"# + $changed + r#"
        "#,
            &$concerned.iter().map(|c| c.queue.org_id.0).collect::<Vec<_>>(),
            &$concerned.iter().map(|c| c.queue.stream.to_string()).collect::<Vec<_>>(),
            &$concerned.iter().map(|c| c.health == Health::Healthy).collect::<Vec<_>>(),
            &$concerned.iter().map(|c| c.health == Health::Failing).collect::<Vec<_>>(),
            &$concerned.iter().map(|c| c.health.paused_until()).collect::<Vec<_>>() as &[Option<DateTime<Utc>>],
            DEAD_AFTER,
            $now + PROBE_INTERVAL,
        )
    };
}

/// Counts failures in a row of the queues concerned, where one success starts the count anew, and lets those stand still
/// that are dead or asked for time.
pub async fn note_health(
    db: &mut PgConnection,
    is_distributed: bool,
    closings: &[Closing],
) -> Result<(), sqlx::Error> {
    let concerned: Vec<_> = closings
        .iter()
        .filter(|closing| {
            closing.health != Health::Unknown && (closing.was_failing || closing.health != Health::Healthy)
        })
        .collect();
    let Some(now) = concerned.iter().map(|closing| closing.at).max() else { return Ok(()) };
    if !is_distributed {
        return note_health!(concerned, now, locked = "", changed = "").execute(db).await.map(drop);
    }
    for concerned in by_shard(&mut *db, concerned, |closing| closing.queue.org_id).await? {
        let of_shard = note_health!(
            concerned,
            now,
            locked = " WHERE q.org_id = ANY ($1::uuid[])",
            changed = " AND q.org_id = ANY ($1::uuid[])"
        );
        or_nothing(of_shard.execute(&mut *db).await.map(drop))?;
    }
    Ok(())
}
