//! One round, for tests and operators.

use super::{Publisher, retries};
use crate::state::App;

/// Delivers what is due and waits for it; gives how many events were tried. [`run`](super::run) does the
/// same without end.
///
/// # Errors
/// When the database cannot be asked.
pub async fn step(app: &App) -> Result<usize, sqlx::Error> {
    while retries::wake(app).await?.is_behind {}
    let mut publisher = Publisher::new(app.clone());
    publisher.attend().await;
    publisher.needs.search = true;
    loop {
        publisher.look_if_idle();
        let is_at_rest =
            publisher.look.is_none() && publisher.running.is_empty() && publisher.closings.is_empty();
        if is_at_rest && publisher.notices.is_empty() && !publisher.has_work() {
            break;
        }
        publisher.happens().await;
    }
    let tried = publisher.tried;
    publisher.hand_back().await;
    Ok(tried)
}
