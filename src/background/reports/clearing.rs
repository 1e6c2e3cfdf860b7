//! What becomes of reports: content goes after 7 days, or when it is of no use; entries after 30 (contract 12.4).

use chrono::TimeDelta;

use super::store;
use crate::state::App;

/// The time for which a content can be fetched.
pub(super) const KEPT_FOR: TimeDelta = TimeDelta::days(7);
/// The time for which a report is listed.
const LISTED_FOR: TimeDelta = TimeDelta::days(30);
/// Rows of reports that a statement changes.
const BATCH: i64 = 500;
/// Chunks that a statement deletes: 16 MiB.
pub(super) const CHUNKS: i64 = 32;

/// Clears away what has expired, was deleted or failed, and measures what is left.
///
/// # Errors
/// When the database cannot be asked.
pub async fn clear(app: &App) -> Result<(), sqlx::Error> {
    let (db, now) = (&app.db.pool, app.clock.now());
    while store::expire(db, now, BATCH).await? == BATCH as u64 {}
    loop {
        let reports = store::to_clear(db, BATCH).await?;
        for report in &reports {
            while store::clear(db, *report, CHUNKS).await? == CHUNKS as u64 {}
            store::cleared(db, *report).await?;
        }
        if reports.len() < BATCH as usize {
            break;
        }
    }
    while store::forget(db, now - LISTED_FOR, BATCH).await? == BATCH as u64 {}
    let measured = store::measure(db).await?;
    app.metrics.reports.measured(measured.waiting, measured.stored);
    Ok(())
}
