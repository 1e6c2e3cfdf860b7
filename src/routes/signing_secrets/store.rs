//! The SQL of signing secrets.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

use super::rules::{OrgSecrets, Plan, SigningSecret};
use crate::administration::{Caller, Scope};
use crate::audit::audited;
use crate::crypto::audit_chain::{Head, RowMac};
use crate::ids::OrgId;

/// A new secret as it is stored.
#[derive(Clone, Debug)]
pub struct Stored {
    pub sealed: Vec<u8>,
    /// The first is stored; the others are as older keys of the service made them.
    pub fingerprints: Vec<Vec<u8>>,
    pub source: &'static str,
}

/// The org's live secrets, and the one with the id `wanted` dead or alive. `None` if there is no
/// such org.
pub async fn load(
    db: impl PgExecutor<'_>,
    scope: &Scope,
    wanted: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<Option<OrgSecrets>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        SELECT o.revision, o.audit_mac AS "audit_mac: RowMac",
               k.rotated_at IS NOT NULL AS "superseded!",
               $2::uuid IS NULL OR (k.id IS NOT NULL AND k.revoked_at IS NULL
                   AND (k.expires_at IS NULL OR k.expires_at > $4)) AS "caller_lives!",
               s.id AS "id?", s.source AS "source?", s.created_at AS "created_at?", s.expires_at AS "expires_at?",
               s.revoked_at AS "revoked_at?", s.version AS "version?"
        FROM orgs o
        LEFT JOIN tenant_keys k ON k.org_id = o.id AND k.id = $2
        LEFT JOIN signing_secrets s ON s.org_id = o.id
            AND (s.id = $3 OR s.superseded_at IS NULL OR (s.revoked_at IS NULL AND s.expires_at > $4))
        WHERE o.id = $1
        ORDER BY s.created_at, s.id
        "#,
        scope.org_id.0,
        scope.caller.map(|id| id.0),
        wanted,
        now,
    )
    .fetch_all(db)
    .await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let caller = Caller::of(first.caller_lives, first.superseded);
    let head = Head { seq: first.revision, mac: first.audit_mac };
    let secrets = rows.into_iter().filter_map(|row| {
        Some(SigningSecret {
            id: row.id?,
            source: row.source?,
            created_at: row.created_at?,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            version: row.version?,
        })
    });
    Ok(Some(OrgSecrets { head, secrets: secrets.collect(), caller, now }))
}

/// What became of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    Done,
    /// The org changed since the plan was made: nothing happened.
    Stale,
    /// The org had this secret before: nothing happened.
    Reused,
}

/// Whether the org had this secret before the service's keys were renewed; asked only if they were.
pub async fn is_known(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    new: Option<&Stored>,
) -> Result<bool, sqlx::Error> {
    let Some([_, older @ ..]) = new.map(|new| &new.fingerprints[..]) else { return Ok(false) };
    if older.is_empty() {
        return Ok(false);
    }
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM signing_secrets WHERE org_id = $1 AND fingerprint = ANY($2)) AS "known!""#,
        org_id.0,
        older,
    )
    .fetch_one(db)
    .await
}

/// Carries a plan out, with its event and its audit row, in one statement.
pub async fn apply(
    db: impl PgExecutor<'_>,
    scope: &Scope,
    seen: &OrgSecrets,
    plan: &Plan,
    new: Option<&Stored>,
) -> Result<Applied, sqlx::Error> {
    let Some((subject, version)) = plan.subject() else { return Ok(Applied::Done) };
    let ended = plan.ended.as_ref();
    let Some(id) = plan.added.or(ended.map(|secret| secret.id)) else { return Ok(Applied::Done) };
    let entry = scope.entry(seen.head, seen.now, plan.kind.name(), id);
    let event = scope.draft(plan.kind, &subject, seen.now);
    let applied = audited!(
        &entry,
        r#",
        ended AS (
            UPDATE signing_secrets s
            SET superseded_at = coalesce(s.superseded_at, $4), expires_at = $11, revoked_at = $12,
                sealed = CASE WHEN $12::timestamptz IS NULL THEN s.sealed END,
                version = s.version + 1
            FROM gate WHERE s.org_id = $1 AND s.id = $10
            RETURNING s.id
        ),
        added AS (
            INSERT INTO signing_secrets (org_id, id, sealed, fingerprint, source, created_at)
            SELECT $1, $13, $14, $15, $16, $4 FROM gate
            -- Counting `ended` makes it run first: two current secrets would break the index.
            WHERE $13::uuid IS NOT NULL AND (SELECT count(*) FROM ended) >= 0
        ),
        told AS (
            INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at, traceparent)
            SELECT $1, $17, $18, $7, $19, $20, $20, $21 FROM gate
        )
        SELECT id FROM gate
        "#,
        ended.map(|secret| secret.id),
        ended.and_then(|secret| secret.expires_at),
        ended.and_then(|secret| secret.revoked_at),
        plan.added,
        new.map(|new| &new.sealed[..]),
        new.and_then(|new| new.fingerprints.first()).map(|print| &print[..]),
        new.map(|new| new.source),
        event.id,
        event.kind.stream().name(),
        event.body(version),
        event.at,
        event.traceparent,
    )
    .fetch_optional(db)
    .await;
    match applied {
        Ok(row) => Ok(if row.is_some() { Applied::Done } else { Applied::Stale }),
        Err(error) if violates(&error, "signing_secrets_never_reused") => Ok(Applied::Reused),
        Err(error) => Err(error),
    }
}

fn violates(error: &sqlx::Error, constraint: &str) -> bool {
    error.as_database_error().and_then(|error| error.constraint()) == Some(constraint)
}
