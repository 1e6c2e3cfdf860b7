//! Which requests an org has signed (contract 12.1).

use serde_json::{Value, json};

use super::{ALICE, MALLORY, Request, app, register};
use crate::support::{Org, Reply, TestApp};

async fn set(app: &TestApp, keyid: &str, policy: &str) -> Reply {
    let body = json!({"signature_policy": policy});
    Request::new("PATCH", "/v1/admin/org", &ALICE, keyid).with_body(body).send(&app.anyone()).await
}

async fn shown(org: &Org) -> Value {
    org.get("/v1/admin/org").await.expect(200).json()["data"]["signature_policy"].clone()
}

#[tokio::test]
async fn administration_must_be_signed_and_traffic_need_not() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    assert_eq!(shown(&acme).await, "optional");
    set(&app, &keyid, "administration").await.expect(200);
    assert_eq!(shown(&acme).await, "administration");
    let name = json!({"name": "billing"});
    let refused = acme.post("/v1/admin/org/tenant-keys", name.clone()).await.expect(403);
    assert_eq!(refused.code(), "signature_required");
    for (method, path) in [
        ("POST", "/v1/auth/tenant-key/rotate"),
        ("POST", "/v1/auth/signing-secret/rotate"),
        ("DELETE", "/v1/admin/org/queues/users"),
        ("PATCH", "/v1/admin/org"),
    ] {
        assert_eq!(
            acme.json(method, path, json!({})).await.expect(403).code(),
            "signature_required",
            "{path}"
        );
    }
    acme.get("/v1/admin/org/tenant-keys").await.expect(200);
    acme.post("/v1/users", json!({"user_id": "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13"})).await.expect(201);
    let mint = Request::new("POST", "/v1/admin/org/tenant-keys", &ALICE, &keyid).with_body(name);
    mint.send(&app.anyone()).await.expect(201);
}

#[tokio::test]
async fn where_all_must_be_signed_only_the_check_need_not() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    set(&app, &keyid, "required").await.expect(200);
    assert_eq!(acme.get("/v1/users").await.expect(403).code(), "signature_required");
    Request::new("GET", "/v1/users", &ALICE, &keyid).send(&acme).await.expect(200);
    let check = json!({"method": "GET", "target_uri": "https://api.example.com/v1/users", "headers": []});
    acme.post("/v1/auth/signature/check", check).await.expect(200);
}

#[tokio::test]
async fn the_policy_changes_by_a_signed_request_only_in_either_direction() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let unsigned =
        async |policy: &str| acme.patch("/v1/admin/org", json!({"signature_policy": policy})).await;
    assert_eq!(unsigned("administration").await.expect(403).code(), "signature_required");
    unsigned("optional").await.expect(200);
    set(&app, &keyid, "required").await.expect(200);
    assert_eq!(unsigned("optional").await.expect(403).code(), "signature_required");
    set(&app, &keyid, "optional").await.expect(200);
    assert_eq!(shown(&acme).await, "optional");
    let log = acme.get("/v1/admin/org/audit").await.expect(200).json();
    let actions =
        log["data"].as_array().expect("rows").iter().map(|row| row["action"].as_str().expect("text"));
    assert_eq!(actions.filter(|action| *action == "org.signature_policy_changed").count(), 2);
}

#[tokio::test]
async fn the_last_key_that_signs_stays_while_signatures_are_asked_for() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    set(&app, &keyid, "administration").await.expect(200);
    let path: &'static str = format!("/api/v1/key/{keyid}").leak();
    let end = || Request::new("DELETE", path, &ALICE, &keyid);
    let reply = end().send(&app.anyone()).await.expect(400).json();
    assert_eq!(reply["Error"]["Code"], "last_authentication_key");
    set(&app, &keyid, "optional").await.expect(200);
    register(&acme, &MALLORY, "Authentication").await;
    set(&app, &keyid, "administration").await.expect(200);
    end().send(&app.anyone()).await.expect(204);
}
