//! Users that are created at the same time share a statement (natural batching): each request is
//! answered after the commit of its own row, and one that cannot be stored spoils no other.

use super::store::{self, NewUser, Outcome};
use crate::clock::Clock;
use crate::db::Db;
use crate::db::batch::{BatchError, Batcher};

/// Slices on their way at the same time, and rows in one.
const WORKERS: usize = 2;
const SLICE: usize = 128;

/// Inserts users in slices.
#[derive(Debug)]
pub struct Inserts(Batcher<NewUser, Outcome>);

impl Inserts {
    /// Starts the workers, inside a tokio runtime.
    #[must_use]
    pub fn new(db: Db, clock: Clock) -> Self {
        Self(Batcher::spawn(WORKERS, SLICE, move |users: Vec<NewUser>| {
            let (db, clock) = (db.clone(), clock.clone());
            async move { insert(&db, &clock, &users).await }
        }))
    }

    /// Inserts a user.
    ///
    /// # Errors
    /// When too many wait, or the database fails.
    pub async fn ask(&self, user: NewUser) -> Result<Outcome, BatchError> {
        self.0.ask(user).await
    }
}

async fn insert(db: &Db, clock: &Clock, users: &[NewUser]) -> Result<Vec<Outcome>, sqlx::Error> {
    match store::insert_users(&db.pool, clock.now(), users).await {
        Err(error) if is_missing_org(&error) => one_by_one(db, clock, users).await,
        outcome => outcome,
    }
}

/// An org was deleted between the identity check and the insert: its users are refused, and the
/// others are stored all the same.
async fn one_by_one(db: &Db, clock: &Clock, users: &[NewUser]) -> Result<Vec<Outcome>, sqlx::Error> {
    let mut outcomes = Vec::with_capacity(users.len());
    for user in users {
        match store::insert_users(&db.pool, clock.now(), std::slice::from_ref(user)).await {
            Ok(outcome) => outcomes.extend(outcome),
            Err(error) if is_missing_org(&error) => outcomes.push(Outcome::NoOrg),
            Err(error) => return Err(error),
        }
    }
    Ok(outcomes)
}

fn is_missing_org(error: &sqlx::Error) -> bool {
    let constraint = error.as_database_error().and_then(|error| error.constraint());
    matches!(constraint, Some("users_org_id_fkey" | "events_org_id_fkey"))
}
