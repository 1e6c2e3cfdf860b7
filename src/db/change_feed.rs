//! Hears what other replicas changed, and proves to itself that it still hears.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::postgres::PgListener;
use tokio::sync::watch;
use uuid::Uuid;

use super::Db;
use super::trust::Trust;
use crate::clock::Clock;
use crate::crypto::keyring::KeyDigest;
use crate::ids::{KeyId, OrgId};

/// The channel on which the statement of a change announces invalidations: the payload is a
/// [`Changed`] as text. Only rare changes announce themselves, because such commits queue one
/// behind the other (architecture 4).
pub const CHANGES: &str = "partner_api_changes";
/// The announcement of a changed stream of the platform's.
pub const STREAMS: &str = "streams";
/// The announcement of a form of imported keys.
pub const KEY_PATTERNS: &str = "key_patterns";
/// The announcement of an ended platform token.
pub const PLATFORM_TOKENS: &str = "platform_tokens";
/// The announcement of renewed service keys.
pub const SERVICE_KEYS: &str = "service_keys";
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(300);
/// A heartbeat that cannot be sent in this time counts as missed.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_millis(800);
/// With no echo for this long the listening connection is presumed dead and made anew.
const SILENCE_LIMIT: Duration = Duration::from_secs(3);
const RECONNECT_DELAY: Duration = Duration::from_millis(250);

/// Something of which all that memory knows is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// `org <id>`
    Org(OrgId),
    /// `key <id> <digest in hex> <org>`
    Key(OrgId, KeyId, KeyDigest),
    /// `service_keys`: they were renewed.
    ServiceKeys,
    /// `streams`: one of the platform's was put in place.
    Streams,
    /// `key_patterns`: keys were imported.
    KeyPatterns,
    /// `platform_tokens`: one has ended.
    PlatformTokens,
}

/// What the memory of every platform token hangs on: they are few, and end seldom.
pub const ALL_PLATFORM_TOKENS: Uuid = Uuid::from_u128(1);

impl Changed {
    fn parse(payload: &str) -> Option<Self> {
        match payload {
            SERVICE_KEYS => return Some(Self::ServiceKeys),
            STREAMS => return Some(Self::Streams),
            KEY_PATTERNS => return Some(Self::KeyPatterns),
            PLATFORM_TOKENS => return Some(Self::PlatformTokens),
            _ => {}
        }
        let mut words = payload.split(' ');
        match (words.next()?, Uuid::try_parse(words.next()?).ok()?, words.next()) {
            ("org", id, None) => Some(Self::Org(OrgId(id))),
            // The org comes last: the version before reads on to the digest only.
            ("key", id, Some(digest)) => {
                let mut bytes = KeyDigest::default();
                hex::decode_to_slice(digest, &mut bytes).ok()?;
                let org = Uuid::try_parse(words.next()?).ok()?;
                words.next().is_none().then_some(Self::Key(OrgId(org), KeyId(id), bytes))
            }
            _ => None,
        }
    }

    fn subject(&self) -> Uuid {
        match self {
            Self::Org(OrgId(id)) | Self::Key(_, KeyId(id), _) => *id,
            Self::PlatformTokens => ALL_PLATFORM_TOKENS,
            // No cache holds them.
            Self::ServiceKeys | Self::Streams | Self::KeyPatterns => Uuid::nil(),
        }
    }
}

/// Keeps [`Trust`] up to date for as long as the process lives.
pub struct ChangeFeed {
    db: Db,
    trust: Arc<Trust>,
    clock: Clock,
    /// This process's own channel, so that it hears only its own heartbeat.
    heartbeat_channel: String,
    /// Base of the instants in heartbeats.
    epoch: Instant,
    /// The database's clock minus ours, in milliseconds.
    offset: watch::Sender<i64>,
}

/// A receiver of invalidations, such as the caches.
pub trait Invalidate: Send + Sync + 'static {
    /// Forget what is known of an org or a key.
    fn forget(&self, changed: &Changed);
    /// Forget everything.
    fn forget_all(&self);
}

impl ChangeFeed {
    /// A listener, and the clock offset it measures, in milliseconds.
    #[must_use]
    pub fn new(db: Db, trust: Arc<Trust>, clock: Clock) -> (Self, watch::Receiver<i64>) {
        let (offset, measured) = watch::channel(0);
        let heartbeat_channel = format!("partner_api_heartbeat_{}", Uuid::new_v4().simple());
        (Self { db, trust, clock, heartbeat_channel, epoch: Instant::now(), offset }, measured)
    }

