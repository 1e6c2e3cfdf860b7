//! Moves tenant keys to a renewed pepper. A digest cannot be made again without its key, so a key
//! is hashed anew when it is used; until then it is found by its old digest. An imported key moves from the hash that it
//! came with to one of ours in the same way.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::keys::KeyRecord;
use crate::crypto::keyring::{Hashed, KeyDigest, Keyring};
use crate::db::Db;
use crate::ids::{KeyId, OrgId};

/// No key moves before every replica knows the pepper, which is a matter of seconds: one that does
/// not would refuse the key.
const SETTLED_AFTER: TimeDelta = TimeDelta::seconds(60);
/// Keys that wait; others are noted when they are used again.
const MAX_WAITING: usize = 100_000;
/// Rows a statement moves. Each announces itself.
const BATCH: usize = 500;

/// Keys that were used under an older pepper or an imported hash, and what they are to be stored as.
#[derive(Debug, Default)]
pub struct Rehashes(Mutex<HashMap<(OrgId, KeyId), Move>>);

#[derive(Clone, Copy, Debug)]
struct Move {
    from: KeyDigest,
    to: Hashed,
}

impl Rehashes {
    /// A key was used whose row has an older digest.
    pub(super) fn note(&self, key: &KeyRecord, to: Hashed) {
        let mut waiting = self.waiting();
        if waiting.len() < MAX_WAITING {
            waiting.insert((key.org_id, key.key_id), Move { from: key.digest, to });
        }
    }

    /// Moves what was noted. What fails is noted again by the key's next use.
    pub async fn write(&self, db: &Db, keyring: &Keyring, now: DateTime<Utc>) {
        if keyring.pepper().0.since.is_some() && !is_settled(keyring, now) {
            return;
        }
        let waiting = std::mem::take(&mut *self.waiting());
        // In the order of keys, so that two replicas cannot deadlock.
        let mut moves: Vec<_> = waiting.into_iter().collect();
        moves.sort_unstable_by_key(|((org_id, key_id), _)| (org_id.0, key_id.0));
        for batch in moves.chunks(BATCH) {
            if let Err(error) = write(db, batch).await {
                tracing::warn!(%error, "keys could not be moved to the renewed pepper yet");
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<(OrgId, KeyId), Move>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the pepper was renewed, and every replica has heard of it.
pub(super) fn is_settled(keyring: &Keyring, now: DateTime<Utc>) -> bool {
    let (pepper, _) = keyring.pepper();
    pepper.since.is_some_and(|since| now - since >= SETTLED_AFTER)
}

/// Moves rows that are still as they were, and has every replica forget what it knew under either
/// digest.
async fn write(db: &Db, moves: &[((OrgId, KeyId), Move)]) -> Result<(), sqlx::Error> {
    let org_ids: Vec<_> = moves.iter().map(|((org_id, _), _)| org_id.0).collect();
    let key_ids: Vec<_> = moves.iter().map(|((_, key_id), _)| key_id.0).collect();
    let from: Vec<_> = moves.iter().map(|(_, moved)| moved.from.to_vec()).collect();
    let to: Vec<_> = moves.iter().map(|(_, moved)| moved.to.digest.to_vec()).collect();
    let peppers: Vec<_> = moves.iter().map(|(_, moved)| moved.to.pepper).collect();
    sqlx::query!(
        r#"
        WITH wanted AS (
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bytea[], $5::smallint[])
                AS w (org_id, id, old, new, pepper)
        ),
        -- What locks is a sub-select: Citus takes the columns that locking adds for columns of the CTE.
        locked AS (
            SELECT * FROM (
                SELECT k.org_id, k.id, wanted.old, wanted.new, wanted.pepper
                FROM tenant_keys k JOIN wanted USING (org_id, id)
                WHERE k.digest = wanted.old ORDER BY k.org_id, k.id FOR UPDATE OF k
            ) AS of_keys
        ),
        moved AS (
            UPDATE tenant_keys k SET digest = locked.new, pepper = locked.pepper
            FROM locked WHERE k.org_id = locked.org_id AND k.id = locked.id AND k.digest = locked.old
            RETURNING k.org_id, k.id, locked.old, locked.new
        )
        INSERT INTO announcements (news)
        SELECT format('moved %s %s %s %s', id, encode(new, 'hex'), encode(old, 'hex'), org_id) FROM moved
        ON CONFLICT DO NOTHING
        "#,
        &org_ids,
        &key_ids,
        &from,
        &to,
        &peppers,
    )
    .execute(&db.pool)
    .await?;
    db.wake_listeners().await;
    Ok(())
}
