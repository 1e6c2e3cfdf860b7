//! A replica's ear for the forms of imported keys: it hears of new ones at once, and looks, should an announcement have
//! been lost or a form have had its day.

use std::time::Duration;

use super::rounds::{Outage, tell, ticks};
use crate::identity::key_patterns::forget_unused;
use crate::state::App;

/// The time that a new form may go unseen where its announcement was lost.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// Looks between two times of forgetting.
const FORGET_EVERY: u32 = 1_800;
const UNREAD: &str = "the forms of imported keys cannot be read yet";

/// Reads them before the first request asks.
pub async fn look(app: &App) {
    tell(app.identity.key_patterns.refresh().await, UNREAD);
}

/// Follows changes for as long as the process lives.
pub async fn follow(app: App) {
    let mut ticks = ticks(LOOK_INTERVAL);
    let (mut outage, mut looks) = (Outage::default(), 0_u32);
    loop {
        let is_look = tokio::select! {
            _ = ticks.tick() => true,
            () = app.identity.key_patterns.changed.notified() => false,
        };
        outage.note(&app.identity.key_patterns.refresh().await, UNREAD);
        if is_look && looks.is_multiple_of(FORGET_EVERY) {
            let forgotten = forget_unused(&app.db.pool, app.clock.now()).await;
            tell(forgotten, "forms of imported keys that nobody uses could not be forgotten");
        }
        looks = looks.wrapping_add(u32::from(is_look));
    }
}
