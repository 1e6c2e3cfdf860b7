//! Holding queues of a distributed database, where rows can be locked by statements for the orgs of one shard alone,
//! which go to its worker whole: queues are found on all workers at once, and then held shard by shard. Those of a worker
//! that is away wait for it, and no others.

use chrono::{DateTime, Utc};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use uuid::Uuid;

use super::holds::{HeldQueue, LEASE, Search};
use super::{AT_ONCE, QueueId, columns};
use crate::clock::rfc3339;
use crate::db::Db;
use crate::db::distribution::{ask_each_part, by_shard, is_worker_away, or_nothing};
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
    let found = match &search.others_after {
        None => find_known(db, now, search).await?,
        Some(begin) => find_all(db, now, begin, search).await?,
    };
    let shards = by_shard(&db.pool, found, |queue| queue.org_id).await?;
    let taken: Vec<_> = shards.iter().map(|queues| take(db, queues, holder, now)).collect();
    let taken: Vec<_> = stream::iter(taken).buffered(AT_ONCE).try_collect().await?;
    Ok(taken.into_iter().flatten().collect())
}

/// Queues that nobody holds, that do not stand still and have something due: with `begin` all, from there round about,
/// and without those that are named. `of_shard` is what it says of the orgs besides.
macro_rules! find {
    ($queues:expr, begin = $begin:expr, $now:expr, $limit:expr, of_shard = $scope:tt) => {{
        let (orgs, streams) = columns($queues);
        let begin: Option<&QueueId> = $begin;
        sqlx::query_as!(
            Found,
            r#"
        SELECT q.org_id AS "org_id!: OrgId", q.stream AS "stream!"
        FROM (
            SELECT q.org_id, q.stream FROM event_queues q
            WHERE q.type <> 'poll' AND q.paused_at IS NULL AND (q.paused_until IS NULL OR q.paused_until <= $1)
                AND (q.held_until IS NULL OR q.held_until <= $1)
                AND EXISTS (SELECT FROM events e WHERE e.org_id = q.org_id AND e.stream = q.stream
                            AND e.state = 'pending' AND e.attempts = 0)"#
                + $scope
                + r#"
            UNION
            SELECT q.org_id, q.stream FROM event_queues q
            WHERE q.type <> 'poll' AND q.paused_at IS NULL AND (q.paused_until IS NULL OR q.paused_until <= $1)
                AND (q.held_until IS NULL OR q.held_until <= $1)
                AND EXISTS (SELECT FROM events e WHERE e.org_id = q.org_id AND e.stream = q.stream
                            AND e.state = 'pending' AND e.attempts > 0 AND e.next_attempt_at <= $1)"#
                + $scope
                + r#"
        ) AS q
        WHERE $2 OR (q.org_id, q.stream) IN (SELECT * FROM unnest($3::uuid[], $4::text[]))
        ORDER BY (q.org_id, q.stream) < ($5::uuid, $6::text), q.org_id, q.stream LIMIT $7
        "#,
            $now,
            begin.is_some(),
            &orgs,
            &streams,
            begin.map(|queue| queue.org_id.0),
            begin.map(|queue| &*queue.stream),
            $limit,
        )
    }};
}

/// Of the queues that the search names, by a statement for each shard, which goes to its worker whole.
async fn find_known(db: &Db, now: DateTime<Utc>, search: &Search) -> Result<Vec<Found>, sqlx::Error> {
    let shards = by_shard(&db.pool, search.named(), |queue| queue.org_id).await?;
    let found: Vec<_> =
        shards.into_iter().map(|queues| find_of_shard(db, now, queues, search.limit)).collect();
    let found: Vec<_> = stream::iter(found).buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().take(at_most(search.limit)).collect())
}

async fn find_of_shard(
    db: &Db,
    now: DateTime<Utc>,
    queues: Vec<&QueueId>,
    limit: i64,
) -> Result<Vec<Found>, sqlx::Error> {
    let found = find!(queues, begin = None, now, limit, of_shard = " AND q.org_id = ANY ($3::uuid[])");
    or_nothing(found.fetch_all(&db.pool).await)
}

fn at_most(limit: i64) -> usize {
    usize::try_from(limit).unwrap_or_default()
}

/// Of all queues.
async fn find_all(
    db: &Db,
    now: DateTime<Utc>,
    begin: &QueueId,
    search: &Search,
) -> Result<Vec<Found>, sqlx::Error> {
    let found = find!(search.named(), begin = Some(begin), now, search.limit, of_shard = "");
    match found.fetch_all(&db.pool).await {
        Err(error) if is_worker_away(&error) => {
            tracing::warn!(%error, "a worker is away: queues are looked for on the others");
            find_on_others(db, now, begin, search.limit).await
        }
        found => found,
    }
}

/// Of all queues of the workers that can be reached.
async fn find_on_others(
    db: &Db,
    now: DateTime<Utc>,
    begin: &QueueId,
    limit: i64,
) -> Result<Vec<Found>, sqlx::Error> {
    let (now, begin) = (rfc3339(now), begin.org_id.0);
    // No value here can hold a quote, or a percent sign.
    let command = format!(
        "SELECT coalesce(json_agg(json_build_array(org_id, stream)), '[]') FROM (
             SELECT org_id, stream FROM %1$s q
             WHERE type <> 'poll' AND paused_at IS NULL AND (paused_until IS NULL OR paused_until <= '{now}')
                 AND (held_until IS NULL OR held_until <= '{now}')
                 AND (EXISTS (SELECT FROM %2$s e WHERE e.org_id = q.org_id AND e.stream = q.stream
                              AND e.state = 'pending' AND e.attempts = 0)
                      OR EXISTS (SELECT FROM %2$s e WHERE e.org_id = q.org_id AND e.stream = q.stream
                                 AND e.state = 'pending' AND e.attempts > 0 AND e.next_attempt_at <= '{now}'))
             ORDER BY org_id < '{begin}', org_id, stream LIMIT {limit}) AS due"
    );
    let mut found = Vec::new();
    for answer in ask_each_part(&db.pool, ["event_queues", "events"], &command).await? {
        let queues: Vec<(Uuid, String)> =
            serde_json::from_str(&answer).map_err(|error| sqlx::Error::Decode(error.into()))?;
        found.extend(queues.into_iter().map(|(org_id, stream)| Found { org_id: OrgId(org_id), stream }));
    }
    found.sort_unstable_by(|a, b| {
        let place = |it: &Found| (it.org_id.0 < begin, it.org_id.0);
        place(a).cmp(&place(b)).then_with(|| a.stream.cmp(&b.stream))
    });
    found.truncate(at_most(limit));
    Ok(found)
}

/// Holds queues of one shard, but those that somebody else was faster with or is about to be.
async fn take(
    db: &Db,
    queues: &[Found],
    holder: Uuid,
    now: DateTime<Utc>,
) -> Result<Vec<HeldQueue>, sqlx::Error> {
    let held = sqlx::query_as!(
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
    );
    or_nothing(held.fetch_all(&db.pool).await)
}
