//! The SQL of counted attempts: rows are added to, so that replicas add up.

use chrono::{DateTime, Utc};

use super::Minute;
use crate::db::Db;
use crate::ids::OrgId;

/// Adds the counts of these minutes, in the order of their keys, to what the database has. Those of orgs that are gone
/// are passed over.
///
/// # Errors
/// When the database cannot be asked; then nothing was added.
pub async fn add(db: &Db, minutes: &[(OrgId, Minute)]) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO queue_minutes AS m (org_id, stream, minute, attempts, delivered, durations)
         SELECT u.org_id, u.stream, u.minute, u.attempts, u.delivered, u.durations::integer[]
         FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::text[])
              AS u (org_id, stream, minute, attempts, delivered, durations)
         JOIN orgs o ON o.id = u.org_id
         ORDER BY u.org_id, u.stream, u.minute
         FOR KEY SHARE OF o
         ON CONFLICT ON CONSTRAINT queue_minutes_pkey DO UPDATE
         SET attempts = m.attempts + excluded.attempts, delivered = m.delivered + excluded.delivered,
             durations = ARRAY(SELECT coalesce(a, 0) + coalesce(b, 0)
                               FROM unnest(m.durations, excluded.durations) WITH ORDINALITY AS both_of (a, b, n) ORDER BY n)",
        &minutes.iter().map(|(org_id, _)| org_id.0).collect::<Vec<_>>(),
        &minutes.iter().map(|(_, minute)| minute.stream.to_string()).collect::<Vec<_>>(),
        &minutes.iter().map(|(_, minute)| minute.minute).collect::<Vec<_>>(),
        &minutes.iter().map(|(_, minute)| minute.durations.total()).collect::<Vec<_>>(),
        &minutes.iter().map(|(_, minute)| minute.delivered).collect::<Vec<_>>(),
        &minutes.iter().map(|(_, minute)| minute.durations.literal()).collect::<Vec<_>>(),
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Forgets up to `limit` minutes from before an instant; gives how many.
///
/// # Errors
/// When the database cannot be asked.
pub async fn forget_old(db: &Db, before: DateTime<Utc>, limit: i64) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query!(
        "DELETE FROM queue_minutes WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM queue_minutes WHERE minute < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))",
        before,
        limit,
    )
    .execute(&db.pool)
    .await?;
    Ok(forgotten.rows_affected())
}
