//! What GET shows of how a queue's receiver did in the last hour, and of what waits (contract 14).

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{create_user, partner, publish, queue, service};
use crate::support::{Org, TestApp};

/// Notes attempts as a publisher does, and writes them.
async fn attempted(app: &TestApp, org: &Org, attempts: &[(bool, u64)]) {
    let health = &app.state.queue_health;
    for (is_delivered, millis) in attempts {
        health.attempted(
            partner_api::ids::OrgId(org.id),
            "users",
            *is_delivered,
            Duration::from_millis(*millis),
        );
    }
    health.flush(&app.state.db).await;
}

/// The share of the attempts that arrived, and how long they took.
fn rate_and_p95(queue: &Value) -> (Value, Value) {
    (queue["success_rate_1h"].clone(), queue["p95_ms_1h"].clone())
}

#[tokio::test]
async fn a_queue_shows_how_its_receiver_did_in_the_last_hour() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    assert_eq!(rate_and_p95(&queue(&acme.org).await), (Value::Null, Value::Null));

    attempted(&app, &acme.org, &[(true, 12), (true, 12), (false, 10_000)]).await;
    assert_eq!(rate_and_p95(&queue(&acme.org).await), (json!(0.6667), json!(10_000)));
    // A minute later, as another replica would.
    app.clock.advance(TimeDelta::minutes(1));
    attempted(&app, &acme.org, &[(true, 30); 57]).await;
    assert_eq!(rate_and_p95(&queue(&acme.org).await), (json!(0.9833), json!(32)));
    let listed = acme.org.get("/v1/admin/org/queues").await.expect(200).json()["data"][0].clone();
    assert_eq!(rate_and_p95(&listed), (json!(0.9833), json!(32)));

    app.clock.advance(TimeDelta::minutes(59) + TimeDelta::seconds(30));
    assert_eq!(rate_and_p95(&queue(&acme.org).await), (json!(1.0), json!(32)), "the first minute is past");
    app.clock.advance(TimeDelta::minutes(2));
    assert_eq!(rate_and_p95(&queue(&acme.org).await), (Value::Null, Value::Null));
}

#[tokio::test]
async fn minutes_are_added_to_and_forgotten_after_two_hours() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    attempted(&app, &acme.org, &[(true, 1)]).await;
    attempted(&app, &acme.org, &[(false, 3)]).await;
    let minutes = async || -> i64 {
        let count = sqlx::query_scalar("SELECT count(*) FROM queue_minutes");
        count.fetch_one(&mut app.database.connect().await).await.expect("it counts")
    };
    assert_eq!(minutes().await, 1);
    assert_eq!(rate_and_p95(&queue(&acme.org).await), (json!(0.5), json!(3)));
    app.clock.advance(TimeDelta::minutes(121));
    partner_api::background::retention::step(&app.state).await.expect("it clears");
    assert_eq!(minutes().await, 0);
}

#[tokio::test]
async fn a_queue_shows_since_when_its_oldest_event_waits() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    assert_eq!(queue(&acme.org).await["oldest_waiting_at"], Value::Null);
    acme.receiver.answers("500 Internal Server Error");
    let first = partner_api::clock::rfc3339(partner_api::events::cut(app.clock.now()));
    create_user(&acme.org).await;
    assert_eq!(queue(&acme.org).await["oldest_waiting_at"], json!(first));
    publish(&app).await;
    app.clock.advance(TimeDelta::seconds(10));
    let second = partner_api::clock::rfc3339(partner_api::events::cut(app.clock.now()));
    create_user(&acme.org).await;
    assert_eq!(queue(&acme.org).await["oldest_waiting_at"], json!(first), "it waits for its retry");
    acme.receiver.answers("200 OK");
    app.clock.advance(TimeDelta::seconds(70));
    publish(&app).await;
    assert_ne!(queue(&acme.org).await["oldest_waiting_at"], json!(second));
    publish(&app).await;
    assert_eq!(queue(&acme.org).await["oldest_waiting_at"], Value::Null);
}
