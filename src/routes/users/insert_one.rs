//! One user, for a request whose reply is kept in the same transaction.

use sqlx::PgConnection;

use super::by_worker;
use super::inserts::is_missing_org;
use super::new_user::{self, InsertOutcome, NewUser};
use crate::clock::Clock;
use crate::error::ApiError;
use crate::idempotency::Work;

/// Inserts a user.
pub struct InsertOne {
    /// The user.
    pub user: NewUser,
    /// Of the tables.
    pub is_distributed: bool,
    /// The time.
    pub clock: Clock,
}

impl Work for InsertOne {
    type Done = InsertOutcome;

    async fn execute_in(&self, tx: &mut PgConnection) -> Result<InsertOutcome, ApiError> {
        let (now, user) = (self.clock.now(), std::slice::from_ref(&self.user));
        let inserted = if self.is_distributed {
            by_worker::insert_in(tx, now, user).await
        } else {
            new_user::insert_users(tx, now, user).await
        };
        match inserted {
            Ok(outcomes) => {
                outcomes.first().copied().ok_or_else(|| ApiError::internal("an insert without an outcome"))
            }
            Err(error) if is_missing_org(&error) => Ok(InsertOutcome::NoOrg),
            Err(error) => Err(error.into()),
        }
    }
}
