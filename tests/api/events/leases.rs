//! A claim is a lease: it ends by itself unless it is renewed, and a late owner changes nothing.

use std::time::Duration;

use chrono::TimeDelta;
use partner_api::background::{publisher, retention};
use serde_json::json;
use sqlx::Connection as _;
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
        let held_until: Option<chrono::DateTime<chrono::Utc>> =
            sqlx::query_scalar("SELECT held_until FROM event_queues WHERE org_id = $1")
                .bind(acme.org.id)
                .fetch_one(&mut app.database.connect().await)
                .await
                .expect("a queue");
        (held_until == Some(app.clock.now() + TimeDelta::seconds(20))).then_some(())
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
    // A look that had begun by then goes to its end; what is new after it is not taken.
    tokio::time::sleep(Duration::from_millis(200)).await;
    create_user(&acme.org).await;
    answer.send_replace(true);
    publisher.await.expect("it ends well");
    let statuses: Vec<_> =
        super::listed(&acme.org, "").await.iter().map(|event| event["status"].clone()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == "delivered").count(), 1, "{statuses:?}");
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_handed_back_and_due_at_once() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    let _never = acme.receiver.answers_later("200 OK");
    create_user(&acme.org).await;
    let (stop, stopped) = watch::channel(false);
    let publisher = tokio::spawn(publisher::run_until(app.state.clone(), stopped, Duration::ZERO));
    let first = arrival(&acme).await;
    stop.send_replace(true);
    publisher.await.expect("it ends well");

    // Another replica need not wait for the lease to end.
    assert_eq!(the_event(&acme.org).await["next_attempt_at"], "2026-11-21T08:00:00Z");
    acme.receiver.answers("200 OK");
    assert_eq!(publish(&app).await, 1);
    assert_eq!(acme.receiver.take()[0].id(), first.id());
    let event = the_event(&acme.org).await;
    assert_eq!((&event["status"], &event["attempts"]), (&json!("delivered"), &json!(1)));
}

#[tokio::test]
async fn an_event_that_is_being_delivered_when_its_days_are_over_is_not_lost() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    create_user(&acme.org).await;
    app.clock.advance(TimeDelta::days(14));
    let answer = acme.receiver.answers_later("200 OK");
    let running = step_beside(&app);
    arrival(&acme).await;
    app.clock.advance(TimeDelta::seconds(1));
    // The secret's event, for which there is no queue.
    assert_eq!(retention::step(&app.state).await.expect("it deletes"), 1);
    assert_eq!(the_event(&acme.org).await["status"], "pending");
    answer.send_replace(true);
    running.await.expect("it ends well");
    assert_eq!(the_event(&acme.org).await["status"], "delivered");
}

#[tokio::test]
async fn a_dead_queue_whose_probe_hangs_is_sent_nothing_more() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    acme.receiver.answers("503 Service Unavailable");
    for _ in 0..20 {
        create_user(&acme.org).await;
    }
    assert_eq!(publish(&app).await, 20);
    acme.receiver.take();
    app.clock.advance(TimeDelta::minutes(10));
    let answer = acme.receiver.answers_later("503 Service Unavailable");
    let probe = step_beside(&app);
    arrival(&acme).await;
    let again = tokio::time::timeout(Duration::from_secs(3), publish(&app)).await;
    assert_eq!(again.expect("it sends nothing"), 0);
    answer.send_replace(true);
    assert_eq!(probe.await.expect("it ends well"), 1);
}

#[tokio::test]
async fn a_queue_that_another_replica_is_about_to_hold_is_left_to_it() {
    let app = service().await;
    let (acme, zeta) = (partner(&app, "acme").await, partner(&app, "zeta").await);
    create_user(&acme.org).await;
    create_user(&zeta.org).await;
    publish(&app).await;
    create_user(&acme.org).await;
    create_user(&zeta.org).await;
    let mut connection = app.database.connect().await;
    let mut other = connection.begin().await.expect("a transaction");
    sqlx::query("SELECT FROM event_queues WHERE org_id = $1 FOR UPDATE")
        .bind(acme.org.id)
        .execute(&mut *other)
        .await
        .expect("it is locked");
    let sent = tokio::time::timeout(Duration::from_secs(3), publish(&app)).await;
    assert_eq!(sent.expect("nobody waits for another"), 1);
    assert_eq!((acme.receiver.take().len(), zeta.receiver.take().len()), (1, 2));
    other.rollback().await.expect("it ends");
    assert_eq!(publish(&app).await, 1);
}

#[tokio::test]
async fn a_queue_is_given_back_when_it_ran_dry() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    create_user(&acme.org).await;
    assert_eq!(publish(&app).await, 1);
    let held: i64 = sqlx::query_scalar("SELECT count(*) FROM event_queues WHERE holder IS NOT NULL")
        .fetch_one(&mut app.database.connect().await)
        .await
        .expect("a count");
    assert_eq!(held, 0);
}

#[tokio::test]
async fn two_publishers_side_by_side_send_nothing_twice() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    let (stop, stopped) = watch::channel(false);
    let publishers = [(); 2].map(|()| tokio::spawn(publisher::run(app.state.clone(), stopped.clone())));
    for _ in 0..10 {
        futures_util::future::join_all((0..20).map(|_| create_user(&acme.org))).await;
    }
    let mut ids = Vec::new();
    let all = async || {
        ids.extend(acme.receiver.take().iter().map(|arrived| arrived.id().to_owned()));
        (ids.len() >= 200).then_some(())
    };
    within(Duration::from_secs(20), "all arrive", all).await;
    stop.send_replace(true);
    for publisher in publishers {
        publisher.await.expect("it ends well");
    }
    ids.extend(acme.receiver.take().iter().map(|arrived| arrived.id().to_owned()));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 200);
}
