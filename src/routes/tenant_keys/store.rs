//! The SQL of tenant keys.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

use super::rules::{Key, OrgKeys, Plan};
use crate::administration::Scope;
use crate::audit::audited;
use crate::crypto::audit_chain::{Head, RowMac};
use crate::crypto::keyring::{Hashed, KeyDigest};
use crate::db::change_feed::CHANGES;
use crate::events::Draft;
use crate::http::paging::Page;
use crate::http::totals::EXACT_UP_TO;
use crate::ids::{KeyId, OrgId};

/// A row of an outer join: all of it there, or none.
struct Row {
    /// The org's revision, or how long the list is.
    head: i64,
    mac: Option<RowMac>,
    id: Option<Uuid>,
    name: Option<String>,
    prefix: Option<String>,
    created_at: Option<DateTime<Utc>>,
    last_used_at: Option<DateTime<Utc>>,
    tokens_issued: Option<i64>,
    dead_uses: Option<i64>,
    dead_used_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
    rotated_at: Option<DateTime<Utc>>,
    rotated_to: Option<Uuid>,
    revoked_at: Option<DateTime<Utc>>,
}

impl Row {
    fn into_key(self) -> Option<Key> {
        Some(Key {
            id: KeyId(self.id?),
            name: self.name?,
            prefix: self.prefix?,
            created_at: self.created_at?,
            last_used_at: self.last_used_at,
            tokens_issued: self.tokens_issued.unwrap_or_default(),
            dead_uses: self.dead_uses.unwrap_or_default(),
            dead_used_at: self.dead_used_at,
            expires_at: self.expires_at,
            rotated_at: self.rotated_at,
            rotated_to: self.rotated_to.map(KeyId),
            revoked_at: self.revoked_at,
        })
    }
}

/// The org's live keys and those of `wanted`, dead or alive. `None` if there is no such org.
pub async fn load(
    db: impl PgExecutor<'_>,
    scope: &Scope,
    wanted: &[Uuid],
    now: DateTime<Utc>,
) -> Result<Option<OrgKeys>, sqlx::Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT o.revision AS "head!", o.audit_mac AS "mac: RowMac", k.id AS "id?", k.name AS "name?", k.prefix AS "prefix?",
               k.created_at AS "created_at?", k.last_used_at AS "last_used_at?",
               k.tokens_issued AS "tokens_issued?", k.dead_uses AS "dead_uses?", k.dead_used_at AS "dead_used_at?", k.expires_at AS "expires_at?",
               k.rotated_at AS "rotated_at?", k.rotated_to AS "rotated_to?", k.revoked_at AS "revoked_at?"
        FROM orgs o
        LEFT JOIN tenant_keys k ON k.org_id = o.id
            AND (k.id = ANY($2) OR (k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > $3)))
        WHERE o.id = $1
        "#,
        scope.org_id.0,
        wanted,
        now,
    )
    .fetch_all(db)
    .await?;
    let Some(head) = rows.first().map(|row| Head { seq: row.head, mac: row.mac }) else { return Ok(None) };
    let keys = rows.into_iter().filter_map(Row::into_key).collect();
    Ok(Some(OrgKeys { head, keys, caller: scope.caller, now }))
}

