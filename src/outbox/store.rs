//! The SQL of publishing.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

use super::QueueId;
use crate::ids::OrgId;

/// Failures in a row from which on a queue is probed with one event at a time (contract 6).
pub const DEAD_AFTER: i32 = 20;
/// Between probes of a dead queue.
const PROBE_INTERVAL: TimeDelta = TimeDelta::minutes(1);
/// The time for which a claim holds without being renewed (contract 6).
pub const LEASE: TimeDelta = TimeDelta::seconds(20);

/// An event that is ours to deliver until its lease ends, and where it goes.
#[derive(Debug)]
pub struct Claimed {
    pub org_id: OrgId,
    pub id: Uuid,
    pub stream: String,
    pub kind: String,
    pub body: String,
    pub traceparent: Option<String>,
    pub attempts: i32,
    pub first_attempt_at: DateTime<Utc>,
    pub queue_type: String,
    pub settings: serde_json::Value,
    pub sealed: Option<Vec<u8>>,
    pub format: String,
    pub encrypt_to: Option<String>,
    pub failures: i32,
    /// The time when its queue was last put in place.
    pub put_at: DateTime<Utc>,
}

/// Claims what is due, at most `per_queue` events of a queue and `limit` in all. `only` narrows
/// it to some queues; `full` are those that have enough in flight. The turn goes round: it starts with
/// the queue after `after`.
pub async fn claim(
    db: impl PgExecutor<'_>,
    now: DateTime<Utc>,
    lease: Uuid,
    only: Option<&[QueueId]>,
    full: &[QueueId],
    after: &QueueId,
    (per_queue, limit): (i64, i64),
) -> Result<Vec<Claimed>, sqlx::Error> {
    let (only_orgs, only_streams) = columns(only.unwrap_or_default());
    let (full_orgs, full_streams) = columns(full);
    sqlx::query_as!(
        Claimed,
        r#"
        WITH turn AS (
            (SELECT * FROM event_queues WHERE (org_id, stream) > ($12, $13) ORDER BY org_id, stream)
            UNION ALL
            (SELECT * FROM event_queues WHERE (org_id, stream) <= ($12, $13) ORDER BY org_id, stream)
        ),
        queue AS (
            SELECT * FROM turn
            WHERE paused_at IS NULL AND (paused_until IS NULL OR paused_until <= $1)
                AND (NOT $2 OR (org_id, stream) IN (SELECT * FROM unnest($3::uuid[], $4::text[])))
                AND (org_id, stream) NOT IN (SELECT * FROM unnest($5::uuid[], $6::text[]))
        ),
        due AS (
            SELECT queue.*, event.id FROM queue
            CROSS JOIN LATERAL (
                SELECT id FROM events e
                WHERE e.org_id = queue.org_id AND e.stream = queue.stream
                    AND e.state = 'pending' AND e.next_attempt_at <= $1
                ORDER BY e.next_attempt_at, e.id
                LIMIT CASE WHEN queue.failures >= $7 THEN 1 ELSE $8::bigint END
                FOR UPDATE SKIP LOCKED
            ) AS event
            LIMIT $9
        )
        UPDATE events e
        SET lease = $10, next_attempt_at = $11, first_attempt_at = coalesce(e.first_attempt_at, $1)
        FROM due WHERE e.org_id = due.org_id AND e.id = due.id
        RETURNING e.org_id AS "org_id: OrgId", e.id, e.stream, e.type AS kind, e.body, e.traceparent, e.attempts,
                  e.first_attempt_at AS "first_attempt_at!", due.type AS "queue_type!", due.settings AS "settings!", due.sealed,
                  due.format AS "format!", due.encrypt_to, due.failures AS "failures!", due.updated_at AS "put_at!"
        "#,
        now,
        only.is_some(),
        &only_orgs,
        &only_streams,
        &full_orgs,
        &full_streams,
        DEAD_AFTER,
        per_queue,
        limit,
        lease,
        now + LEASE,
        after.org_id.0,
        after.stream,
    )
    .fetch_all(db)
    .await
}

fn columns(queues: &[QueueId]) -> (Vec<Uuid>, Vec<String>) {
    queues.iter().map(|queue| (queue.org_id.0, queue.stream.clone())).unzip()
}

/// The record of an attempt.
#[derive(Clone, Debug)]
pub struct Closing {
    pub queue: QueueId,
    pub id: Uuid,
    pub lease: Uuid,
    pub at: DateTime<Utc>,
    /// `true` if the queue was known to fail when the event was claimed.
    pub was_failing: bool,
    pub outcome: AttemptOutcome,
    pub health: Health,
}

/// The health of a queue, as an attempt shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It answers: it took the event, or refused this one.
    Healthy,
    /// It does not work.
    Failing,
    /// It works, and has enough for now: until then, if it said so.
    Busy(Option<DateTime<Utc>>),
}

impl Health {
    fn paused_until(self) -> Option<DateTime<Utc>> {
        if let Self::Busy(until) = self { until } else { None }
    }
}

/// The outcome of an attempt.
#[derive(Clone, Debug)]
pub enum AttemptOutcome {
    Delivered,
    Retry { at: DateTime<Utc>, error: String },
    Failed { error: String },
}

impl AttemptOutcome {
    fn state(&self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retry { .. } => "pending",
            Self::Failed { .. } => "failed",
        }
    }

    fn error(&self) -> Option<&str> {
        match self {
            Self::Delivered => None,
            Self::Retry { error, .. } | Self::Failed { error } => Some(error),
        }
    }
}

