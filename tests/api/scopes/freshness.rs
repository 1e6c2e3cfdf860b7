//! Where keys are remembered, on which replica ever, a change of scopes holds within a second.

use std::time::Duration;

use serde_json::json;

use super::{holder, path};
use crate::support::{TestApp, within};

#[tokio::test]
async fn new_scopes_hold_within_a_second_where_keys_are_remembered() {
    let mut app = TestApp::new().await;
    app.listen().await;
    let acme = app.org("acme").await;
    let key = holder(&app, &acme, &["users:read"]).await;
    let by_gateway = acme.with("x-tenant-key-id", &key.id);
    for caller in [&key.caller, &by_gateway] {
        caller.get("/v1/users").await.expect(200);
    }
    acme.patch(&path(&key.id), json!({"scopes": ["org:read"]})).await.expect(200);
    for caller in [&key.caller, &by_gateway] {
        let refused = async || (caller.get("/v1/users").await.status == 403).then_some(());
        within(Duration::from_secs(1), "the old scopes are over", refused).await;
        caller.get("/v1/admin/org").await.expect(200);
    }
}

#[tokio::test]
async fn the_gateway_is_told_what_the_key_may_do() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let verify = "/internal/auth/verify";
    for (body, scopes) in [
        (json!({"name": "a"}), "*"),
        (json!({"name": "b", "scopes": ["users:write", "users:read"]}), "users:read users:write"),
        (json!({"name": "c", "scopes": ["audit:read"]}), "audit:read"),
        // It is refused nothing.
        (json!({"name": "d", "scopes": ["audit:read"], "scope_policy": "report"}), "*"),
    ] {
        let (_, secret) = acme.mint_with(body).await;
        let asked = app.operations().with("taih-tenant-key", &secret).with("x-tenant-scopes", "*");
        let reply = asked.get(verify).await.expect(200);
        assert_eq!(reply.header("x-tenant-scopes"), Some(scopes));
        assert_eq!(reply.headers.get_all("x-tenant-scopes").iter().count(), 1);
    }
    let refused = app.operations().with("taih-tenant-key", "x").get(verify).await.expect(401);
    assert_eq!(refused.header("x-tenant-scopes"), None);
}

#[tokio::test]
async fn nobody_is_believed_who_says_what_they_may_do() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let narrow = holder(&app, &acme, &["users:read"]).await.caller.with("x-tenant-scopes", "*");
    narrow.get("/v1/admin/org").await.expect(403);
    acme.with("x-tenant-scopes", "users:read").get("/v1/admin/org").await.expect(200);
}
