//! The SQL of the events that partners see.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

use super::entry::{Attempt, EventDetail, EventEntry};
use super::input::EventStatus;
use crate::error::ApiError;
use crate::events::{StreamName, first_id_at, wire_id};
use crate::http::paging::Page;
use crate::http::totals::EXACT_UP_TO;
use crate::ids::OrgId;

/// The filter on an org's events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Of these streams: all there are, or one.
    pub streams: Vec<StreamName>,
    /// In this state only.
    pub status: Option<EventStatus>,
}

impl Filter {
    fn streams(&self) -> Vec<String> {
        self.streams.iter().map(|stream| stream.as_str().to_owned()).collect()
    }

    fn states(&self) -> Vec<String> {
        let all =
            EventStatus::ALL.into_iter().filter(|status| self.status.is_none_or(|only| only == *status));
        all.map(|status| status.name().to_owned()).collect()
    }
}

/// A page of the org's events in the order of their creation, which is the order of their ids, and how
/// many there are, cut off above [`EXACT_UP_TO`].
///
/// Streams and states are few and the index leads with them, so each pair's first entries are read
/// and merged: whatever the filter, a page costs what it shows and skips, and not what is in between.
pub async fn list(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    filter: &Filter,
    page: Page,
) -> Result<(Vec<EventEntry>, i64), sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        WITH part AS MATERIALIZED (
            SELECT stream, state FROM unnest($2::text[]) AS s (stream) CROSS JOIN unnest($3::text[]) AS t (state)
        ),
        chosen AS MATERIALIZED (
            SELECT first.id FROM part CROSS JOIN LATERAL (
                SELECT id FROM events
                WHERE org_id = $1 AND stream = part.stream AND state = part.state AND id > $7
                ORDER BY id LIMIT $4::bigint + $5::bigint
            ) AS first
            ORDER BY first.id LIMIT $4 OFFSET $5
        ),
        counted AS (
            SELECT count(*) AS total FROM (
                SELECT FROM part CROSS JOIN LATERAL (
                    SELECT FROM events WHERE org_id = $1 AND stream = part.stream AND state = part.state LIMIT $6
                ) AS first
                LIMIT $6
            ) AS first
        )
        SELECT counted.total AS "total!", e.id AS "id?", e.stream AS "stream?", e.type AS "kind?", e.state AS "state?",
               e.attempts AS "attempts?", e.next_attempt_at AS "next_attempt_at?", e.last_error AS "last_error?",
               e.created_at AS "created_at?", e.closed_at AS "closed_at?"
        FROM counted
        LEFT JOIN chosen ON true
        -- One at a time: a hundred look-ups, never a join with all events.
        LEFT JOIN LATERAL (SELECT * FROM events WHERE org_id = $1 AND id = chosen.id LIMIT 1) AS e ON true
        ORDER BY e.id
        "#,
        org_id.0,
        &filter.streams(),
        &filter.states(),
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

/// An event as it is stored.
#[derive(Debug)]
pub struct EventRow {
    id: Uuid,
    stream: String,
    kind: String,
    subject: Option<String>,
    body: String,
    state: String,
    attempts: i32,
    next_attempt_at: DateTime<Utc>,
    last_error: Option<String>,
    created_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
    deliveries: Option<serde_json::Value>,
}

/// The org's event of this id.
pub async fn find(db: impl PgExecutor<'_>, org_id: OrgId, id: Uuid) -> Result<Option<EventRow>, sqlx::Error> {
    sqlx::query_as!(
        EventRow,
        "SELECT id, stream, type AS kind, subject, body, state, attempts, next_attempt_at, last_error, created_at,
                closed_at, deliveries
         FROM events WHERE org_id = $1 AND id = $2",
        org_id.0,
        id,
    )
    .fetch_optional(db)
    .await
}

impl EventRow {
    /// The event as partners see it.
    ///
    /// # Errors
    /// What was kept of its attempts cannot be read.
    pub fn shown(self) -> Result<EventDetail, ApiError> {
        let deliveries = self.deliveries.map(serde_json::from_value::<Vec<Attempt>>).transpose();
        let entry = EventEntry {
            id: self.id,
            event_id: wire_id(self.id),
            stream: self.stream,
            kind: self.kind,
            attempts: self.attempts,
            next_attempt_at: Some(self.next_attempt_at).filter(|_| self.state == "pending"),
            last_error: self.last_error,
            created_at: self.created_at,
            delivered_at: self.closed_at.filter(|_| self.state == "delivered"),
            status: self.state,
        };
        let deliveries = deliveries.map_err(ApiError::internal)?.unwrap_or_default();
        Ok(EventDetail { entry, subject: self.subject, body: self.body, deliveries })
    }
}

/// Counts the org's events of this kind.
pub async fn count(db: impl PgExecutor<'_>, org_id: OrgId, filter: &Filter) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        SELECT count(*) AS "count!" FROM events
        WHERE org_id = $1 AND stream = ANY($2::text[]) AND state = ANY($3::text[])
        "#,
        org_id.0,
        &filter.streams(),
        &filter.states(),
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
            SELECT id FROM events e
            WHERE org_id = $1 AND id = ANY($2)
                AND NOT (state = 'pending' AND lease IS NOT NULL AND next_attempt_at > $3)
                -- Of a queue that is held, what is due may be on its way, and is sent anyhow.
                AND NOT (state = 'pending' AND next_attempt_at <= $3
                         AND EXISTS (SELECT FROM event_queues q
                                     WHERE q.org_id = $1 AND q.stream = e.stream AND q.held_until > $3))
            ORDER BY id FOR UPDATE OF e
        ),
        -- In their order, behind all that waits.
        numbered AS (SELECT id, nextval('events_seq') AS seq FROM (SELECT id FROM chosen ORDER BY id) AS ordered)
        UPDATE events e
        SET state = 'pending', is_replayed = true, seq = numbered.seq, attempts = 0, deferrals = 0, first_attempt_at = NULL,
            next_attempt_at = $3, lease = NULL, last_error = NULL, closed_at = NULL
        FROM numbered WHERE e.org_id = $1 AND e.id = numbered.id
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
    stream: &StreamName,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT id FROM events WHERE org_id = $1 AND id >= $2 AND id < $3 AND stream = $4 ORDER BY id LIMIT $5",
        org_id.0,
        first_id_at(from),
        first_id_at(to),
        stream.as_str(),
        limit,
    )
    .fetch_all(db)
    .await
}
