//! The uses of keys: the last one, how many member tokens they issued, and how often they were sent
//! after their end. Counted in memory and written once a minute in batches, never on the request
//! path; exact over a graceful stop, at most a minute is lost over `kill -9`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Identity;
use crate::db::Db;
use crate::ids::{KeyId, OrgId};

const FLUSH_INTERVAL: Duration = Duration::from_secs(60);
/// Keys that are counted: those in memory, and those that are not written yet. Uses of more are
/// not counted.
const MAX_KEYS: usize = 400_000;
/// Rows a statement writes.
const BATCH: usize = 5_000;

/// The uses of all keys since the process started.
#[derive(Debug, Default)]
pub struct KeyUses {
    keys: Mutex<HashMap<(OrgId, KeyId), Arc<Uses>>>,
    /// Held while what was counted is written: two writers would write it twice.
    writing: tokio::sync::Mutex<()>,
}

/// The uses of one key. Whoever remembers the key holds them, so that a use costs no look-up.
#[derive(Debug, Default)]
pub struct Uses {
    last: AtomicI64,
    tokens: AtomicI64,
    dead: AtomicI64,
    dead_last: AtomicI64,
    /// The part of it that is in the database.
    written: Mutex<Tally>,
}

/// Instants in microseconds, 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    last: i64,
    tokens: i64,
    dead: i64,
    dead_last: i64,
}

impl Uses {
    /// The key opened something.
    pub fn opened(&self, now: DateTime<Utc>) {
        self.last.fetch_max(now.timestamp_micros(), Ordering::Relaxed);
    }

    /// The key issued a member token.
    pub fn issued(&self) {
        self.tokens.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody sent the key after its end.
    pub fn refused(&self, now: DateTime<Utc>) {
        self.dead_last.fetch_max(now.timestamp_micros(), Ordering::Relaxed);
        self.dead.fetch_add(1, Ordering::Relaxed);
    }

    fn tally(&self) -> Tally {
        Tally {
            last: self.last.load(Ordering::Relaxed),
            tokens: self.tokens.load(Ordering::Relaxed),
            dead: self.dead.load(Ordering::Relaxed),
            dead_last: self.dead_last.load(Ordering::Relaxed),
        }
    }

    fn written(&self) -> MutexGuard<'_, Tally> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_due(&self) -> bool {
        self.tally() != *self.written()
    }
}

impl KeyUses {
    /// The uses of a key.
    pub fn of(&self, org_id: OrgId, key_id: KeyId) -> Arc<Uses> {
        let mut keys = self.keys();
        if keys.len() >= MAX_KEYS && !keys.contains_key(&(org_id, key_id)) {
            return Arc::default();
        }
        keys.entry((org_id, key_id)).or_default().clone()
    }

    /// Writes what was counted since the last time; on failure it is kept for the next.
    pub async fn flush(&self, db: &Db) {
        let _alone = self.writing.lock().await;
        for batch in self.due().chunks(BATCH) {
            if let Err(error) = write(db, batch).await {
                tracing::warn!(%error, "uses of keys could not be written yet");
                break;
            }
            for row in batch {
                *row.uses.written() = row.seen;
            }
        }
        // What nobody remembers and the database knows.
        self.keys().retain(|_, uses| Arc::strong_count(uses) > 1 || uses.is_due());
    }

    /// Returns what is not written yet, in the order of keys, so that two replicas cannot deadlock.
    fn due(&self) -> Vec<UsageRow> {
        let row = |(&(org_id, key_id), uses): (&(OrgId, KeyId), &Arc<Uses>)| {
            let (seen, written) = (uses.tally(), *uses.written());
            (seen != written).then(|| UsageRow { org_id, key_id, seen, written, uses: uses.clone() })
        };
        let mut due: Vec<_> = self.keys().iter().filter_map(row).collect();
        due.sort_unstable_by_key(|row| (row.org_id.0, row.key_id.0));
        due
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<(OrgId, KeyId), Arc<Uses>>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Identity {
    /// Writes what keys are used for, for as long as the process lives.
    pub async fn flush_forever(&self) {
        let mut ticks = tokio::time::interval(FLUSH_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.flush().await;
        }
    }

    /// Writes what keys were used for, and digests under the newest pepper.
    pub async fn flush(&self) {
        self.keys.usage.flush(&self.db).await;
        self.keys.rehashes.write(&self.db, &self.keyring, self.clock.now()).await;
    }
}

/// The counts to be written of a key.
struct UsageRow {
    org_id: OrgId,
    key_id: KeyId,
    seen: Tally,
    written: Tally,
    uses: Arc<Uses>,
}

async fn write(db: &Db, rows: &[UsageRow]) -> Result<(), sqlx::Error> {
    let org_ids: Vec<_> = rows.iter().map(|row| row.org_id.0).collect();
    let key_ids: Vec<_> = rows.iter().map(|row| row.key_id.0).collect();
    let at: Vec<_> = rows.iter().map(|row| instant(row.seen.last)).collect();
    let tokens: Vec<_> = rows.iter().map(|row| row.seen.tokens - row.written.tokens).collect();
    let dead: Vec<_> = rows.iter().map(|row| row.seen.dead - row.written.dead).collect();
    let dead_at: Vec<_> = rows.iter().map(|row| instant(row.seen.dead_last)).collect();
    sqlx::query!(
        "WITH used AS (
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::timestamptz[])
                 AS u (org_id, id, at, tokens, dead, dead_at)
         ),
         locked AS (
             SELECT k.org_id, k.id, used.at, used.tokens, used.dead, used.dead_at
             FROM tenant_keys k JOIN used USING (org_id, id)
             ORDER BY k.org_id, k.id FOR NO KEY UPDATE OF k
         )
         UPDATE tenant_keys k SET
             last_used_at = greatest(k.last_used_at, locked.at), tokens_issued = k.tokens_issued + locked.tokens,
             dead_uses = k.dead_uses + locked.dead, dead_used_at = greatest(k.dead_used_at, locked.dead_at)
         FROM locked WHERE k.org_id = locked.org_id AND k.id = locked.id",
        &org_ids,
        &key_ids,
        &at as &[Option<DateTime<Utc>>],
        &tokens,
        &dead,
        &dead_at as &[Option<DateTime<Utc>>],
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

fn instant(micros: i64) -> Option<DateTime<Utc>> {
    (micros != 0).then(|| DateTime::from_timestamp_micros(micros)).flatten()
}
