//! Holding queues. Whoever holds a queue is the one publisher that delivers its events: a lease of 20 s on
//! its row (contract 6), renewed while there is work, given back when there is none.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{QueueId, columns, shard_by_shard};
use crate::db::Db;
use crate::db::distribution::{by_shard, or_nothing};
use crate::ids::OrgId;

/// The time for which a hold lasts without being renewed.
pub const LEASE: TimeDelta = TimeDelta::seconds(20);

/// A queue that is ours until its lease ends.
#[derive(Clone, Debug)]
pub struct HeldQueue {
    pub org_id: OrgId,
    pub stream: String,
    pub queue_type: String,
    pub settings: serde_json::Value,
    pub sealed: Option<Vec<u8>>,
    pub failures: i32,
    /// The time when it was last put in place.
    pub put_at: DateTime<Utc>,
    pub event_types: Option<Vec<String>>,
    pub ordering: Option<String>,
    pub format: String,
    pub encrypt_to: Option<String>,
}

/// The queues to look at for some to hold.
#[derive(Debug)]
pub struct Search {
    /// Queues to look at from where their fresh events were read up to.
    pub known: Vec<(QueueId, i64)>,
    /// Where to begin with all others, and go round; `None`: only those that are known.
    pub others_after: Option<QueueId>,
    /// The most to hold.
    pub limit: i64,
}

impl Search {
    /// Those that it names.
    pub fn named(&self) -> impl Iterator<Item = &QueueId> {
        self.known.iter().map(|(queue, _)| queue)
    }
}

