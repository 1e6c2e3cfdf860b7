//! Holding queues of a distributed database, where rows can be locked by statements for the orgs of one shard alone,
//! which go to its worker whole: queues are found on all workers at once, and then held shard by shard.

use chrono::{DateTime, Utc};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use uuid::Uuid;

use super::holds::{HeldQueue, LEASE, Search};
use super::{AT_ONCE, columns};
use crate::db::Db;
use crate::db::distribution::by_shard;
use crate::ids::OrgId;

/// A queue that has something due.
struct Found {
    org_id: OrgId,
    stream: String,
}

/// [`holds::hold`](super::holds::hold). Each worker asks for each of its queues that nobody holds whether it has an event;
/// how far a queue was read is not used.
pub(super) async fn hold(
    db: &Db,
    holder: Uuid,
    now: DateTime<Utc>,
    search: &Search,
) -> Result<Vec<HeldQueue>, sqlx::Error> {
    let found = find(db, now, search).await?;
    let shards = by_shard(&db.pool, found, |queue| queue.org_id).await?;
    let taken: Vec<_> = shards.iter().map(|queues| take(db, queues, holder, now)).collect();
    let taken: Vec<_> = stream::iter(taken).buffered(AT_ONCE).try_collect().await?;
    Ok(taken.into_iter().flatten().collect())
}

/// Queues that nobody holds, that do not stand still and have something due, from where the search begins, round about.
async fn find(db: &Db, now: DateTime<Utc>, search: &Search) -> Result<Vec<Found>, sqlx::Error> {
    let (orgs, streams) = columns(search.named());
    let begin = search.others_after.as_ref();
    sqlx::query_as!(
        Found,
        r#"
        SELECT q.org_id AS "org_id!: OrgId", q.stream AS "stream!"
        FROM (
            SELECT q.org_id, q.stream FROM event_queues q
            WHERE q.type <> 'poll' AND q.paused_at IS NULL AND (q.paused_until IS NULL OR q.paused_until <= $1)
                AND (q.held_until IS NULL OR q.held_until <= $1) AND ($2 OR q.org_id = ANY ($3::uuid[]))
                AND EXISTS (SELECT FROM events e WHERE e.org_id = q.org_id AND e.stream = q.stream
                            AND e.state = 'pending' AND e.attempts = 0)
            UNION
            SELECT q.org_id, q.stream FROM event_queues q
            WHERE q.type <> 'poll' AND q.paused_at IS NULL AND (q.paused_until IS NULL OR q.paused_until <= $1)
                AND (q.held_until IS NULL OR q.held_until <= $1) AND ($2 OR q.org_id = ANY ($3::uuid[]))
                AND EXISTS (SELECT FROM events e WHERE e.org_id = q.org_id AND e.stream = q.stream
                            AND e.state = 'pending' AND e.attempts > 0 AND e.next_attempt_at <= $1)
        ) AS q
        WHERE $2 OR (q.org_id, q.stream) IN (SELECT * FROM unnest($3::uuid[], $4::text[]))
        ORDER BY (q.org_id, q.stream) < ($5::uuid, $6::text), q.org_id, q.stream LIMIT $7
        "#,
        now,
        begin.is_some(),
        &orgs,
        &streams,
        begin.map(|queue| queue.org_id.0),
        begin.map(|queue| &*queue.stream),
        search.limit,
    )
    .fetch_all(&db.pool)
    .await
}

/// Holds queues of one shard, but those that somebody else was faster with or is about to be.
async fn take(
    db: &Db,
    queues: &[Found],
    holder: Uuid,
    now: DateTime<Utc>,
) -> Result<Vec<HeldQueue>, sqlx::Error> {
    sqlx::query_as!(
        HeldQueue,
        r#"
        UPDATE event_queues q SET holder = $3, held_until = $5
        WHERE q.org_id = ANY ($1::uuid[]) AND q.ctid = ANY (ARRAY(
            SELECT f.ctid FROM event_queues f JOIN unnest($1::uuid[], $2::text[]) AS w (org_id, stream) USING (org_id, stream)
            WHERE f.org_id = ANY ($1::uuid[]) AND f.type <> 'poll' AND f.paused_at IS NULL
                AND (f.paused_until IS NULL OR f.paused_until <= $4) AND (f.held_until IS NULL OR f.held_until <= $4)
            FOR UPDATE OF f SKIP LOCKED))
        RETURNING q.org_id AS "org_id: OrgId", q.stream, q.type AS queue_type, q.settings, q.sealed, q.failures,
                  q.updated_at AS put_at, q.event_types, q.ordering, q.format, q.encrypt_to
        "#,
        &queues.iter().map(|queue| queue.org_id.0).collect::<Vec<_>>(),
        &queues.iter().map(|queue| queue.stream.clone()).collect::<Vec<_>>(),
        holder,
        now,
        now + LEASE,
    )
    .fetch_all(&db.pool)
    .await
}
