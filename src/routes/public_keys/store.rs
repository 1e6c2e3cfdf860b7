//! The SQL of public keys.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

use super::rules::{Key, OrgKeys, Plan};
use crate::administration::{Caller, Scope};
use crate::audit::audited;
use crate::crypto::audit_chain::{Head, RowMac};
use crate::events::Draft;
use crate::http::paging::CursorPosition;
use crate::ids::OrgId;

/// Keys on a page.
const PAGE: i64 = 100;
/// What a page's keys have together, in bytes, unless one alone has more: so much is held in memory
/// until the client has taken the page.
const PAGE_BYTES: i64 = 1024 * 1024;

/// A new key as it is stored.
#[derive(Clone, Debug)]
pub struct Stored {
    pub usages: Vec<String>,
    pub kind: &'static str,
    pub public_key: String,
    pub fingerprint: String,
    pub algorithm: String,
    pub related_client_id: Option<String>,
    pub sealed: Option<Vec<u8>>,
}

/// A key as it is shown: everything but the private half.
#[derive(Debug)]
pub struct Row {
    pub unique_id: Uuid,
    pub usages: Vec<String>,
    pub kind: String,
    pub public_key: String,
    pub fingerprint: String,
    pub algorithm: String,
    pub related_client_id: Option<String>,
    pub has_private_key: bool,
    pub expires_at: DateTime<Utc>,
}

/// The org's live keys, and the one with the id `wanted` dead or alive. `None` if there is no
/// such org.
pub async fn load(
    db: impl PgExecutor<'_>,
    scope: &Scope,
    wanted: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<Option<OrgKeys>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        SELECT o.revision, o.audit_mac AS "audit_mac: RowMac", o.key AS owner_code,
               c.rotated_at IS NOT NULL AS "superseded!",
               $2::uuid IS NULL OR (c.id IS NOT NULL AND c.revoked_at IS NULL
                   AND (c.expires_at IS NULL OR c.expires_at > $4)) AS "caller_lives!",
               k.unique_id AS "unique_id?", k.fingerprint AS "fingerprint?", k.expires_at AS "expires_at?",
               k.deleted_at AS "deleted_at?"
        FROM orgs o
        LEFT JOIN tenant_keys c ON c.org_id = o.id AND c.id = $2
        LEFT JOIN public_keys k ON k.org_id = o.id
            AND (k.unique_id = $3 OR (k.deleted_at IS NULL AND k.expires_at > $4))
        WHERE o.id = $1
        "#,
        scope.org_id.0,
        scope.caller.map(|id| id.0),
        wanted,
        now,
    )
    .fetch_all(db)
    .await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let head = Head { seq: first.revision, mac: first.audit_mac };
    let owner_code = first.owner_code.clone();
    let caller = Caller::of(first.caller_lives, first.superseded);
    let keys = rows.into_iter().filter_map(|row| {
        Some(Key {
            unique_id: row.unique_id?,
            fingerprint: row.fingerprint?,
            expires_at: row.expires_at?,
            deleted_at: row.deleted_at,
        })
    });
    Ok(Some(OrgKeys { head, owner_code, keys: keys.collect(), caller, now }))
}

/// Carries a plan out, with its event and its audit row, in one statement: adds `new` if there is
/// one, else changes the key. `false` if the org changed since the plan was made: then nothing
/// happened.
pub async fn apply(
    db: impl PgExecutor<'_>,
    scope: &Scope,
    seen: &OrgKeys,
    plan: &Plan,
    new: Option<&Stored>,
) -> Result<bool, sqlx::Error> {
    let entry = scope.entry(seen.head, seen.now, plan.kind.name(), plan.unique_id);
    let event = scope.draft(plan.kind, &plan.subject(), seen.now);
    let applied = audited!(
        &entry,
        r#",
        changed AS (
            UPDATE public_keys k
            SET expires_at = $11, deleted_at = $12, version = k.version + 1,
                -- A new end is announced anew.
                expiry_set_at = CASE WHEN k.expires_at <> $11 THEN $4 ELSE k.expiry_set_at END,
                expiry_told = CASE WHEN k.expires_at = $11 THEN k.expiry_told END
            FROM gate WHERE k.org_id = $1 AND k.unique_id = $10 AND $14::text IS NULL
            RETURNING k.version
        ),
        added AS (
            INSERT INTO public_keys (org_id, unique_id, usages, type, public_key, fingerprint, algorithm,
                                     related_client_id, sealed, created_at, expires_at, expiry_set_at)
            SELECT $1, $10, $13, $14, $15, $16, $17, $18, $19, $4, $11, $4 FROM gate WHERE $14::text IS NOT NULL
        ),
        told AS (
            INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at, traceparent)
            -- The announcer of ends raises the version without the gate, so only this row knows it.
            SELECT $1, $20, $21, $7, $22 || coalesce((SELECT version FROM changed), 1) || $23, $24, $24, $25 FROM gate
        )
        SELECT id FROM gate
        "#,
        plan.unique_id,
        plan.expires_at,
        plan.deleted_at,
        new.map(|new| &new.usages[..]),
        new.map(|new| new.kind),
        new.map(|new| new.public_key.as_str()),
        new.map(|new| new.fingerprint.as_str()),
        new.map(|new| new.algorithm.as_str()),
        new.and_then(|new| new.related_client_id.as_deref()),
        new.and_then(|new| new.sealed.as_deref()),
        event.id,
        plan.kind.stream().name(),
        event.head,
        Draft::TAIL,
        event.at,
        event.traceparent,
    )
    .fetch_optional(db)
    .await?;
    Ok(applied.is_some())
}

