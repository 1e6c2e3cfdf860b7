//! Nonces of signed requests and ids of assertions pass once, over all replicas (contract 12.1 and 16). Those that come
//! at the same time share a statement, as users do.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::clock::Clock;
use crate::db::Db;
use crate::db::batch::{Batcher, KeptConnection, Slice};
use crate::ids::OrgId;
use crate::metrics::BatchMetrics;

/// Slices on their way at the same time, and nonces in one.
const WORKERS: usize = 2;
const SLICE: usize = 128;

/// A nonce, as it is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce {
    /// The tenant.
    pub org_id: OrgId,
    /// The key that signed it.
    pub unique_id: Uuid,
    /// SHA-256 of what was sent, and of what it is where it is no signature's.
    pub digest: [u8; 32],
    /// From then on what holds it is too old to pass.
    pub expires_at: DateTime<Utc>,
}

/// Takes nonces in slices; answers whether each was fresh.
#[derive(Debug)]
pub struct Nonces {
    db: Db,
    clock: Clock,
}

impl Nonces {
    /// Starts the workers, inside a tokio runtime.
    #[must_use]
    pub fn spawn(db: Db, clock: Clock, metrics: BatchMetrics) -> Batcher<Self> {
        Batcher::spawn(WORKERS, SLICE, Self { db, clock }, metrics)
    }
}

impl Slice for Nonces {
    type In = Nonce;
    type Out = bool;
    type Worker = KeptConnection;

    async fn run(&self, kept: &mut KeptConnection, nonces: &[Nonce]) -> Result<Vec<bool>, sqlx::Error> {
        let is_distributed = self.db.is_distributed().await?;
        let taken = take(kept.get(&self.db.pool).await?, is_distributed, nonces, self.clock.now()).await;
        kept.used(&self.db.pool, taken)
    }
}

/// Of equal ones in a slice the first may be fresh.
async fn take(
    db: &mut PgConnection,
    is_distributed: bool,
    nonces: &[Nonce],
    now: DateTime<Utc>,
) -> Result<Vec<bool>, sqlx::Error> {
    // In one order, so that two slices cannot deadlock.
    let mut distinct = BTreeMap::new();
    for nonce in nonces {
        let end = distinct.entry(key(nonce)).or_insert(nonce.expires_at);
        *end = nonce.expires_at.max(*end);
    }
    let mut fresh = if is_distributed {
        take_one_by_one(db, &distinct, now).await?
    } else {
        take_all(db, &distinct, now).await?
    };
    Ok(nonces.iter().map(|nonce| fresh.remove(&key(nonce))).collect())
}

/// The row of a nonce.
type Key = (Uuid, Uuid, Vec<u8>);

/// Takes those that are fresh, in one statement.
async fn take_all(
    db: &mut PgConnection,
    distinct: &BTreeMap<Key, DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<BTreeSet<Key>, sqlx::Error> {
    let org_ids: Vec<_> = distinct.keys().map(|key| key.0).collect();
    let unique_ids: Vec<_> = distinct.keys().map(|key| key.1).collect();
    let digests: Vec<_> = distinct.keys().map(|key| key.2.clone()).collect();
    let ends: Vec<_> = distinct.values().copied().collect();
    let rows = sqlx::query!(
        "INSERT INTO signature_nonces AS n (org_id, unique_id, nonce, expires_at)
         SELECT sent.org_id, sent.unique_id, sent.nonce, sent.expires_at
         FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::timestamptz[]) AS sent (org_id, unique_id, nonce, expires_at)
         ON CONFLICT ON CONSTRAINT signature_nonces_pkey
             -- One that is too old to pass may be used anew.
             DO UPDATE SET expires_at = excluded.expires_at WHERE n.expires_at <= $5
         RETURNING org_id, unique_id, nonce",
        &org_ids,
        &unique_ids,
        &digests,
        &ends,
        now,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.org_id, row.unique_id, row.nonce)).collect())
}

/// [`take_all`] of a distributed database: of many rows from a SELECT, Citus forgets the parameter of their conflict.
async fn take_one_by_one(
    db: &mut PgConnection,
    distinct: &BTreeMap<Key, DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<BTreeSet<Key>, sqlx::Error> {
    let mut fresh = BTreeSet::new();
    for (key, end) in distinct {
        let taken = sqlx::query!(
            "INSERT INTO signature_nonces AS n (org_id, unique_id, nonce, expires_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT ON CONSTRAINT signature_nonces_pkey
                 DO UPDATE SET expires_at = excluded.expires_at WHERE n.expires_at <= $5",
            key.0,
            key.1,
            &key.2[..],
            *end,
            now,
        );
        if taken.execute(&mut *db).await?.rows_affected() == 1 {
            fresh.insert(key.clone());
        }
    }
    Ok(fresh)
}

fn key(nonce: &Nonce) -> Key {
    (nonce.org_id.0, nonce.unique_id, nonce.digest.to_vec())
}

/// Forgets some of the nonces whose signatures are too old to pass; gives how many.
///
/// # Errors
/// When the database cannot be asked.
pub async fn forget_old(db: impl PgExecutor<'_>, now: DateTime<Utc>, limit: i64) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query!(
        "DELETE FROM signature_nonces WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM signature_nonces WHERE expires_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))",
        now,
        limit,
    )
    .execute(db)
    .await?;
    Ok(deleted.rows_affected())
}
