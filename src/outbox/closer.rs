//! Closing attempts, many in one statement.

use super::closing::{self, Closing};
use crate::db::Db;
use crate::db::batch::{KeptConnection, Slice};

/// Notes what became of attempts, many in one statement.
#[derive(Debug)]
pub struct Closer(pub Db);

impl Slice for Closer {
    type In = Closing;
    type Out = bool;
    type Worker = KeptConnection;

    async fn run(&self, kept: &mut KeptConnection, closings: &[Closing]) -> Result<Vec<bool>, sqlx::Error> {
        let is_distributed = self.0.is_distributed().await?;
        let db = kept.get(&self.0.pool).await?;
        let closed = match closing::close(&mut *db, is_distributed, closings).await {
            Ok(closed) => closing::note_health(&mut *db, is_distributed, closings).await.map(|()| closed),
            Err(error) => Err(error),
        };
        kept.used(&self.0.pool, closed)
    }
}
