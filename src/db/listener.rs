//! Hears what other replicas changed, and proves to itself that it still hears.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use sqlx::postgres::PgListener;
use tokio::sync::watch;
use uuid::Uuid;

use super::Db;
use super::trust::Trust;
use crate::clock::Clock;

/// Where invalidations are announced: the payload is the id of an org or a key.
const CHANGES: &str = "partner_api_changes";
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(300);
/// A heartbeat that cannot be sent in this time counts as missed.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_millis(800);
/// With no echo for this long the listening connection is presumed dead and made anew.
const SILENCE_LIMIT: Duration = Duration::from_secs(3);
const RECONNECT_DELAY: Duration = Duration::from_millis(250);

/// Announces that what is known of `subject` is void. Call it inside the transaction of the
/// change; and only for rare changes, because such commits queue one behind the other
/// (architecture.md 4).
///
/// # Errors
/// When the database cannot be asked.
pub async fn announce(executor: impl PgExecutor<'_>, subject: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("SELECT pg_notify($1, $2)::text", CHANGES, subject.to_string()).fetch_one(executor).await?;
    Ok(())
}

/// Keeps [`Trust`] up to date for as long as the process lives.
pub struct Listener {
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

/// What the caches do with news.
pub trait Invalidate: Send + Sync + 'static {
    /// Forget what is known of an org or a key.
    fn forget(&self, subject: Uuid);
    /// Forget everything.
    fn forget_all(&self);
}

impl Listener {
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

    async fn send_heartbeat(&self) -> Result<(), sqlx::Error> {
        let sent = self.epoch.elapsed().as_micros().to_string();
        let before = self.clock.now();
        let theirs: DateTime<Utc> = sqlx::query!(
            "SELECT clock_timestamp() AS \"now!\", pg_notify($1, $2)::text",
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
        let direct = self.db.direct();
        let mut listener = PgListener::connect_with(&direct).await?;
        listener.eager_reconnect(false);
        listener.listen_all([CHANGES, &self.heartbeat_channel]).await?;
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

    fn heard(&self, payload: &str, caches: &impl Invalidate) {
        if let Ok(subject) = Uuid::try_parse(payload) {
            self.trust.invalidate(subject);
            caches.forget(subject);
        } else {
            tracing::warn!("an announced change could not be read; caches are emptied");
            self.trust.lose();
            caches.forget_all();
        }
    }
}
