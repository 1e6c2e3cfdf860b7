//! A queue that stands still until it is resumed (contract 14).

use serde_json::{Value, json};

use super::{EVENTS, QUEUE, create_user, listed, partner, publish, queue, replace, service};
use crate::support::Org;
use crate::support::webhook::Receiver;

const PAUSE: &str = "/v1/admin/org/queues/users/pause";
const RESUME: &str = "/v1/admin/org/queues/users/resume";

/// What the audit log says of the queue, oldest first.
async fn audited(org: &Org) -> Vec<(String, String)> {
    let rows = org.get("/v1/admin/org/audit?limit=100").await.expect(200).json();
    let text = |row: &Value, field: &str| row[field].as_str().expect(field).to_owned();
    let rows = rows["data"].as_array().expect("a list").iter();
    rows.filter(|row| row["subject"] == "users")
        .map(|row| (text(row, "action"), text(row, "actor")))
        .collect()
}

/// How many events of this type the other stream has.
async fn told(org: &Org, kind: &str) -> usize {
    let events = org.get(&format!("{EVENTS}?stream=credentials&limit=100")).await.expect(200).json();
    events["data"].as_array().expect("a list").iter().filter(|event| event["type"] == kind).count()
}

#[tokio::test]
async fn a_receiver_that_is_gone_pauses_its_queue_until_it_is_resumed() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    let owner = Receiver::start().await;
    acme.org.register_webhook("credentials", &owner.url).await;
    publish(&app).await;
    owner.take();
    acme.receiver.answers("410 Gone");
    for _ in 0..3 {
        create_user(&acme.org).await;
    }
    publish(&app).await;
    let seen = queue(&acme.org).await;
    assert_eq!(
        (&seen["state"], &seen["pause_reason"], &seen["paused_until"]),
        (&json!("paused"), &json!("gone"), &Value::Null)
    );
    let gone = ("queue.paused".to_owned(), "service".to_owned());
    assert_eq!(audited(&acme.org).await.iter().filter(|row| **row == gone).count(), 1);
    publish(&app).await;
    let heard = owner.take();
    assert_eq!(
        heard.iter().map(super::super::support::webhook::Arrived::kind).collect::<Vec<_>>(),
        ["queue.paused"]
    );
    let data = &heard[0].json()["data"];
    assert_eq!((&data["queue_name"], &data["reason"]), (&json!("users"), &json!("gone")));

    acme.receiver.take_all();
    acme.receiver.answers("200 OK");
    create_user(&acme.org).await;
    app.clock.advance(chrono::TimeDelta::hours(3));
    assert_eq!(publish(&app).await, 0);
    assert!(acme.receiver.take_all().is_empty(), "it hears nothing");
    let resumed = acme.org.bodyless("POST", RESUME).await.expect(200).json();
    assert_eq!(
        (&resumed["data"]["state"], &resumed["data"]["pause_reason"]),
        (&json!("active"), &Value::Null)
    );
    assert_eq!(publish(&app).await, 4);
    assert_eq!(listed(&acme.org, "&status=delivered").await.len(), 4);
}

#[tokio::test]
async fn an_answer_from_before_the_queue_was_replaced_pauses_nothing() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    let better = Receiver::start().await;
    let late = acme.receiver.answers_later("410 Gone");
    create_user(&acme.org).await;
    let state = app.state.clone();
    let step =
        tokio::spawn(
            async move { partner_api::background::publisher::step(&state).await.expect("it looks") },
        );
    let arrives = async || (!acme.receiver.take().is_empty()).then_some(());
    crate::support::within(std::time::Duration::from_secs(5), "the event arrives", arrives).await;
    app.clock.advance(chrono::TimeDelta::seconds(1));
    replace(&acme.org, "users", &better.url).await;
    late.send_replace(true);
    step.await.expect("it ends");
    assert_eq!(queue(&acme.org).await["pause_reason"], Value::Null);
}

#[tokio::test]
async fn pausing_and_resuming_are_done_once_however_often_they_are_asked_for() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    for _ in 0..3 {
        let paused = acme.org.bodyless("POST", PAUSE).await.expect(200).json()["data"].clone();
        assert_eq!((&paused["state"], &paused["pause_reason"]), (&json!("paused"), &json!("requested")));
    }
    create_user(&acme.org).await;
    assert_eq!(publish(&app).await, 0);
    let actions: Vec<_> = audited(&acme.org).await.into_iter().map(|(action, _)| action).collect();
    assert_eq!(actions, ["queue.created", "queue.paused"]);
    assert_eq!(told(&acme.org, "queue.paused").await, 1);
    // A good test says that it works, not that it may go on.
    acme.org.bodyless("POST", &format!("{QUEUE}/test")).await.expect(202);
    assert_eq!(publish(&app).await, 0);
    acme.org.bodyless("POST", RESUME).await.expect(200);
    acme.org.bodyless("POST", RESUME).await.expect(200);
    assert_eq!(publish(&app).await, 1);
}

#[tokio::test]
async fn a_replacement_resumes() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    create_user(&acme.org).await;
    acme.org.bodyless("POST", PAUSE).await.expect(200);
    replace(&acme.org, "users", &acme.receiver.url).await;
    assert_eq!(queue(&acme.org).await["state"], "active");
    assert_eq!(publish(&app).await, 1);
}

#[tokio::test]
async fn a_queue_that_is_not_there_cannot_be_paused_or_resumed() {
    let app = service().await;
    let acme = app.org("acme").await;
    for path in [PAUSE, RESUME] {
        assert_eq!(acme.bodyless("POST", path).await.expect(404).code(), "queue_not_configured");
        let unknown = path.replace("users", "nothing");
        assert_eq!(acme.bodyless("POST", &unknown).await.expect(404).code(), "unknown_stream");
    }
}
