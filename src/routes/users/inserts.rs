//! Users that are created at the same time share a statement (natural batching): each request is
//! answered after the commit of its own row, and one that cannot be stored spoils no other.

use std::time::Duration;

use sqlx::PgConnection;

use super::by_worker::{self, Via};
use super::new_user::{self, InsertOutcome, NewUser};
use crate::clock::Clock;
use crate::db::Db;
use crate::db::batch::{Batcher, KeptConnection, Slice};
use crate::db::distribution::violated;
use crate::error::is_transient;
use crate::metrics::BatchMetrics;

/// Slices on their way at the same time, and rows in one.
const WORKERS: usize = 2;
const SLICE: usize = 128;

/// Inserts users in slices.
#[derive(Debug)]
pub struct Inserts {
    db: Db,
    clock: Clock,
}

impl Inserts {
    /// Starts the workers, inside a tokio runtime.
    #[must_use]
    pub fn spawn(db: Db, clock: Clock, metrics: BatchMetrics) -> Batcher<Self> {
        Batcher::spawn(WORKERS, SLICE, Self { db, clock }, metrics)
    }
}

impl Slice for Inserts {
    type In = NewUser;
    type Out = InsertOutcome;
    type Worker = KeptConnection;

    async fn run(
        &self,
        kept: &mut KeptConnection,
        users: &[NewUser],
    ) -> Result<Vec<InsertOutcome>, sqlx::Error> {
        let is_distributed = self.db.is_distributed().await?;
        let db = kept.get(&self.db.pool).await?;
        let outcomes = if is_distributed {
            by_worker::insert_users(Via::Connection(db), self.clock.now(), users).await
        } else {
            match new_user::insert_users(&mut *db, self.clock.now(), users).await {
                Err(error) if is_missing_org(&error) => one_by_one(db, &self.clock, users).await,
                outcomes => outcomes,
            }
        };
        kept.used(&self.db.pool, outcomes)
    }
}

/// Inserts a slice of a bulk body, and answers for each row; `None` is one that failed. What
/// passes by itself, such as a database that is away, fails the slice, and so does an org that was
/// deleted; anything else is some row's doing, and the others are stored without it.
pub async fn insert_each(
    db: &Db,
    clock: &Clock,
    patience: Duration,
    users: &[NewUser],
) -> Vec<Option<InsertOutcome>> {
    if users.is_empty() {
        return Vec::new();
    }
    let insert = async |users| {
        let inserted = async {
            if db.is_distributed().await? {
                return by_worker::insert_users(Via::Task(db), clock.now(), users).await;
            }
            new_user::insert_users(&db.pool, clock.now(), users).await
        };
        tokio::time::timeout(patience, inserted).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    };
    let error = match insert(users).await {
        Ok(outcomes) => return outcomes.into_iter().map(Some).collect(),
        Err(error) => error,
    };
    tracing::warn!(%error, rows = users.len(), "a slice of a bulk body could not be stored");
    if is_transient(&error) || is_missing_org(&error) {
        return vec![None; users.len()];
    }
    let mut outcomes = Vec::with_capacity(users.len());
    for user in users {
        let outcome = insert(std::slice::from_ref(user)).await;
        outcomes.push(outcome.ok().and_then(|outcome| outcome.first().copied()));
    }
    outcomes
}

/// An org was deleted between the identity check and the insert: its users are refused, and the
/// others are stored all the same.
async fn one_by_one(
    db: &mut PgConnection,
    clock: &Clock,
    users: &[NewUser],
) -> Result<Vec<InsertOutcome>, sqlx::Error> {
    let mut outcomes = Vec::with_capacity(users.len());
    for user in users {
        match new_user::insert_users(&mut *db, clock.now(), std::slice::from_ref(user)).await {
            Ok(outcome) => outcomes.extend(outcome),
            Err(error) if is_missing_org(&error) => outcomes.push(InsertOutcome::NoOrg),
            Err(error) => return Err(error),
        }
    }
    Ok(outcomes)
}

/// Returns `true` if an insert failed because the org was deleted meanwhile.
pub fn is_missing_org(error: &sqlx::Error) -> bool {
    matches!(violated(error), Some("users_org_id_fkey" | "events_org_id_fkey"))
}
