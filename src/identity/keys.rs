//! Which tenant keys are alive, from memory where it may be believed (contract 4 and 8).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::orgs::{OrgDirectory, Standing};
use super::usage::Usage;
use crate::crypto::keyring::{KeyDigest, Keyring};
use crate::crypto::tenant_key::TenantKey;
use crate::db::Db;
use crate::db::batch::{BatchError, Batcher, Kept, Slice};
use crate::db::cache::LookupCache;
use crate::db::trust::Trust;
use crate::ids::{KeyId, OrgId};
use crate::metrics;

/// Keys held in memory; at about two hundred bytes each.
const KNOWN_KEYS: usize = 100_000;
const UNKNOWN_KEYS: usize = 50_000;
/// Look-ups that wait for each other share one statement.
const BATCH: usize = 256;
const BATCH_WORKERS: usize = 2;
/// Nobody waits longer for an answer: the gateway's own patience ends at a second.
const PATIENCE: Duration = Duration::from_millis(850);

/// A key that was not revoked when it was read. Whether it has expired is asked at every use.
#[derive(Debug)]
pub struct KeyRecord {
    /// The tenant.
    pub org_id: OrgId,
    /// The key's row.
    pub key_id: KeyId,
    /// When it ends, if it does.
    pub expires_at: Option<DateTime<Utc>>,
    /// The minute for which its use was last noted.
    noted: AtomicI64,
}

/// What a well-formed key opens.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The key is alive, and its org is served.
    Live(Arc<KeyRecord>),
    /// The key is alive, but its org is suspended.
    Suspended(OrgId),
    /// Unknown, expired or revoked; which of them is nobody's business.
    Dead,
}

/// Why nothing can be said of a key.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// The database failed or is too busy.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The database takes too long.
    #[error("the look-up of a key took too long")]
    TooSlow,
}

/// The tenant keys, looked up once and then remembered.
#[derive(Debug)]
pub struct KeyDirectory {
    by_digest: LookupCache<KeyDigest, Arc<KeyRecord>>,
    by_id: LookupCache<KeyId, Arc<KeyRecord>>,
    lookups: Batcher<ByDigest>,
    /// When keys were last used.
    pub usage: Usage,
}

impl KeyDirectory {
    /// An empty memory over `db`.
    #[must_use]
    pub fn new(trust: Arc<Trust>, db: Db, metrics: &metrics::Database) -> Self {
        let by_digest = metrics.cache("keys_by_digest");
        Self {
            by_digest: LookupCache::new(KNOWN_KEYS, UNKNOWN_KEYS, trust.clone(), by_digest),
            by_id: LookupCache::new(KNOWN_KEYS, UNKNOWN_KEYS, trust, metrics.cache("keys_by_id")),
            lookups: Batcher::spawn(BATCH_WORKERS, BATCH, ByDigest(db), metrics.batch("key_lookups")),
            usage: Usage::default(),
        }
    }

    /// What `key` opens at `now`. A malformed key never gets here, so it costs no look-up.
    ///
    /// # Errors
    /// When memory does not know and the database cannot be asked in time.
    pub async fn verify(
        &self,
        keyring: &Keyring,
        orgs: &OrgDirectory,
        db: &Db,
        key: &TenantKey,
        now: DateTime<Utc>,
    ) -> Result<Verdict, LookupError> {
        let digest = keyring.digest(key);
        let verdict = async {
            let load = async || Ok::<_, LookupError>(self.lookups.ask(digest).await?);
            let record = match self.by_digest.peek(&digest) {
                Some(known) => known,
                None => self.by_digest.get(digest, |record| vec![record.key_id.0], load).await?,
            };
            let Some(record) = record.filter(|record| record.is_live(now)) else { return Ok(Verdict::Dead) };
            self.judge_org(orgs, db, record, now).await
        };
        tokio::time::timeout(PATIENCE, verdict).await.unwrap_or(Err(LookupError::TooSlow))
    }

