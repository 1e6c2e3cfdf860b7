//! The SQL of the events that partners see.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

use super::EventEntry;
use super::input::Status;
use crate::events::{Stream, first_id_at, wire_id};
use crate::http::paging::Page;
use crate::http::totals::EXACT_UP_TO;
use crate::ids::OrgId;

/// A page of the org's events in the order of their creation, which is the order of their ids.
pub async fn list(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    stream: Option<Stream>,
    status: Option<Status>,
    page: Page,
) -> Result<(Vec<EventEntry>, i64), sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        WITH wanted AS NOT MATERIALIZED (
            SELECT * FROM events
            WHERE org_id = $1 AND ($2::text IS NULL OR stream = $2) AND ($3::text IS NULL OR state = $3)
        )
        SELECT counted.total AS "total!", e.id AS "id?", e.stream AS "stream?", e.type AS "kind?", e.state AS "state?",
               e.attempts AS "attempts?", e.next_attempt_at AS "next_attempt_at?", e.last_error AS "last_error?",
               e.created_at AS "created_at?", e.closed_at AS "closed_at?"
        FROM (SELECT count(*) AS total FROM (SELECT FROM wanted LIMIT $6) AS first) AS counted
        LEFT JOIN (SELECT * FROM wanted WHERE id > $7 ORDER BY id LIMIT $4 OFFSET $5) AS e ON true
        ORDER BY e.id
        "#,
        org_id.0,
        stream.map(Stream::name),
        status.map(Status::name),
        page.rows(),
        page.skip(),
        EXACT_UP_TO + 1,
        page.after().id,
    )
    .fetch_all(db)
    .await?;
    let total = rows.first().map_or(0, |row| row.total);
    let entries = rows.into_iter().filter_map(|row| {
        let status = row.state?;
        Some(EventEntry {
            id: row.id?,
            event_id: wire_id(row.id?),
            stream: row.stream?,
            kind: row.kind?,
            attempts: row.attempts?,
            next_attempt_at: row.next_attempt_at.filter(|_| status == "pending"),
            last_error: row.last_error,
            created_at: row.created_at?,
            delivered_at: row.closed_at.filter(|_| status == "delivered"),
            status,
        })
    });
    Ok((entries.collect(), total))
}

/// How many events of this kind the org has.
pub async fn count(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    stream: Option<Stream>,
    status: Option<Status>,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        SELECT count(*) AS "count!" FROM events
        WHERE org_id = $1 AND ($2::text IS NULL OR stream = $2) AND ($3::text IS NULL OR state = $3)
        "#,
        org_id.0,
        stream.map(Stream::name),
        status.map(Status::name),
    )
    .fetch_one(db)
    .await
}

/// Makes events due again, as if they were new; those being delivered right now are left alone.
/// Answers with how many.
pub async fn replay(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    ids: &[Uuid],
    now: DateTime<Utc>,
) -> Result<u64, sqlx::Error> {
    let replayed = sqlx::query!(
        r#"
        WITH chosen AS (
            SELECT id FROM events
            WHERE org_id = $1 AND id = ANY($2)
                AND NOT (state = 'pending' AND lease IS NOT NULL AND next_attempt_at > $3)
            ORDER BY id FOR UPDATE
        )
        UPDATE events e
        SET state = 'pending', attempts = 0, first_attempt_at = NULL, next_attempt_at = $3, lease = NULL,
            last_error = NULL, closed_at = NULL
        FROM chosen WHERE e.org_id = $1 AND e.id = chosen.id
        "#,
        org_id.0,
        ids,
        now,
    )
    .execute(db)
    .await?;
    Ok(replayed.rows_affected())
}

/// The ids of a stream's events created from `from` on and before `to`, at most `limit`.
pub async fn ids_between(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    stream: Stream,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT id FROM events WHERE org_id = $1 AND id >= $2 AND id < $3 AND stream = $4 ORDER BY id LIMIT $5",
        org_id.0,
        first_id_at(from),
        first_id_at(to),
        stream.name(),
        limit,
    )
    .fetch_all(db)
    .await
}
