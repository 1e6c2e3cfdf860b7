//! The SQL of orgs as the platform sees them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgExecutor;
use utoipa::ToSchema;

use crate::db::Db;
use crate::http::paging::Page;
use crate::http::totals::EXACT_UP_TO;
use crate::ids::{OrgId, parse_uuid};

/// The parts of an org that only the platform sees.
#[derive(Debug)]
pub struct PlatformRow {
    /// The id.
    pub id: OrgId,
    /// The instant of its suspension.
    pub suspended_at: Option<DateTime<Utc>>,
    /// Why.
    pub suspend_reason: Option<String>,
    /// Whom to write to about it.
    pub contact_emails: Vec<String>,
    /// How much it has.
    pub counts: OrgCounts,
}

/// How much an org has.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct OrgCounts {
    /// Users. Exact up to 10,000; above that up to a minute old.
    pub users: i64,
    /// Live tenant keys.
    pub tenant_keys: i64,
    /// Live public keys.
    pub public_keys: i64,
    /// Event queues.
    pub queues: i64,
}

/// The id of the org that a path names, by its id or by its key.
pub async fn resolve(db: impl PgExecutor<'_>, named: &str) -> Result<Option<OrgId>, sqlx::Error> {
    // A key may look like an id: an id goes before.
    sqlx::query_scalar!(
        r#"SELECT id AS "id: OrgId" FROM orgs WHERE id = $1 OR key = $2 ORDER BY id IS DISTINCT FROM $1 LIMIT 1"#,
        parse_uuid(named),
        named,
    )
    .fetch_optional(db)
    .await
}

/// An org, as much of it as every page says.
#[derive(Debug)]
pub struct NamedOrg {
    /// The id.
    pub id: OrgId,
    /// The public name.
    pub key: String,
    /// The name for people.
    pub name: String,
    /// Its administration is frozen.
    pub is_frozen: bool,
    /// It is not served.
    pub is_suspended: bool,
}

/// The org that a path names, by its id or by its key.
pub async fn named(db: impl PgExecutor<'_>, named: &str) -> Result<Option<NamedOrg>, sqlx::Error> {
    sqlx::query_as!(
        NamedOrg,
        r#"SELECT id AS "id: OrgId", key, name, frozen_at IS NOT NULL AS "is_frozen!",
                  suspended_at IS NOT NULL AS "is_suspended!"
           FROM orgs WHERE id = $1 OR key = $2 ORDER BY id IS DISTINCT FROM $1 LIMIT 1"#,
        parse_uuid(named),
        named,
    )
    .fetch_optional(db)
    .await
}

/// Returns `true` if the audit log of an org has this action since then.
pub async fn is_changed_since(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    action: &str,
    since: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM audit_log WHERE org_id = $1 AND action = $2 AND at >= $3) AS "exists!""#,
        org_id.0,
        action,
        since,
    )
    .fetch_one(db)
    .await
}

/// A row of [`list`]: of its outer join, which has all columns of an org or none.
struct ListedRow {
    total: i64,
    id: Option<OrgId>,
    suspended_at: Option<DateTime<Utc>>,
    suspend_reason: Option<String>,
    contact_emails: Option<Vec<String>>,
    users: Option<i64>,
    tenant_keys: Option<i64>,
    public_keys: Option<i64>,
    queues: Option<i64>,
}

