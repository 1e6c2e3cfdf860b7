//! What is written, and what arrives.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{EVENTS, QUEUE, create_user, listed, partner, publish, service, the_event};
use crate::support::webhook::Receiver;

#[tokio::test]
async fn an_event_arrives_once_with_the_headers_of_standard_webhooks() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    let user_id = create_user(&acme.org).await;
    app.clock.advance(TimeDelta::seconds(9));

    assert_eq!(publish(&app).await, 1);
    assert_eq!(publish(&app).await, 0);

    let arrived = acme.receiver.take();
    assert_eq!(arrived.len(), 1);
    let data = json!({"user_id": user_id, "occurred_at": "2026-11-21T08:00:00Z", "version": 1});
    let body = json!({
        "type": "user.created", "timestamp": "2026-11-21T08:00:00Z", "org_id": acme.org.id, "data": data,
    });
    assert_eq!(arrived[0].json(), body);
    assert_eq!(arrived[0].headers["content-type"], "application/json");
    // Signed when it is sent, not when it happened.
    assert_eq!(arrived[0].headers["webhook-timestamp"], "1795248009");
    let event = the_event(&acme.org).await;
    assert_eq!(event["event_id"], arrived[0].id());
    assert_eq!((&event["status"], &event["attempts"]), (&json!("delivered"), &json!(1)));
    assert_eq!(event["delivered_at"], "2026-11-21T08:00:09Z");
    assert_eq!((&event["next_attempt_at"], &event["last_error"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn every_change_of_a_user_is_told_and_a_refusal_is_not() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    let user_id = create_user(&acme.org).await;
    let path = format!("/v1/users/{user_id}");
    acme.org.post("/v1/users", json!({"user_id": user_id})).await.expect(409);
    app.clock.advance(TimeDelta::seconds(1));
    acme.org.patch(&path, json!({"first_name": "Ada"})).await.expect(204);
    app.clock.advance(TimeDelta::seconds(1));
    acme.org.delete(&path).await.expect(204);
    acme.org.delete(&path).await.expect(404);
    publish(&app).await;
    let mut told: Vec<_> = acme.receiver.take();
    told.sort_by_key(|arrived| arrived.json()["data"]["version"].as_i64());
    let kinds: Vec<_> = told.iter().map(|arrived| arrived.kind()).collect();
    assert_eq!(kinds, ["user.created", "user.updated", "user.deleted"]);
    assert!(told.iter().all(|arrived| !arrived.body.contains("Ada")));
}

#[tokio::test]
async fn while_no_queue_is_registered_events_wait() {
    let app = service().await;
    let acme = app.org("acme").await;
    acme.make_signing_secret(0).await;
    create_user(&acme).await;
    assert_eq!(publish(&app).await, 0);
    app.clock.advance(TimeDelta::days(3));
    let receiver = Receiver::start().await;
    acme.register_webhook("users", &receiver.url).await;
    assert_eq!(publish(&app).await, 1);
    assert_eq!(receiver.take().len(), 1);

    acme.delete(QUEUE).await.expect(204);
    create_user(&acme).await;
    assert_eq!(publish(&app).await, 0);
    acme.register_webhook("users", &receiver.url).await;
    assert_eq!(publish(&app).await, 1);
}

#[tokio::test]
async fn a_stream_has_a_queue_of_its_own() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    let credentials = Receiver::start().await;
    acme.org.register_webhook("credentials", &credentials.url).await;
    acme.org.mint().await;
    create_user(&acme.org).await;
    publish(&app).await;
    let kinds = |receiver: &Receiver| receiver.take().iter().map(|a| a.kind()).collect::<Vec<_>>();
    assert_eq!(kinds(&acme.receiver), ["user.created"]);
    let mut told = kinds(&credentials);
    told.sort_unstable();
    assert_eq!(told, ["signing_secret.rotated", "tenant_key.created"]);
}

#[tokio::test]
async fn events_are_listed_by_stream_and_status() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    create_user(&acme.org).await;
    publish(&app).await;
    create_user(&acme.org).await;
    assert_eq!(listed(&acme.org, "&status=pending").await.len(), 1);
    assert_eq!(listed(&acme.org, "&status=delivered").await.len(), 1);
    assert_eq!(listed(&acme.org, "&status=failed").await.len(), 0);
    for bad in ["status=lost", "stream=orgs"] {
        acme.org.get(&format!("{EVENTS}?{bad}")).await.expect(422);
    }
}
