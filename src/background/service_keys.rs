//! A replica's ear for renewals of the service's own keys (`partner-api keys renew`): it hears them
//! at once from the announcement, and by looking, should that have been lost.

use std::time::Duration;

use super::rounds::{Outage, ticks};
use crate::state::App;

/// The time that a renewal may go unseen where its announcement was lost.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// Follows renewals for as long as the process lives.
pub async fn follow(app: App) {
    let mut ticks = ticks(LOOK_INTERVAL);
    let mut outage = Outage::default();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = app.keys_renewed.notified() => {}
        }
        let outcome = app.keyring.reload(&app.db.lookups).await;
        outage.note(&outcome, "the service's keys cannot be read again yet");
        if matches!(outcome, Ok(true)) {
            // Those of member tokens and of events are renewed with them.
            app.identity.token_keys.forget();
            app.event_keys.forget();
            let (pepper, _) = app.keyring.pepper();
            tracing::info!(generation = pepper.number, "the service's keys were renewed");
        }
    }
}
