//! A claim is a lease: it ends by itself unless it is renewed, and a late owner changes nothing.

use std::time::Duration;

use chrono::TimeDelta;
use partner_api::events::publisher;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Partner, create_user, partner, publish, service, the_event};
use crate::support::webhook::Arrived;
use crate::support::{TestApp, within};

/// A publisher that does one step beside the test.
fn step_beside(app: &TestApp) -> JoinHandle<usize> {
    let state = app.state.clone();
    tokio::spawn(async move { publisher::step(&state).await.expect("it looks") })
}

async fn arrival(partner: &Partner) -> Arrived {
    within(Duration::from_secs(5), "an event arrives", async || partner.receiver.take().pop()).await
}

#[tokio::test]
async fn what_a_dead_publisher_had_claimed_comes_again_when_its_lease_ends() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    create_user(&acme.org).await;
    let _never = acme.receiver.answers_later("200 OK");
    let died = step_beside(&app);
    let first = arrival(&acme).await;
    // As a process that is killed: nothing is handed back.
    died.abort();
    assert!(died.await.is_err());

    acme.receiver.answers("200 OK");
    app.clock.advance(TimeDelta::milliseconds(19_999));
    assert_eq!(publish(&app).await, 0);
    app.clock.advance(TimeDelta::milliseconds(1));
    assert_eq!(publish(&app).await, 1);
    assert_eq!(acme.receiver.take()[0].id(), first.id());
    assert_eq!(the_event(&acme.org).await["status"], "delivered");
}

#[tokio::test]
async fn a_late_owner_changes_nothing() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    create_user(&acme.org).await;
    let late_answer = acme.receiver.answers_later("500 Internal Server Error");
    let late = step_beside(&app);
    arrival(&acme).await;
    app.clock.advance(TimeDelta::seconds(20));
    acme.receiver.answers("200 OK");
    assert_eq!(publish(&app).await, 1);
    let delivered = the_event(&acme.org).await;
    assert_eq!((&delivered["status"], &delivered["attempts"]), (&json!("delivered"), &json!(1)));

    late_answer.send_replace(true);
    late.await.expect("it ends well");
    assert_eq!(the_event(&acme.org).await, delivered);
}

#[tokio::test]
async fn an_event_that_is_being_delivered_is_not_replayed_and_not_deleted() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    create_user(&acme.org).await;
    let answer = acme.receiver.answers_later("200 OK");
    let running = step_beside(&app);
    arrival(&acme).await;
    let id = the_event(&acme.org).await["event_id"].clone();
    let replay = acme.org.post(super::REPLAY, json!({"event_ids": [id]})).await.expect(202);
    assert_eq!(replay.json()["data"]["replayed"], 0);
    answer.send_replace(true);
    running.await.expect("it ends well");
    assert_eq!(the_event(&acme.org).await["status"], "delivered");
}

#[tokio::test]
async fn a_lease_is_renewed_while_its_delivery_runs() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    create_user(&acme.org).await;
    let answer = acme.receiver.answers_later("200 OK");
    let (stop, stopped) = watch::channel(false);
    let publisher = tokio::spawn(publisher::run(app.state.clone(), stopped));
    arrival(&acme).await;
    app.clock.advance(TimeDelta::seconds(15));
    let renewed = async || {
        let until = the_event(&acme.org).await["next_attempt_at"].clone();
        (until == "2026-11-21T08:00:35Z").then_some(())
    };
    within(Duration::from_secs(8), "the lease is renewed", renewed).await;
    app.clock.advance(TimeDelta::seconds(19));
    assert_eq!(publish(&app).await, 0);
    answer.send_replace(true);
    stop.send_replace(true);
    publisher.await.expect("it ends well");
    assert_eq!(the_event(&acme.org).await["attempts"], 1);
}

#[tokio::test]
async fn a_publisher_that_is_told_to_stop_finishes_what_it_sends() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    let answer = acme.receiver.answers_later("200 OK");
    create_user(&acme.org).await;
    let (stop, stopped) = watch::channel(false);
    let publisher = tokio::spawn(publisher::run(app.state.clone(), stopped));
    arrival(&acme).await;
    stop.send_replace(true);
    create_user(&acme.org).await;
    answer.send_replace(true);
    publisher.await.expect("it ends well");
    let statuses: Vec<_> =
        super::listed(&acme.org, "").await.iter().map(|event| event["status"].clone()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == "delivered").count(), 1, "{statuses:?}");
}