    /// What the key with this id opens at `now`, if it is the org's.
    ///
    /// # Errors
    /// When memory does not know and the database cannot be asked in time.
    pub async fn find_live(
        &self,
        db: &Db,
        org_id: OrgId,
        key_id: KeyId,
        now: DateTime<Utc>,
    ) -> Result<Option<Arc<KeyRecord>>, LookupError> {
        let find = async {
            let load = async || load_by_id(db, org_id, key_id).await.map_err(LookupError::from);
            let record = self.by_id.get(key_id, |record| vec![record.key_id.0], load).await?;
            let record = record.filter(|record| record.org_id == org_id && record.is_live(now));
            if let Some(record) = &record {
                self.usage.note(record, now);
            }
            Ok(record)
        };
        tokio::time::timeout(PATIENCE, find).await.unwrap_or(Err(LookupError::TooSlow))
    }

    /// How many answers memory holds: by digest, by id.
    #[must_use]
    pub fn entries(&self) -> [usize; 2] {
        [self.by_digest.entries(), self.by_id.entries()]
    }

    /// How many look-ups wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lookups.waiting()
    }

    /// Forgets one key.
    pub fn forget(&self, key_id: KeyId, digest: &KeyDigest) {
        self.by_id.forget(&key_id);
        self.by_digest.forget(digest);
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.by_id.clear();
        self.by_digest.clear();
    }

    async fn judge_org(
        &self,
        orgs: &OrgDirectory,
        db: &Db,
        record: Arc<KeyRecord>,
        now: DateTime<Utc>,
    ) -> Result<Verdict, LookupError> {
        Ok(match orgs.standing(db, record.org_id).await? {
            Some(Standing::Active) => {
                self.usage.note(&record, now);
                Verdict::Live(record)
            }
            Some(Standing::Suspended) => Verdict::Suspended(record.org_id),
            None => Verdict::Dead,
        })
    }
}

impl KeyRecord {
    fn new(org_id: OrgId, key_id: KeyId, expires_at: Option<DateTime<Utc>>) -> Arc<Self> {
        Arc::new(Self { org_id, key_id, expires_at, noted: AtomicI64::new(0) })
    }

    /// Exact whatever the cache says (contract 4).
    fn is_live(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// True once a minute: whoever gets it notes the use.
    pub(super) fn is_first_use_in(&self, minute: i64) -> bool {
        self.noted.load(Ordering::Relaxed) != minute && self.noted.swap(minute, Ordering::Relaxed) != minute
    }
}

/// Looks keys up by their digests, many in one statement.
#[derive(Debug)]
struct ByDigest(Db);

impl Slice for ByDigest {
    const IS_READ: bool = true;

    /// Whoever asked has given up by then; a connection that hangs must not hold up the next.
    const PATIENCE: Duration = PATIENCE;

    type In = KeyDigest;
    type Out = Option<Arc<KeyRecord>>;
    type Worker = Kept;

    async fn run(&self, kept: &mut Kept, digests: &[KeyDigest]) -> Result<Vec<Self::Out>, sqlx::Error> {
        let found = find_digests(kept.get(&self.0.lookups).await?, digests).await;
        let found = kept.used(&self.0.lookups, found)?;
        Ok(digests.iter().map(|digest| found.get(&digest[..]).cloned()).collect())
    }
}

async fn find_digests(
    db: &mut PgConnection,
    digests: &[KeyDigest],
) -> Result<HashMap<Vec<u8>, Arc<KeyRecord>>, sqlx::Error> {
    let wanted: Vec<&[u8]> = digests.iter().map(|digest| &digest[..]).collect();
    let rows = sqlx::query!(
        "SELECT digest, org_id, id, expires_at FROM tenant_keys
         WHERE digest = ANY($1::bytea[]) AND revoked_at IS NULL",
        &wanted as &[&[u8]],
    )
    .fetch_all(db)
    .await?;
    let record = |org_id, id, expires_at| KeyRecord::new(OrgId(org_id), KeyId(id), expires_at);
    Ok(rows.into_iter().map(|row| (row.digest, record(row.org_id, row.id, row.expires_at))).collect())
}

async fn load_by_id(db: &Db, org_id: OrgId, key_id: KeyId) -> Result<Option<Arc<KeyRecord>>, sqlx::Error> {
    let row = sqlx::query!(
        "SELECT expires_at FROM tenant_keys WHERE org_id = $1 AND id = $2 AND revoked_at IS NULL",
        org_id.0,
        key_id.0,
    )
    .fetch_optional(&db.lookups)
    .await?;
    Ok(row.map(|row| KeyRecord::new(org_id, key_id, row.expires_at)))
}
