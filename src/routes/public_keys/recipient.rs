//! The recipients of new secrets.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::store::{self, Wanted};
use crate::error::{ApiError, Code};
use crate::ids::OrgId;

/// The party that can read what a reply shows of a new secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// Whoever reads the reply.
    Caller,
    /// The holder of the private half of the key that this names.
    Key(Wanted),
    /// No key was found to encrypt to.
    Nobody,
}

impl Recipient {
    /// `no_delivery_key`, once nothing else is wrong. The key was chosen and encrypted to before: it
    /// may have ended since, and a secret that nobody can read must not replace one that works.
    ///
    /// # Errors
    /// That, unless the key is still one to deliver to.
    pub async fn require(
        self,
        db: &mut PgConnection,
        org_id: OrgId,
        now: DateTime<Utc>,
    ) -> Result<(), ApiError> {
        let is_there = match self {
            Self::Caller => true,
            Self::Nobody => false,
            Self::Key(wanted) => store::usable(&mut *db, org_id, wanted, now).await?.is_some(),
        };
        if is_there { Ok(()) } else { Err(Code::NoDeliveryKey.into()) }
    }
}
