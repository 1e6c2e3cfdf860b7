//! Hears what other replicas changed, and proves to itself that it still hears.
//!
//! One connection listens and looks. A look reads the announcements that the one before did not see; it is made every
//! 300 ms, and as soon as this process or another one says that there is something. What a look has read was true when
//! it was sent: for a while after that, memory may be believed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::postgres::{PgListener, PgNotification};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use super::Db;
use super::announcements::{self, CHANGES, LOOK, Look};
use super::news::Changed;
use super::trust::Trust;
use crate::clock::Clock;

const LOOK_INTERVAL: Duration = Duration::from_millis(300);
/// Between two looks at least, however many changes there are.
const LOOK_PAUSE: Duration = Duration::from_millis(5);
/// With no answer for this long the listening connection is presumed dead and made anew.
const SILENCE_LIMIT: Duration = Duration::from_secs(3);
const RECONNECT_DELAY: Duration = Duration::from_millis(250);
/// Half of the time for which announcements are kept: after more, by the database's clock, some may be gone unread.
const LONGEST_PAUSE: TimeDelta = TimeDelta::milliseconds(announcements::KEPT.as_millis() as i64 / 2);

/// Keeps [`Trust`] up to date for as long as the process lives.
pub struct ChangeFeed {
    db: Db,
    trust: Arc<Trust>,
    clock: Clock,
    /// This process's own channel, so that it hears only its own looks come back.
    own_channel: String,
    /// Base of the instants in those echoes.
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

/// A reason to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// It is time.
    Tick,
    /// This process has changed something: the others are to look as well.
    OwnChange,
    /// Another one has.
    Woken,
}

/// What the look before has seen, by the connection that listens.
#[derive(Debug)]
struct Seen {
    snapshot: String,
    at: DateTime<Utc>,
    /// The connection's own, by which it knows what it said itself.
    backend: u32,
    /// Somebody said meanwhile that there is something new.
    is_behind: bool,
}

impl From<Look> for Seen {
    fn from(look: Look) -> Self {
        Self { snapshot: look.snapshot, at: look.now, backend: look.backend, is_behind: false }
    }
}

impl ChangeFeed {
    /// A listener, and the clock offset it measures, in milliseconds.
    #[must_use]
    pub fn new(db: Db, trust: Arc<Trust>, clock: Clock) -> (Self, watch::Receiver<i64>) {
        let (offset, measured) = watch::channel(0);
        let own_channel = format!("partner_api_heartbeat_{}", Uuid::new_v4().simple());
        (Self { db, trust, clock, own_channel, epoch: Instant::now(), offset }, measured)
    }

    /// Runs until it is dropped.
    pub async fn run(self, caches: Arc<impl Invalidate>) {
        tokio::join!(self.listen_forever(&*caches), announcements::forget_forever(&self.db));
    }

    async fn listen_forever(&self, caches: &impl Invalidate) {
        loop {
            let Err(error) = self.listen(caches).await;
            tracing::warn!(%error, "lost the connection that hears changes; caches are emptied");
            // What was announced meanwhile is lost.
            self.db.looks.end(None);
            self.lose(caches);
            tokio::time::sleep(RECONNECT_DELAY).await;
        }
    }

    async fn listen(&self, caches: &impl Invalidate) -> Result<Infallible, sqlx::Error> {
        let mut ear = in_time(self.connect()).await?;
        let first = in_time(self.look(&mut ear, None, Reason::Tick)).await?;
        let mut seen = Seen::from(first);
        // Whatever was being read until now may be older than what this look will never tell.
        self.lose(caches);
        self.db.looks.end(Some(self.db.looks.begin()));
        let mut looked = tokio::time::Instant::now();
        let mut ticks = tokio::time::interval(LOOK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let reason = tokio::select! {
                () = std::future::ready(()), if seen.is_behind => Reason::Woken,
                _ = ticks.tick() => Reason::Tick,
                () = self.db.looks.wanted() => Reason::OwnChange,
                heard = ear.try_recv() => {
                    let heard = heard?.ok_or(sqlx::Error::WorkerCrashed)?;
                    seen.is_behind |= self.heard(&heard, seen.backend, caches);
                    if !seen.is_behind {
                        continue;
                    }
                    Reason::Woken
                }
            };
            if reason != Reason::Tick {
                // A change alone is seen at once; those of a crowd by the same look.
                tokio::time::sleep_until(looked + LOOK_PAUSE).await;
            }
            looked = tokio::time::Instant::now();
            seen = self.follow(&mut ear, seen, reason, caches).await?;
        }
    }

    /// Looks, forgets what is void, and believes the rest once the look's echo is heard.
    async fn follow(
        &self,
        ear: &mut PgListener,
        seen: Seen,
        reason: Reason,
        caches: &impl Invalidate,
    ) -> Result<Seen, sqlx::Error> {
        let number = self.db.looks.begin();
        let look = in_time(self.look(ear, Some(&seen.snapshot), reason)).await?;
        if look.news.len() >= announcements::MANY || look.now - seen.at > LONGEST_PAUSE {
            self.lose(caches);
        } else {
            for news in &look.news {
                self.forget(news, caches);
            }
        }
        self.db.looks.end(Some(number));
        let mut seen = Seen::from(look);
        while let Some(heard) = ear.next_buffered() {
            seen.is_behind |= self.heard(&heard, seen.backend, caches);
        }
        Ok(seen)
    }

    async fn look(
        &self,
        ear: &mut PgListener,
        since: Option<&str>,
        reason: Reason,
    ) -> Result<Look, sqlx::Error> {
        let sent = (reason == Reason::Tick).then(|| self.epoch.elapsed().as_micros().to_string());
        let before = self.clock.now();
        let echo = (self.own_channel.as_str(), sent.as_deref());
        let look = announcements::look(ear, since, echo, reason == Reason::OwnChange).await?;
        let ours = before + (self.clock.now() - before) / 2;
        self.offset.send_replace((look.now - ours).num_milliseconds());
        Ok(look)
    }

    async fn connect(&self) -> Result<PgListener, sqlx::Error> {
        let mut ear = PgListener::connect_with(&self.db.listening()).await?;
        ear.eager_reconnect(false);
        ear.listen_all([CHANGES, &self.own_channel]).await?;
        Ok(ear)
    }

    /// Takes what was said on one of the channels; gives whether it was that there is something to look at.
    fn heard(&self, said: &PgNotification, own_backend: u32, caches: &impl Invalidate) -> bool {
        match (said.channel(), said.payload()) {
            (CHANGES, LOOK) => return said.process_id() != own_backend,
            // A replica of the release before.
            (CHANGES, news) => self.forget(news, caches),
            // The echo of a look, whose news were taken before. Postgres hands on what is said in the order of the
            // commits, so what older replicas said before it was heard as well.
            (_, micros) => {
                if let Ok(micros) = micros.parse() {
                    self.trust.confirm(self.epoch + Duration::from_micros(micros));
                }
            }
        }
        false
    }

    fn forget(&self, news: &str, caches: &impl Invalidate) {
        if let Some(changed) = Changed::parse(news) {
            // In this order: what is being read now must not be stored after it was forgotten.
            self.trust.invalidate(changed.subject());
            caches.forget(&changed);
        } else {
            tracing::warn!("an announced change could not be read; caches are emptied");
            self.lose(caches);
        }
    }

    fn lose(&self, caches: &impl Invalidate) {
        self.trust.lose();
        caches.forget_all();
    }
}

/// What does not answer in time counts as lost.
async fn in_time<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    tokio::time::timeout(SILENCE_LIMIT, work).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
