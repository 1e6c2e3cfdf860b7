//! Partner tokens carry scopes, and are held to them (contract 16).

use serde_json::json;

use super::{KEYS, lacks, path};
use crate::oauth::Assertion;
use crate::signatures::{ALICE, URL, register};
use crate::support::{Caller, TestApp};

/// What a token says that it is good for, and who holds it.
async fn token(app: &TestApp, keyid: &str, scope: &str) -> (String, Caller) {
    let reply = Assertion::new(&ALICE, keyid).ask_for(app, scope).await.expect(200).json();
    let text = |field: &str| reply[field].as_str().expect(field).to_owned();
    let holder = app.anyone().with("authorization", format!("Bearer {}", text("access_token")));
    (text("scope"), holder)
}

#[tokio::test]
async fn a_token_is_good_for_what_was_asked_and_for_everything_where_nothing_was() {
    let app = TestApp::with(&[("PUBLIC_URL", URL)]).await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    for (asked, granted) in [
        ("", "partner"),
        ("partner", "partner"),
        ("users:write users:read", "partner users:read users:write"),
        ("partner users:read", "partner users:read"),
        ("users:read users:read", "partner users:read"),
    ] {
        let (scope, holder) = token(&app, &keyid, asked).await;
        assert_eq!(scope, granted, "{asked}");
        holder.get("/v1/users").await.expect(200);
        let reply = holder.get("/v1/admin/org").await;
        if granted == "partner" {
            reply.expect(200);
        } else {
            lacks(&reply, &["org:read"]);
        }
    }
    for unknown in ["*", "users:reads", "users:read  org:read", "member", "openid"] {
        let refused = Assertion::new(&ALICE, &keyid).ask_for(&app, unknown).await.expect(400).json();
        assert_eq!(refused["error"], "invalid_scope", "{unknown}");
    }
}

#[tokio::test]
async fn a_token_makes_no_key_that_may_do_more_and_has_no_rotation_of_its_own() {
    let app = TestApp::with(&[("PUBLIC_URL", URL)]).await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let (_, holder) = token(&app, &keyid, "tenant_keys:write users:read").await;
    lacks(&holder.post(KEYS, json!({"name": "x"})).await, &["*"]);
    let made = holder.post(KEYS, json!({"name": "x", "scopes": ["users:read"]})).await.expect(201).json();
    let id = made["data"]["id"].as_str().expect("an id").to_owned();
    let (_, reader) = token(&app, &keyid, "users:read").await;
    // The org's only key, which whoever sends no key rotates.
    lacks(&reader.post(super::ROTATE, json!({})).await, &["tenant_keys:write"]);
    lacks(&reader.delete(&path(&id)).await, &["tenant_keys:write"]);
    holder.post(super::ROTATE, json!({})).await.expect(200);
    let wide = acme.mint().await.0;
    lacks(&holder.delete(&path(&wide)).await, &["*"]);
}
