//! Carrying out what is done with a leaked key, for background work and operators.

use super::input::LeakReport;
use super::rules::{LeakResponse, Reported};
use super::store::LeakedKey;
use crate::changes::Mandate;
use crate::clock::Clock;
use crate::db::Db;
use crate::error::{ApiError, Code};
use crate::ids::KeyId;
use crate::routes::tenant_keys::operator::giving_up;

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The key was alive: its org is told, and the key is as the org's policy wants it.
    Leaked,
    /// It had ended already.
    Dead,
    /// It was reported before.
    Again,
    /// It is nobody's.
    Unknown,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Leaked, Self::Dead, Self::Again, Self::Unknown];

    /// As metrics and operators see it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Leaked => "leaked",
            Self::Dead => "dead",
            Self::Again => "again",
            Self::Unknown => "unknown",
        }
    }
}

/// Does with a key what its org wants done.
///
/// # Errors
/// When the database cannot be asked.
pub async fn respond(
    db: &Db,
    clock: &Clock,
    mandate: Mandate,
    key_id: KeyId,
    report: &LeakReport,
) -> Result<Outcome, ApiError> {
    let leaked = LeakedKey::of(key_id, report);
    let change = mandate.clone().change(clock, leaked, |seen: &Reported| Ok(seen.response()));
    let next = giving_up(clock, mandate, key_id);
    let done = db
        .transaction(async move |mut tx| {
            let done = change.execute_in(&mut tx).await?;
            if done.is_some_and(|response| response.abandons) {
                next.execute_in(&mut tx).await?;
            }
            tx.commit().await?;
            Ok::<_, ApiError>(done)
        })
        .await;
    match done {
        Ok(None) => Ok(Outcome::Again),
        Ok(Some(LeakResponse { is_told: true, .. })) => Ok(Outcome::Leaked),
        Ok(Some(_)) => Ok(Outcome::Dead),
        // The org was deleted at this moment.
        Err(ApiError::Failed(failure)) if failure.code == Code::Forbidden => Ok(Outcome::Unknown),
        Err(error) => Err(error),
    }
}