/// An org's `key` and the public key with this id, dead or alive.
pub async fn find(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    unique_id: Uuid,
) -> Result<Option<(String, Row)>, sqlx::Error> {
    let row = sqlx::query!(
        r#"
        SELECT o.key AS owner_code, k.unique_id, k.usages, k.type AS kind, k.public_key, k.fingerprint, k.algorithm,
               k.related_client_id, k.sealed IS NOT NULL AS "has_private_key!", k.expires_at
        FROM public_keys k JOIN orgs o ON o.id = k.org_id
        WHERE k.org_id = $1 AND k.unique_id = $2
        "#,
        org_id.0,
        unique_id,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| {
        let key = Row {
            unique_id: row.unique_id,
            usages: row.usages,
            kind: row.kind,
            public_key: row.public_key,
            fingerprint: row.fingerprint,
            algorithm: row.algorithm,
            related_client_id: row.related_client_id,
            has_private_key: row.has_private_key,
            expires_at: row.expires_at,
        };
        (row.owner_code, key)
    }))
}

/// A part of an org's keys, oldest first.
#[derive(Debug, Default)]
pub struct KeyPage {
    pub rows: Vec<Row>,
    /// The place after which the next page starts, if there is one.
    pub next: Option<CursorPosition>,
}

/// The org's keys after a place, if `owner_code` is its `key`.
pub async fn list(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    owner_code: &str,
    include_expired: bool,
    after: CursorPosition,
    now: DateTime<Utc>,
) -> Result<Option<KeyPage>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        SELECT o.key AS owner_code, k.unique_id AS "unique_id?", k.usages AS "usages?", k.type AS "kind?",
               k.public_key AS "public_key?", k.fingerprint AS "fingerprint?", k.algorithm AS "algorithm?",
               k.related_client_id AS "related_client_id?", k.sealed IS NOT NULL AS "has_private_key!",
               k.expires_at AS "expires_at?", k.created_at AS "created_at?", k.has_more AS "has_more?"
        FROM orgs o
        LEFT JOIN LATERAL (
            SELECT *, position < found AND (position = $6 OR next_total > $7) AS has_more
            FROM (
                SELECT *, row_number() OVER listed AS position, count(*) OVER () AS found,
                       sum(octet_length(public_key)) OVER listed AS total,
                       -- With the key after it.
                       sum(octet_length(public_key)) OVER (
                           ORDER BY created_at, unique_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING
                       ) AS next_total
                FROM (
                    SELECT * FROM public_keys
                    WHERE org_id = o.id AND (created_at, unique_id) > ($4, $5)
                        AND ($2 OR (deleted_at IS NULL AND expires_at > $3))
                    ORDER BY created_at, unique_id LIMIT $6::bigint + 1
                ) AS candidate
                WINDOW listed AS (ORDER BY created_at, unique_id)
            ) AS counted
            WHERE position <= $6 AND (position = 1 OR total <= $7)
        ) AS k ON true
        WHERE o.id = $1
        ORDER BY k.created_at, k.unique_id
        "#,
        org_id.0,
        include_expired,
        now,
        after.created_at,
        after.id,
        PAGE,
        PAGE_BYTES,
    )
    .fetch_all(db)
    .await?;
    // Compared here: a path may hold text that Postgres cannot take.
    if rows.first().is_none_or(|row| row.owner_code != owner_code) {
        return Ok(None);
    }
    let mut page = KeyPage::default();
    for row in rows {
        let (Some(unique_id), Some(created_at)) = (row.unique_id, row.created_at) else { continue };
        page.next = row.has_more.unwrap_or(false).then_some(CursorPosition { created_at, id: unique_id });
        page.rows.extend(row.usages.zip(row.kind).zip(row.public_key).zip(row.fingerprint).and_then(
            |(((usages, kind), public_key), fingerprint)| {
                Some(Row {
                    unique_id,
                    usages,
                    kind,
                    public_key,
                    fingerprint,
                    algorithm: row.algorithm?,
                    related_client_id: row.related_client_id,
                    has_private_key: row.has_private_key,
                    expires_at: row.expires_at?,
                })
            },
        ));
    }
    Ok(Some(page))
}

/// A live key, to be used.
#[derive(Clone, Debug)]
pub struct Usable {
    pub unique_id: Uuid,
    pub kind: String,
    pub public_key: String,
    pub fingerprint: String,
}

/// The live key that is used for a usage: the one with this id, or the one registered last. With
/// `is_partners`, only one whose private half the partner holds.
pub async fn usable(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    unique_id: Option<Uuid>,
    usage: &str,
    is_partners: bool,
    now: DateTime<Utc>,
) -> Result<Option<Usable>, sqlx::Error> {
    sqlx::query_as!(
        Usable,
        r#"
        SELECT unique_id, type AS kind, public_key, fingerprint FROM public_keys
        WHERE org_id = $1 AND ($2::uuid IS NULL OR unique_id = $2) AND $3 = ANY(usages)
            AND (sealed IS NULL OR NOT $4) AND deleted_at IS NULL AND expires_at > $5
        ORDER BY created_at DESC, unique_id DESC LIMIT 1
        "#,
        org_id.0,
        unique_id,
        usage,
        is_partners,
        now,
    )
    .fetch_optional(db)
    .await
}
