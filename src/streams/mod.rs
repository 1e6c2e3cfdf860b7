//! The streams that there are, ours and the platform's (contract 15), from memory. They change seldom: whoever changes
//! one announces it, everybody looks every few seconds, and a name that memory lacks is worth a look of its own.

pub mod store;

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{Mutex, Notify};

use self::store::Catalogue;
use crate::db::Db;
use crate::events::{Stream, StreamName};

/// The streams in memory.
#[derive(Debug)]
pub struct Streams {
    db: Db,
    known: RwLock<Arc<Catalogue>>,
    /// Held by whoever reads them again.
    reading: Mutex<()>,
    /// Told when one was changed somewhere.
    pub changed: Notify,
}

impl Streams {
    /// None of the platform's are known yet.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db, known: RwLock::default(), reading: Mutex::default(), changed: Notify::new() }
    }

    /// What memory knows of the platform's streams.
    #[must_use]
    pub fn known(&self) -> Arc<Catalogue> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every stream: ours first.
    ///
    /// # Errors
    /// When they were never read and the database cannot be asked.
    pub async fn all(&self) -> Result<Vec<StreamName>, sqlx::Error> {
        let known = self.known();
        Ok(if known.revision.is_some() { known } else { self.read().await? }.names())
    }

    /// The stream of this name, if there is one.
    ///
    /// # Errors
    /// When memory has none and the database cannot be asked.
    pub async fn find(&self, name: &str) -> Result<Option<StreamName>, sqlx::Error> {
        if let Ok(stream) = name.parse::<Stream>() {
            return Ok(Some(stream.into()));
        }
        if !StreamName::is_one(name) {
            return Ok(None);
        }
        let mut known = self.known();
        if known.stream(name).is_none() {
            known = self.read().await?;
        }
        Ok(known.stream(name).cloned())
    }

    /// Reads them again if any was changed since; gives what is known then.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn read(&self) -> Result<Arc<Catalogue>, sqlx::Error> {
        let _alone = self.reading.lock().await;
        let known = self.known();
        if known.revision == Some(store::revision(&self.db.lookups).await?) {
            return Ok(known);
        }
        let read = Arc::new(store::load(&self.db.lookups).await?);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = read.clone();
        Ok(read)
    }
}
