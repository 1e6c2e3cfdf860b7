//! The SQL of making reports.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::db::distribution::violated;
use crate::events::Draft;
use crate::ids::OrgId;

/// The time for which a claim holds without being renewed.
const LEASE: TimeDelta = TimeDelta::seconds(20);

/// A report that is ours to make until its lease ends.
#[derive(Clone, Debug)]
pub struct Claimed {
    pub org_id: OrgId,
    pub id: Uuid,
    pub kind: String,
    pub format: String,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
    pub unique_id: Uuid,
    pub lease: Uuid,
    pub attempt: i32,
    /// Attempts before this one that failed or were cut off.
    pub failures: i32,
}

/// Claims the report that is due of the org that was served longest ago; not of one of which one is being made. A lease
/// that ended is a dead maker's.
pub async fn claim(
    db: impl PgExecutor<'_>,
    now: DateTime<Utc>,
    lease: Uuid,
) -> Result<Option<Claimed>, sqlx::Error> {
    let claimed = sqlx::query_as!(
        Claimed,
        r#"
        WITH due AS (
            SELECT r.org_id, r.id FROM reports r
            WHERE r.state IN ('queued', 'running') AND r.due_at <= $1
                AND NOT EXISTS (SELECT FROM reports o WHERE o.org_id = r.org_id AND o.state = 'running' AND o.id <> r.id)
            ORDER BY (SELECT max(s.started_at) FROM reports s WHERE s.org_id = r.org_id) NULLS FIRST, r.created_at, r.id
            LIMIT 1 FOR UPDATE SKIP LOCKED
        )
        UPDATE reports r
        SET state = 'running', lease = $2, due_at = $3, attempt = r.attempt + 1, started_at = $1, has_content = true,
            failures = r.failures + (r.state = 'running')::integer, total = NULL, row_count = 0, byte_count = 0
        FROM due WHERE r.org_id = due.org_id AND r.id = due.id
        RETURNING r.org_id AS "org_id: OrgId", r.id, r.type AS kind, r.format, r.from_at AS "from", r.to_at AS "to",
                  r.unique_id, r.lease AS "lease!", r.attempt, r.failures
        "#,
        now,
        lease,
        now + LEASE,
    )
    .fetch_optional(db)
    .await;
    match claimed {
        // Another maker was faster with another one of the same org.
        Err(error) if is_one_too_many(&error) => Ok(None),
        claimed => claimed,
    }
}

fn is_one_too_many(error: &sqlx::Error) -> bool {
    violated(error) == Some("reports_one_running")
}

/// Holds the claim for another lease; `false` if it is no longer ours.
pub async fn renew(
    db: impl PgExecutor<'_>,
    claimed: &Claimed,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let renewed = sqlx::query!(
        "UPDATE reports SET due_at = $4 WHERE org_id = $1 AND id = $2 AND lease = $3",
        claimed.org_id.0,
        claimed.id,
        claimed.lease,
        now + LEASE,
    );
    Ok(renewed.execute(db).await?.rows_affected() == 1)
}

/// Notes how many rows there will be; `false` if the claim is no longer ours.
pub async fn set_total(db: impl PgExecutor<'_>, claimed: &Claimed, total: i64) -> Result<bool, sqlx::Error> {
    let noted = sqlx::query!(
        "UPDATE reports SET total = $4 WHERE org_id = $1 AND id = $2 AND lease = $3",
        claimed.org_id.0,
        claimed.id,
        claimed.lease,
        total,
    );
    Ok(noted.execute(db).await?.rows_affected() == 1)
}

/// How far an attempt is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    pub rows: i64,
    pub bytes: i64,
}

