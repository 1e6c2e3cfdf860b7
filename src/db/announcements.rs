//! The table of announcements: a change writes what is void in its own statement, every replica reads what its last
//! look did not see. No order of commits, no clock and no sequence is relied on: a snapshot of Postgres says exactly
//! which transactions were seen.

use std::cell::Cell;
use std::convert::Infallible;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;

use super::Db;

/// The channel that wakes the listeners of all replicas, by one word. A replica of the release before says there what
/// has changed, and one that reads that word empties its memory.
pub const CHANGES: &str = "partner_api_changes";
/// Says that there is something to read.
pub(super) const LOOK: &str = "look";
/// More at once than this is not read one by one: all that memory knows is void.
pub(super) const MANY: usize = 5_000;
/// The time for which announcements are kept at least; no listener is trusted that has not looked for so long.
pub(super) const KEPT: Duration = Duration::from_secs(60);
/// Rows a statement deletes, so that none runs long.
const BATCH: i64 = 5_000;

tokio::task_local! {
    /// Whether the transaction that runs in this task has announced something.
    static ANNOUNCED: Cell<bool>;
}

/// Announces that something is void, within the transaction that changes it.
///
/// # Errors
/// When the database cannot be asked.
pub async fn announce(db: impl PgExecutor<'_>, news: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("INSERT INTO announcements (news) VALUES ($1) ON CONFLICT DO NOTHING", news)
        .execute(db)
        .await?;
    note();
    Ok(())
}

/// Notes that the transaction of this task has announced something: once it is committed, replicas are woken.
pub fn note() {
    // Outside of one there is nothing to note; whoever announced wakes them.
    let _ = ANNOUNCED.try_with(|announced| announced.set(true));
}

/// Runs a transaction; gives besides whether it announced something.
pub(super) async fn noting<T>(transaction: impl Future<Output = T>) -> (T, bool) {
    let noted = async {
        let outcome = transaction.await;
        (outcome, ANNOUNCED.with(Cell::get))
    };
    ANNOUNCED.scope(Cell::new(false), noted).await
}

/// What a look saw.
#[derive(Debug)]
pub(super) struct Look {
    /// The database's clock.
    pub now: DateTime<Utc>,
    /// The process that serves the connection.
    pub backend: u32,
    /// Which transactions it saw, as Postgres writes it.
    pub snapshot: String,
    /// What they announced that the look before did not see; [`MANY`] of them may be more.
    pub news: Vec<String>,
}

/// Looks at what is new since a look, on the connection that listens. `echo` is a channel and a text that come back on
/// it, `wakes` tells the other replicas to look as well. Nothing is lost with either, so the commit waits for nothing:
/// not for a standby, while it holds the lock that notifications take.
pub(super) async fn look(
    db: impl PgExecutor<'_>,
    since: Option<&str>,
    (channel, echo): (&str, Option<&str>),
    wakes: bool,
) -> Result<Look, sqlx::Error> {
    let seen = sqlx::query!(
        r#"SELECT clock_timestamp() AS "now!", pg_backend_pid() AS "backend!",
               pg_current_snapshot()::text AS "snapshot!",
               ARRAY(
                   SELECT news FROM announcements
                   WHERE xid >= pg_snapshot_xmin($1::text::pg_snapshot)
                     AND NOT pg_visible_in_snapshot(xid, $1::text::pg_snapshot)
                   -- Along the index, however few rows Postgres believes there are.
                   ORDER BY xid LIMIT $2
               ) AS "news!",
               set_config('synchronous_commit', 'off', true) AS commit,
               CASE WHEN $4::text IS NOT NULL THEN pg_notify($3, $4)::text END AS echo,
               CASE WHEN $5 THEN pg_notify($6, $7)::text END AS woken
        "#,
        since,
        i64::try_from(MANY).unwrap_or(i64::MAX),
        channel,
        echo,
        wakes,
        CHANGES,
        LOOK,
    )
    .fetch_one(db)
    .await?;
    Ok(Look { now: seen.now, backend: seen.backend.unsigned_abs(), snapshot: seen.snapshot, news: seen.news })
}

/// Deletes, for as long as the process lives, what was committed long ago.
pub(super) async fn forget_forever(db: &Db) -> Infallible {
    loop {
        if let Err(error) = forget(db).await {
            tracing::warn!(%error, "old announcements could not be deleted");
            tokio::time::sleep(KEPT).await;
        }
    }
}

/// Takes a snapshot, waits, and deletes what it saw.
async fn forget(db: &Db) -> Result<(), sqlx::Error> {
    let seen = sqlx::query_scalar!(r#"SELECT pg_current_snapshot()::text AS "snapshot!""#)
        .fetch_one(&db.pool)
        .await?;
    tokio::time::sleep(KEPT).await;
    while delete_seen(&db.pool, &seen).await? == BATCH.unsigned_abs() {}
    Ok(())
}

/// Deletes a batch of what every transaction before a snapshot has announced; gives how many there were.
///
/// # Errors
/// When the database cannot be asked.
async fn delete_seen(db: impl PgExecutor<'_>, snapshot: &str) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query!(
        "DELETE FROM announcements WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM announcements WHERE xid < pg_snapshot_xmin($1::text::pg_snapshot)
             LIMIT $2 FOR UPDATE SKIP LOCKED))",
        snapshot,
        BATCH,
    );
    Ok(deleted.execute(db).await?.rows_affected())
}
