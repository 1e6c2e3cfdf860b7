//! The live tenant keys, from memory where it may be believed (contract 4 and 8).

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::allowed_networks::AllowedNetworks;
use super::first_uses::FirstUses;
use super::key_lookups::{ByDigest, load_by_id};
use super::key_scopes::KeyRights;
use super::orgs::{OrgDirectory, OrgRecord, OrgStanding};
use super::recognised::Recognised;
use super::rehash::Rehashes;
use super::stage::KeyStage;
use super::usage::{Arrival, KeyUses, Uses};
use crate::crypto::key_text::ApiKey as _;
use crate::crypto::keyring::{Hashed, KeyDigest, Keyring};
use crate::crypto::tenant_key::TenantKey;
use crate::db::Db;
use crate::db::batch::{BatchError, Batcher};
use crate::db::cache::LookupCache;
use crate::db::trust::Trust;
use crate::ids::{KeyId, OrgId};
use crate::metrics::{Metrics, Refusals};

/// Keys held in memory; at about two hundred bytes each.
const KNOWN_KEYS: usize = 100_000;
const UNKNOWN_KEYS: usize = 50_000;
/// Look-ups that wait for each other share one statement.
const BATCH: usize = 256;
const BATCH_WORKERS: usize = 2;
/// Nobody waits longer for an answer: the gateway's own patience ends at a second.
pub(super) const PATIENCE: Duration = Duration::from_millis(850);

/// A key as it was read. Whether it has expired is asked at every use.
#[derive(Debug)]
pub struct KeyRecord {
    /// The tenant.
    pub org_id: OrgId,
    /// The key's row.
    pub key_id: KeyId,
    /// The time when it ends, if it does.
    pub expires_at: Option<DateTime<Utc>>,
    /// What it may do while it is alive.
    pub stage: KeyStage,
    /// Its scopes, and whether it is held to them.
    pub rights: KeyRights,
    /// Where it may be used from.
    pub networks: AllowedNetworks,
    /// Its first use confirms it.
    pub(super) awaits_first_use: bool,
    pub(super) is_revoked: bool,
    /// As it is stored: what its changes are announced under.
    pub(super) digest: KeyDigest,
    pub(super) uses: OnceLock<Arc<Uses>>,
}

/// The way in which a key ended.
enum End {
    Revoked,
    Expired,
}

/// The result of looking up a well-formed key.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The key is alive, and its org is served.
    Live(Arc<KeyRecord>, Arc<OrgRecord>),
    /// The key is alive, but its org is suspended.
    Suspended(OrgId),
    /// Unknown, expired or revoked; which of them is nobody's business.
    Dead,
}

/// The reasons why nothing can be said of a key.
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
    /// By org as well: what somebody asks about another org's key is no answer to its owner.
    by_id: LookupCache<(OrgId, KeyId), Arc<KeyRecord>>,
    recognised: Recognised,
    lookups: Batcher<ByDigest>,
    refusals: Refusals,
    /// The uses of keys.
    pub usage: Arc<KeyUses>,
    /// Keys that are still hashed with an older pepper, and were used.
    pub rehashes: Rehashes,
    /// Keys whose first use confirms them, and that were used.
    pub first_uses: FirstUses,
}

impl KeyDirectory {
    /// An empty memory over `db`.
    #[must_use]
    pub fn new(trust: Arc<Trust>, db: Db, metrics: &Metrics) -> Self {
        let refusals = metrics.identity.refusals();
        let metrics = &metrics.database;
        let by_digest = metrics.cache("keys_by_digest");
        Self {
            by_digest: LookupCache::new(KNOWN_KEYS, UNKNOWN_KEYS, trust.clone(), by_digest),
            by_id: LookupCache::new(KNOWN_KEYS, UNKNOWN_KEYS, trust, metrics.cache("keys_by_id")),
            recognised: Recognised::new(KNOWN_KEYS),
            lookups: Batcher::spawn(BATCH_WORKERS, BATCH, ByDigest(db), metrics.batch("key_lookups")),
            refusals,
            usage: Arc::default(),
            rehashes: Rehashes::default(),
            first_uses: FirstUses::default(),
        }
    }