    /// Runs until it is dropped.
    pub async fn run(self, caches: Arc<impl Invalidate>) {
        tokio::join!(self.beat(), self.listen_forever(&*caches));
    }

    async fn beat(&self) {
        let mut ticks = tokio::time::interval(HEARTBEAT_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match tokio::time::timeout(HEARTBEAT_TIMEOUT, self.send_heartbeat()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "heartbeat failed"),
                Err(_) => tracing::debug!("heartbeat timed out"),
            }
        }
    }

    /// Nothing is lost with a heartbeat, so its commit waits for nothing. One that waited for a standby would hold the
    /// lock that every announcement takes, and a connection, for as long as there is none.
    async fn send_heartbeat(&self) -> Result<(), sqlx::Error> {
        let sent = self.epoch.elapsed().as_micros().to_string();
        let before = self.clock.now();
        let theirs: DateTime<Utc> = sqlx::query!(
            "SELECT clock_timestamp() AS \"now!\", pg_notify($1, $2)::text,
                    set_config('synchronous_commit', 'off', true) AS commit",
            self.heartbeat_channel,
            sent
        )
        .fetch_one(&self.db.lookups)
        .await?
        .now;
        let ours = before + (self.clock.now() - before) / 2;
        self.offset.send_replace((theirs - ours).num_milliseconds());
        Ok(())
    }

    async fn listen_forever(&self, caches: &impl Invalidate) {
        loop {
            if let Err(error) = self.listen(caches).await {
                tracing::warn!(%error, "lost the connection that hears changes; caches are emptied");
            }
            // What was announced meanwhile is lost.
            self.trust.lose();
            caches.forget_all();
            tokio::time::sleep(RECONNECT_DELAY).await;
        }
    }

    async fn listen(&self, caches: &impl Invalidate) -> Result<(), sqlx::Error> {
        let connected = tokio::time::timeout(SILENCE_LIMIT, self.connect()).await;
        let mut listener = connected.map_err(|_| sqlx::Error::PoolTimedOut)??;
        loop {
            // `try_recv`, because `recv` reconnects silently and loses what was sent meanwhile.
            let news = tokio::time::timeout(SILENCE_LIMIT, listener.try_recv()).await;
            let Some(news) = news.map_err(|_| sqlx::Error::PoolTimedOut)?? else {
                return Err(sqlx::Error::WorkerCrashed);
            };
            if news.channel() == CHANGES {
                self.heard(news.payload(), caches);
            } else if let Ok(micros) = news.payload().parse() {
                self.trust.confirm(self.epoch + Duration::from_micros(micros));
            }
        }
    }

    async fn connect(&self) -> Result<PgListener, sqlx::Error> {
        let mut listener = PgListener::connect_with(&self.db.direct()).await?;
        listener.eager_reconnect(false);
        listener.listen_all([CHANGES, &self.heartbeat_channel]).await?;
        Ok(listener)
    }

    fn heard(&self, payload: &str, caches: &impl Invalidate) {
        if let Some(changed) = Changed::parse(payload) {
            // In this order: what is being read now must not be stored after it was forgotten.
            self.trust.invalidate(changed.subject());
            caches.forget(&changed);
        } else {
            tracing::warn!("an announced change could not be read; caches are emptied");
            self.trust.lose();
            caches.forget_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_are_read_back_and_nothing_else_is() {
        let id = Uuid::from_u128(7);
        assert_eq!(Changed::parse(&format!("org {id}")), Some(Changed::Org(OrgId(id))));
        let before = format!("key {id} {}", "ab".repeat(32));
        let org = Uuid::from_u128(1);
        let key = format!("{before} {org}");
        assert_eq!(Changed::parse(&key), Some(Changed::Key(OrgId(org), KeyId(id), [0xab; 32])));
        assert_eq!(Changed::parse(SERVICE_KEYS), Some(Changed::ServiceKeys));
        let bad = [
            "",
            "service_keys ",
            "org",
            "org x",
            "key",
            &format!("key {id}"),
            &format!("org {id} x"),
            &before,
        ];
        for bad in bad.into_iter().chain([&*format!("{before}ab {org}"), &format!("{key} x")]) {
            assert_eq!(Changed::parse(bad), None, "{bad}");
        }
    }
}
