//! The life of a claim: a report is made beside it while it is renewed, and closed with its token.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::clearing::{CHUNKS, KEPT_FOR};
use super::maker::{Failure, Maker};
use super::store::{self, Claimed, Made};
use crate::events::{Draft, EventType, Stream, Subject};
use crate::metrics::ReportResult;
use crate::routes::public_keys::delivery::{LiveKey, Which};
use crate::routes::public_keys::usage::Usage;
use crate::state::App;

/// Attempts that a report gets.
const TRIES: i32 = 3;
const RENEW_INTERVAL: Duration = Duration::from_secs(5);
/// The time that an attempt may take: its snapshot keeps Postgres from cleaning up behind it.
const LONGEST: Duration = Duration::from_secs(2 * 60 * 60);

const KEY_HAS_ENDED: &str = "the public key that it was to be encrypted to has ended";
const THREE_TIMES: &str = "it could not be made in three attempts";

/// Makes a report that was claimed, and closes it. Told to stop, it hands it back.
pub async fn make(app: App, claimed: Claimed, mut stop: watch::Receiver<bool>) {
    let _making = Making::begin(&app);
    let mut outcome = attempt(&app, &claimed, &mut stop).await;
    if outcome.is_ok()
        && let Err(failure) = live_key(&app, &claimed).await
    {
        outcome = Err(failure);
    }
    let (org_id, report_id) = (claimed.org_id, claimed.id);
    match close(&app, &claimed, outcome).await {
        Ok(true) => {}
        Ok(false) => {
            tracing::info!(%org_id, %report_id, "a report was deleted or had passed to another maker")
        }
        Err(error) => {
            tracing::warn!(%org_id, %report_id, %error, "a report could not be closed; its claim ends by itself")
        }
    }
}

/// Counts a report that is being made, for as long as it lives.
struct Making(App);

impl Making {
    fn begin(app: &App) -> Self {
        app.metrics.reports.making.inc();
        Self(app.clone())
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        self.0.metrics.reports.making.dec();
    }
}

async fn attempt(app: &App, claimed: &Claimed, stop: &mut watch::Receiver<bool>) -> Result<Made, Failure> {
    let key = tokio::select! {
        key = prepare(app, claimed) => key?,
        () = told(stop) => return Err(Failure::Stopped),
    };
    let (halt, halted) = watch::channel(false);
    let maker = Maker::new(app.clone(), claimed.clone(), halted);
    let mut work = spawn_blocking(move || maker.make(&key));

    // It was claimed a moment ago.
    let mut renew = interval_at(Instant::now() + RENEW_INTERVAL, RENEW_INTERVAL);
    renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = tokio::time::sleep(LONGEST);
    tokio::pin!(end);
    let failure = loop {
        tokio::select! {
            made = &mut work => return made.unwrap_or_else(|stopped| Err(Failure::broken(stopped))),
            () = told(stop) => break Failure::Stopped,
            () = &mut end => break Failure::broken("it takes too long"),
            _ = renew.tick() => match store::renew(&app.db.pool, claimed, app.clock.now()).await {
                Ok(true) => {}
                Ok(false) => break Failure::Lost,
                // The next chunk, or the next renewal, may fare better; otherwise another one takes over.
                Err(error) => tracing::warn!(%error, "a report's claim could not be renewed"),
            },
        }
    };
    halt.send_replace(true);
    // What it waits for ends at once.
    let _ = work.await;
    Err(failure)
}

/// Resolves when the process is to stop; a sender that is gone means the same.
async fn told(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

/// Clears away what earlier attempts left, and finds the key.
async fn prepare(app: &App, claimed: &Claimed) -> Result<LiveKey, Failure> {
    if claimed.failures >= TRIES {
        return Err(Failure::Final(THREE_TIMES));
    }
    if claimed.attempt > 1 {
        while store::clear_earlier(&app.db.pool, claimed, CHUNKS).await? == CHUNKS as u64 {}
    }
    live_key(app, claimed).await
}

/// The key that the report was promised to, if it still is one.
async fn live_key(app: &App, claimed: &Claimed) -> Result<LiveKey, Failure> {
    let which = Which::Named(claimed.unique_id, Usage::Reports);
    let found = LiveKey::find(app, claimed.org_id, which, true).await.map_err(Failure::broken)?;
    found.ok_or(Failure::Final(KEY_HAS_ENDED))
}

/// Closes a claim; `false` if it was no longer ours.
async fn close(app: &App, claimed: &Claimed, outcome: Result<Made, Failure>) -> Result<bool, sqlx::Error> {
    let (db, now) = (&app.db.pool, app.clock.now());
    let (is_ours, result) = match outcome {
        Ok(made) => {
            let expires_at = now + KEPT_FOR;
            let event = event(app, claimed, EventType::ReportReady, Some(expires_at));
            let is_ours = store::finish(db, claimed, made, (now, expires_at), &event).await?;
            if is_ours {
                app.metrics.reports.finished(made.progress.rows.unsigned_abs());
            }
            (is_ours, ReportResult::Ready)
        }
        Err(Failure::Stopped) => (store::give_up(db, claimed, now, false).await?, ReportResult::HandedBack),
        Err(Failure::Lost) => return Ok(false),
        Err(Failure::Final(reason)) => (fail(app, claimed, reason).await?, ReportResult::Failed),
        Err(Failure::Broken(cause)) => {
            tracing::warn!(org_id = %claimed.org_id, report_id = %claimed.id, %cause, "a report could not be made");
            if claimed.failures + 1 < TRIES {
                let due = now + delay(claimed.failures);
                (store::give_up(db, claimed, due, true).await?, ReportResult::Retried)
            } else {
                (fail(app, claimed, THREE_TIMES).await?, ReportResult::Failed)
            }
        }
    };
    if is_ours {
        app.metrics.reports.attempted(&claimed.kind, result);
        if matches!(result, ReportResult::Ready | ReportResult::Failed) {
            app.outbox.wake(claimed.org_id, Stream::Credentials);
        }
    }
    Ok(is_ours)
}

async fn fail(app: &App, claimed: &Claimed, reason: &str) -> Result<bool, sqlx::Error> {
    let event = event(app, claimed, EventType::ReportFailed, None);
    store::fail(&app.db.pool, claimed, reason, &event).await
}

fn event(app: &App, claimed: &Claimed, kind: EventType, expires_at: Option<DateTime<Utc>>) -> Draft {
    let subject = Subject::Report { report_id: claimed.id, expires_at };
    Draft::new(claimed.org_id, kind, &subject, app.clock.now())
}

/// The wait before the next attempt.
fn delay(failures: i32) -> TimeDelta {
    if failures == 0 { TimeDelta::seconds(10) } else { TimeDelta::minutes(1) }
}
