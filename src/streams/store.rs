//! The SQL of streams, as everybody reads them.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::PgExecutor;

use crate::events::{Stream, StreamName};

/// The platform's streams at a revision.
#[derive(Debug, Default)]
pub struct Catalogue {
    /// Of the newest change, 0 where there was none; `None` of a memory that was never filled.
    pub revision: Option<i64>,
    streams: BTreeMap<Arc<str>, StreamName>,
}

impl Catalogue {
    /// Every stream: ours first.
    #[must_use]
    pub fn names(&self) -> Vec<StreamName> {
        let ours = Stream::ALL.into_iter().map(StreamName::from);
        ours.chain(self.streams.values().cloned()).collect()
    }

    /// The platform's stream of this name.
    #[must_use]
    pub fn stream(&self, name: &str) -> Option<&StreamName> {
        self.streams.get(name)
    }
}

/// The revision of the newest change.
pub(super) async fn revision(db: impl PgExecutor<'_>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT coalesce(max(revision), 0) AS "revision!" FROM streams"#)
        .fetch_one(db)
        .await
}

/// All of the platform's streams.
pub(super) async fn load(db: impl PgExecutor<'_>) -> Result<Catalogue, sqlx::Error> {
    let rows = sqlx::query!("SELECT name, revision FROM streams").fetch_all(db).await?;
    let revision = rows.iter().map(|row| row.revision).max().unwrap_or_default();
    let streams = rows.into_iter().map(|row| {
        let name = Arc::<str>::from(row.name);
        (name.clone(), StreamName::Platform(name))
    });
    Ok(Catalogue { revision: Some(revision), streams: streams.collect() })
}

/// The stream of this name, for whoever has no memory.
///
/// # Errors
/// When the database cannot be asked.
pub async fn find(db: impl PgExecutor<'_>, name: &str) -> Result<Option<StreamName>, sqlx::Error> {
    if let Ok(stream) = name.parse::<Stream>() {
        return Ok(Some(stream.into()));
    }
    let found =
        sqlx::query_scalar!("SELECT name FROM streams WHERE name = $1", name).fetch_optional(db).await?;
    Ok(found.map(|name| StreamName::Platform(name.into())))
}

/// Every stream, for whoever has no memory: ours first.
///
/// # Errors
/// When the database cannot be asked.
pub async fn names(db: impl PgExecutor<'_>) -> Result<Vec<StreamName>, sqlx::Error> {
    load(db).await.map(|catalogue| catalogue.names())
}
