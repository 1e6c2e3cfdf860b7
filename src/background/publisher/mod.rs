//! Delivers events to the partners' queues: at least once, in no promised order, from any number
//! of replicas side by side (contract 6, architecture 4).
//!
//! It starts from queues that have something due, so that a million events waiting for a queue
//! cost nothing, and takes only so many of each, so that one dead target delays no other.

mod delivery;
mod notices;
mod retries;
mod schedule;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use self::delivery::deliver;
use crate::events::secrets::secrets_of;
use crate::outbox::{InFlightGuard, MAX_PER_QUEUE, QueueId, store};
use crate::state::App;

/// A queue may have a quarter as many in flight as there are free slots.
const SHARE_OF_FREE: usize = 4;
/// Events claimed by one statement.
const CLAIM: usize = 256;
/// The time that a queue has to acknowledge (contract 6).
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);
/// The time that wakes gather after a look that found nothing.
const GATHER: Duration = Duration::from_millis(20);
/// The interval between looks for other replicas' events, give or take a quarter.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
const RENEW_INTERVAL: Duration = Duration::from_secs(5);

/// Delivers what is due and waits for it; for tests and operators. [`run`] does the same without
/// waiting. Gives how many events were tried.
///
/// # Errors
/// When the database cannot be asked.
pub async fn step(app: &App) -> Result<usize, sqlx::Error> {
    let mut deliveries = JoinSet::new();
    let mut tried = 0;
    while retries::wake(app).await?.is_behind {}
    notices::step(app, &mut deliveries).await?;
    while deliveries.join_next().await.is_some() {}
    while !claim(app, None, &mut deliveries).await?.queues.is_empty() {
        tried += deliveries.len();
        while deliveries.join_next().await.is_some() {}
    }
    Ok(tried)
}

/// Delivers until `stop` turns true, then lets what runs finish and hands the rest back.
pub async fn run(app: App, stop: watch::Receiver<bool>) {
    run_until(app, stop, DELIVERY_TIMEOUT).await;
}

/// [`run`], where what runs has `patience` to finish.
pub async fn run_until(app: App, mut stop: watch::Receiver<bool>, patience: Duration) {
    let mut deliveries = JoinSet::new();
    let mut look = tokio::time::interval(LOOK_INTERVAL);
    let mut renew = tokio::time::interval(RENEW_INTERVAL);
    renew.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The last look at all queues had no slots for all that was due: look at all again.
    let mut is_behind = false;
    loop {
        while deliveries.try_join_next().is_some() {}
        let only = tokio::select! {
            // The rarest first: wakes may come without a pause.
            biased;
            // Turns once, to true; a sender that is gone means the same.
            _ = stop.changed() => break,
            _ = renew.tick() => {
                renew_leases(&app).await;
                continue;
            }
            _ = look.tick() => {
                look.reset_after(LOOK_INTERVAL.mul_f64(rand::random_range(0.75..1.25)));
                // Another replica's changes are told to nobody here.
                app.outbox.note_changes();
                None
            }
            () = app.outbox.woken() => {
                let woken = app.outbox.take_woken();
                (!is_behind).then_some(woken)
            }
        };
        if app.outbox.take_changed() {
            attend(&app, &mut deliveries).await;
        }
        if *stop.borrow() {
            break;
        }
        match claim(&app, only.as_deref(), &mut deliveries).await {
            Ok(found) => {
                is_behind = found.is_all_that_fits && only.is_none();
                if !found.queues.is_empty() {
                    app.outbox.wake_again(found.queues);
                } else if !found.is_all_that_fits {
                    // Most orgs' events wait for no queue at all: their wakes are gathered for a moment.
                    tokio::time::sleep(GATHER).await;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "due events could not be claimed");
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        }
    }
    let finished = async { while deliveries.join_next().await.is_some() {} };
    if tokio::time::timeout(patience, finished).await.is_err() {
        hand_back(&app, deliveries).await;
    }
}

/// Does what changes of queues left to do.
async fn attend(app: &App, deliveries: &mut JoinSet<()>) {
    let attended = async {
        let woken = retries::wake(app).await?;
        if woken.is_behind {
            app.outbox.note_changes();
        }
        app.outbox.wake_again(woken.queues);
        notices::step(app, deliveries).await
    };
    if let Err(error) = attended.await {
        tracing::warn!(%error, "changed queues could not be looked at");
    }
}

/// The result of a look.
struct Found {
    /// Queues that had something: they may have more.
    queues: HashSet<QueueId>,
    /// There were no slots for more.
    is_all_that_fits: bool,
}

/// Claims some of what is due, as much as there are slots for, and starts its delivery.
async fn claim(
    app: &App,
    only: Option<&[QueueId]>,
    deliveries: &mut JoinSet<()>,
) -> Result<Found, sqlx::Error> {
    let outbox = &app.outbox;
    let free = outbox.slots.available_permits();
    // Half of what is free, so that what comes next finds a slot.
    let slots = free.div_ceil(2).min(CLAIM);
    if slots == 0 {
        // Whoever lands next wakes the publisher, and finds these again.
        outbox.keep_woken(only.unwrap_or_default().iter().cloned());
        return Ok(Found { queues: HashSet::new(), is_all_that_fits: true });
    }
    let (now, lease) = (app.clock.now(), Uuid::new_v4());
    // The fewer slots are left, the fewer may a queue have: targets that hang cannot take them all.
    let most = (free / SHARE_OF_FREE).clamp(1, MAX_PER_QUEUE);
    let size = (most.div_ceil(2) as i64, slots as i64);
    let claimed =
        store::claim(&app.db.pool, now, lease, only, &outbox.full(most), &outbox.turn(), size).await?;
    let Some(last) = claimed.last() else {
        return Ok(Found { queues: HashSet::new(), is_all_that_fits: false });
    };
    outbox.set_turn(QueueId::of(last));
    let is_all_that_fits = claimed.len() == slots;
    let org_ids: HashSet<_> = claimed.iter().map(|event| event.org_id).collect();
    let org_ids: Vec<_> = org_ids.into_iter().collect();
    let secrets = Arc::new(secrets_of(&app.db.pool, &app.keyring.master, &org_ids, now).await?);
    let mut queues: HashSet<_> = claimed.iter().map(QueueId::of).collect();
    if is_all_that_fits {
        // Some may not have had their turn.
        queues.extend(only.unwrap_or_default().iter().cloned());
    }
    for event in claimed {
        // There is one: nobody else takes any.
        let Ok(slot) = outbox.slots.clone().acquire_owned().await else { break };
        let guard = InFlightGuard::start(app.outbox.clone(), &event, lease);
        let (app, secrets) = (app.clone(), secrets.clone());
        deliveries.spawn(async move {
            deliver(&app, event, lease, &secrets).await;
            drop((guard, slot));
        });
    }
    Ok(Found { queues, is_all_that_fits })
}

async fn renew_leases(app: &App) {
    let held = app.outbox.held();
    if !held.is_empty()
        && let Err(error) = store::renew(&app.db.pool, &held, app.clock.now()).await
    {
        tracing::warn!(%error, "claims could not be renewed");
    }
}

/// Hands back the claims that are held when the process stops: they are due for others at once.
async fn hand_back(app: &App, mut deliveries: JoinSet<()>) {
    let held = app.outbox.held();
    deliveries.shutdown().await;
    if let Err(error) = store::release(&app.db.pool, &held, app.clock.now()).await {
        tracing::warn!(%error, "claims could not be handed back; they end by themselves");
    }
}
