//! The SQL that writes what was counted: rows are added to, so that replicas add up.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Due;
use super::requests::{Count, Need, Requests};
use super::source::printable;
use crate::db::Db;

/// Sources that are kept of a key (contract 13.2).
pub const KEPT_SOURCES: i64 = 50;

/// A source as its row has it.
struct SourceRow {
    /// The first and the last request, in microseconds.
    seen: (i64, i64),
    count: Count,
}

/// Rows of the keys of one batch, whose key is their first member.
struct Rows<'d, T>(Vec<(&'d Due, T)>);

impl<'d, T> Rows<'d, T> {
    fn of<I: IntoIterator<Item = T>>(batch: &'d [Due], rows: impl Fn(&'d Requests) -> I) -> Self {
        let of_one = |due: &'d Due| rows(&due.requests).into_iter().map(move |row| (due, row));
        Self(batch.iter().flat_map(of_one).collect())
    }

    fn org_ids(&self) -> Vec<Uuid> {
        self.0.iter().map(|(due, _)| due.org_id.0).collect()
    }

    fn key_ids(&self) -> Vec<Uuid> {
        self.0.iter().map(|(due, _)| due.key_id.0).collect()
    }

    fn column<C>(&self, column: impl Fn(&T) -> C) -> Vec<C> {
        self.0.iter().map(|(_, row)| column(row)).collect()
    }
}