/// Carries a plan out, with its audit row and its announcement, in one statement. `false` if the
/// org changed since the plan was made: then nothing happened.
pub async fn apply(
    db: impl PgExecutor<'_>,
    scope: &Scope,
    seen: &OrgKeys,
    plan: &Plan,
    digest: Option<&Hashed>,
) -> Result<bool, sqlx::Error> {
    let (changed, added) = (plan.changed.as_ref(), plan.added.as_ref());
    let (Some(key), Some(subject)) = (added.or(changed), plan.subject()) else { return Ok(true) };
    let entry = scope.entry(seen.head, seen.now, plan.kind.name(), key.id);
    let event = scope.draft(plan.kind, &subject, seen.now);
    let applied = audited!(
        &entry,
        r#",
        changed AS (
            UPDATE tenant_keys k
            SET name = $11, expires_at = $12, rotated_at = $13, rotated_to = $14, revoked_at = $15,
                version = k.version + 1,
                -- A new end is announced anew.
                expiry_set_at = CASE WHEN $12::timestamptz IS NULL THEN NULL
                                     WHEN k.expires_at IS DISTINCT FROM $12 THEN $4 ELSE k.expiry_set_at END,
                expiry_told = CASE WHEN k.expires_at IS NOT DISTINCT FROM $12 THEN k.expiry_told END
            FROM gate WHERE k.org_id = $1 AND k.id = $10
            RETURNING k.id, k.digest, k.version
        ),
        added AS (
            INSERT INTO tenant_keys (org_id, id, name, prefix, digest, pepper, created_at, expires_at, expiry_set_at)
            SELECT $1, $16, $17, $18, $19, $28, $4, $20, CASE WHEN $20::timestamptz IS NOT NULL THEN $4 END
            FROM gate WHERE $16::uuid IS NOT NULL
        ),
        told AS (
            INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at, traceparent)
            SELECT $1, $22, $23, $7, $24 || coalesce((SELECT version FROM changed WHERE id::text = $8), 1) || $25, $26, $26,
                   $27
            FROM gate
        )
        SELECT (SELECT pg_notify($21, format('key %s %s %s', id, encode(digest, 'hex'), $1::uuid))::text FROM changed) AS told
        FROM gate
        "#,
        changed.map(|key| key.id.0),
        changed.map(|key| key.name.as_str()),
        changed.and_then(|key| key.expires_at),
        changed.and_then(|key| key.rotated_at),
        changed.and_then(|key| key.rotated_to).map(|id| id.0),
        changed.and_then(|key| key.revoked_at),
        added.map(|key| key.id.0),
        added.map(|key| key.name.as_str()),
        added.map(|key| key.prefix.as_str()),
        digest.map(|hashed| &hashed.digest[..]),
        added.and_then(|key| key.expires_at),
        CHANGES,
        event.id,
        plan.kind.stream().name(),
        event.head,
        Draft::TAIL,
        event.at,
        event.traceparent,
        digest.map(|hashed| hashed.pepper),
    )
    .fetch_optional(db)
    .await?;
    Ok(applied.is_some())
}

/// A page of the org's keys, and how many there are; without `include_revoked` only live ones.
pub async fn list(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    include_revoked: bool,
    page: Page,
    now: DateTime<Utc>,
) -> Result<(Vec<Key>, i64), sqlx::Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        WITH wanted AS NOT MATERIALIZED (
            SELECT * FROM tenant_keys
            WHERE org_id = $1 AND ($2 OR (revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3)))
        )
        SELECT counted.total AS "head!", NULL::bytea AS "mac: RowMac", k.id AS "id?", k.name AS "name?", k.prefix AS "prefix?",
               k.created_at AS "created_at?", k.last_used_at AS "last_used_at?",
               k.tokens_issued AS "tokens_issued?", k.dead_uses AS "dead_uses?", k.dead_used_at AS "dead_used_at?", k.expires_at AS "expires_at?",
               k.rotated_at AS "rotated_at?", k.rotated_to AS "rotated_to?", k.revoked_at AS "revoked_at?"
        FROM (SELECT count(*) AS total FROM (SELECT FROM wanted LIMIT $6) AS first) AS counted
        LEFT JOIN (
            SELECT * FROM wanted WHERE (created_at, id) > ($7, $8) ORDER BY created_at, id LIMIT $4 OFFSET $5
        ) AS k ON true
        ORDER BY k.created_at, k.id
        "#,
        org_id.0,
        include_revoked,
        now,
        page.rows(),
        page.skip(),
        EXACT_UP_TO + 1,
        page.after().created_at,
        page.after().id,
    )
    .fetch_all(db)
    .await?;
    let total = rows.first().map_or(0, |row| row.head);
    Ok((rows.into_iter().filter_map(Row::into_key).collect(), total))
}

/// How many keys the org ever had.
pub async fn count(db: impl PgExecutor<'_>, org_id: OrgId) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM tenant_keys WHERE org_id = $1"#, org_id.0)
        .fetch_one(db)
        .await
}

/// Whether the key with one of these digests is the org's and works.
pub async fn is_live(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    digests: &[KeyDigest],
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let digests: Vec<&[u8]> = digests.iter().map(|digest| &digest[..]).collect();
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM tenant_keys WHERE digest = ANY($2::bytea[]) AND org_id = $1 AND revoked_at IS NULL
                          AND (expires_at IS NULL OR expires_at > $3)) AS "live!""#,
        org_id.0,
        &digests as &[&[u8]],
        now,
    )
    .fetch_one(db)
    .await
}
