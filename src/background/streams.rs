//! A replica's ear for changes of the platform's streams: it hears them at once from the announcement, and by looking,
//! should that have been lost.

use std::time::Duration;

use crate::state::App;

/// The time that a change may go unseen where its announcement was lost.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// Follows changes for as long as the process lives.
pub async fn follow(app: App) {
    let mut ticks = tokio::time::interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut was_ok = true;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = app.streams.changed.notified() => {}
        }
        let outcome = app.streams.read().await;
        if let (Err(error), true) = (&outcome, was_ok) {
            tracing::warn!(%error, "the platform's streams cannot be read again yet");
        }
        was_ok = outcome.is_ok();
    }
}