/// Adds the counts of these keys to what the database has, all or nothing. Keys that are gone are passed over.
pub(super) async fn write(db: &Db, batch: &[Due]) -> Result<(), sqlx::Error> {
    let keys = Rows(batch.iter().map(|due| (due, due)).collect());
    let hours = Rows::of(batch, |requests| requests.hours.iter().copied());
    let sources = Rows::of(batch, sources);
    let scopes = Rows::of(batch, |requests| requests.scopes.iter().copied());
    // The org first, and then the key, in the order in which an org is deleted.
    sqlx::query!(
        "WITH used AS (
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::timestamptz[],
                                  $7::timestamptz[])
                 AS u (org_id, id, at, tokens, dead, dead_at, dropped_at)
         ),
         -- What locks is a sub-select: Citus takes the columns that locking adds for columns of the CTE.
         locked AS (
             SELECT * FROM (
                 SELECT k.org_id, k.id, used.at, used.tokens, used.dead, used.dead_at, used.dropped_at
                 FROM used JOIN orgs o ON o.id = used.org_id
                     JOIN tenant_keys k ON k.org_id = used.org_id AND k.id = used.id
                 ORDER BY k.org_id, k.id FOR KEY SHARE OF o FOR NO KEY UPDATE OF k
             ) AS of_keys
         ),
         hours AS (
             INSERT INTO tenant_key_hours AS h (org_id, key_id, hour, requests)
             SELECT locked.org_id, locked.id, u.hour, u.requests
             FROM unnest($8::uuid[], $9::uuid[], $10::timestamptz[], $11::bigint[]) AS u (org_id, id, hour, requests)
             JOIN locked ON locked.org_id = u.org_id AND locked.id = u.id
             ORDER BY locked.org_id, locked.id, u.hour
             ON CONFLICT ON CONSTRAINT tenant_key_hours_pkey DO UPDATE SET requests = h.requests + excluded.requests
         ),
         sources AS (
             INSERT INTO tenant_key_sources AS s (org_id, key_id, network, user_agent, first_seen_at, last_seen_at,
                                                  requests, reported, refused)
             SELECT locked.org_id, locked.id, u.network, u.user_agent, u.first_at, u.last_at, u.requests, u.reported,
                    u.refused
             FROM unnest($12::uuid[], $13::uuid[], $14::text[], $15::text[], $16::timestamptz[], $17::timestamptz[],
                         $18::bigint[], $19::bigint[], $20::bigint[])
                 AS u (org_id, id, network, user_agent, first_at, last_at, requests, reported, refused)
             JOIN locked ON locked.org_id = u.org_id AND locked.id = u.id
             ORDER BY locked.org_id, locked.id, u.network, u.user_agent
             ON CONFLICT ON CONSTRAINT tenant_key_sources_pkey DO UPDATE SET
                 first_seen_at = least(s.first_seen_at, excluded.first_seen_at),
                 last_seen_at = greatest(s.last_seen_at, excluded.last_seen_at),
                 requests = s.requests + excluded.requests, reported = s.reported + excluded.reported,
                 refused = s.refused + excluded.refused
         ),
         scopes AS (
             INSERT INTO tenant_key_scopes AS s (org_id, key_id, scope, last_seen_at, requests, reported,
                                                 last_reported_at, refused)
             SELECT locked.org_id, locked.id, u.scope, u.last_at, u.requests, u.reported, u.reported_at, u.refused
             FROM unnest($21::uuid[], $22::uuid[], $23::text[], $24::timestamptz[], $25::bigint[], $26::bigint[],
                         $27::timestamptz[], $28::bigint[])
                 AS u (org_id, id, scope, last_at, requests, reported, reported_at, refused)
             JOIN locked ON locked.org_id = u.org_id AND locked.id = u.id
             ORDER BY locked.org_id, locked.id, u.scope
             ON CONFLICT ON CONSTRAINT tenant_key_scopes_pkey DO UPDATE SET
                 last_seen_at = greatest(s.last_seen_at, excluded.last_seen_at),
                 requests = s.requests + excluded.requests, reported = s.reported + excluded.reported,
                 last_reported_at = greatest(s.last_reported_at, excluded.last_reported_at),
                 refused = s.refused + excluded.refused
         )
         UPDATE tenant_keys k SET
             last_used_at = greatest(k.last_used_at, locked.at), tokens_issued = k.tokens_issued + locked.tokens,
             dead_uses = k.dead_uses + locked.dead, dead_used_at = greatest(k.dead_used_at, locked.dead_at),
             sources_dropped_at = greatest(k.sources_dropped_at, locked.dropped_at)
         FROM locked WHERE k.org_id = locked.org_id AND k.id = locked.id",
        &keys.org_ids(),
        &keys.key_ids(),
        &keys.column(|due| instant(due.seen.last)) as &[Option<DateTime<Utc>>],
        &keys.column(|due| due.seen.tokens - due.written.tokens),
        &keys.column(|due| due.seen.dead - due.written.dead),
        &keys.column(|due| instant(due.seen.dead_last)) as &[Option<DateTime<Utc>>],
        &keys.column(|due| instant(due.requests.dropped_at)) as &[Option<DateTime<Utc>>],
        &hours.org_ids(),
        &hours.key_ids(),
        &hours.column(|(hour, _)| at(*hour)),
        &hours.column(|(_, requests)| *requests),
        &sources.org_ids(),
        &sources.key_ids(),
        &sources.column(|((network, _), _)| network.clone()),
        &sources.column(|((_, agent), _)| agent.clone()),
        &sources.column(|(_, row)| at(row.seen.0)),
        &sources.column(|(_, row)| at(row.seen.1)),
        &sources.column(|(_, row)| row.count.requests),
        &sources.column(|(_, row)| row.count.reported),
        &sources.column(|(_, row)| row.count.refused),
        &scopes.org_ids(),
        &scopes.key_ids(),
        &scopes.column(|need: &Need| need.scope) as &[&str],
        &scopes.column(|need| at(need.last)),
        &scopes.column(|need| need.count.requests),
        &scopes.column(|need| need.count.reported),
        &scopes.column(|need| instant(need.last_reported)) as &[Option<DateTime<Utc>>],
        &scopes.column(|need| need.count.refused),
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// The sources of a key as rows: what differs in what is not kept is one.
fn sources(requests: &Requests) -> BTreeMap<(String, String), SourceRow> {
    let mut rows = BTreeMap::<_, SourceRow>::new();
    for source in &requests.sources {
        let name = (source.network.to_string(), printable(&source.agent));
        let row = rows.entry(name).or_insert(SourceRow { seen: source.seen, count: Count::default() });
        row.seen = (row.seen.0.min(source.seen.0), row.seen.1.max(source.seen.1));
        row.count.add(source.count);
    }
    rows
}