/// Keeps the chunk that begins at `position`, and how far the report is with it; `false` if the claim is no longer
/// ours: then nothing was kept.
pub async fn write_chunk(
    db: impl PgExecutor<'_>,
    claimed: &Claimed,
    now: DateTime<Utc>,
    (position, bytes): (i64, &[u8]),
    progress: Progress,
) -> Result<bool, sqlx::Error> {
    let written = sqlx::query!(
        "WITH held AS (
             UPDATE reports SET due_at = $4, row_count = $5, byte_count = $6
             WHERE org_id = $1 AND id = $2 AND lease = $3 RETURNING org_id, id, attempt
         ),
         kept AS (
             INSERT INTO report_chunks (org_id, report_id, attempt, position, bytes)
             SELECT org_id, id, attempt, $7, $8 FROM held
         )
         SELECT FROM held",
        claimed.org_id.0,
        claimed.id,
        claimed.lease,
        now + LEASE,
        progress.rows,
        progress.bytes,
        position,
        bytes,
    );
    Ok(written.fetch_optional(db).await?.is_some())
}

/// Deletes some of what earlier attempts wrote; gives how many chunks.
pub async fn clear_earlier(
    db: impl PgExecutor<'_>,
    claimed: &Claimed,
    limit: i64,
) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query!(
        "DELETE FROM report_chunks c WHERE c.org_id = $1 AND c.report_id = $2 AND (c.attempt, c.position) IN (
             SELECT attempt, position FROM report_chunks
             WHERE org_id = $1 AND report_id = $2 AND attempt < $3 LIMIT $4)",
        claimed.org_id.0,
        claimed.id,
        claimed.attempt,
        limit,
    );
    Ok(deleted.execute(db).await?.rows_affected())
}

/// A report that is whole.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    pub progress: Progress,
    pub sha256: [u8; 32],
}

/// Closes a report that is whole, and writes its event; `false` if the claim is no longer ours.
pub async fn finish(
    db: impl PgExecutor<'_>,
    claimed: &Claimed,
    made: Made,
    (now, expires_at): (DateTime<Utc>, DateTime<Utc>),
    event: &Draft,
) -> Result<bool, sqlx::Error> {
    let closed = sqlx::query!(
        "WITH closed AS (
             UPDATE reports
             SET state = 'ready', lease = NULL, total = $4, row_count = $4, byte_count = $5, sha256 = $6, ready_at = $7,
                 expires_at = $8, version = version + 1
             WHERE org_id = $1 AND id = $2 AND lease = $3 RETURNING org_id, version
         ),
         told AS (
             INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at)
             SELECT org_id, $9, $10, $11, $12 || version || $13, $14, $14 FROM closed
         )
         SELECT FROM closed",
        claimed.org_id.0,
        claimed.id,
        claimed.lease,
        made.progress.rows,
        made.progress.bytes,
        &made.sha256[..],
        now,
        expires_at,
        event.id,
        event.stream.name(),
        event.kind.name(),
        event.head,
        Draft::TAIL,
        event.at,
    );
    Ok(closed.fetch_optional(db).await?.is_some())
}

/// Closes a report that cannot be made, and writes its event; `false` if the claim is no longer ours.
pub async fn fail(
    db: impl PgExecutor<'_>,
    claimed: &Claimed,
    reason: &str,
    event: &Draft,
) -> Result<bool, sqlx::Error> {
    let closed = sqlx::query!(
        "WITH closed AS (
             UPDATE reports SET state = 'failed', lease = NULL, reason = $4, version = version + 1
             WHERE org_id = $1 AND id = $2 AND lease = $3 RETURNING org_id, version
         ),
         told AS (
             INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at)
             SELECT org_id, $5, $6, $7, $8 || version || $9, $10, $10 FROM closed
         )
         SELECT FROM closed",
        claimed.org_id.0,
        claimed.id,
        claimed.lease,
        reason,
        event.id,
        event.stream.name(),
        event.kind.name(),
        event.head,
        Draft::TAIL,
        event.at,
    );
    Ok(closed.fetch_optional(db).await?.is_some())
}

