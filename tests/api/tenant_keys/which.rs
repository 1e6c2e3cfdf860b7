//! Which key a rotation is about.

use chrono::TimeDelta;
use serde_json::json;

use super::{ROTATE, holder, holder_until, rotated, works};
use crate::support::{Reply, TestApp};

fn previous(reply: &Reply) -> String {
    reply.json()["data"]["previous_key_id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn the_key_named_in_the_body_comes_before_the_callers_own() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (mine, other) = (holder(&app, &acme).await, holder(&app, &acme).await);
    let reply = mine.caller.post(ROTATE, json!({"key_id": other.id, "grace_period_seconds": 0})).await;
    assert_eq!(previous(&reply.expect(200)), other.id);
    assert!(works(&mine).await && !works(&other).await);
}

#[tokio::test]
async fn without_a_name_it_is_the_key_that_authenticated() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (first, second) = (holder(&app, &acme).await, holder(&app, &acme).await);
    assert_eq!(previous(&first.caller.post(ROTATE, json!({})).await.expect(200)), first.id);
    let gateway = acme.with("x-tenant-key-id", &second.id);
    assert_eq!(previous(&gateway.post(ROTATE, json!({})).await.expect(200)), second.id);
}

#[tokio::test]
async fn without_either_it_is_the_only_live_key_that_was_not_rotated() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let none = acme.post(ROTATE, json!({})).await.expect(409);
    assert_eq!(none.code(), "ambiguous_tenant_key");

    let dead = holder_until(&app, &acme, "2026-11-21T08:00:01Z").await;
    app.clock.advance(TimeDelta::seconds(1));
    let first = holder(&app, &acme).await;
    let second = rotated(&app, &first, 3600).await;
    assert!(!works(&dead).await);
    assert_eq!(previous(&acme.post(ROTATE, json!({})).await.expect(200)), second.id);

    holder(&app, &acme).await;
    let two = acme.post(ROTATE, json!({})).await.expect(409);
    assert_eq!(two.code(), "ambiguous_tenant_key");
}

#[tokio::test]
async fn a_key_of_another_org_is_answered_as_one_that_does_not_exist() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let theirs = holder(&app, &zeta).await;
    let mine = holder(&app, &acme).await;
    let another = mine.caller.post(ROTATE, json!({"key_id": theirs.id})).await.expect(404);
    let nobodys = mine.caller.post(ROTATE, json!({"key_id": uuid::Uuid::new_v4()})).await.expect(404);
    assert_eq!(another.body, nobodys.body);
    assert!(works(&theirs).await);
}

#[tokio::test]
async fn a_dead_key_is_not_rotated() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let dead = holder_until(&app, &acme, "2026-11-21T08:00:01Z").await;
    app.clock.advance(TimeDelta::seconds(1));
    let named = acme.post(ROTATE, json!({"key_id": dead.id})).await.expect(409);
    assert_eq!(named.code(), "key_not_live");
    dead.caller.post(ROTATE, json!({})).await.expect(401);
}
