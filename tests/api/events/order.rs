//! `ordering: "per_subject"` (contract 14): of one subject nothing overtakes.

use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Partner, create_user, partner, publish, service};
use crate::support::TestApp;
use crate::support::webhook::Arrived;

/// An org whose queue keeps order.
async fn ordered(app: &TestApp) -> Partner {
    let acme = partner(app, "acme").await;
    set(app, &acme, "ordering = 'per_subject'").await;
    acme
}

async fn set(app: &TestApp, acme: &Partner, what: &str) {
    sqlx::query(sqlx::AssertSqlSafe(format!("UPDATE event_queues SET {what} WHERE org_id = $1")))
        .bind(acme.org.id)
        .execute(&mut app.database.connect().await)
        .await
        .expect("an option");
}

async fn rename(acme: &Partner, user: Uuid, name: &str) {
    let path = format!("/v1/users/{user}");
    acme.org.json("PATCH", &path, json!({"first_name": name})).await.expect(204);
}

/// The versions that arrived of a user, in the order of their arrival.
fn versions(arrived: &[Arrived], user: Uuid) -> Vec<i64> {
    let data = arrived.iter().map(|event| event.json()["data"].clone());
    data.filter(|data| data["user_id"] == json!(user)).filter_map(|data| data["version"].as_i64()).collect()
}

#[tokio::test]
async fn of_a_subject_every_event_comes_after_the_one_before() {
    let app = service().await;
    let acme = ordered(&app).await;
    let mut users = Vec::new();
    for _ in 0..5 {
        users.push(create_user(&acme.org).await);
    }
    for n in 2..=9 {
        for user in &users {
            rename(&acme, *user, &format!("name {n}")).await;
        }
    }
    assert_eq!(publish(&app).await, 45);
    let arrived = acme.receiver.take();
    for user in users {
        assert_eq!(versions(&arrived, user), (1..=9).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn what_waits_for_a_retry_holds_up_its_own_subject_and_nothing_else() {
    let app = service().await;
    let acme = ordered(&app).await;
    acme.receiver.answers("400 Bad Request");
    let held = create_user(&acme.org).await;
    assert_eq!(publish(&app).await, 1);
    acme.receiver.take();
    acme.receiver.answers("200 OK");
    rename(&acme, held, "second").await;
    let other = create_user(&acme.org).await;
    rename(&acme, held, "third").await;
    rename(&acme, other, "second").await;

    assert_eq!(publish(&app).await, 2);
    let arrived = acme.receiver.take();
    assert_eq!((versions(&arrived, held), versions(&arrived, other)), (vec![], vec![1, 2]));
    // Neither does a publisher that knows nothing of it.
    assert_eq!(publish(&app).await, 0);

    app.clock.advance(TimeDelta::seconds(66));
    assert_eq!(publish(&app).await, 3);
    assert_eq!(versions(&acme.receiver.take(), held), [1, 2, 3]);
}

#[tokio::test]
async fn what_failed_for_good_holds_nothing_up() {
    let app = service().await;
    let acme = ordered(&app).await;
    acme.receiver.answers("400 Bad Request");
    let user = create_user(&acme.org).await;
    publish(&app).await;
    rename(&acme, user, "second").await;
    app.clock.advance(TimeDelta::hours(48));
    assert_eq!(publish(&app).await, 2, "the first is given up, the second tried");
    acme.receiver.take();
    acme.receiver.answers("200 OK");
    app.clock.advance(TimeDelta::seconds(66));
    publish(&app).await;
    assert_eq!(versions(&acme.receiver.take(), user), [2]);
}

#[tokio::test]
async fn a_type_that_a_queue_does_not_take_is_skipped_and_sent_when_it_is_replayed() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    set(&app, &acme, "event_types = '{user.deleted,user.created}'").await;
    let user = create_user(&acme.org).await;
    rename(&acme, user, "second").await;
    acme.org.delete(&format!("/v1/users/{user}")).await.expect(204);
    publish(&app).await;
    let kinds: Vec<_> = acme.receiver.take().iter().map(|event| event.json()["type"].clone()).collect();
    assert_eq!(kinds.len(), 2);
    assert!(kinds.contains(&json!("user.created")) && kinds.contains(&json!("user.deleted")));
    let skipped: Vec<(String, i32, Option<Value>)> =
        sqlx::query_as("SELECT type, attempts, deliveries FROM events WHERE state = 'skipped'")
            .fetch_all(&mut app.database.connect().await)
            .await
            .expect("events");
    assert_eq!(skipped, [("user.updated".to_owned(), 0, None)]);

    let all = json!({"stream": "users", "from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"});
    acme.org.post(super::REPLAY, all).await.expect(202);
    assert_eq!(publish(&app).await, 3);
    let mut again = versions(&acme.receiver.take(), user);
    again.sort_unstable();
    assert_eq!(again, [1, 2, 3]);
}

#[tokio::test]
async fn an_event_whose_transaction_ends_after_later_ones_is_not_passed_by() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    let mut connection = app.database.connect().await;
    let mut late = sqlx::Connection::begin(&mut connection).await.expect("a transaction");
    sqlx::query(
        "INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at)
         VALUES ($1, gen_random_uuid(), 'users', 'user.created', '{\"type\": \"user.created\", \"data\": {}}', $2, $2)",
    )
    .bind(acme.org.id)
    .bind(app.clock.now())
    .execute(&mut *late)
    .await
    .expect("the outbox takes it");
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let publisher = tokio::spawn(partner_api::background::publisher::run(app.state.clone(), stopped));
    let patience = std::time::Duration::from_secs(8);
    for _ in 0..3 {
        create_user(&acme.org).await;
        crate::support::within(patience, "the later one arrives", async || acme.receiver.take().pop()).await;
    }
    late.commit().await.expect("it ends");
    crate::support::within(patience, "the late one arrives", async || acme.receiver.take().pop()).await;
    stop.send_replace(true);
    publisher.await.expect("it ends well");
}

#[tokio::test]
async fn every_attempt_is_on_record_the_last_twenty_of_them() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    acme.receiver.answers("429 Slow\r\nretry-after: 1");
    create_user(&acme.org).await;
    for _ in 0..25 {
        assert_eq!(publish(&app).await, 1);
        app.clock.advance(TimeDelta::seconds(1));
    }
    acme.receiver.answers("200 OK");
    assert_eq!(publish(&app).await, 1);
    let deliveries: Value = sqlx::query_scalar("SELECT deliveries FROM events WHERE stream = 'users'")
        .fetch_one(&mut app.database.connect().await)
        .await
        .expect("an event");
    let deliveries = deliveries.as_array().expect("a list");
    assert_eq!(deliveries.len(), 20);
    assert_eq!((&deliveries[0]["attempt"], &deliveries[19]["attempt"]), (&json!(7), &json!(26)));
    assert_eq!(deliveries[18]["status"], 429);
    assert_eq!(deliveries[18]["error"], "status 429");
    assert_eq!(deliveries[18]["at"], "2026-11-21T08:00:24.000Z");
    assert_eq!(
        (&deliveries[19]["error"], &deliveries[19]["at"]),
        (&Value::Null, &json!("2026-11-21T08:00:25.000Z"))
    );
}
