//! A key's own rotation needs no scope; that of another does.

use serde_json::json;

use super::{ROTATE, holder, lacks, path, rights, successor};
use crate::support::TestApp;

const NARROW: &[&str] = &["users:read", "users:write"];

#[tokio::test]
async fn a_key_rotates_itself_whatever_its_scopes_and_its_successor_has_the_same() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let old = holder(&app, &acme, NARROW).await;
    let new = successor(&app, &old.caller.post(ROTATE, json!({})).await.expect(200));
    assert_eq!(rights(&acme, &new.id).await, (json!(NARROW), json!("enforce")));
    new.caller.get("/v1/users").await.expect(200);
    lacks(&new.caller.get("/v1/admin/org").await, &["org:read"]);
    // Named by its id it is the same.
    new.caller.post(ROTATE, json!({"key_id": new.id})).await.expect(200);
}

#[tokio::test]
async fn a_successor_may_be_narrower_and_never_wider() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let old = holder(&app, &acme, NARROW).await;
    lacks(&old.caller.post(ROTATE, json!({"scopes": ["users:read", "org:read"]})).await, &["org:read"]);
    lacks(&old.caller.post(ROTATE, json!({"scopes": ["*"]})).await, &["*"]);
    lacks(&old.caller.post(ROTATE, json!({"scope_policy": "report"})).await, &["*"]);
    let new = successor(&app, &old.caller.post(ROTATE, json!({"scopes": ["users:read"]})).await.expect(200));
    assert_eq!(rights(&acme, &new.id).await, (json!(["users:read"]), json!("enforce")));
    lacks(&new.caller.delete("/v1/users/3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13").await, &["users:write"]);
}

#[tokio::test]
async fn another_key_is_rotated_with_the_scope_and_by_who_may_do_as_much() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let victim = holder(&app, &acme, NARROW).await;
    let without = holder(&app, &acme, NARROW).await;
    lacks(&without.caller.post(ROTATE, json!({"key_id": victim.id})).await, &["tenant_keys:write"]);
    let narrower = holder(&app, &acme, &["tenant_keys:write", "users:read"]).await;
    lacks(&narrower.caller.post(ROTATE, json!({"key_id": victim.id})).await, &["users:write"]);
    // Not even into something that it may do itself.
    let narrowed = json!({"key_id": victim.id, "scopes": ["users:read"]});
    lacks(&narrower.caller.post(ROTATE, narrowed).await, &["users:write"]);
    let equal = holder(&app, &acme, &["tenant_keys:write", "users:read", "users:write"]).await;
    let new = successor(&app, &equal.caller.post(ROTATE, json!({"key_id": victim.id})).await.expect(200));
    assert_eq!(rights(&acme, &new.id).await.0, json!(NARROW));
    // The org itself may widen.
    let widened = json!({"key_id": new.id, "scopes": ["*"]});
    let new = successor(&app, &acme.post(ROTATE, widened).await.expect(200));
    new.caller.get("/v1/admin/org").await.expect(200);
}

#[tokio::test]
async fn a_key_confirms_and_gives_up_its_own_rotation_by_either_of_its_keys() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let old = holder(&app, &acme, NARROW).await;
    let bystander = holder(&app, &acme, NARROW).await;
    let start = json!({"activation": "on_confirm"});
    for end_by_successor in [true, false] {
        let new = successor(&app, &old.caller.post(ROTATE, start.clone()).await.expect(200));
        let confirm = format!("{}/confirm", path(&new.id));
        lacks(&bystander.caller.bodyless("POST", &confirm).await, &["tenant_keys:write"]);
        lacks(&bystander.caller.delete(&path(&new.id)).await, &["tenant_keys:write"]);
        let who = if end_by_successor { &new } else { &old };
        who.caller.delete(&path(&new.id)).await.expect(204);
    }
    let new = successor(&app, &old.caller.post(ROTATE, start.clone()).await.expect(200));
    new.caller.bodyless("POST", &format!("{}/confirm", path(&new.id))).await.expect(200);
    let newer = successor(&app, &new.caller.post(ROTATE, start).await.expect(200));
    new.caller.bodyless("POST", &format!("{}/confirm", path(&newer.id))).await.expect(200);
    assert_eq!(rights(&acme, &newer.id).await.0, json!(NARROW));
}
