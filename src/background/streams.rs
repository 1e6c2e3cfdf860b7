//! A replica's ear for changes of the platform's streams: it hears them at once from the announcement, and by looking,
//! should that have been lost.

use std::time::Duration;

use super::rounds::{Outage, ticks};
use crate::state::App;

/// The time that a change may go unseen where its announcement was lost.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// Follows changes for as long as the process lives.
pub async fn follow(app: App) {
    let mut ticks = ticks(LOOK_INTERVAL);
    let mut outage = Outage::default();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = app.streams.changed.notified() => {}
        }
        outage.note(&app.streams.read().await, "the platform's streams cannot be read again yet");
    }
}
