//! The list of an org's public keys, in pages that are bounded in bytes.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

use super::store::Row;
use crate::http::paging::CursorPosition;
use crate::ids::OrgId;

/// Keys on a page.
const PAGE: i64 = 100;
/// The bytes that a page's keys have together, unless one alone has more: so much is held in memory
/// until the client has taken the page.
const PAGE_BYTES: i64 = 1024 * 1024;

/// A part of an org's keys, oldest first.
#[derive(Debug, Default)]
pub struct KeyPage {
    pub rows: Vec<Row>,
    /// The position after which the next page starts, if there is one.
    pub next: Option<CursorPosition>,
}

/// A row of an outer join: the org's own columns, and a key's, all of them or none.
struct ListedPublicKey {
    owner_code: String,
    unique_id: Option<Uuid>,
    usages: Option<Vec<String>>,
    kind: Option<String>,
    public_key: Option<String>,
    fingerprint: Option<String>,
    algorithm: Option<String>,
    related_client_id: Option<String>,
    has_private_key: bool,
    expires_at: Option<DateTime<Utc>>,
    proven_at: Option<DateTime<Utc>>,
    created_at: Option<DateTime<Utc>>,
    has_more: Option<bool>,
}

impl ListedPublicKey {
    /// The key, when it was made, and whether there are more.
    fn into_row(self) -> Option<(Row, DateTime<Utc>, bool)> {
        let row = Row {
            unique_id: self.unique_id?,
            usages: self.usages?,
            kind: self.kind?,
            public_key: self.public_key?,
            fingerprint: self.fingerprint?,
            algorithm: self.algorithm?,
            related_client_id: self.related_client_id,
            has_private_key: self.has_private_key,
            expires_at: self.expires_at?,
            proven_at: self.proven_at,
        };
        Some((row, self.created_at?, self.has_more?))
    }
}

/// A page of an org's keys, and the org's own row where it has none: `$1` org, `$2` whether dead ones
/// count, `$3` now, `$4` and `$5` the position before it, `$6` keys, `$7` bytes.
macro_rules! listed {
    ($($argument:expr),*) => {
        sqlx::query_as!(
            ListedPublicKey,
            r#"
            SELECT o.key AS "owner_code!", k.unique_id AS "unique_id?", k.usages AS "usages?", k.type AS "kind?",
                   k.public_key AS "public_key?", k.fingerprint AS "fingerprint?", k.algorithm AS "algorithm?",
                   k.related_client_id AS "related_client_id?", k.sealed IS NOT NULL AS "has_private_key!",
                   k.expires_at AS "expires_at?", k.proven_at AS "proven_at?", k.created_at AS "created_at?", k.has_more AS "has_more?"
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
            $($argument),*
        )
    };
}

/// The org's keys after a position, if `owner_code` is its `key`.
pub async fn page(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    owner_code: &str,
    include_expired: bool,
    after: CursorPosition,
    now: DateTime<Utc>,
) -> Result<Option<KeyPage>, sqlx::Error> {
    let (created_at, id) = (after.created_at, after.id);
    let rows =
        listed!(org_id.0, include_expired, now, created_at, id, PAGE, PAGE_BYTES).fetch_all(db).await?;
    // Compared here: a path may hold text that Postgres cannot take.
    if rows.first().is_none_or(|row| row.owner_code != owner_code) {
        return Ok(None);
    }
    let mut page = KeyPage::default();
    // An org without keys has a row without one.
    for (row, created_at, has_more) in rows.into_iter().filter_map(ListedPublicKey::into_row) {
        page.next = has_more.then_some(CursorPosition { created_at, id: row.unique_id });
        page.rows.push(row);
    }
    Ok(Some(page))
}
