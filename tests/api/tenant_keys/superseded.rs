//! A key in its grace window administers nothing; all else works.

use serde_json::{Value, json};

use super::{KEYS, ROTATE, holder, path, rotated};
use crate::support::TestApp;

const SECRET: &str = "/v1/auth/signing-secret";
const QUEUE: &str = "/v1/admin/org/queues/users";

#[tokio::test]
async fn no_administrative_route_takes_a_superseded_key() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (previous, _) = acme.make_signing_secret(60).await;
    acme.make_signing_secret(60).await;
    let (old, other) = (holder(&app, &acme).await, holder(&app, &acme).await);
    rotated(&app, &old, 3600).await;

    let queue = json!({"type": "webhook", "webhook": {"url": "https://partner.example.com/events"}});
    let nobody = uuid::Uuid::new_v4();
    // A thing that is not there is told the same: 403 comes before 404 and 409.
    let forbidden = [
        ("POST", KEYS.to_owned(), json!({"name": "mine"})),
        ("PATCH", path(&other.id), json!({"name": "mine"})),
        ("PATCH", path(&old.id), json!({"expires_at": "2026-11-25T00:00:00Z"})),
        ("PATCH", path(&nobody.to_string()), json!({"name": "mine"})),
        ("DELETE", path(&other.id), Value::Null),
        ("DELETE", path(&old.id), Value::Null),
        ("DELETE", path(&nobody.to_string()), Value::Null),
        ("POST", format!("{SECRET}/rotate"), json!({})),
        ("DELETE", format!("{SECRET}/{previous}"), Value::Null),
        ("DELETE", format!("{SECRET}/{nobody}"), Value::Null),
        ("POST", QUEUE.to_owned(), queue.clone()),
        ("PUT", QUEUE.to_owned(), queue),
        ("DELETE", QUEUE.to_owned(), Value::Null),
        ("PATCH", "/v1/admin/org".to_owned(), json!({"name": "mine"})),
        ("PATCH", "/v1/admin/org".to_owned(), json!({})),
        ("POST", "/v1/auth/token".to_owned(), json!({"user_id": nobody})),
        ("POST", format!("{QUEUE}/pause"), Value::Null),
        ("POST", format!("{QUEUE}/resume"), Value::Null),
    ];
    let gateway = acme.with("x-tenant-key-id", &old.id);
    for (method, path, body) in forbidden {
        for caller in [&old.caller, &gateway] {
            let reply = match &body {
                Value::Null => caller.bodyless(method, &path).await,
                body => caller.json(method, &path, body.clone()).await,
            };
            assert_eq!(reply.expect(403).code(), "key_superseded", "{method} {path}");
        }
    }
    assert_eq!(old.caller.post(ROTATE, json!({})).await.expect(409).code(), "key_already_rotated");
    let named = old.caller.post(ROTATE, json!({"key_id": other.id})).await.expect(409);
    assert_eq!(named.code(), "key_already_rotated");
    // What is wrong with the request comes first.
    old.caller.post(KEYS, json!({})).await.expect(422);
}

#[tokio::test]
async fn everything_else_takes_a_superseded_key() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    acme.make_signing_secret(60).await;
    let old = holder(&app, &acme).await;
    rotated(&app, &old, 3600).await;
    let user_id = uuid::Uuid::new_v4();
    old.caller.post("/v1/users", json!({"user_id": user_id})).await.expect(201);
    old.caller.patch(&format!("/v1/users/{user_id}"), json!({"first_name": "Ada"})).await.expect(204);
    old.caller.delete(&format!("/v1/users/{user_id}")).await.expect(204);
    for path in [KEYS, SECRET, "/v1/users", "/v1/features", "/v1/admin/org", "/v1/admin/org/queues"] {
        old.caller.get(path).await.expect(200);
    }
    old.caller.get("/v1/admin/org/events").await.expect(200);
    let events = json!({"event_ids": [format!("evt_{}", uuid::Uuid::new_v4().simple())]});
    old.caller.post("/v1/admin/org/events/replay", events).await.expect(202);
}
