//! Deletes what is old (contract 6): delivered and failed events after `EVENT_RETENTION_DAYS`,
//! waiting ones after `EVENT_WAIT_DAYS`; what is lost that way is counted for the partner. Kept
//! replies and old reports go here as well.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt as _;

use super::reports;
use super::rounds::{tell, ticks};
use crate::console;
use crate::db::Db;
use crate::db::distribution::{ORGS, slice_by_slice};
use crate::idempotency::{KEPT_FOR, store as idempotency};
use crate::identity::{nonces, usage};
use crate::ids::OrgId;
use crate::queue_health;
use crate::routes::claims;
use crate::routes::portal_sessions;
use crate::routes::public_keys::proof;
use crate::state::App;

const INTERVAL: Duration = Duration::from_secs(60);
/// Hours of keys: the two days that are shown, and a margin.
const KEPT_HOURS: TimeDelta = TimeDelta::hours(50);
/// Rows a statement deletes, so that none runs long.
const BATCH: i64 = 2_000;

/// Deletes for as long as the process lives.
pub async fn run(app: App) {
    let mut ticks = ticks(INTERVAL);
    loop {
        ticks.tick().await;
        tell(step(&app).await, "old events could not be deleted");
    }
}

/// Deletes all that is old now; gives how many events waited in vain.
///
/// # Errors
/// When the database cannot be asked.
pub async fn step(app: &App) -> Result<u64, sqlx::Error> {
    let now = app.clock.now();
    forget_replies(app).await?;
    forget_nonces(app).await?;
    forget_challenges(app).await?;
    forget_uses(app).await?;
    forget_claims(app).await?;
    forget_attempts(app).await?;
    forget_portal_sessions(app).await?;
    forget_console_sessions(app).await?;
    reports::clear(app).await?;
    delete_closed(&app.db, now - app.config.event_retention).await?;
    let mut lost = 0;
    let note = |deleted| {
        lost += deleted;
        app.metrics.events.lost(deleted);
    };
    delete_waiting(&app.db, now - app.config.event_wait, now, note).await?;
    Ok(lost)
}

/// Forgets replies to requests that may be sent again (contract 7), and their secrets sooner.
async fn forget_replies(app: &App) -> Result<(), sqlx::Error> {
    let now = app.clock.now();
    idempotency::wipe_secrets(&app.db, now, BATCH).await?;
    idempotency::delete_old(&app.db, now - KEPT_FOR, BATCH).await?;
    Ok(())
}

async fn forget_nonces(app: &App) -> Result<(), sqlx::Error> {
    while nonces::forget_old(&app.db.pool, app.clock.now(), BATCH).await? == BATCH as u64 {}
    Ok(())
}

/// Forgets challenges that nobody can answer any more (contract 12.5).
async fn forget_challenges(app: &App) -> Result<(), sqlx::Error> {
    while proof::forget_old(&app.db.pool, app.clock.now(), BATCH).await? == BATCH as u64 {}
    Ok(())
}

/// Forgets what is no longer shown of the requests with keys (contract 13.2).
async fn forget_uses(app: &App) -> Result<(), sqlx::Error> {
    let now = app.clock.now();
    let (hours, seen) = (now - KEPT_HOURS, now - usage::SEEN_WITHIN);
    while usage::forget_old(&app.db, hours, seen, BATCH).await? == BATCH as u64 {}
    Ok(())
}

/// Forgets claims that were over long ago (contract 15).
async fn forget_claims(app: &App) -> Result<(), sqlx::Error> {
    let before = app.clock.now() - claims::REMEMBERED_FOR;
    while claims::store::forget_old(&app.db, before, BATCH).await? == BATCH as u64 {}
    Ok(())
}

/// Forgets attempts that are no longer shown (contract 14).
async fn forget_attempts(app: &App) -> Result<(), sqlx::Error> {
    let before = app.clock.now() - queue_health::KEPT;
    queue_health::store::forget_old(&app.db, before, BATCH).await
}

/// Forgets sessions of the portal that were over a while ago (contract 17).
async fn forget_portal_sessions(app: &App) -> Result<(), sqlx::Error> {
    let before = app.clock.now() - portal_sessions::REMEMBERED_FOR;
    while portal_sessions::store::forget_old(&app.db, before, BATCH).await? == BATCH as u64 {}
    Ok(())
}

