//! Changes of an org (architecture 4): load, decide, apply. A change loads a snapshot of what it
//! is about, a pure rule decides on it, and one statement applies the plan, **if the org is still
//! at the revision that was loaded**. Usually that is two statements and no lock; if somebody else
//! was faster, the second attempt queues behind the org's row.
//!
//! A resource that changes implements [`Changeable`] in its `store.rs`, with `snapshot!` and
//! `change!`; a handler says [`Mandate::change`] and carries it out.

mod mandate;
mod statement;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

pub use self::mandate::{CallerState, Mandate, OrgState, PlatformAuthor, RequestAuthor};
pub(crate) use self::statement::{change, named, snapshot};
use crate::clock::Clock;
use crate::db::suspects::DatabaseFailure;
use crate::db::{Db, announcements};
use crate::error::{ApiError, Code};

/// Something of an org that changes: how it is loaded, and how a plan is applied to it.
pub trait Changeable: Send + Sync + 'static {
    /// All that a rule looks at, at one revision of the org.
    type Snapshot: Send + Sync;
    /// The decision of a rule.
    type Plan: Send;
    /// The report of a change; its default, where there was nothing to do.
    type Done: Default + Send + 'static;

    /// Loads the snapshot in one statement; `None` if there is no such org.
    fn load(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<Option<Self::Snapshot>, sqlx::Error>> + Send;

    /// Applies a plan with its audit row and its event, in one statement. `None` if the org is no
    /// longer as it was seen: then nothing happened.
    fn apply(
        &self,
        db: &mut PgConnection,
        mandate: &Mandate,
        seen: &Self::Snapshot,
        plan: Self::Plan,
    ) -> impl Future<Output = Result<Option<Self::Done>, ApiError>> + Send;
}

/// A pure rule: what is to be done, `None` where there is nothing to do, or a refusal.
pub trait Rule<C: Changeable>:
    Fn(&C::Snapshot) -> Result<Option<C::Plan>, ApiError> + Send + Sync + 'static
{
}

impl<C: Changeable, F> Rule<C> for F where
    F: Fn(&C::Snapshot) -> Result<Option<C::Plan>, ApiError> + Send + Sync + 'static
{
}

/// A change that is not made yet.
pub struct Change<C, R> {
    mandate: Mandate,
    clock: Clock,
    of: C,
    rule: R,
}

impl Mandate {
    /// A change of something, as `rule` decides.
    pub fn change<C, R>(self, clock: &Clock, of: C, rule: R) -> Change<C, R>
    where
        C: Changeable,
        R: Fn(&C::Snapshot) -> Result<Option<C::Plan>, ApiError> + Send + Sync + 'static,
    {
        Change { mandate: self, clock: clock.clone(), of, rule }
    }

    /// Reads the snapshot that a change would decide on now: for what must be known before costly
    /// work.
    ///
    /// # Errors
    /// 403 if there is no such org, or that the database cannot be asked.
    pub async fn snapshot<C: Changeable>(
        &self,
        db: &Db,
        clock: &Clock,
        of: &C,
    ) -> Result<C::Snapshot, ApiError> {
        let mut connection = db.pool.acquire().await?;
        let seen = of.load(&mut connection, self, clock.now()).await?;
        Ok(seen.ok_or(Code::Forbidden)?)
    }
}

impl<C: Changeable, R: Rule<C>> Change<C, R> {
    /// Executes the change.
    ///
    /// # Errors
    /// What the rule refuses, 403 if there is no such org, or that the database cannot be asked.
    pub async fn execute(self, db: &Db) -> Result<C::Done, ApiError> {
        let mut connection = db.pool.acquire().await?;
        if let Some(done) = db.pool.observing(self.attempt(&mut connection)).await? {
            db.wake_listeners().await;
            return Ok(done);
        }
        drop(connection);
        db.transaction(async move |mut tx| {
            let done = self.alone(&mut tx).await?;
            tx.commit().await?;
            Ok(done)
        })
        .await
    }

    /// Executes a change whose outcome is shown once and never again: it is shown before the
    /// commit. If it could not be, nothing happened.
    ///
    /// # Errors
    /// As [`execute`](Self::execute), and what `show` returns.
    pub async fn execute_shown<E>(
        self,
        db: &Db,
        show: impl FnOnce(C::Done) -> Result<(), E> + Send + 'static,
    ) -> Result<(), E>
    where
        E: From<ApiError> + From<sqlx::Error> + DatabaseFailure + Send + 'static,
    {
        db.transaction(async move |mut tx| {
            show(self.execute_in(&mut tx).await?)?;
            Ok(tx.commit().await?)
        })
        .await
    }

    /// Executes the change within a transaction that does more.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    pub async fn execute_in(&self, tx: &mut PgConnection) -> Result<C::Done, ApiError> {
        match self.attempt(&mut *tx).await? {
            Some(done) => Ok(done),
            None => self.alone(tx).await,
        }
    }

    /// Queues behind the org's row, so that nobody changes the org between load and apply.
    async fn alone(&self, tx: &mut PgConnection) -> Result<C::Done, ApiError> {
        // Not `FOR UPDATE`, which would hold back every user insert through its foreign key.
        sqlx::query!("SELECT id FROM orgs WHERE id = $1 FOR NO KEY UPDATE", self.mandate.org_id.0)
            .fetch_optional(&mut *tx)
            .await?;
        let done = self.attempt(tx).await?;
        done.ok_or_else(|| ApiError::internal("an org changed under its lock"))
    }

    /// Load, decide, apply; `None` if the org was changed in between: then nothing happened.
    async fn attempt(&self, db: &mut PgConnection) -> Result<Option<C::Done>, ApiError> {
        let seen = self.of.load(&mut *db, &self.mandate, self.clock.now()).await?.ok_or(Code::Forbidden)?;
        announcements::note();
        match (self.rule)(&seen)? {
            Some(plan) => self.of.apply(db, &self.mandate, &seen, plan).await,
            None => Ok(Some(C::Done::default())),
        }
    }
}
