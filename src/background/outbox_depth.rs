//! The depth of the outbox, for the metrics: measured now and then by a task, not by whoever
//! scrapes. Every replica measures the same database, so all report the same numbers: take the
//! maximum over replicas, not the sum.
//!
//! Counts stop at a cap and read the partial indexes only. With a million waiting events of 10,000
//! orgs: 0.05 s for the counts, and 20 µs for each registered queue, which is what the publisher's
//! look costs every second. Should it take longer, the task looks less often.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::crypto::reseal;
use crate::metrics::OutboxDepth;
use crate::outbox::DEAD_AFTER;
use crate::state::App;

const INTERVAL: Duration = Duration::from_secs(15);
/// It measures for at most this share of the time.
const SHARE: u32 = 50;
/// Events counted of each state.
const COUNTED: i64 = 100_000;
/// Due events counted of a queue.
const COUNTED_OF_A_QUEUE: i64 = 20;
/// The interval of the question what `reseal` has left: it reads whole, if small, tables.
const RESEAL_INTERVAL: Duration = Duration::from_secs(600);

/// Measures for as long as the process lives.
pub async fn run(app: App) {
    let mut reseal_asked: Option<Instant> = None;
    loop {
        let began = Instant::now();
        if let Err(error) = measure(&app).await {
            tracing::warn!(%error, "the outbox could not be measured");
        }
        if reseal_asked.is_none_or(|asked| asked.elapsed() >= RESEAL_INTERVAL) {
            reseal_asked = Some(began);
            if let Err(error) = count_reseal(&app).await {
                tracing::warn!(%error, "what is left to reseal could not be counted");
            }
        }
        tokio::time::sleep(INTERVAL.max(began.elapsed() * SHARE)).await;
    }
}

/// Measures once.
///
/// # Errors
/// When the database cannot be asked in time.
pub async fn measure(app: &App) -> Result<(), sqlx::Error> {
    let now = app.clock.now();
    let depth = app
        .db
        .transaction(async move |mut tx| {
            keep_to_the_indexes(&mut tx).await?;
            let mut depth = OutboxDepth::default();
            count_events(&mut tx, &mut depth).await?;
            look_at_queues(&mut tx, now, &mut depth).await?;
            Ok::<_, sqlx::Error>(depth)
        })
        .await?;
    app.metrics.events.measured(&depth, now);
    Ok(())
}

/// Asks what `reseal` has left.
///
/// # Errors
/// When the database cannot be asked.
pub async fn count_reseal(app: &App) -> Result<(), sqlx::Error> {
    app.metrics.reseal_left.set(reseal::count_lasting(&app.db.pool, &app.keyring.master).await?);
    Ok(())
}

/// Each count walks a partial index in its order and stops at the cap. Where statistics are old,
/// the planner may think that it is better to sort a million rows first (seen: 2.7 s instead of
/// 0.05 s), so it is not asked. What is switched off looks so costly then that Postgres would compile
/// the statement first (seen: 150 ms), hence `jit`. The timeout is a backstop: requests must not
/// pay for a count.
async fn keep_to_the_indexes(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "SELECT set_config(name, value, true)
         FROM (VALUES ('statement_timeout', '5s'), ('enable_seqscan', 'off'), ('enable_bitmapscan', 'off'),
                      ('enable_sort', 'off'), ('enable_memoize', 'off'), ('jit', 'off')) AS setting (name, value)"
    )
    .fetch_all(db)
    .await?;
    Ok(())
}

async fn count_events(db: &mut PgConnection, depth: &mut OutboxDepth) -> Result<(), sqlx::Error> {
    let counts = sqlx::query!(
        r#"
        SELECT stream, count(*) FILTER (WHERE state = 'pending') AS "pending!",
               count(*) FILTER (WHERE state = 'failed') AS "failed!"
        FROM (
            (SELECT stream, 'pending' AS state FROM events WHERE state = 'pending' AND attempts = 0
             ORDER BY org_id, stream, seq LIMIT $1)
            UNION ALL
            (SELECT stream, 'pending' FROM events WHERE state = 'pending' AND attempts > 0
             ORDER BY org_id, stream, next_attempt_at, seq LIMIT $1)
            UNION ALL
            (SELECT stream, 'failed' FROM events WHERE state = 'failed' ORDER BY org_id, stream, id LIMIT $1)
        ) AS counted (stream, state)
        GROUP BY stream
        "#,
        COUNTED,
    )
    .fetch_all(db)
    .await?;
    for row in counts {
        if let Some(stream) = row.stream {
            let entry = depth.entry(&stream);
            entry.pending += row.pending;
            entry.failed += row.failed;
        }
    }
    Ok(())
}

/// A dead queue is counted as such; that its events are late is no news, nor is it of a paused one.
async fn look_at_queues(
    db: &mut PgConnection,
    now: DateTime<Utc>,
    depth: &mut OutboxDepth,
) -> Result<(), sqlx::Error> {
    let streams = sqlx::query!(
        r#"
        SELECT queue.stream, count(*) FILTER (WHERE failures = 0) AS "working!",
               count(*) FILTER (WHERE failures BETWEEN 1 AND $2 - 1) AS "failing!",
               count(*) FILTER (WHERE failures >= $2) AS "dead!",
               coalesce(sum(late.events), 0)::bigint AS "due!", min(late.since) AS oldest_due
        FROM event_queues AS queue
        CROSS JOIN LATERAL (
            SELECT count(*) AS events, min(next_attempt_at) AS since FROM (
                (SELECT next_attempt_at FROM events AS e
                 WHERE e.org_id = queue.org_id AND e.stream = queue.stream AND e.state = 'pending' AND e.attempts = 0
                     AND queue.failures < $2 AND queue.paused_at IS NULL AND queue.type <> 'poll'
                 ORDER BY seq LIMIT $3)
                UNION ALL
                (SELECT next_attempt_at FROM events AS e
                 WHERE e.org_id = queue.org_id AND e.stream = queue.stream AND e.state = 'pending' AND e.attempts > 0
                     AND e.next_attempt_at <= $1 AND queue.failures < $2 AND queue.paused_at IS NULL AND queue.type <> 'poll'
                 ORDER BY next_attempt_at LIMIT $3)
            ) AS first
        ) AS late
        GROUP BY queue.stream
        "#,
        now,
        DEAD_AFTER,
        COUNTED_OF_A_QUEUE,
    )
    .fetch_all(db)
    .await?;
    for row in streams {
        let entry = depth.entry(&row.stream);
        entry.working += row.working;
        entry.failing += row.failing;
        entry.dead += row.dead;
        entry.due += row.due;
        entry.oldest_due = entry.oldest_due.into_iter().chain(row.oldest_due).min();
    }
    Ok(())
}