/// Holds queues that nobody holds, that do not stand still and have something due.
///
/// Of a known queue, fresh events are looked for from where they were read last: before that lie the dead entries of all
/// that was delivered since some long transaction began. The others are found by leaps, from a queue to the next event
/// that waits, from there to the next queue: what it costs is the fewer of the two, so thousands of idle queues cost
/// nothing. Leaps stay in the gaps between queues that are known or held, so they never walk over dead entries of those.
pub async fn hold(
    db: &Db,
    holder: Uuid,
    now: DateTime<Utc>,
    search: &Search,
) -> Result<Vec<HeldQueue>, sqlx::Error> {
    if db.is_distributed().await? {
        return shard_by_shard::hold(db, holder, now, search).await;
    }
    let (orgs, streams) = columns(search.named());
    let begin = search.others_after.as_ref();
    sqlx::query_as!(
        HeldQueue,
        r#"
        WITH RECURSIVE known AS MATERIALIZED (
            SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS k (org_id, stream, seq)
        ),
        held AS MATERIALIZED (
            SELECT array_agg(q.org_id) AS orgs, array_agg(q.stream) AS streams FROM event_queues q WHERE q.held_until > $7
        ),
        border AS (
            SELECT org_id, stream FROM known
            UNION
            -- Of arrays the planner expects few rows. If it expected many leaps, it would spend a second on compiling them.
            SELECT h.org_id, h.stream FROM held CROSS JOIN LATERAL unnest(held.orgs, held.streams) AS h (org_id, stream)
            UNION
            SELECT '00000000-0000-0000-0000-000000000000', ''
        ),
        span AS (
            SELECT org_id, stream, lead(org_id, 1, 'ffffffff-ffff-ffff-ffff-ffffffffffff') OVER in_order AS to_org,
                   lead(stream, 1, '') OVER in_order AS to_stream
            FROM border WHERE $4::uuid IS NOT NULL WINDOW in_order AS (ORDER BY org_id, stream)
        ),
        gap AS MATERIALIZED (
            SELECT b.*, false AS has_some, NULL::timestamptz AS due_at FROM span b
            WHERE coalesce((SELECT true FROM event_queues q
                            WHERE (q.org_id, q.stream) > (b.org_id, b.stream) AND (q.org_id, q.stream) < (b.to_org, b.to_stream)
                            ORDER BY q.org_id, q.stream LIMIT 1), false)
            ORDER BY (b.org_id, b.stream) < ($4, $5), b.org_id, b.stream
        ),
        fresh AS (
            SELECT * FROM gap
            UNION ALL
            SELECT event.org_id, event.stream, place.to_org, place.to_stream, true, NULL FROM fresh place
            CROSS JOIN LATERAL (
                SELECT q.org_id, q.stream FROM event_queues q
                WHERE (q.org_id, q.stream) > (place.org_id, place.stream)
                    AND (q.org_id, q.stream) < (place.to_org, place.to_stream)
                ORDER BY q.org_id, q.stream LIMIT 1
            ) AS queue
            CROSS JOIN LATERAL (
                SELECT e.org_id, e.stream FROM events e
                WHERE e.state = 'pending' AND e.attempts = 0 AND (e.org_id, e.stream) >= (queue.org_id, queue.stream)
                    AND (e.org_id, e.stream) < (place.to_org, place.to_stream)
                ORDER BY e.org_id, e.stream, e.seq LIMIT 1
            ) AS event
        ),
        retried AS (
            SELECT * FROM gap
            UNION ALL
            SELECT event.org_id, event.stream, place.to_org, place.to_stream, true, event.next_attempt_at FROM retried place
            CROSS JOIN LATERAL (
                SELECT q.org_id, q.stream FROM event_queues q
                WHERE (q.org_id, q.stream) > (place.org_id, place.stream)
                    AND (q.org_id, q.stream) < (place.to_org, place.to_stream)
                ORDER BY q.org_id, q.stream LIMIT 1
            ) AS queue
            CROSS JOIN LATERAL (
                SELECT e.org_id, e.stream, e.next_attempt_at FROM events e
                WHERE e.state = 'pending' AND e.attempts > 0 AND (e.org_id, e.stream) >= (queue.org_id, queue.stream)
                    AND (e.org_id, e.stream) < (place.to_org, place.to_stream)
                ORDER BY e.org_id, e.stream, e.next_attempt_at, e.seq LIMIT 1
            ) AS event
        ),
        candidate AS (
            SELECT known.org_id, known.stream FROM known
            WHERE coalesce((SELECT true FROM events e
                            WHERE e.org_id = known.org_id AND e.stream = known.stream AND e.state = 'pending'
                                AND e.attempts = 0 AND e.seq > known.seq
                            LIMIT 1), false)
                OR coalesce((SELECT true FROM events e
                             WHERE e.org_id = known.org_id AND e.stream = known.stream AND e.state = 'pending'
                                 AND e.attempts > 0 AND e.next_attempt_at <= $7
                             LIMIT 1), false)
            UNION ALL
            SELECT org_id, stream FROM fresh WHERE has_some
            UNION ALL
            SELECT org_id, stream FROM retried
            WHERE due_at <= $7
                -- Not once more: the limit counts.
                AND NOT coalesce((SELECT true FROM events e
                                  WHERE e.org_id = retried.org_id AND e.stream = retried.stream AND e.state = 'pending'
                                      AND e.attempts = 0
                                  LIMIT 1), false)
        ),
        due AS MATERIALIZED (
            SELECT q.org_id, q.stream FROM candidate CROSS JOIN LATERAL (
                SELECT q.org_id, q.stream FROM event_queues q
                WHERE q.org_id = candidate.org_id AND q.stream = candidate.stream
                    AND q.type <> 'poll' AND q.paused_at IS NULL AND (q.paused_until IS NULL OR q.paused_until <= $7)
                    AND (q.held_until IS NULL OR q.held_until <= $7)
                LIMIT 1
            ) AS q
            LIMIT $6
        ),
        free AS (
            SELECT q.org_id, q.stream FROM due CROSS JOIN LATERAL (
                SELECT q.org_id, q.stream FROM event_queues q
                WHERE q.org_id = due.org_id AND q.stream = due.stream AND (q.held_until IS NULL OR q.held_until <= $7)
                LIMIT 1 FOR UPDATE SKIP LOCKED
            ) AS q
        )
        UPDATE event_queues q SET holder = $8, held_until = $9
        FROM free WHERE q.org_id = free.org_id AND q.stream = free.stream
        RETURNING q.org_id AS "org_id: OrgId", q.stream, q.type AS queue_type, q.settings, q.sealed, q.failures,
                  q.updated_at AS put_at, q.event_types, q.ordering, q.format, q.encrypt_to
        "#,
        &orgs,
        &streams,
        &search.known.iter().map(|(_, seq)| *seq).collect::<Vec<_>>(),
        begin.map(|queue| queue.org_id.0),
        begin.map(|queue| &*queue.stream),
        search.limit,
        now,
        holder,
        now + LEASE,
    )
    .fetch_all(&db.pool)
    .await
}

