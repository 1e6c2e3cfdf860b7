//! What may help a queue wakes what waits for its retry (contract 14).

use chrono::TimeDelta;
use serde_json::json;

use super::{Partner, QUEUE, create_user, listed, partner, publish, replace, service, the_event};
use crate::support::TestApp;

/// An org with an event that waits for its retry, and a receiver that is well again.
async fn waiting(app: &TestApp, key: &str) -> Partner {
    let acme = partner(app, key).await;
    acme.receiver.answers("503 Service Unavailable");
    create_user(&acme.org).await;
    assert_eq!(publish(app).await, 1);
    assert_eq!(publish(app).await, 0);
    acme.receiver.answers("200 OK");
    acme
}

async fn assert_delivered(app: &TestApp, acme: &Partner) {
    assert!(publish(app).await >= 1);
    let event = the_event(&acme.org).await;
    assert_eq!((&event["status"], &event["attempts"]), (&json!("delivered"), &json!(2)));
}

#[tokio::test]
async fn a_queue_that_is_replaced_tested_put_anew_or_resumed_gets_what_waits_at_once() {
    let app = service().await;
    let acme = waiting(&app, "replaced").await;
    replace(&acme.org, "users", &acme.receiver.url).await;
    assert_delivered(&app, &acme).await;

    let acme = waiting(&app, "tested").await;
    acme.org.bodyless("POST", &format!("{QUEUE}/test")).await.expect(202);
    assert_delivered(&app, &acme).await;

    let acme = waiting(&app, "anew").await;
    acme.org.delete(QUEUE).await.expect(204);
    assert_eq!(publish(&app).await, 0);
    acme.org.register_webhook("users", &acme.receiver.url).await;
    assert_delivered(&app, &acme).await;

    let acme = waiting(&app, "resumed").await;
    acme.org.bodyless("POST", &format!("{QUEUE}/pause")).await.expect(200);
    acme.org.bodyless("POST", &format!("{QUEUE}/resume")).await.expect(200);
    assert_delivered(&app, &acme).await;
}

#[tokio::test]
async fn a_test_that_fails_wakes_nothing_and_wakes_are_of_one_queue() {
    let app = service().await;
    let (acme, zeta) = (waiting(&app, "acme").await, waiting(&app, "zeta").await);
    acme.receiver.answers("503 Service Unavailable");
    acme.org.bodyless("POST", &format!("{QUEUE}/test")).await.expect(400);
    assert_eq!(publish(&app).await, 0);
    acme.receiver.answers("200 OK");
    acme.org.bodyless("POST", &format!("{QUEUE}/test")).await.expect(202);
    assert_eq!(publish(&app).await, 1);
    assert_eq!(the_event(&zeta.org).await["status"], "pending");
}

#[tokio::test]
async fn a_dead_queue_that_is_tested_well_has_a_clean_record() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    acme.receiver.answers("503 Service Unavailable");
    for _ in 0..25 {
        create_user(&acme.org).await;
    }
    publish(&app).await;
    acme.receiver.answers("200 OK");
    acme.org.bodyless("POST", &format!("{QUEUE}/test")).await.expect(202);
    assert_eq!(publish(&app).await, 25);
    assert_eq!(listed(&acme.org, "&status=delivered").await.len(), 25);
}

#[tokio::test]
async fn more_than_one_slice_is_woken_and_what_is_being_delivered_is_left_alone() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    // The mark that its registration left.
    assert_eq!(publish(&app).await, 0);
    let mut database = app.database.connect().await;
    sqlx::query(
        "INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at, attempts, lease)
         SELECT $1, gen_random_uuid(), 'users', 'user.created', '{}', $2, $2 + interval '1 hour', 1,
                CASE WHEN n > 2100 THEN gen_random_uuid() END
         FROM generate_series(1, 2110) AS n",
    )
    .bind(acme.org.id)
    .bind(app.clock.now())
    .execute(&mut database)
    .await
    .expect("the outbox takes them");
    assert_eq!(publish(&app).await, 0);
    replace(&acme.org, "users", &acme.receiver.url).await;
    assert_eq!(publish(&app).await, 2_100);
    let marked: i64 = sqlx::query_scalar("SELECT count(*) FROM event_queues WHERE is_woken")
        .fetch_one(&mut database)
        .await
        .expect("a count");
    assert_eq!(marked, 0);
    app.clock.advance(TimeDelta::minutes(1));
    assert_eq!(publish(&app).await, 0, "the mark is cleared");
}
