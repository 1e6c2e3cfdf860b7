//! Makes the reports that orgs ask for (contract 12.4), from any number of replicas side by side.
//!
//! A report is claimed as an event is: with a lease that is renewed while it is made, and a token without which nothing
//! is written. Whoever dies lets another begin again; whoever is told to stop hands it back. Of an org one is made at a
//! time, and the org that was served longest ago comes first, so that nobody waits for all that another has asked for.

mod attempt;
mod clearing;
mod maker;
mod sources;
mod store;
mod text;

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

pub use self::clearing::clear;
use self::store::Claimed;
use crate::state::App;

/// Reports that a process makes at the same time: each keeps a processor and a connection busy.
pub const AT_ONCE: usize = 2;
/// The interval between looks for what others were asked for or left, give or take a quarter.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Makes all that is due, one after the other; for tests and operators. [`run`] does the same as it comes. Gives how
/// many were claimed.
///
/// # Errors
/// When the database cannot be asked.
pub async fn step(app: &App) -> Result<usize, sqlx::Error> {
    let (_go_on, stop) = watch::channel(false);
    let mut claimed = 0;
    while let Some(report) = claim(app).await? {
        claimed += 1;
        attempt::make(app.clone(), report, stop.clone()).await;
    }
    Ok(claimed)
}

/// Makes reports until `stop` turns true, then hands back what it has begun.
pub async fn run(app: App, mut stop: watch::Receiver<bool>) {
    let mut making = JoinSet::new();
    let mut look = tokio::time::interval(LOOK_INTERVAL);
    loop {
        tokio::select! {
            biased;
            // A sender that is gone means the same.
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = making.join_next() => {}
            () = app.report_wanted.notified() => {}
            _ = look.tick() => look.reset_after(LOOK_INTERVAL.mul_f64(rand::random_range(0.75..1.25))),
        }
        while making.len() < AT_ONCE {
            match claim(&app).await {
                Ok(Some(report)) => drop(making.spawn(attempt::make(app.clone(), report, stop.clone()))),
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%error, "reports could not be claimed");
                    break;
                }
            }
        }
    }
    // Each was told as well.
    while making.join_next().await.is_some() {}
}

async fn claim(app: &App) -> Result<Option<Claimed>, sqlx::Error> {
    store::claim(&app.db.pool, app.clock.now(), Uuid::new_v4()).await
}
