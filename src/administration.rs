//! How a change of an org's credentials is carried out: read, decide, apply. Usually that is two
//! statements and no lock; `orgs.revision` tells whether somebody else changed the org in
//! between, and then the second attempt queues behind the org's row.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::audit::{Author, Entry};
use crate::crypto::audit_chain::Head;
use crate::crypto::keyring::Keyring;
use crate::db::doubts::DatabaseFailure;
use crate::db::{Db, Tx};
use crate::error::{ApiError, Code};
use crate::events::{Draft, Kind, Subject};
use crate::identity::Partner;
use crate::ids::{KeyId, OrgId};

/// Who changes which org.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The tenant.
    pub org_id: OrgId,
    /// The key that authenticated, if one did.
    pub caller: Option<KeyId>,
    /// For the audit log.
    pub author: Author,
}

impl Scope {
    /// An operator at the command line.
    #[must_use]
    pub fn operator(org_id: OrgId, keyring: &Keyring) -> Self {
        Self { org_id, caller: None, author: Author::operator(keyring) }
    }

    /// The service itself, when a time has come.
    #[must_use]
    pub fn service(org_id: OrgId, keyring: &Keyring) -> Self {
        Self { org_id, caller: None, author: Author::service(keyring) }
    }

    /// The audit row of a change that is decided on a log that ends at `head`.
    #[must_use]
    pub fn entry(&self, head: Head, at: DateTime<Utc>, action: &str, subject: impl ToString) -> Entry {
        self.author.entry(self.org_id, head, at, action, subject)
    }

    /// The event of a change.
    #[must_use]
    pub fn draft(&self, kind: Kind, subject: &Subject, now: DateTime<Utc>) -> Draft {
        Draft::new(self.org_id, kind, subject, now).traced(self.author.trace())
    }
}

impl<S> FromRequestParts<S> for Scope
where
    S: Sync,
    Keyring: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let partner = Partner::from_request_parts(parts, state).await?;
        let author = Author::partner(&Keyring::from_ref(state), partner, parts);
        Ok(Self { org_id: partner.org_id, caller: partner.key_id, author })
    }
}

/// How the key that authenticated a request stands, in the snapshot that the rules see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// No key, or a live one.
    Administrator,
    /// A key in its grace window administers nothing.
    Superseded,
    /// It has ended since it authenticated.
    Dead,
}

impl Caller {
    /// From what the snapshot says of the key.
    #[must_use]
    pub fn of(lives: bool, is_superseded: bool) -> Self {
        match (lives, is_superseded) {
            (false, _) => Self::Dead,
            (true, true) => Self::Superseded,
            (true, false) => Self::Administrator,
        }
    }

    /// Passes who may change anything.
    ///
    /// # Errors
    /// 403 for a key in its grace window, 401 for a dead one.
    pub fn require_administrator(self) -> Result<(), ApiError> {
        match self {
            Self::Administrator => Ok(()),
            Self::Superseded => Err(Code::KeySuperseded.into()),
            Self::Dead => Err(Code::Unauthorized.into()),
        }
    }
}

/// A change that reads, decides and applies.
pub trait Change: Send + Sync + 'static {
    /// What was done.
    type Done: Send + 'static;

    /// `None` if the org was changed between the reading and the applying: then nothing happened.
    fn attempt(
        &self,
        db: &mut PgConnection,
    ) -> impl Future<Output = Result<Option<Self::Done>, ApiError>> + Send;
}

/// Carries a change out.
///
/// # Errors
/// What the change refuses, or that the database cannot be asked.
pub async fn carry_out<C: Change>(db: &Db, org_id: OrgId, change: C) -> Result<C::Done, ApiError> {
    let mut connection = db.pool.acquire().await?;
    if let Some(done) = db.heeded(change.attempt(&mut connection).await)? {
        return Ok(done);
    }
    drop(connection);
    db.transaction(async move |mut tx| {
        let done = alone(&mut tx, org_id, &change).await?;
        tx.commit().await?;
        Ok(done)
    })
    .await
}

/// Carries a change out whose outcome is shown once and never again: it is shown before the commit.
/// If it could not be, nothing happened.
///
/// # Errors
/// As [`carry_out`], and what `show` returns.
pub async fn carry_out_shown<C: Change, E>(
    db: &Db,
    org_id: OrgId,
    change: C,
    show: impl FnOnce(C::Done) -> Result<(), E> + Send + 'static,
) -> Result<(), E>
where
    E: From<ApiError> + From<sqlx::Error> + DatabaseFailure + Send + 'static,
{
    db.transaction(async move |mut tx| {
        show(within(&mut tx, org_id, &change).await?)?;
        Ok(tx.commit().await?)
    })
    .await
}

/// Carries a change out within a transaction that does more.
///
/// # Errors
/// As [`carry_out`].
pub async fn within<C: Change>(tx: &mut Tx, org_id: OrgId, change: &C) -> Result<C::Done, ApiError> {
    match change.attempt(&mut *tx).await? {
        Some(done) => Ok(done),
        None => alone(tx, org_id, change).await,
    }
}

/// Queues behind the org's row, so that nobody changes the org between reading and applying.
async fn alone<C: Change>(tx: &mut Tx, org_id: OrgId, change: &C) -> Result<C::Done, ApiError> {
    // Not `FOR UPDATE`, which would hold back every user insert through its foreign key.
    sqlx::query!("SELECT id FROM orgs WHERE id = $1 FOR NO KEY UPDATE", org_id.0)
        .fetch_optional(&mut **tx)
        .await?;
    let done = change.attempt(&mut *tx).await?;
    done.ok_or_else(|| ApiError::internal("an org changed under its lock"))
}
