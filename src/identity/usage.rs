//! When keys were last used: exact to a minute, written in batches, never on the request path.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::keys::KeyRecord;
use crate::db::Db;
use crate::ids::{KeyId, OrgId};
use crate::state::App;

const FLUSH_INTERVAL: Duration = Duration::from_secs(5);
/// Notes kept while the database is away; more are dropped, and noted again a minute later.
const MAX_NOTES: usize = 200_000;
const SECONDS: i64 = 60;

/// Uses that are not in the database yet.
#[derive(Debug, Default)]
pub struct Usage(Mutex<HashMap<(OrgId, KeyId), i64>>);

impl Usage {
    /// Notes that a key was used.
    pub fn note(&self, key: &KeyRecord, now: DateTime<Utc>) {
        let minute = now.timestamp().div_euclid(SECONDS);
        if key.is_first_use_in(minute) {
            self.put((key.org_id, key.key_id), minute);
        }
    }

    fn put(&self, key: (OrgId, KeyId), minute: i64) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.len() < MAX_NOTES || notes.contains_key(&key) {
            let noted = notes.entry(key).or_insert(minute);
            *noted = minute.max(*noted);
        }
    }

    /// Writes what was noted; on failure it is kept for the next time.
    pub async fn flush(&self, db: &Db) {
        let notes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if notes.is_empty() {
            return;
        }
        if let Err(error) = write(db, &notes).await {
            tracing::warn!(%error, "last uses of keys could not be written yet");
            for (key, minute) in notes {
                self.put(key, minute);
            }
        }
    }
}

/// Writes notes for as long as the process lives.
pub async fn flush_forever(app: App) {
    let mut ticks = tokio::time::interval(FLUSH_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        app.keys.usage.flush(&app.db).await;
    }
}

/// Rows in key order, so that two replicas cannot deadlock.
async fn write(db: &Db, notes: &HashMap<(OrgId, KeyId), i64>) -> Result<(), sqlx::Error> {
    let mut notes: Vec<_> = notes.iter().collect();
    notes.sort_unstable_by_key(|((org_id, key_id), _)| (org_id.0, key_id.0));
    let org_ids: Vec<_> = notes.iter().map(|((org_id, _), _)| org_id.0).collect();
    let key_ids: Vec<_> = notes.iter().map(|((_, key_id), _)| key_id.0).collect();
    let at: Vec<_> =
        notes.iter().filter_map(|(_, minute)| DateTime::from_timestamp(**minute * SECONDS, 0)).collect();
    sqlx::query!(
        "WITH used AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS u (org_id, id, at)),
              locked AS (
                  SELECT k.org_id, k.id, used.at FROM tenant_keys k JOIN used USING (org_id, id)
                  ORDER BY k.org_id, k.id FOR NO KEY UPDATE OF k
              )
         UPDATE tenant_keys k SET last_used_at = greatest(k.last_used_at, locked.at)
         FROM locked WHERE k.org_id = locked.org_id AND k.id = locked.id",
        &org_ids,
        &key_ids,
        &at,
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}
