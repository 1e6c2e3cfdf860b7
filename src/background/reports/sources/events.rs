//! Events and their delivery, as `GET /v1/admin/org/events` shows them.

use chrono::TimeDelta;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Column, PAGE, Source, Span};
use crate::events::{first_id_at, wire_id};
use crate::routes::events::entry::EventEntry;

/// The org's events. Their ids are made from the instant of creation, so they are the whole order.
#[derive(Debug)]
pub struct Events {
    span: Span,
    after: Uuid,
    last: Uuid,
}

impl Source for Events {
    type Row = EventEntry;
    const COLUMNS: &'static [Column] = &[
        Column("event_id", "/event_id"),
        Column("stream", "/stream"),
        Column("type", "/type"),
        Column("status", "/status"),
        Column("attempts", "/attempts"),
        Column("next_attempt_at", "/next_attempt_at"),
        Column("last_error", "/last_error"),
        Column("created_at", "/created_at"),
        Column("delivered_at", "/delivered_at"),
    ];

    fn new(span: Span) -> Self {
        let before = |from| Uuid::from_u128(first_id_at(from).as_u128().saturating_sub(1));
        let after = span.from.map_or(Uuid::nil(), before);
        // Ids know milliseconds; the statement compares the instants as well.
        let last = span.to.map_or(Uuid::max(), |to| first_id_at(to + TimeDelta::milliseconds(1)));
        Self { span, after, last }
    }

    async fn count(&self, db: &mut PgConnection) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar!(
            r#"
            SELECT count(*) AS "count!" FROM events
            WHERE org_id = $1 AND id > $2 AND id <= $3
                AND ($4::timestamptz IS NULL OR created_at >= $4) AND ($5::timestamptz IS NULL OR created_at < $5)
            "#,
            self.span.org_id.0,
            self.after,
            self.last,
            self.span.from,
            self.span.to,
        )
        .fetch_one(db)
        .await
    }

    async fn page(&mut self, db: &mut PgConnection) -> Result<Vec<EventEntry>, sqlx::Error> {
        let rows = sqlx::query!(
            "SELECT id, stream, type AS kind, state, attempts, next_attempt_at, last_error, created_at, closed_at FROM events
             WHERE org_id = $1 AND id > $2 AND id <= $3
                 AND ($4::timestamptz IS NULL OR created_at >= $4) AND ($5::timestamptz IS NULL OR created_at < $5)
             ORDER BY id LIMIT $6",
            self.span.org_id.0,
            self.after,
            self.last,
            self.span.from,
            self.span.to,
            PAGE,
        )
        .fetch_all(db)
        .await?;
        self.after = rows.last().map_or(self.after, |last| last.id);
        let entries = rows.into_iter().map(|row| EventEntry {
            id: row.id,
            event_id: wire_id(row.id),
            stream: row.stream,
            kind: row.kind,
            attempts: row.attempts,
            next_attempt_at: Some(row.next_attempt_at).filter(|_| row.state == "pending"),
            last_error: row.last_error,
            created_at: row.created_at,
            delivered_at: row.closed_at.filter(|_| row.state == "delivered"),
            status: row.state,
        });
        Ok(entries.collect())
    }
}
