//! The SQL of what a key was seen to do.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;

use crate::ids::{KeyId, OrgId};

/// What a key was seen to do.
pub struct Seen {
    /// Since when its requests are counted.
    pub counted_since: DateTime<Utc>,
    /// When a source was last left out.
    pub sources_dropped_at: Option<DateTime<Utc>>,
    /// What its requests needed, by name.
    pub scopes: Vec<SeenScope>,
    /// Where they came from, by name.
    pub networks: Vec<SeenNetwork>,
}

/// Requests that needed a scope.
pub struct SeenScope {
    /// Its name.
    pub scope: String,
    /// How many.
    pub requests: i64,
    /// Of these, let through without it.
    pub reported: i64,
    /// The last of these.
    pub last_reported_at: Option<DateTime<Utc>>,
    /// Of these, refused.
    pub refused: i64,
}

/// Requests from a network, whatever their `User-Agent`.
pub struct SeenNetwork {
    /// The network; empty where no address was known.
    pub network: String,
    /// The last one.
    pub last_seen_at: DateTime<Utc>,
    /// How many.
    pub requests: i64,
    /// Of these, let through though it is not allowed.
    pub reported: i64,
    /// Of these, refused.
    pub refused: i64,
}

/// What was seen of this key since `since`; `None` if it is not the org's.
pub async fn load(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    key_id: KeyId,
    since: DateTime<Utc>,
) -> Result<Option<Seen>, sqlx::Error> {
    // A row is a scope or a network; a key that did nothing has one that is neither.
    let rows = sqlx::query!(
        r#"
        SELECT coalesce(k.counted_since, k.created_at) AS "counted_since!", k.sources_dropped_at,
               seen.scope AS "scope?", seen.network AS "network?", seen.last_at AS "last_at?",
               seen.requests AS "requests?", seen.reported AS "reported?", seen.refused AS "refused?"
        FROM tenant_keys k
        LEFT JOIN LATERAL (
            SELECT scope, NULL AS network, last_reported_at AS last_at, requests, reported, refused
            FROM tenant_key_scopes s WHERE s.org_id = k.org_id AND s.key_id = k.id AND last_seen_at >= $3
            UNION ALL
            SELECT NULL, network, max(last_seen_at), sum(requests)::bigint, sum(reported)::bigint, sum(refused)::bigint
            FROM tenant_key_sources s WHERE s.org_id = k.org_id AND s.key_id = k.id AND last_seen_at >= $3
            GROUP BY network
        ) AS seen ON true
        WHERE k.org_id = $1 AND k.id = $2
        ORDER BY seen.scope, seen.network
        "#,
        org_id.0,
        key_id.0,
        since,
    )
    .fetch_all(db)
    .await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let (counted_since, sources_dropped_at) = (first.counted_since, first.sources_dropped_at);
    let (mut scopes, mut networks) = (Vec::new(), Vec::new());
    for row in rows {
        let (Some(requests), Some(reported), Some(refused)) = (row.requests, row.reported, row.refused)
        else {
            continue;
        };
        match (row.scope, row.network, row.last_at) {
            (Some(scope), _, last_reported_at) => {
                scopes.push(SeenScope { scope, requests, reported, last_reported_at, refused });
            }
            (None, Some(network), Some(last_seen_at)) => {
                networks.push(SeenNetwork { network, last_seen_at, requests, reported, refused });
            }
            _ => {}
        }
    }
    Ok(Some(Seen { counted_since, sources_dropped_at, scopes, networks }))
}