/// Gives the claim up: the report is due at `due`, for whoever comes. `has_failed` says whether that counts as one of
/// its tries.
pub async fn give_up(
    db: impl PgExecutor<'_>,
    claimed: &Claimed,
    due: DateTime<Utc>,
    has_failed: bool,
) -> Result<bool, sqlx::Error> {
    let queued = sqlx::query!(
        "UPDATE reports
         SET state = 'queued', lease = NULL, due_at = $4, failures = failures + $5::boolean::integer, total = NULL,
             row_count = 0, byte_count = 0
         WHERE org_id = $1 AND id = $2 AND lease = $3",
        claimed.org_id.0,
        claimed.id,
        claimed.lease,
        due,
        has_failed,
    );
    Ok(queued.execute(db).await?.rows_affected() == 1)
}

/// Names a report.
#[derive(Clone, Copy, Debug)]
pub struct ReportKey {
    pub org_id: OrgId,
    pub id: Uuid,
}

/// Notes that reports have expired, at most `limit`; gives how many.
pub async fn expire(db: impl PgExecutor<'_>, now: DateTime<Utc>, limit: i64) -> Result<u64, sqlx::Error> {
    let expired = sqlx::query!(
        "UPDATE reports SET state = 'expired' WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM reports WHERE state = 'ready' AND expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))",
        now,
        limit,
    );
    Ok(expired.execute(db).await?.rows_affected())
}

/// Reports whose content is of no use any more, at most `limit`.
pub async fn to_clear(db: impl PgExecutor<'_>, limit: i64) -> Result<Vec<ReportKey>, sqlx::Error> {
    sqlx::query_as!(
        ReportKey,
        r#"
        SELECT org_id AS "org_id: OrgId", id FROM reports
        WHERE state IN ('failed', 'expired', 'deleted') AND has_content ORDER BY created_at LIMIT $1
        "#,
        limit,
    )
    .fetch_all(db)
    .await
}

/// Deletes some of a report's content, whichever attempt wrote it; gives how many chunks.
pub async fn clear(db: impl PgExecutor<'_>, report: ReportKey, limit: i64) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query!(
        "DELETE FROM report_chunks c WHERE c.org_id = $1 AND c.report_id = $2 AND (c.attempt, c.position) IN (
             SELECT attempt, position FROM report_chunks WHERE org_id = $1 AND report_id = $2 LIMIT $3)",
        report.org_id.0,
        report.id,
        limit,
    );
    Ok(deleted.execute(db).await?.rows_affected())
}

/// Notes that a report has no content any more.
pub async fn cleared(db: impl PgExecutor<'_>, report: ReportKey) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE reports SET has_content = false
         WHERE org_id = $1 AND id = $2 AND state IN ('failed', 'expired', 'deleted')",
        report.org_id.0,
        report.id,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets reports without content: deleted ones, and those that were asked for before `before`. At most `limit`; gives
/// how many.
pub async fn forget(db: impl PgExecutor<'_>, before: DateTime<Utc>, limit: i64) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query!(
        "DELETE FROM reports WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM reports
             WHERE state IN ('failed', 'expired', 'deleted') AND NOT has_content
                 AND (state = 'deleted' OR created_at < $1)
             LIMIT $2 FOR UPDATE SKIP LOCKED))",
        before,
        limit,
    );
    Ok(forgotten.execute(db).await?.rows_affected())
}

/// All reports together.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Those that wait or are being made.
    pub waiting: i64,
    /// Octets of those that can be fetched.
    pub stored: i64,
}

/// Measures all reports.
pub async fn measure(db: impl PgExecutor<'_>) -> Result<Measured, sqlx::Error> {
    sqlx::query_as!(
        Measured,
        r#"
        SELECT (SELECT count(*) FROM reports WHERE state IN ('queued', 'running')) AS "waiting!",
               (SELECT coalesce(sum(byte_count), 0)::bigint FROM reports WHERE state = 'ready') AS "stored!"
        "#,
    )
    .fetch_one(db)
    .await
}
