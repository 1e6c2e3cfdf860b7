//! A replica's ear for the forms of imported keys: it hears of new ones at once, and looks, should an announcement have
//! been lost or a form have had its day.

use std::time::Duration;

use super::rounds::{Outage, tell, ticks};
use crate::identity::key_patterns::forget_unused;
use crate::state::App;

/// The time that a new form may go unseen where its announcement was lost.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// Looks between two times of forgetting.
const FORGET_EVERY: u32 = 360;

/// Follows changes for as long as the process lives.
pub async fn follow(app: App) {
    let mut ticks = ticks(LOOK_INTERVAL);
    let (mut outage, mut looks) = (Outage::default(), 0_u32);
    loop {
        tokio::select! {
            _ = ticks.tick() => looks = looks.wrapping_add(1),
            () = app.identity.key_patterns.changed.notified() => {}
        }
        let now = app.clock.now();
        let read = app.identity.key_patterns.read(&app.db, &app.keyring, now).await;
        outage.note(&read, "the forms of imported keys cannot be read again yet");
        if looks % FORGET_EVERY == 1 {
            let forgotten = forget_unused(&app.db.pool, now).await;
            tell(forgotten, "forms of imported keys that nobody uses could not be forgotten");
        }
    }
}
