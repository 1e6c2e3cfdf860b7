//! Changes of an org itself, as [`administration`](crate::administration) carries them out.

use sqlx::PgConnection;

use super::store;
use crate::administration::{self, Scope, carry_out};
use crate::audit::verify::HANDED_OVER;
use crate::clock::Clock;
use crate::db::Db;
use crate::error::{ApiError, Code};

/// What is wanted of an org.
#[derive(Clone, Debug)]
pub enum OrgChange {
    Rename(String),
    /// Stops serving it; an org that is suspended already stays so.
    Suspend,
    Resume,
    Delete,
    /// Goes on with the renewed audit key of this number.
    HandOver(i16),
}

impl OrgChange {
    /// As the audit log names it.
    fn action(&self) -> &'static str {
        match self {
            Self::Rename(_) => "org.renamed",
            Self::Suspend => "org.suspended",
            Self::Resume => "org.resumed",
            Self::Delete => "org.deleted",
            Self::HandOver(_) => HANDED_OVER,
        }
    }

    /// To what, in the audit log: the org by its `key`, or an audit key by its number.
    fn subject(&self, key: String) -> String {
        if let Self::HandOver(number) = self { number.to_string() } else { key }
    }
}

/// Carries a change out.
///
/// # Errors
/// `forbidden` when there is no such org, what [`Caller::require_administrator`](administration::Caller)
/// refuses, or that the database cannot be asked.
pub async fn carry(db: &Db, clock: &Clock, scope: Scope, change: OrgChange) -> Result<(), ApiError> {
    carry_out(db, scope.org_id, Attempt { scope, clock: clock.clone(), change }).await
}

struct Attempt {
    scope: Scope,
    clock: Clock,
    change: OrgChange,
}

impl administration::Change for Attempt {
    type Done = ();

    async fn attempt(&self, db: &mut PgConnection) -> Result<Option<()>, ApiError> {
        let now = self.clock.now();
        let org = store::load(&mut *db, &self.scope, now).await?.ok_or(Code::Forbidden)?;
        org.caller.require_administrator()?;
        let entry = self.scope.entry(org.head, now, self.change.action(), self.change.subject(org.key));
        let applied = store::apply(&mut *db, &self.change, &entry).await?;
        Ok(applied.then_some(()))
    }
}
