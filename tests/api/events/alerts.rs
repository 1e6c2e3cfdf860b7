//! `queue.failing` and `queue.recovered`: an org hears on the other stream that a queue does not work, once an outage
//! (contract 14).

use chrono::TimeDelta;
use partner_api::background::queue_alerts;
use serde_json::{Value, json};

use super::{EVENTS, create_user, partner, publish, queue, replace, service};
use crate::support::{Org, TestApp};

const DEAD_AFTER: usize = 20;

/// Tells what is to be told; gives how much that was.
async fn tell(app: &TestApp) -> usize {
    queue_alerts::step(&app.state).await.expect("it looks")
}

/// The events about queues on the other stream, oldest first: their type and what they say.
async fn told(app: &TestApp, org: &Org) -> Vec<(String, Value)> {
    let bodies: Vec<String> =
        sqlx::query_scalar("SELECT body FROM events WHERE org_id = $1 AND stream = 'credentials' AND type LIKE 'queue.%' ORDER BY id")
            .bind(org.id)
            .fetch_all(&mut app.database.connect().await)
            .await
            .expect("the outbox");
    let read = |body: &String| {
        let body: Value = serde_json::from_str(body).expect("JSON");
        (body["type"].as_str().expect("a type").to_owned(), body["data"].clone())
    };
    bodies.iter().map(read).collect()
}

/// Lets a queue fail until it is dead.
async fn die(app: &TestApp, acme: &super::Partner) {
    acme.receiver.answers("500 Internal Server Error");
    for _ in 0..DEAD_AFTER {
        create_user(&acme.org).await;
    }
    while queue(&acme.org).await["consecutive_failures"].as_i64() < Some(DEAD_AFTER as i64) {
        publish(app).await;
        app.clock.advance(TimeDelta::minutes(2));
    }
}

/// Lets time pass until the queue has been tried again with success.
async fn mend(app: &TestApp, acme: &super::Partner) {
    acme.receiver.answers("200 OK");
    while queue(&acme.org).await["consecutive_failures"] != 0 {
        app.clock.advance(TimeDelta::minutes(2));
        publish(app).await;
    }
}

#[tokio::test]
async fn an_outage_is_told_once_when_it_begins_and_once_when_it_is_over() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    assert_eq!(tell(&app).await, 0);
    die(&app, &acme).await;
    let since = partner_api::clock::rfc3339(app.clock.now());
    assert_eq!((tell(&app).await, tell(&app).await), (1, 0));
    // It goes on failing.
    app.clock.advance(TimeDelta::minutes(2));
    publish(&app).await;
    assert_eq!(tell(&app).await, 0);
    mend(&app, &acme).await;
    assert_eq!((tell(&app).await, tell(&app).await), (1, 0));

    let told = told(&app, &acme.org).await;
    let kinds: Vec<_> = told.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["queue.failing", "queue.recovered"]);
    let (failing, recovered) = (&told[0].1, &told[1].1);
    assert_eq!(
        (&failing["queue_name"], &failing["since"], &failing["last_error"]),
        (&json!("users"), &json!(since), &json!("status 500"))
    );
    assert_eq!(
        (&recovered["queue_name"], &recovered["since"], recovered.get("last_error")),
        (&json!("users"), &json!(since), None)
    );
    let rows = acme.org.get("/v1/admin/org/audit?limit=100").await.expect(200).json();
    let rows = rows["data"].as_array().expect("a list").iter();
    let audited: Vec<_> = rows
        .filter(|row| row["actor"] == "service")
        .map(|row| (row["action"].as_str().expect("an action"), row["subject"].as_str().expect("a subject")))
        .collect();
    assert_eq!(audited, [("queue.failing", "users"), ("queue.recovered", "users")]);
    // A second outage is another one.
    die(&app, &acme).await;
    assert_eq!(tell(&app).await, 1);
}

#[tokio::test]
async fn many_that_look_at_once_tell_an_outage_once() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    die(&app, &acme).await;
    let lookers: Vec<_> = (0..8)
        .map(|_| {
            let state = app.state.clone();
            tokio::spawn(async move { queue_alerts::step(&state).await.expect("it looks") })
        })
        .collect();
    let mut told_by = 0;
    for looker in lookers {
        told_by += looker.await.expect("it ends");
    }
    assert_eq!(told_by, 1);
    assert_eq!(told(&app, &acme.org).await.len(), 1);
}

#[tokio::test]
async fn a_queue_that_stands_still_is_told_of_once_it_goes_on_and_recovers_by_success_alone() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    die(&app, &acme).await;
    acme.org.bodyless("POST", &format!("{}/pause", super::QUEUE)).await.expect(200);
    assert_eq!(tell(&app).await, 0, "it is not tried, so it does not fail");
    acme.org.bodyless("POST", &format!("{}/resume", super::QUEUE)).await.expect(200);
    die(&app, &acme).await;
    assert_eq!(tell(&app).await, 1);
    acme.org.bodyless("POST", &format!("{}/pause", super::QUEUE)).await.expect(200);
    acme.org.bodyless("POST", &format!("{}/resume", super::QUEUE)).await.expect(200);
    assert_eq!(tell(&app).await, 0, "nothing has succeeded yet");
    mend(&app, &acme).await;
    assert_eq!(tell(&app).await, 1);
}

#[tokio::test]
async fn a_replacement_that_passed_its_test_has_recovered() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    die(&app, &acme).await;
    assert_eq!(tell(&app).await, 1);
    acme.receiver.answers("200 OK");
    app.clock.advance(TimeDelta::seconds(1));
    replace(&acme.org, "users", &acme.receiver.url).await;
    app.clock.advance(TimeDelta::seconds(1));
    assert_eq!((tell(&app).await, tell(&app).await), (1, 0));
    let kinds: Vec<_> = told(&app, &acme.org).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["queue.failing", "queue.replaced", "queue.recovered"]);
}

#[tokio::test]
async fn what_is_told_waits_where_the_other_streams_queue_is_dead_too() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    acme.org.register_webhook("credentials", &acme.receiver.url).await;
    die(&app, &acme).await;
    assert_eq!(tell(&app).await, 1);
    publish(&app).await;
    let events = acme
        .org
        .get(&format!("{EVENTS}?stream=credentials&status=pending&limit=100"))
        .await
        .expect(200)
        .json();
    let events = events["data"].as_array().expect("a list").clone();
    assert_eq!(events.iter().filter(|event| event["type"] == "queue.failing").count(), 1);
}
