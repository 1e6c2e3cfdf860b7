//! The SQL of counted attempts: rows are added to, so that replicas add up.

use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;

use super::Minute;
use crate::db::Db;
use crate::db::distribution::{ORGS, slice_by_slice};
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

/// The statement of [`forget_old`]; `of_one` is what it says of one org.
macro_rules! forget_old {
    (of_one = $scope:tt, $($value:expr),+) => {
        sqlx::query!(
            "DELETE FROM queue_minutes WHERE ctid = ANY (ARRAY(
                 SELECT ctid FROM queue_minutes WHERE minute < $1" + $scope + "
                 LIMIT $2 FOR UPDATE SKIP LOCKED))" + $scope,
            $($value),+
        )
    };
}

/// Forgets the minutes from before an instant, in slices.
///
/// # Errors
/// When the database cannot be asked.
pub async fn forget_old(db: &Db, before: DateTime<Utc>, limit: i64) -> Result<(), sqlx::Error> {
    let orgs = || {
        let found = sqlx::query_scalar!(
            r#"SELECT DISTINCT org_id AS "org_id: OrgId" FROM queue_minutes WHERE minute < $1 LIMIT $2"#,
            before,
            ORGS,
        );
        found.fetch_all(&db.pool).boxed()
    };
    let forget = |org_id: Option<OrgId>| {
        async move {
            let forgotten = match org_id {
                None => forget_old!(of_one = "", before, limit),
                Some(org_id) => forget_old!(of_one = " AND org_id = $3", before, limit, org_id.0),
            };
            Ok(forgotten.execute(&db.pool).await?.rows_affected())
        }
        .boxed()
    };
    slice_by_slice(db, limit, orgs, forget, drop).await
}