/// Closes a slice of attempts, each only if its lease is still the event's: a late owner changes
/// nothing. Answers for each whether it did.
pub async fn close(db: impl PgExecutor<'_>, closings: &[Closing]) -> Result<Vec<bool>, sqlx::Error> {
    let next = |closing: &Closing| match closing.outcome {
        AttemptOutcome::Retry { at, .. } => at,
        _ => closing.at,
    };
    let closed = sqlx::query_scalar!(
        r#"
        UPDATE events e
        SET state = c.state, attempts = e.attempts + 1, last_error = c.error, lease = NULL,
            next_attempt_at = c.next, closed_at = CASE WHEN c.state <> 'pending' THEN c.at END
        FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[])
             AS c (org_id, id, lease, state, error, next, at)
        -- By the primary key and no other index. With `e.state = 'pending'`, which a lease implies, or
        -- `=` for the lease, old statistics make the planner walk all of an org's waiting events, or
        -- all of a claim's, for each row (measured: a fifth of the throughput).
        WHERE e.org_id = c.org_id AND e.id = c.id AND e.lease IS NOT DISTINCT FROM c.lease
        RETURNING e.id
        "#,
        &closings.iter().map(|c| c.queue.org_id.0).collect::<Vec<_>>(),
        &closings.iter().map(|c| c.id).collect::<Vec<_>>(),
        &closings.iter().map(|c| c.lease).collect::<Vec<_>>(),
        &closings.iter().map(|c| c.outcome.state().to_owned()).collect::<Vec<_>>(),
        &closings.iter().map(|c| c.outcome.error()).collect::<Vec<_>>() as &[Option<&str>],
        &closings.iter().map(next).collect::<Vec<_>>(),
        &closings.iter().map(|c| c.at).collect::<Vec<_>>(),
    )
    .fetch_all(db)
    .await?;
    let closed: std::collections::HashSet<_> = closed.into_iter().collect();
    Ok(closings.iter().map(|closing| closed.contains(&closing.id)).collect())
}

/// Counts failures in a row of the queues concerned, where one success starts the count anew, and
/// lets those stand still that are dead or asked for time.
pub async fn note_health(db: impl PgExecutor<'_>, closings: &[Closing]) -> Result<(), sqlx::Error> {
    let concerned: Vec<_> =
        closings.iter().filter(|closing| closing.was_failing || closing.health != Health::Healthy).collect();
    let Some(now) = concerned.iter().map(|closing| closing.at).max() else { return Ok(()) };
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
            FROM event_queues q JOIN seen USING (org_id, stream)
            ORDER BY q.org_id, q.stream FOR UPDATE OF q
        )
        UPDATE event_queues q
        SET failures = locked.failures,
            paused_until = CASE WHEN locked.failures >= $6 THEN greatest($7::timestamptz, locked.busy_until)
                                WHEN locked.busy_until IS NOT NULL THEN greatest(q.paused_until, locked.busy_until)
                                -- The end of a dead queue's wait; a receiver's own wish stands.
                                WHEN locked.before < $6 THEN q.paused_until END
        FROM locked WHERE q.org_id = locked.org_id AND q.stream = locked.stream
        "#,
        &concerned.iter().map(|c| c.queue.org_id.0).collect::<Vec<_>>(),
        &concerned.iter().map(|c| c.queue.stream.clone()).collect::<Vec<_>>(),
        &concerned.iter().map(|c| c.health == Health::Healthy).collect::<Vec<_>>(),
        &concerned.iter().map(|c| c.health == Health::Failing).collect::<Vec<_>>(),
        &concerned.iter().map(|c| c.health.paused_until()).collect::<Vec<_>>() as &[Option<DateTime<Utc>>],
        DEAD_AFTER,
        now + PROBE_INTERVAL,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// An event that is being delivered, and by which claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HeldClaim {
    pub org_id: OrgId,
    pub id: Uuid,
    pub lease: Uuid,
}

/// Holds claims for another lease.
pub async fn renew(
    db: impl PgExecutor<'_>,
    held: &[HeldClaim],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    move_due(db, held, now + LEASE).await
}

/// Hands claims back: they are due at once, for whoever comes.
pub async fn release(
    db: impl PgExecutor<'_>,
    held: &[HeldClaim],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    move_due(db, held, now).await
}

async fn move_due(
    db: impl PgExecutor<'_>,
    held: &[HeldClaim],
    due: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        // Those being closed at this moment need no more time, and to wait for each other is a deadlock.
        // The lease is compared as in `close`.
        "WITH held AS (
             SELECT e.org_id, e.id FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS h (org_id, id, lease)
             CROSS JOIN LATERAL (
                 SELECT org_id, id FROM events e
                 WHERE e.org_id = h.org_id AND e.id = h.id AND e.lease IS NOT DISTINCT FROM h.lease
                 FOR UPDATE SKIP LOCKED
             ) AS e
         )
         UPDATE events e SET next_attempt_at = $4 FROM held WHERE e.org_id = held.org_id AND e.id = held.id",
        &held.iter().map(|held| held.org_id.0).collect::<Vec<_>>(),
        &held.iter().map(|held| held.id).collect::<Vec<_>>(),
        &held.iter().map(|held| held.lease).collect::<Vec<_>>(),
        due,
    )
    .execute(db)
    .await?;
    Ok(())
}