/// The statement of [`list`]; `users` and `queues` count an org's.
macro_rules! list {
    (users = $users:tt, queues = $queues:tt, $only:expr, $search:expr, $page:expr, $now:expr) => {
        sqlx::query_as!(
            ListedRow,
            r#"
        SELECT counted.total AS "total!", o.id AS "id?: OrgId", o.suspended_at AS "suspended_at?",
               o.suspend_reason AS "suspend_reason?", o.contact_emails AS "contact_emails?", o.users AS "users?",
               o.tenant_keys AS "tenant_keys?", o.public_keys AS "public_keys?", o.queues AS "queues?"
        FROM (SELECT count(*) AS total FROM orgs o
              WHERE $8::text IS NULL OR o.id = $9 OR position(lower($8) IN lower(o.name)) > 0
                  OR position(lower($8) IN o.key) > 0) AS counted
        LEFT JOIN (
            SELECT o.id, o.created_at, o.suspended_at, o.suspend_reason, o.contact_emails,
                   "# + $users + r#" AS users,
                   (SELECT count(*) FROM tenant_keys k WHERE k.org_id = o.id AND k.revoked_at IS NULL
                        AND (k.expires_at IS NULL OR k.expires_at > $2)) AS tenant_keys,
                   (SELECT count(*) FROM public_keys p WHERE p.org_id = o.id AND p.deleted_at IS NULL
                        AND p.expires_at > $2) AS public_keys,
                   "# + $queues + r#" AS queues
            FROM orgs o
            WHERE ($1::uuid IS NULL OR o.id = $1) AND (o.created_at, o.id) > ($3, $4)
                AND ($8::text IS NULL OR o.id = $9 OR position(lower($8) IN lower(o.name)) > 0
                     OR position(lower($8) IN o.key) > 0)
            ORDER BY o.created_at, o.id LIMIT $5 OFFSET $6
        ) AS o ON true
        ORDER BY o.created_at, o.id
            "#,
            $only.map(|id| id.0),
            $now,
            $page.after().created_at,
            $page.after().id,
            $page.rows(),
            $page.skip(),
            EXACT_UP_TO + 1,
            $search,
            $search.and_then(parse_uuid),
        )
    };
}

/// A page of all orgs, of those that a search finds, or one of them; and how many of those there are.
pub async fn list(
    db: &Db,
    (only, search): (Option<OrgId>, Option<&str>),
    page: Page,
    now: DateTime<Utc>,
) -> Result<(Vec<PlatformRow>, i64), sqlx::Error> {
    let rows = if db.is_distributed().await? {
        let listed = list!(users = "least(0, $7::bigint)", queues = "0::bigint", only, search, page, now);
        let mut rows = listed.fetch_all(&db.pool).await?;
        for row in &mut rows {
            if let Some(id) = row.id {
                let (users, queues) = count_at_its_worker(db, id).await?;
                (row.users, row.queues) = (Some(users), Some(queues));
            }
        }
        rows
    } else {
        let listed = list!(
            users = "(SELECT count(*) FROM (SELECT FROM users u WHERE u.org_id = o.id
                      ORDER BY u.created_at, u.user_id LIMIT $7) AS first)",
            queues = "(SELECT count(*) FROM event_queues q WHERE q.org_id = o.id)",
            only,
            search,
            page,
            now
        );
        listed.fetch_all(&db.pool).await?
    };
    let total = rows.first().map_or(0, |row| row.total);
    let rows = rows.into_iter().filter_map(|row| {
        Some(PlatformRow {
            id: row.id?,
            suspended_at: row.suspended_at,
            suspend_reason: row.suspend_reason,
            contact_emails: row.contact_emails?,
            counts: OrgCounts {
                users: row.users?,
                tenant_keys: row.tenant_keys?,
                public_keys: row.public_keys?,
                queues: row.queues?,
            },
        })
    });
    Ok((rows.collect(), total))
}

/// An org's users, counted to just above [`EXACT_UP_TO`], and its queues: in a distributed database they are elsewhere.
async fn count_at_its_worker(db: &Db, org_id: OrgId) -> Result<(i64, i64), sqlx::Error> {
    let counted = sqlx::query!(
        r#"
        SELECT (SELECT count(*)
                FROM (SELECT FROM users u WHERE u.org_id = $1 ORDER BY u.created_at, u.user_id LIMIT $2) AS first) AS "users!",
               (SELECT count(*) FROM event_queues q WHERE q.org_id = $1) AS "queues!"
        "#,
        org_id.0,
        EXACT_UP_TO + 1,
    )
    .fetch_one(&db.pool)
    .await?;
    Ok((counted.users, counted.queues))
}
