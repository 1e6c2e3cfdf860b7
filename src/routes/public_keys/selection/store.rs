//! The SQL of selections.

use sqlx::PgExecutor;

use super::rules::{Candidate, Moment};
use crate::ids::OrgId;
use crate::routes::public_keys::rules::MAX_LIVE;
use crate::routes::public_keys::usage::Usage;

/// Keys that are looked at: all that can be alive at one time, and of the others those registered last, for the
/// reason why there is none.
const LOOKED_AT: i64 = 3 * MAX_LIVE as i64;

/// The org's keys that may be chosen at a time, if `owner_code` is its `key`.
pub async fn candidates(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    owner_code: &str,
    moment: Moment,
) -> Result<Option<Vec<Candidate>>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        SELECT o.key AS owner_code, k.unique_id AS "unique_id?", k.fingerprint AS "fingerprint?", k.usages AS "usages?",
               k.sealed IS NOT NULL AS "is_ours!", k.created_at AS "created_at?", k.expires_at AS "expires_at?",
               k.deleted_at, k.proven_at
        FROM orgs o
        LEFT JOIN LATERAL (
            SELECT * FROM public_keys
            WHERE org_id = $1 AND (created_at <= $2 OR $2 >= $3)
            ORDER BY expires_at > $2 DESC, created_at DESC, unique_id DESC LIMIT $4
        ) AS k ON true
        WHERE o.id = $1
        "#,
        org_id.0,
        moment.at,
        moment.now,
        LOOKED_AT,
    )
    .fetch_all(db)
    .await?;
    // Compared here: a path may hold text that Postgres cannot take.
    if rows.first().is_none_or(|row| row.owner_code != owner_code) {
        return Ok(None);
    }
    let candidates = rows.into_iter().filter_map(|row| {
        Some(Candidate {
            unique_id: row.unique_id?,
            fingerprint: row.fingerprint?,
            usages: row.usages?.iter().filter_map(|name| Usage::parse(name)).collect(),
            is_ours: row.is_ours,
            created_at: row.created_at?,
            expires_at: row.expires_at?,
            deleted_at: row.deleted_at,
            proven_at: row.proven_at,
        })
    });
    Ok(Some(candidates.collect()))
}