    /// Returns what `key` opens at `now`. A malformed key never gets here, so it costs no look-up.
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
        let tag = self.recognised.tag(key.text().as_bytes());
        let seen = tag.as_ref().and_then(|tag| self.recognised.digest(tag, keyring.pepper_number()));
        let newest = seen.unwrap_or_else(|| keyring.hash(key));
        let verdict = async {
            let record = match self.by_digest.peek(&newest.digest) {
                Some(known) => known,
                None => self.find_by_key(keyring, key, newest).await?,
            };
            let Some(record) = self.judge(record, now) else { return Ok(Verdict::Dead) };
            if record.digest != newest.digest {
                self.rehashes.note(&record, newest);
            } else if let (Some(tag), None) = (tag, seen) {
                self.recognised.note(tag, newest);
            }
            self.judge_org(orgs, db, record, now).await
        };
        tokio::time::timeout(PATIENCE, verdict).await.unwrap_or(Err(LookupError::TooSlow))
    }

    /// Returns what a text opens at `now` if memory alone can say; `None` for all else, a key that is not alive among it.
    /// It is no use of the key: whoever lets it open something says so ([`KeyDirectory::opened`]).
    pub(super) fn recall(
        &self,
        keyring: &Keyring,
        orgs: &OrgDirectory,
        text: &[u8],
        now: DateTime<Utc>,
    ) -> Option<(Arc<KeyRecord>, Arc<OrgRecord>)> {
        let newest = self.recognised.digest(&self.recognised.tag(text)?, keyring.pepper_number())?;
        let record = self.by_digest.peek(&newest.digest)??;
        let org = orgs.recall(record.org_id)?;
        if record.end(now).is_some() || org.standing != OrgStanding::Active {
            return None;
        }
        Some((record, org))
    }

    /// A key that memory does not know under its newest digest: it may know it under an older one, or
    /// the database.
    async fn find_by_key(
        &self,
        keyring: &Keyring,
        key: &TenantKey,
        newest: Hashed,
    ) -> Result<Option<Arc<KeyRecord>>, LookupError> {
        let older = keyring.older_hashes(key);
        if let Some(known) = older.iter().find_map(|older| self.by_digest.peek(&older.digest).flatten()) {
            return Ok(Some(known));
        }
        let digests: Vec<_> = [newest].into_iter().chain(older).map(|hashed| hashed.digest).collect();
        let load = async || Ok::<_, LookupError>(self.lookups.ask(digests).await?);
        let subjects = |record: &Arc<KeyRecord>| vec![record.key_id.0];
        self.by_digest.get_at_home(newest.digest, |record| record.digest, subjects, load).await
    }

    /// Returns what the key with this id opens at `now`, if it is the org's.
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
        let record = self.judge(self.find(db, org_id, key_id).await?, now);
        if let Some(record) = &record {
            self.opened(record, now);
        }
        Ok(record)
    }

    /// Returns `true` if the org's key with this id is alive at `now`; this is no use of it.
    ///
    /// # Errors
    /// When memory does not know and the database cannot be asked in time.
    pub async fn is_live(
        &self,
        db: &Db,
        org_id: OrgId,
        key_id: KeyId,
        now: DateTime<Utc>,
    ) -> Result<bool, LookupError> {
        let record = self.find(db, org_id, key_id).await?;
        Ok(record.is_some_and(|record| record.end(now).is_none()))
    }

    async fn find(
        &self,
        db: &Db,
        org_id: OrgId,
        key_id: KeyId,
    ) -> Result<Option<Arc<KeyRecord>>, LookupError> {
        let find = async {
            let load = async || load_by_id(db, org_id, key_id).await.map_err(LookupError::from);
            self.by_id.get((org_id, key_id), |record| vec![record.key_id.0], load).await
        };
        tokio::time::timeout(PATIENCE, find).await.unwrap_or(Err(LookupError::TooSlow))
    }

    /// Keeps a key that is alive. Others are counted, each as what it is.
    fn judge(&self, record: Option<Arc<KeyRecord>>, now: DateTime<Utc>) -> Option<Arc<KeyRecord>> {
        let Some(record) = record else {
            self.refusals.unknown.inc();
            return None;
        };
        match record.end(now) {
            None => return Some(record),
            Some(End::Revoked) => self.refusals.revoked.inc(),
            Some(End::Expired) => self.refusals.expired.inc(),
        };
        self.uses(&record).refused(now);
        None
    }

    /// Counts a use; a first one may be waited for.
    pub fn opened(&self, record: &KeyRecord, now: DateTime<Utc>) {
        self.uses(record).opened(now);
        if record.awaits_first_use {
            self.first_uses.note(record.org_id, record.key_id);
        }
    }

    /// Counts a request with a key.
    pub fn arrived(&self, record: &KeyRecord, arrival: &Arrival<'_>) {
        self.usage.arrived(self.uses(record), arrival);
    }

    /// The counter of a key's uses.
    fn uses<'r>(&self, record: &'r KeyRecord) -> &'r Uses {
        record.uses.get_or_init(|| self.usage.of(record.org_id, record.key_id))
    }

    /// The number of answers that memory holds: by digest, by id.
    #[must_use]
    pub fn entries(&self) -> [usize; 2] {
        [self.by_digest.entries(), self.by_id.entries()]
    }

    /// The number of look-ups that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lookups.waiting()
    }

    /// Forgets one key.
    pub fn forget(&self, org_id: OrgId, key_id: KeyId, digest: &KeyDigest) {
        self.by_id.forget(&(org_id, key_id));
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
        let Some(org) = orgs.find(db, record.org_id).await? else { return Ok(Verdict::Dead) };
        Ok(match org.standing {
            OrgStanding::Active => {
                self.opened(&record, now);
                Verdict::Live(record, org)
            }
            OrgStanding::Suspended => Verdict::Suspended(record.org_id),
        })
    }
}

impl KeyRecord {
    /// The way in which it ended, if it has; exact whatever the cache says (contract 4).
    fn end(&self, now: DateTime<Utc>) -> Option<End> {
        if self.is_revoked {
            return Some(End::Revoked);
        }
        self.expires_at.is_some_and(|end| end <= now).then_some(End::Expired)
    }
}