/// Forgets the sources of these keys that were seen longest ago, where there are more than are kept, and notes that.
pub(super) async fn drop_sources(db: &Db, batch: &[Due]) -> Result<(), sqlx::Error> {
    let with_sources = || batch.iter().filter(|due| !due.requests.sources.is_empty());
    let org_ids: Vec<_> = with_sources().map(|due| due.org_id.0).collect();
    let key_ids: Vec<_> = with_sources().map(|due| due.key_id.0).collect();
    sqlx::query!(
        "WITH touched AS (SELECT * FROM unnest($1::uuid[], $2::uuid[]) AS u (org_id, id)),
         excess AS (
             SELECT s.org_id, s.key_id, s.network, s.user_agent, s.last_seen_at
             FROM touched CROSS JOIN LATERAL (
                 SELECT * FROM tenant_key_sources s WHERE s.org_id = touched.org_id AND s.key_id = touched.id
                 ORDER BY s.last_seen_at DESC, s.network, s.user_agent OFFSET $3) AS s
         ),
         gone AS (
             DELETE FROM tenant_key_sources s USING excess
             WHERE s.org_id = excess.org_id AND s.key_id = excess.key_id AND s.network = excess.network
               AND s.user_agent = excess.user_agent AND s.last_seen_at = excess.last_seen_at
             RETURNING s.org_id, s.key_id, s.last_seen_at
         ),
         dropped AS (SELECT org_id, key_id, max(last_seen_at) AS at FROM gone GROUP BY org_id, key_id)
         UPDATE tenant_keys k SET sources_dropped_at = greatest(k.sources_dropped_at, dropped.at)
         FROM dropped WHERE k.org_id = dropped.org_id AND k.id = dropped.key_id",
        &org_ids,
        &key_ids,
        KEPT_SOURCES,
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Forgets up to `limit` rows of hours before `hours`, and of sources and scopes that were last seen before `seen`;
/// gives the most that it forgot of one of them.
pub async fn forget_old(
    db: &Db,
    hours: DateTime<Utc>,
    seen: DateTime<Utc>,
    limit: i64,
) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query_scalar!(
        r#"
        WITH hours AS (
            DELETE FROM tenant_key_hours WHERE ctid = ANY (ARRAY(
                SELECT ctid FROM tenant_key_hours WHERE hour < $1 LIMIT $3 FOR UPDATE SKIP LOCKED)) RETURNING 1
        ),
        sources AS (
            DELETE FROM tenant_key_sources WHERE ctid = ANY (ARRAY(
                SELECT ctid FROM tenant_key_sources WHERE last_seen_at < $2 LIMIT $3 FOR UPDATE SKIP LOCKED)) RETURNING 1
        ),
        scopes AS (
            DELETE FROM tenant_key_scopes WHERE ctid = ANY (ARRAY(
                SELECT ctid FROM tenant_key_scopes WHERE last_seen_at < $2 LIMIT $3 FOR UPDATE SKIP LOCKED)) RETURNING 1
        )
        SELECT greatest((SELECT count(*) FROM hours), (SELECT count(*) FROM sources), (SELECT count(*) FROM scopes))
            AS "most!"
        "#,
        hours,
        seen,
        limit,
    )
    .fetch_one(&db.pool)
    .await?;
    Ok(u64::try_from(forgotten).unwrap_or_default())
}

fn at(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

fn instant(micros: i64) -> Option<DateTime<Utc>> {
    (micros != 0).then(|| at(micros))
}