/// Forgets sessions of the console that were over a while ago (contract 17).
async fn forget_console_sessions(app: &App) -> Result<(), sqlx::Error> {
    let before = app.clock.now() - console::REMEMBERED_FOR;
    while console::store::forget_old(&app.db, before, BATCH).await? == BATCH as u64 {}
    Ok(())
}

/// The statement of [`delete_closed`]; `of_one` is what it says of one org.
macro_rules! delete_closed {
    (of_one = $scope:tt, $($value:expr),+) => {
        sqlx::query!(
            // What was closed before is older still, which is what the index knows.
            "DELETE FROM events WHERE ctid = ANY (ARRAY(
                 SELECT ctid FROM events WHERE created_at < $1 AND closed_at < $1" + $scope + "
                 LIMIT $2 FOR UPDATE SKIP LOCKED))" + $scope,
            $($value),+
        )
    };
}

async fn delete_closed(db: &Db, before: DateTime<Utc>) -> Result<(), sqlx::Error> {
    let orgs = || {
        let found = sqlx::query_scalar!(
            r#"SELECT DISTINCT org_id AS "org_id: OrgId" FROM events WHERE created_at < $1 AND closed_at < $1 LIMIT $2"#,
            before,
            ORGS,
        );
        found.fetch_all(&db.pool).boxed()
    };
    let delete = |org_id: Option<OrgId>| {
        async move {
            let deleted = match org_id {
                None => delete_closed!(of_one = "", before, BATCH),
                Some(org_id) => delete_closed!(of_one = " AND org_id = $3", before, BATCH, org_id.0),
            };
            Ok(deleted.execute(&db.pool).await?.rows_affected())
        }
        .boxed()
    };
    slice_by_slice(db, BATCH, orgs, delete, drop).await
}

/// The statement of [`delete_waiting`]; `events` and `of_one` are what it says of one org.
macro_rules! delete_waiting {
    (events = $events:tt, of_one = $scope:tt, $($value:expr),+) => {
        sqlx::query_scalar!(
            r#"
            WITH gone AS (
                DELETE FROM events WHERE ctid = ANY (ARRAY(
                    SELECT e.ctid FROM events e WHERE e.created_at < $1 AND e.state = 'pending'"# + $events + r#"
                        -- Not what may be on its way: of a queue that is held, or fetched lately. A lease that
                        -- ended long ago is a dead publisher's.
                        AND (e.lease IS NULL OR e.next_attempt_at < $1)
                        AND NOT EXISTS (SELECT FROM event_queues q
                                        WHERE q.org_id = e.org_id AND q.stream = e.stream AND q.held_until > $3)
                    LIMIT $2 FOR UPDATE OF e SKIP LOCKED))"# + $scope + r#"
                RETURNING org_id, stream
            ),
            counted AS (SELECT org_id, stream, count(*) AS lost FROM gone GROUP BY org_id, stream),
            noted AS (
                INSERT INTO event_losses AS l (org_id, stream, lost)
                SELECT org_id, stream, lost FROM counted ORDER BY org_id, stream
                ON CONFLICT ON CONSTRAINT event_losses_pkey DO UPDATE SET lost = l.lost + excluded.lost
            )
            SELECT coalesce(sum(lost), 0)::bigint AS "lost!" FROM counted
            "#,
            $($value),+
        )
    };
}

/// Deletes what waited in vain, and tells `note` how many each statement deleted.
async fn delete_waiting(
    db: &Db,
    before: DateTime<Utc>,
    now: DateTime<Utc>,
    note: impl FnMut(u64) + Send,
) -> Result<(), sqlx::Error> {
    let orgs = || {
        let found = sqlx::query_scalar!(
            r#"SELECT DISTINCT org_id AS "org_id: OrgId" FROM events WHERE created_at < $1 AND state = 'pending' LIMIT $2"#,
            before,
            ORGS,
        );
        found.fetch_all(&db.pool).boxed()
    };
    let delete = |org_id: Option<OrgId>| {
        async move {
            let lost = match org_id {
                None => {
                    delete_waiting!(events = "", of_one = "", before, BATCH, now).fetch_one(&db.pool).await?
                }
                Some(org_id) => {
                    let lost = delete_waiting!(
                        events = " AND e.org_id = $4",
                        of_one = " AND org_id = $4",
                        before,
                        BATCH,
                        now,
                        org_id.0
                    );
                    lost.fetch_one(&db.pool).await?
                }
            };
            Ok(lost.unsigned_abs())
        }
        .boxed()
    };
    slice_by_slice(db, BATCH, orgs, delete, note).await
}
