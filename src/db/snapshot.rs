//! A connection that sees the database as it was at one moment, for reading more than fits one statement.

use std::ops::{Deref, DerefMut};

use sqlx::{ConnectOptions as _, Connection as _, Error, PgConnection};

use super::session::{self, Purpose};
use super::{ACQUIRE_TIMEOUT, Db};

/// A read-only transaction at REPEATABLE READ, on a connection of its own that no pool knows. Dropped, the connection
/// is closed, and the transaction ends with it.
#[derive(Debug)]
pub struct Snapshot(PgConnection);

impl Db {
    /// Connects, past any pooler, and begins the transaction. The moment is that of the first read.
    ///
    /// # Errors
    /// When the database cannot be reached in time.
    pub async fn snapshot(&self) -> Result<Snapshot, Error> {
        let begun = tokio::time::timeout(ACQUIRE_TIMEOUT, async {
            let mut connection = self.direct.connect().await?;
            session::set_up(&mut connection, Purpose::Snapshot).await?;
            session::begin_snapshot(&mut connection).await?;
            Ok(Snapshot(connection))
        });
        begun.await.unwrap_or(Err(Error::PoolTimedOut))
    }
}

impl Snapshot {
    /// Ends it, and tells the server so.
    pub async fn end(self) {
        // Whatever goes wrong: the server notices that the connection is gone.
        let _ = self.0.close().await;
    }
}

impl Deref for Snapshot {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.0
    }
}

impl DerefMut for Snapshot {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0
    }
}
