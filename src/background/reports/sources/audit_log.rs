//! The audit log, as `GET /v1/admin/org/audit` shows it.

use sqlx::PgConnection;

use super::{Column, PAGE, Source, Span};
use crate::crypto::audit_chain::RowMac;
use crate::routes::audit::AuditEntry;

/// The org's audit log.
#[derive(Debug)]
pub struct AuditLog {
    span: Span,
    after: i64,
}

impl Source for AuditLog {
    type Row = AuditEntry;
    const COLUMNS: &'static [Column] = &[
        Column("seq", "/seq"),
        Column("at", "/at"),
        Column("actor", "/actor"),
        Column("key_id", "/key_id"),
        Column("actor_id", "/actor_id"),
        Column("action", "/action"),
        Column("subject", "/subject"),
        Column("request_id", "/request_id"),
        Column("client_address", "/client_address"),
        Column("mac", "/mac"),
    ];

    fn new(span: Span) -> Self {
        Self { span, after: 0 }
    }

    async fn count(&self, db: &mut PgConnection) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar!(
            r#"
            SELECT count(*) AS "count!" FROM audit_log
            WHERE org_id = $1 AND ($2::timestamptz IS NULL OR at >= $2) AND ($3::timestamptz IS NULL OR at < $3)
            "#,
            self.span.org_id.0,
            self.span.from,
            self.span.to,
        )
        .fetch_one(db)
        .await
    }

    async fn page(&mut self, db: &mut PgConnection) -> Result<Vec<AuditEntry>, sqlx::Error> {
        let entries = sqlx::query_as!(
            AuditEntry,
            r#"
            SELECT seq, at, actor, key_id, actor_id, action, subject, request_id, client_address, mac AS "mac: RowMac"
            FROM audit_log
            WHERE org_id = $1 AND seq > $2 AND ($3::timestamptz IS NULL OR at >= $3) AND ($4::timestamptz IS NULL OR at < $4)
            ORDER BY seq LIMIT $5
            "#,
            self.span.org_id.0,
            self.after,
            self.span.from,
            self.span.to,
            PAGE,
        )
        .fetch_all(db)
        .await?;
        self.after = entries.last().map_or(self.after, |last| last.seq);
        Ok(entries)
    }
}
