//! What the routes refuse to read.

use serde_json::{Value, json};

use super::{KEYS, ROTATE, holder, works};
use crate::support::TestApp;

#[tokio::test]
async fn a_rotation_that_cannot_be_read_rotates_nothing() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let key = holder(&app, &acme).await;
    let kind = async |body: Value| {
        let reply = key.caller.post(ROTATE, body).await.expect(422).json();
        reply["detail"][0]["type"].as_str().expect("a type").to_owned()
    };
    assert_eq!(kind(json!({"grace_period_seconds": -1})).await, "greater_than_equal");
    assert_eq!(kind(json!({"grace_period_seconds": 604_801})).await, "less_than_equal");
    assert_eq!(kind(json!({"grace_period_seconds": "60"})).await, "int_type");
    assert_eq!(kind(json!({"grace_period_seconds": 60.0})).await, "int_type");
    assert_eq!(kind(json!({"key_id": "mine"})).await, "uuid_parsing");
    assert_eq!(kind(json!({"expires_at": "2026-11-21T08:00:00Z"})).await, "value_error");
    assert_eq!(kind(json!({"expires_at": "tomorrow"})).await, "datetime_parsing");
    assert_eq!(kind(json!({"grace": 1})).await, "extra_forbidden");
    let ends = key.caller.post(ROTATE, json!({"grace_period_seconds": 604_800})).await.expect(200).json();
    assert_eq!(ends["data"]["previous_key_expires_at"], "2026-11-28T08:00:00Z");
    assert!(works(&key).await);
}

#[tokio::test]
async fn a_key_has_a_name() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let missing = acme.post(KEYS, json!({})).await.expect(422).json();
    assert_eq!(missing["detail"][0]["type"], "missing");
    let short = acme.post(KEYS, json!({"name": ""})).await.expect(422).json();
    assert_eq!(short["detail"][0]["type"], "string_too_short");
    acme.post(KEYS, json!({"name": "é".repeat(200)})).await.expect(201);
    let long = acme.post(KEYS, json!({"name": "é".repeat(201)})).await.expect(422).json();
    assert_eq!(long["detail"][0]["type"], "string_too_long");
    let null =
        acme.patch(&format!("{KEYS}/{}", uuid::Uuid::new_v4()), json!({"name": null})).await.expect(422);
    assert_eq!(null.json()["detail"][0]["type"], "value_error");
}
