//! Users that are asked for at the same time share a statement (natural batching).

use super::store::{self, UserKey};
use super::user::User;
use crate::db::Db;
use crate::db::batch::{Batcher, KeptConnection, Slice};
use crate::metrics::BatchMetrics;

/// Slices on their way at the same time, and users in one.
const WORKERS: usize = 2;
const SLICE: usize = 128;

/// Finds users in slices.
#[derive(Debug)]
pub struct Lookups(Db);

impl Lookups {
    /// Starts the workers, inside a tokio runtime.
    #[must_use]
    pub fn spawn(db: Db, metrics: BatchMetrics) -> Batcher<Self> {
        Batcher::spawn(WORKERS, SLICE, Self(db), metrics)
    }
}

impl Slice for Lookups {
    const IS_READ: bool = true;

    type In = UserKey;
    type Out = Option<User>;
    type Worker = KeptConnection;

    async fn run(&self, kept: &mut KeptConnection, keys: &[UserKey]) -> Result<Vec<Self::Out>, sqlx::Error> {
        let is_distributed = self.0.is_distributed().await?;
        let db = kept.get(&self.0.pool).await?;
        let found = if is_distributed {
            store::find_users_by_shard(db, keys).await
        } else {
            store::find_users(db, keys).await
        };
        kept.used(&self.0.pool, found)
    }
}
