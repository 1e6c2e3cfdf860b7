//! The streams that there are, ours and the platform's (contract 15), from memory. They change seldom: whoever changes
//! one announces it, everybody looks every few seconds, and a name that memory lacks is worth a look of its own.

pub mod schema;
pub mod store;

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{Mutex, Notify};

use self::store::{Catalogue, PlatformStream, PlatformType};
use crate::db::Db;
use crate::error::ApiError;
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

/// What an event of the platform's is on.
#[derive(Debug)]
pub enum FoundType {
    /// No stream of the platform's.
    NoStream,
    /// No type of this stream.
    NoType(Arc<PlatformStream>),
    /// This one.
    Found(Arc<PlatformStream>, Arc<PlatformType>),
}

impl Streams {
    /// None of the platform's are known yet.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db, known: RwLock::default(), reading: Mutex::default(), changed: Notify::new() }
    }

    fn known(&self) -> Arc<Catalogue> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What memory knows of the platform's streams; read, if they never were.
    ///
    /// # Errors
    /// When they were never read and the database cannot be asked.
    pub async fn catalogue(&self) -> Result<Arc<Catalogue>, ApiError> {
        let known = self.known();
        if known.revision.is_some() { Ok(known) } else { self.read().await }
    }

    /// Every stream: ours first.
    ///
    /// # Errors
    /// As [`Streams::catalogue`].
    pub async fn all(&self) -> Result<Vec<StreamName>, ApiError> {
        Ok(self.catalogue().await?.names())
    }

    /// The stream of this name, if there is one.
    ///
    /// # Errors
    /// When memory has none and the database cannot be asked.
    pub async fn find(&self, name: &str) -> Result<Option<StreamName>, ApiError> {
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
        Ok(known.stream(name).map(|stream| stream.name.clone()))
    }

    /// The type of this name on one of the platform's streams.
    ///
    /// # Errors
    /// When memory has none and the database cannot be asked.
    pub async fn find_type(&self, stream: &str, kind: &str) -> Result<FoundType, ApiError> {
        let found = self.known().find_type(stream, kind);
        if matches!(found, FoundType::Found(..)) || !StreamName::is_one(stream) {
            return Ok(found);
        }
        Ok(self.read().await?.find_type(stream, kind))
    }

    /// Reads them again if any was changed since; gives what is known then.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn read(&self) -> Result<Arc<Catalogue>, ApiError> {
        let _alone = self.reading.lock().await;
        let known = self.known();
        if known.revision == Some(store::revision(&self.db.lookups).await?) {
            return Ok(known);
        }
        let changed = store::changed_since(&self.db.lookups, known.revision).await?;
        // Compiling schemas keeps a processor busy.
        let read =
            tokio::task::spawn_blocking(move || known.with(changed)).await.map_err(ApiError::internal)?;
        let read = Arc::new(read);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = read.clone();
        Ok(read)
    }
}
