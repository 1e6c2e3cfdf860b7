//! Events that are published at the same time share a statement (natural batching): each request is answered after the
//! commit of its own event, and one that cannot be written spoils no other.

use std::time::Duration;

use sqlx::{Acquire as _, PgConnection};

use super::store::{NewEvent, PublishOutcome, insert_events};
use crate::db::Db;
use crate::db::batch::{Batcher, KeptConnection, Slice};
use crate::db::notices::heeding;
use crate::error::is_transient;
use crate::metrics::BatchMetrics;
use crate::routes::users::inserts::is_missing_org;

/// Slices on their way at the same time, and events in one.
const WORKERS: usize = 2;
const SLICE: usize = 128;

/// Writes events in slices.
#[derive(Debug)]
pub struct Publishing(Db);

impl Publishing {
    /// Starts the workers, inside a tokio runtime.
    #[must_use]
    pub fn spawn(db: Db, metrics: BatchMetrics) -> Batcher<Self> {
        Batcher::spawn(WORKERS, SLICE, Self(db), metrics)
    }
}

impl Slice for Publishing {
    type In = NewEvent;
    type Out = PublishOutcome;
    type Worker = KeptConnection;

    async fn run(
        &self,
        kept: &mut KeptConnection,
        events: &[NewEvent],
    ) -> Result<Vec<PublishOutcome>, sqlx::Error> {
        let db = kept.get(&self.0.pool).await?;
        let outcomes = match insert_events(&mut *db, events).await {
            Err(error) if is_missing_org(&error) => one_by_one(db, events).await,
            outcomes => outcomes,
        };
        kept.used(&self.0.pool, outcomes)
    }
}

/// Writes a slice of a bulk body, and answers for each event; `None` is one that failed. What passes by itself fails
/// the slice; anything else is some event's doing, and the others are written without it.
pub async fn publish_each(db: &Db, patience: Duration, events: &[NewEvent]) -> Vec<Option<PublishOutcome>> {
    if events.is_empty() {
        return Vec::new();
    }
    let write = async {
        let mut connection = db.pool.acquire().await?;
        let connection = connection.acquire().await?;
        match insert_events(&mut *connection, events).await {
            Err(error) if is_transient(&error) => Err(error),
            Err(_) => one_by_one(connection, events).await,
            outcomes => outcomes,
        }
    };
    match tokio::time::timeout(patience, heeding(write)).await.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
        Ok(outcomes) => outcomes.into_iter().map(Some).collect(),
        Err(error) => {
            tracing::warn!(%error, events = events.len(), "a slice of a bulk body could not be written");
            vec![None; events.len()]
        }
    }
}

async fn one_by_one(db: &mut PgConnection, events: &[NewEvent]) -> Result<Vec<PublishOutcome>, sqlx::Error> {
    let mut outcomes = Vec::with_capacity(events.len());
    for event in events {
        match insert_events(&mut *db, std::slice::from_ref(event)).await {
            Ok(outcome) => outcomes.extend(outcome),
            Err(error) if is_missing_org(&error) => outcomes.push(PublishOutcome::NoOrg),
            Err(error) => return Err(error),
        }
    }
    Ok(outcomes)
}
