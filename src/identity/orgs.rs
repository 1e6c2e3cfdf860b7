//! The orgs, and whether they may be served, from memory.

use std::sync::Arc;

use crate::db::Db;
use crate::db::cache::LookupCache;
use crate::db::trust::Trust;
use crate::ids::OrgId;
use crate::metrics::CacheMetrics;

/// Orgs held in memory; at about a hundred bytes each.
const KNOWN_ORGS: usize = 50_000;
const UNKNOWN_ORGS: usize = 10_000;

/// The orgs, looked up once and then remembered.
#[derive(Debug)]
pub struct OrgDirectory {
    cache: LookupCache<OrgId, OrgStanding>,
}

/// The standing of an org: whether it is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrgStanding {
    /// Served.
    Active,
    /// Switched off by an operator.
    Suspended,
}

impl OrgDirectory {
    /// An empty memory.
    #[must_use]
    pub fn new(trust: Arc<Trust>, metrics: CacheMetrics) -> Self {
        Self { cache: LookupCache::new(KNOWN_ORGS, UNKNOWN_ORGS, trust, metrics) }
    }

    /// The org's standing; `None` if there is no such org.
    ///
    /// # Errors
    /// When memory does not know and the database cannot be asked.
    pub async fn standing(&self, db: &Db, org_id: OrgId) -> Result<Option<OrgStanding>, sqlx::Error> {
        if let Some(known) = self.cache.peek(&org_id) {
            return Ok(known);
        }
        self.cache.get(org_id, |_| vec![org_id.0], async || load(db, org_id).await).await
    }

    /// The number of answers that memory holds.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.cache.entries()
    }

    /// Forgets one org.
    pub fn forget(&self, org_id: OrgId) {
        self.cache.forget(&org_id);
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.cache.clear();
    }
}

async fn load(db: &Db, org_id: OrgId) -> Result<Option<OrgStanding>, sqlx::Error> {
    let suspended = sqlx::query_scalar!(
        r#"SELECT suspended_at IS NOT NULL AS "suspended!" FROM orgs WHERE id = $1"#,
        org_id.0
    )
    .fetch_optional(&db.lookups)
    .await?;
    Ok(suspended.map(|suspended| if suspended { OrgStanding::Suspended } else { OrgStanding::Active }))
}
