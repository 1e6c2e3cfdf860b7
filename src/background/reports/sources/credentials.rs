//! Tenant keys, signing secrets and public keys, dead ones included: what they are and when, never what they are made
//! of.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Column, CursorPosition, PAGE, Source, Span};

/// The org's credentials.
#[derive(Debug)]
pub struct Credentials {
    span: Span,
    after: CursorPosition,
}

/// A credential. What its kind does not have is null.
#[derive(Debug, Serialize)]
pub struct Credential {
    /// `tenant_key`, `signing_secret` or `public_key`.
    kind: String,
    id: Uuid,
    /// Of a tenant key.
    name: Option<String>,
    /// Of a tenant key: its first characters.
    prefix: Option<String>,
    /// Of a signing secret: who made it.
    source: Option<String>,
    /// Of a public key.
    usages: Option<Vec<String>>,
    algorithm: Option<String>,
    fingerprint: Option<String>,
    related_client_id: Option<String>,
    has_private_key: Option<bool>,
    proven_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    /// Of a tenant key.
    last_used_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
    /// When it was rotated.
    superseded_at: Option<DateTime<Utc>>,
    /// When it was revoked or deleted.
    revoked_at: Option<DateTime<Utc>>,
    /// Of a tenant key that was rotated.
    rotated_to: Option<Uuid>,
}

impl Source for Credentials {
    type Row = Credential;
    const COLUMNS: &'static [Column] = &[
        Column("kind", "/kind"),
        Column("id", "/id"),
        Column("name", "/name"),
        Column("prefix", "/prefix"),
        Column("source", "/source"),
        Column("usages", "/usages"),
        Column("algorithm", "/algorithm"),
        Column("fingerprint", "/fingerprint"),
        Column("related_client_id", "/related_client_id"),
        Column("has_private_key", "/has_private_key"),
        Column("proven_at", "/proven_at"),
        Column("created_at", "/created_at"),
        Column("last_used_at", "/last_used_at"),
        Column("expires_at", "/expires_at"),
        Column("superseded_at", "/superseded_at"),
        Column("revoked_at", "/revoked_at"),
        Column("rotated_to", "/rotated_to"),
    ];

    fn new(span: Span) -> Self {
        Self { span, after: span.start() }
    }

    async fn count(&self, db: &mut PgConnection) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar!(
            r#"
            SELECT count(*) AS "count!" FROM (
                SELECT created_at, id FROM tenant_keys WHERE org_id = $1
                UNION ALL SELECT created_at, id FROM signing_secrets WHERE org_id = $1
                UNION ALL SELECT created_at, unique_id FROM public_keys WHERE org_id = $1
            ) AS credential
            WHERE (created_at, id) > ($2, $3) AND ($4::timestamptz IS NULL OR created_at < $4)
            "#,
            self.span.org_id.0,
            self.after.created_at,
            self.after.id,
            self.span.to,
        )
        .fetch_one(db)
        .await
    }

    async fn page(&mut self, db: &mut PgConnection) -> Result<Vec<Credential>, sqlx::Error> {
        let credentials = sqlx::query_as!(
            Credential,
            r#"
            SELECT kind AS "kind!", id AS "id!", name, prefix, source, usages, algorithm, fingerprint, related_client_id,
                   has_private_key, proven_at, created_at AS "created_at!", last_used_at, expires_at, superseded_at, revoked_at,
                   rotated_to
            FROM (
                SELECT 'tenant_key' AS kind, id, name, prefix, NULL::text AS source, NULL::text[] AS usages,
                       NULL::text AS algorithm, NULL::text AS fingerprint, NULL::text AS related_client_id,
                       NULL::boolean AS has_private_key, NULL::timestamptz AS proven_at, created_at, last_used_at, expires_at, rotated_at AS superseded_at,
                       revoked_at, rotated_to
                FROM tenant_keys WHERE org_id = $1
                UNION ALL
                SELECT 'signing_secret', id, NULL, NULL, source, NULL, NULL, NULL, NULL, NULL, NULL, created_at, NULL,
                       expires_at, superseded_at, revoked_at, NULL
                FROM signing_secrets WHERE org_id = $1
                UNION ALL
                SELECT 'public_key', unique_id, NULL, NULL, NULL, usages, algorithm, fingerprint, related_client_id,
                       sealed IS NOT NULL, proven_at, created_at, NULL, expires_at, NULL, deleted_at, NULL
                FROM public_keys WHERE org_id = $1
            ) AS credential
            WHERE (created_at, id) > ($2, $3) AND ($4::timestamptz IS NULL OR created_at < $4)
            ORDER BY created_at, id LIMIT $5
            "#,
            self.span.org_id.0,
            self.after.created_at,
            self.after.id,
            self.span.to,
            PAGE,
        )
        .fetch_all(db)
        .await?;
        if let Some(last) = credentials.last() {
            self.after = CursorPosition { created_at: last.created_at, id: last.id };
        }
        Ok(credentials)
    }
}
