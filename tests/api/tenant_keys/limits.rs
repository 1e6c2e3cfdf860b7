//! At most ten keys live at a time, counted after the change.

use chrono::TimeDelta;
use serde_json::json;

use super::{KEYS, ROTATE, holder, holder_until, path};
use crate::support::{Reply, TestApp};

fn next_expiry(reply: &Reply) -> String {
    assert_eq!(reply.code(), "too_many_live_keys");
    let details = reply.json()["error"]["details"].clone();
    assert_eq!(details[0]["field"], "expires_at");
    details[0]["message"].as_str().expect("an instant").to_owned()
}

#[tokio::test]
async fn the_eleventh_key_is_refused_and_told_when_there_is_room() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    for hour in ["11", "10", "12"] {
        holder_until(&app, &acme, &format!("2026-11-21T{hour}:00:00Z")).await;
    }
    for _ in 3..10 {
        holder(&app, &acme).await;
    }
    let refused = acme.post(KEYS, json!({"name": "one more"})).await.expect(409);
    assert_eq!(next_expiry(&refused), "2026-11-21T10:00:00Z");
    app.clock.advance(TimeDelta::hours(2));
    holder(&app, &acme).await;
    let refused = acme.post(KEYS, json!({"name": "one more"})).await.expect(409);
    assert_eq!(next_expiry(&refused), "2026-11-21T11:00:00Z");
}

#[tokio::test]
async fn with_ten_keys_a_rotation_has_room_only_without_grace() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let mut keys = Vec::new();
    for _ in 0..10 {
        keys.push(holder(&app, &acme).await);
    }
    let refused = keys[0].caller.post(ROTATE, json!({"grace_period_seconds": 1})).await.expect(409);
    assert_eq!(refused.json()["error"]["details"], json!([]), "none of them ends");
    assert_eq!(refused.code(), "too_many_live_keys");
    keys[0].caller.post(ROTATE, json!({"grace_period_seconds": 0})).await.expect(200);
    acme.delete(&path(&keys[1].id)).await.expect(204);
    keys[2].caller.post(ROTATE, json!({"grace_period_seconds": 1})).await.expect(200);
}

#[tokio::test]
async fn one_orgs_keys_leave_room_for_anothers() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    for _ in 0..10 {
        holder(&app, &acme).await;
    }
    holder(&app, &zeta).await;
}