/// The statement of [`registered`]; `of_shard` is what it says of the orgs besides.
macro_rules! registered {
    (of_shard = $scope:tt, $queues:expr) => {{
        let (orgs, streams) = columns($queues);
        let found = sqlx::query!(
            r#"
            SELECT q.org_id AS "org_id: OrgId", q.stream FROM event_queues q
            JOIN unnest($1::uuid[], $2::text[]) AS asked (org_id, stream) USING (org_id, stream)
            WHERE q.type <> 'poll'"#
                + $scope,
            &orgs,
            &streams,
        );
        found.map(|row| QueueId { org_id: row.org_id, stream: row.stream.into() })
    }};
}

/// Which of these are there, and deliver: whoever fetches is not delivered to.
pub async fn registered<'q>(
    db: &Db,
    queues: impl Iterator<Item = &'q QueueId>,
) -> Result<HashSet<QueueId>, sqlx::Error> {
    if !db.is_distributed().await? {
        let rows = registered!(of_shard = "", queues).fetch_all(&db.pool).await?;
        return Ok(rows.into_iter().collect());
    }
    let mut there = HashSet::new();
    for queues in by_shard(&db.pool, queues, |queue| queue.org_id).await? {
        let of_shard = registered!(of_shard = " AND q.org_id = ANY ($1::uuid[])", queues);
        there.extend(or_nothing(of_shard.fetch_all(&db.pool).await)?);
    }
    Ok(there)
}

/// The statement of [`renew`]; `of_shard` is what it says of the orgs besides.
macro_rules! renew {
    (of_shard = $scope:tt, $holder:expr, $queues:expr, $until:expr) => {{
        let (orgs, streams) = columns($queues);
        let renewed = sqlx::query!(
            r#"
            WITH held AS (
                SELECT q.org_id, q.stream FROM event_queues q
                JOIN unnest($2::uuid[], $3::text[]) AS h (org_id, stream) USING (org_id, stream)
                WHERE q.holder = $1"#
                + $scope
                + r#" ORDER BY q.org_id, q.stream FOR UPDATE OF q
            )
            UPDATE event_queues q SET held_until = $4
            FROM held WHERE q.org_id = held.org_id AND q.stream = held.stream"#
                + $scope
                + r#"
            RETURNING q.org_id AS "org_id: OrgId", q.stream
            "#,
            $holder,
            &orgs,
            &streams,
            $until,
        );
        renewed.map(|row| QueueId { org_id: row.org_id, stream: row.stream.into() })
    }};
}

/// Keeps queues for another lease; gives those that are still the holder's.
pub async fn renew(
    db: &Db,
    holder: Uuid,
    queues: &[QueueId],
    now: DateTime<Utc>,
) -> Result<Vec<QueueId>, sqlx::Error> {
    let until = now + LEASE;
    if !db.is_distributed().await? {
        return renew!(of_shard = "", holder, queues, until).fetch_all(&db.pool).await;
    }
    let mut renewed = Vec::with_capacity(queues.len());
    for queues in by_shard(&db.pool, queues, |queue| queue.org_id).await? {
        let of_shard = renew!(of_shard = " AND q.org_id = ANY ($2::uuid[])", holder, queues, until);
        renewed.extend(or_nothing(of_shard.fetch_all(&db.pool).await)?);
    }
    Ok(renewed)
}

/// The statement of [`release`]; `of_shard` is what it says of the orgs besides.
macro_rules! release {
    (of_shard = $scope:tt, $holder:expr, $queues:expr) => {{
        let (orgs, streams) = columns($queues);
        sqlx::query!(
            "WITH held AS (
                 SELECT q.org_id, q.stream FROM event_queues q
                 JOIN unnest($2::uuid[], $3::text[]) AS h (org_id, stream) USING (org_id, stream)
                 WHERE q.holder = $1"
                + $scope
                + " ORDER BY q.org_id, q.stream FOR UPDATE OF q
             )
             UPDATE event_queues q SET holder = NULL, held_until = NULL
             FROM held WHERE q.org_id = held.org_id AND q.stream = held.stream"
                + $scope,
            $holder,
            &orgs,
            &streams,
        )
    }};
}

/// Gives queues back: whoever comes may hold them. Those of a worker that is away are free when their lease ends.
pub async fn release(db: &Db, holder: Uuid, queues: &[QueueId]) -> Result<(), sqlx::Error> {
    if !db.is_distributed().await? {
        return release!(of_shard = "", holder, queues).execute(&db.pool).await.map(drop);
    }
    for queues in by_shard(&db.pool, queues, |queue| queue.org_id).await? {
        let of_shard = release!(of_shard = " AND q.org_id = ANY ($2::uuid[])", holder, queues);
        or_nothing(of_shard.execute(&db.pool).await.map(drop))?;
    }
    Ok(())
}
