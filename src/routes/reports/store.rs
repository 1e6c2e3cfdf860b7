//! The SQL of reports, as partners see them; how they are made is in `background::reports`.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::rules::{NewReport, OrgReports, ReportPlan};
use crate::changes::{Changeable, Mandate, change, snapshot};
use crate::error::ApiError;
use crate::http::paging::Page;
use crate::http::totals::EXACT_UP_TO;
use crate::ids::OrgId;

/// A report as it is stored.
#[derive(Debug)]
pub struct ReportRow {
    pub id: Uuid,
    pub kind: String,
    pub format: String,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
    pub unique_id: Uuid,
    pub fingerprint: String,
    pub key_type: String,
    pub state: String,
    pub attempt: i32,
    /// Rows in the snapshot, once they were counted.
    pub total: Option<i64>,
    pub rows: i64,
    pub bytes: i64,
    pub sha256: Option<Vec<u8>>,
    pub reason: Option<String>,
    pub created_at: DateTime<Utc>,
    pub ready_at: Option<DateTime<Utc>>,
    pub expires_at: Option<DateTime<Utc>>,
}

/// A page of the org's reports, and how many there are, cut off above [`EXACT_UP_TO`].
pub async fn list(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    page: Page,
) -> Result<(Vec<ReportRow>, i64), sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        WITH counted AS (
            SELECT count(*) AS total FROM (
                SELECT FROM reports WHERE org_id = $1 AND state <> 'deleted' LIMIT $6
            ) AS first
        )
        SELECT counted.total AS "total_entries!", r.id AS "id?", r.type AS "kind?", r.format AS "format?", r.from_at, r.to_at,
               r.unique_id AS "unique_id?", r.fingerprint AS "fingerprint?", r.key_type AS "key_type?",
               r.state AS "state?", r.attempt AS "attempt?", r.total, r.row_count AS "row_count?",
               r.byte_count AS "byte_count?", r.reason, r.created_at AS "created_at?", r.ready_at, r.expires_at
        FROM counted
        LEFT JOIN (
            SELECT * FROM reports
            WHERE org_id = $1 AND state <> 'deleted' AND (created_at, id) > ($2, $3)
            ORDER BY created_at, id LIMIT $4 OFFSET $5
        ) AS r ON true
        ORDER BY r.created_at, r.id
        "#,
        org_id.0,
        page.after().created_at,
        page.after().id,
        page.rows(),
        page.skip(),
        EXACT_UP_TO + 1,
    )
    .fetch_all(db)
    .await?;
    let total = rows.first().map_or(0, |row| row.total_entries);
    let entries = rows.into_iter().filter_map(|row| {
        Some(ReportRow {
            id: row.id?,
            kind: row.kind?,
            format: row.format?,
            from: row.from_at,
            to: row.to_at,
            unique_id: row.unique_id?,
            fingerprint: row.fingerprint?,
            key_type: row.key_type?,
            state: row.state?,
            attempt: row.attempt?,
            total: row.total,
            rows: row.row_count?,
            bytes: row.byte_count?,
            sha256: None,
            reason: row.reason,
            created_at: row.created_at?,
            ready_at: row.ready_at,
            expires_at: row.expires_at,
        })
    });
    Ok((entries.collect(), total))
}

/// Counts the org's reports.
pub async fn count(db: impl PgExecutor<'_>, org_id: OrgId) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM reports WHERE org_id = $1 AND state <> 'deleted'"#,
        org_id.0,
    )
    .fetch_one(db)
    .await
}

/// One of the org's reports.
pub async fn find(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    id: Uuid,
) -> Result<Option<ReportRow>, sqlx::Error> {
    sqlx::query_as!(
        ReportRow,
        r#"
        SELECT id, type AS kind, format, from_at AS "from", to_at AS "to", unique_id, fingerprint, key_type, state, attempt,
               total, row_count AS rows, byte_count AS bytes, sha256, reason, created_at, ready_at, expires_at
        FROM reports WHERE org_id = $1 AND id = $2 AND state <> 'deleted'
        "#,
        org_id.0,
        id,
    )
    .fetch_optional(db)
    .await
}

/// A part of a content, as it is kept.
#[derive(Debug)]
pub struct Chunk {
    /// The position of its first octet.
    pub position: i64,
    pub bytes: Vec<u8>,
}

