//! Whose public keys are, by the ids that signatures and assertions name: strangers name any id they like, so what
//! is not in memory is looked up in slices, and what there is not is remembered apart.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use super::Identity;
use crate::db::Db;
use crate::db::batch::{Batcher, KeptConnection, Slice};
use crate::db::cache::LookupCache;
use crate::db::trust::Trust;
use crate::error::ApiError;
use crate::ids::OrgId;
use crate::metrics::DatabaseMetrics;

/// Public keys whose org is remembered, and ids that are no key's.
const KNOWN_KEYS: usize = 50_000;
const UNKNOWN_KEYS: usize = 10_000;
/// Look-ups in one statement, and statements on their way at the same time.
const SLICE: usize = 256;
const WORKERS: usize = 2;

/// The orgs of the public keys of the usage `Authentication`, looked up once and then remembered.
#[derive(Debug)]
pub struct SignerDirectory {
    cache: LookupCache<Uuid, OrgId>,
    lookups: Batcher<Owners>,
}

impl SignerDirectory {
    /// An empty memory over `db`; inside a tokio runtime.
    #[must_use]
    pub fn new(trust: Arc<Trust>, db: Db, metrics: &DatabaseMetrics) -> Self {
        Self {
            cache: LookupCache::new(KNOWN_KEYS, UNKNOWN_KEYS, trust, metrics.cache("signers")),
            lookups: Batcher::spawn(WORKERS, SLICE, Owners(db), metrics.batch("signer_lookups")),
        }
    }

    /// How many answers memory holds.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.cache.entries()
    }

    /// The number of look-ups that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lookups.waiting()
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.cache.clear();
    }
}

impl Identity {
    /// The org that a public key is of, if there is such a key; whether it lives is in the org's record.
    ///
    /// # Errors
    /// When neither memory nor the database knows.
    pub(super) async fn org_of(&self, unique_id: Uuid) -> Result<Option<OrgId>, ApiError> {
        let load = async || self.signers.lookups.ask(unique_id).await;
        Ok(self.signers.cache.get(unique_id, |org_id| vec![org_id.0], load).await?)
    }
}

/// Finds the orgs of public keys in slices.
#[derive(Debug)]
struct Owners(Db);

impl Slice for Owners {
    const IS_READ: bool = true;

    /// A connection that hangs must not hold up those who ask next.
    const PATIENCE: Duration = Duration::from_secs(2);

    type In = Uuid;
    type Out = Option<OrgId>;
    type Worker = KeptConnection;

    async fn run(&self, kept: &mut KeptConnection, keys: &[Uuid]) -> Result<Vec<Self::Out>, sqlx::Error> {
        let found = find(kept.get(&self.0.lookups).await?, keys).await;
        kept.used(&self.0.lookups, found)
    }
}

async fn find(db: &mut PgConnection, keys: &[Uuid]) -> Result<Vec<Option<OrgId>>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        SELECT unique_id, org_id AS "org_id: OrgId" FROM public_keys
        WHERE unique_id = ANY ($1::uuid[]) AND type = 'RSA' AND sealed IS NULL AND deleted_at IS NULL
            AND 'Authentication' = ANY (usages)
        "#,
        keys
    )
    .fetch_all(db)
    .await?;
    let owner = |key: &Uuid| {
        let mut owners = rows.iter().filter(|row| row.unique_id == *key).map(|row| row.org_id);
        // Ids are random: two of one would be somebody's doing, and are nobody's.
        owners.next().filter(|_| owners.next().is_none())
    };
    Ok(keys.iter().map(owner).collect())
}
