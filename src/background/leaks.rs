//! Looks at the keys that were reported (contract 13.4), and does with each what its org wants done.

use std::time::Duration;

use tokio::sync::watch;

use crate::changes::Mandate;
use crate::error::ApiError;
use crate::events::{EventType, Stream};
use crate::routes::leaks::response::{Outcome, respond};
use crate::routes::leaks::store::owners;
use crate::state::App;

/// Reports that are looked at together.
const BATCH: usize = 256;
/// The wait after a failure.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// What is left for it when the process stops.
const FAREWELL: Duration = Duration::from_secs(5);

/// Looks at reports as they come, until told to close; then at those that wait.
pub async fn run(app: App, mut closed: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = app.leaks.noted() => {}
            _ = closed.wait_for(|closed| *closed) => break,
        }
        while let Err(error) = step(&app).await {
            tracing::warn!(%error, "reports of leaked keys could not be looked at");
            if *closed.borrow() {
                break;
            }
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }
    if !matches!(tokio::time::timeout(FAREWELL, step(&app)).await, Ok(Ok(_))) {
        tracing::warn!("reports of leaked keys were not looked at");
    }
}

/// Looks at all that wait; gives how many were keys that were alive.
///
/// # Errors
/// When the database cannot be asked. What was not looked at waits again.
pub async fn step(app: &App) -> Result<usize, ApiError> {
    let mut leaked = 0;
    loop {
        let reports = app.leaks.take(BATCH);
        if reports.is_empty() {
            return Ok(leaked);
        }
        let keys: Vec<_> = reports.iter().map(|report| report.key.as_ref()).collect();
        let found = owners(&app.db.pool, &app.keyring, &keys).await;
        let mut waiting = reports.into_iter();
        let owners = match found {
            Ok(owners) => owners,
            Err(error) => {
                app.leaks.give_back(waiting);
                return Err(error.into());
            }
        };
        for owner in owners {
            let Some(report) = waiting.next() else { break };
            let outcome = match owner {
                None => Ok(Outcome::Unknown),
                Some((org_id, key_id)) => {
                    let mandate = Mandate::service(org_id, &app.keyring);
                    respond(&app.db, &app.clock, mandate, key_id, &report).await
                }
            };
            match (outcome, owner) {
                (Ok(outcome), owner) => {
                    app.metrics.identity.leak_reported(outcome.name());
                    if let (Outcome::Leaked, Some((org_id, key_id))) = (outcome, owner) {
                        tracing::warn!(%org_id, %key_id, source = %report.source, "a tenant key leaked");
                        app.metrics.events.changed(EventType::TenantKeyLeaked);
                        app.outbox.wake(org_id, Stream::Credentials);
                        leaked += 1;
                    }
                }
                (Err(error), _) => {
                    app.leaks.give_back(std::iter::once(report).chain(waiting));
                    return Err(error);
                }
            }
        }
    }
}