/// The chunk that has the octet at `position`, or the last one before it.
pub async fn chunk_at(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    id: Uuid,
    attempt: i32,
    position: i64,
) -> Result<Option<Chunk>, sqlx::Error> {
    sqlx::query_as!(
        Chunk,
        "SELECT position, bytes FROM report_chunks
         WHERE org_id = $1 AND report_id = $2 AND attempt = $3 AND position <= $4 ORDER BY position DESC LIMIT 1",
        org_id.0,
        id,
        attempt,
        position,
    )
    .fetch_optional(db)
    .await
}

/// An org's reports, as a change is made to them.
#[derive(Default)]
pub struct Reports {
    /// The report that the change is about.
    pub named: Option<Uuid>,
    /// The report that it would add.
    pub new: Option<NewReport>,
}

impl Changeable for Reports {
    type Snapshot = OrgReports;
    type Plan = ReportPlan;
    type Done = ();

    async fn load(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        now: DateTime<Utc>,
    ) -> Result<Option<OrgReports>, sqlx::Error> {
        let key = self.new.as_ref().and_then(|new| new.key.as_ref());
        let loaded = snapshot!(
            db,
            mandate,
            now,
            columns = r#"
                (SELECT count(*) FROM reports w WHERE w.org_id = o.id AND w.state IN ('queued', 'running')) AS "waiting!",
                (SELECT count(*) FROM reports k WHERE k.org_id = o.id AND k.state = 'ready' AND k.expires_at > given.now)
                    AS "kept!",
                EXISTS (SELECT FROM public_keys p WHERE p.org_id = o.id AND p.unique_id = given.key AND p.sealed IS NULL
                        AND 'Reports' = ANY (p.usages) AND p.deleted_at IS NULL AND p.expires_at > given.now) AS "has_key!",
                r.id IS NOT NULL AS "is_there!""#,
            from = "LEFT JOIN reports r ON r.org_id = o.id AND r.id = given.named AND r.state <> 'deleted'",
            { "named": "uuid" = self.named, "key": "uuid" = key.map(|key| key.unique_id) }
        )?;
        let Some((org, rows)) = loaded else { return Ok(None) };
        Ok(rows.into_iter().next().map(|row| OrgReports {
            org,
            waiting: row.waiting,
            kept: row.kept,
            is_there: row.is_there,
            has_key: row.has_key,
        }))
    }

    async fn apply(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        seen: &OrgReports,
        plan: ReportPlan,
    ) -> Result<Option<()>, ApiError> {
        let happened = match (plan, &self.new) {
            (ReportPlan::Create, Some(new)) => self.add(db, mandate, seen, new).await?,
            (ReportPlan::Create, None) => return Err(ApiError::internal("a report of nothing")),
            (ReportPlan::Delete(id), _) => self.delete(db, mandate, seen, id).await?,
        };
        Ok(happened.then_some(()))
    }
}

impl Reports {
    async fn add(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        seen: &OrgReports,
        new: &NewReport,
    ) -> Result<bool, sqlx::Error> {
        let (wanted, key) = (&new.wanted, new.key.as_ref());
        change!(
            db,
            &mandate.entry(seen.org, ReportPlan::Create.action(), new.id),
            writes = "asked AS (
                INSERT INTO reports (org_id, id, type, format, from_at, to_at, unique_id, fingerprint, key_type, due_at,
                                     created_at)
                SELECT org_id, id, type, format, from_at, to_at, unique_id, fingerprint, key_type, at, at FROM change
            )",
            {
                "id": "uuid" = new.id,
                "type": "text" = wanted.kind.name(),
                "format": "text" = wanted.format.name(),
                "from_at": "timestamptz" = wanted.from,
                "to_at": "timestamptz" = wanted.to,
                "unique_id": "uuid" = key.map(|key| key.unique_id),
                "fingerprint": "text" = key.map(|key| key.fingerprint.as_str()),
                "key_type": "text" = key.map(|key| key.kind),
            }
        )
    }

    /// Hides the report, whoever makes it; its content goes in slices (`background::reports`).
    async fn delete(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        seen: &OrgReports,
        id: Uuid,
    ) -> Result<bool, sqlx::Error> {
        change!(
            db,
            &mandate.entry(seen.org, ReportPlan::Delete(id).action(), id),
            writes = "deleted AS (
                UPDATE reports r SET state = 'deleted', lease = NULL FROM change
                WHERE r.org_id = change.org_id AND r.id = change.id
            )",
            { "id": "uuid" = id }
        )
    }
}
