//! Orgs by their public names, from memory: the platform names an org as it likes, with every event (contract 15).

use std::sync::Arc;

use super::Identity;
use crate::db::cache::LookupCache;
use crate::db::trust::Trust;
use crate::ids::{OrgId, parse_uuid};
use crate::metrics::CacheMetrics;

/// Names held in memory, and names of nobody.
const KNOWN_NAMES: usize = 50_000;
const UNKNOWN_NAMES: usize = 1_000;
/// The longest name.
const MAX_NAME: usize = 63;

/// A name, with nothing after its end.
type Name = [u8; MAX_NAME];

/// The ids of names.
#[derive(Debug)]
pub struct OrgNames(LookupCache<Name, OrgId>);

impl OrgNames {
    /// An empty memory.
    #[must_use]
    pub fn new(trust: Arc<Trust>, metrics: CacheMetrics) -> Self {
        Self(LookupCache::new(KNOWN_NAMES, UNKNOWN_NAMES, trust, metrics))
    }

    /// How many answers memory holds.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.0.entries()
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.0.clear();
    }
}

impl Identity {
    /// The org of this id or `key`, whether or not it is served; `None` if there is none. A key may look like an id:
    /// an id goes before.
    ///
    /// # Errors
    /// When memory does not know and the database cannot be asked.
    pub async fn org_named(&self, named: &str) -> Result<Option<OrgId>, sqlx::Error> {
        if let Some(id) = parse_uuid(named).map(OrgId)
            && self.orgs.find(&self.db, id).await?.is_some()
        {
            return Ok(Some(id));
        }
        let Some(name) = name(named) else { return Ok(None) };
        let load = async || {
            sqlx::query_scalar!(r#"SELECT id AS "id: OrgId" FROM orgs WHERE key = $1"#, named)
                .fetch_optional(&self.db.lookups)
                .await
        };
        let Some(id) = self.org_names.0.get(name, |id| vec![id.0], load).await? else { return Ok(None) };
        // The org's own memory hears of its end; then another one may have its name.
        if self.orgs.find(&self.db, id).await?.is_some_and(|org| org.key == named) {
            return Ok(Some(id));
        }
        self.org_names.0.forget(&name);
        load().await
    }
}

fn name(text: &str) -> Option<Name> {
    let mut name = [0; MAX_NAME];
    let is_one = !text.is_empty() && text.len() <= MAX_NAME && !text.contains('\0');
    is_one.then(|| {
        name[..text.len()].copy_from_slice(text.as_bytes());
        name
    })
}
