//! The SQL of what a key was used for.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;

use super::RequestSource;
use crate::identity::usage::{KEPT_SOURCES, SEEN_WITHIN};
use crate::ids::{KeyId, OrgId};

/// What was counted of a key.
pub struct StoredUsage {
    /// Requests by the beginning of their hour; hours without any are not there.
    pub hours: HashMap<DateTime<Utc>, i64>,
    /// Where they came from, the one that was seen last first.
    pub sources: Vec<RequestSource>,
}

/// What was counted of this key since the hour `first`; `None` if it is not the org's.
pub async fn load(
    db: impl PgExecutor<'_>,
    org_id: OrgId,
    key_id: KeyId,
    first: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Option<StoredUsage>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        SELECT ARRAY(SELECT hour FROM tenant_key_hours h WHERE h.org_id = $1 AND h.key_id = $2 AND hour >= $3
                     ORDER BY hour) AS "hours!",
               ARRAY(SELECT requests FROM tenant_key_hours h WHERE h.org_id = $1 AND h.key_id = $2 AND hour >= $3
                     ORDER BY hour) AS "hourly!",
               s.network AS "network?", s.user_agent AS "user_agent?", s.first_seen_at AS "first_seen_at?",
               s.last_seen_at AS "last_seen_at?", s.requests AS "requests?", s.outside AS "outside?"
        FROM tenant_keys k
        LEFT JOIN LATERAL (
            SELECT network, user_agent, first_seen_at, last_seen_at, requests, reported + refused AS outside
            FROM tenant_key_sources s WHERE s.org_id = k.org_id AND s.key_id = k.id AND last_seen_at >= $4
            ORDER BY last_seen_at DESC, network, user_agent LIMIT $5
        ) AS s ON true
        WHERE k.org_id = $1 AND k.id = $2
        ORDER BY s.last_seen_at DESC, s.network, s.user_agent
        "#,
        org_id.0,
        key_id.0,
        first,
        now - SEEN_WITHIN,
        KEPT_SOURCES,
    )
    .fetch_all(db)
    .await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let hours = row.hours.iter().copied().zip(row.hourly.iter().copied()).collect();
    let sources = rows.into_iter().filter_map(|row| {
        Some(RequestSource {
            network: row.network.filter(|network| !network.is_empty()),
            user_agent: row.user_agent.filter(|agent| !agent.is_empty()),
            first_seen_at: row.first_seen_at?,
            last_seen_at: row.last_seen_at?,
            requests: row.requests?,
            outside_networks: row.outside?,
        })
    });
    Ok(Some(StoredUsage { hours, sources: sources.collect() }))
}
