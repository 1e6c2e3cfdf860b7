//! The thief's games (findings A3), and the one command after which the org is its owner's again.

use chrono::TimeDelta;
use partner_api::identity::platform::PlatformScope;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::signatures::{ALICE, MALLORY, Request, URL, registration};
use crate::support::{Caller, Org, TestApp, webhook};

const KEYS: &str = "/v1/admin/org/tenant-keys";
const ORG: &str = "/v1/admin/org";
const SECRET: &str = "current-0123456789012345678901234567";
const OWNER_AT: &str = "198.51.100.7";
const THIEF_AT: &str = "203.0.113.66";

async fn recover(app: &TestApp, body: Value) -> Value {
    let (_, platform) = app.platform(&[PlatformScope::OrgsWrite]).await;
    platform.post("/internal/orgs/acme/recover", body).await.expect(200).json()["data"].clone()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

/// The org, and a thief who holds its only key.
async fn stolen(app: &TestApp) -> (Org, String, Caller) {
    let acme = app.org("acme").await;
    let (id, key) = acme.mint().await;
    (acme, id, app.holder(&key))
}

#[tokio::test]
async fn a_thief_who_rotates_without_grace_and_fills_all_places_is_left_with_nothing() {
    let app = TestApp::new().await;
    let (_acme, _, thief) = stolen(&app).await;
    let rotated =
        thief.post("/v1/auth/tenant-key/rotate", json!({"grace_period_seconds": 0})).await.expect(200).json();
    let mut keys = vec![text(&rotated["data"]["new_tenant_api_key"]).to_owned()];
    let thief = app.holder(&keys[0]);
    while let Ok(secret) = mint(&thief).await {
        keys.push(secret);
    }
    assert_eq!(keys.len(), 10);
    let started = json!({"activation": "on_confirm"});
    assert_eq!(thief.post("/v1/auth/tenant-key/rotate", started).await.status, 409);

    let recovered = recover(&app, json!({})).await;
    assert_eq!(recovered["ended"]["tenant_keys"].as_array().expect("keys").len(), 10);
    for key in &keys {
        app.holder(key).get("/v1/users").await.expect(401);
    }
    let owner = app.holder(text(&recovered["tenant_api_key"]));
    owner.get("/v1/users").await.expect(200);
    let listed = owner.get(KEYS).await.expect(200).json();
    let frozen = owner.post(KEYS, json!({"name": "more"})).await.expect(403).json();
    assert_eq!(frozen["error"]["code"], "administration_frozen");
    let live: Vec<_> = listed["data"].as_array().expect("keys").iter().map(|key| key["id"].clone()).collect();
    assert_eq!(live, [recovered["key_id"].clone()]);
}

async fn mint(thief: &Caller) -> Result<String, u16> {
    let made = thief.post(KEYS, json!({"name": "more"})).await;
    if made.status == 201 { Ok(text(&made.json()["data"]["secret"]).to_owned()) } else { Err(made.status) }
}

#[tokio::test]
async fn rotations_that_wait_previous_secrets_and_tokens_end_and_queues_stand_still() {
    let app = TestApp::with(&[("ALLOW_PRIVATE_TARGETS", "true")]).await;
    let (acme, key_id, thief) = stolen(&app).await;
    let user = Uuid::new_v4();
    acme.post("/v1/users", json!({"user_id": user})).await.expect(201);
    acme.make_signing_secret(0).await;
    acme.make_signing_secret(3_600).await;
    acme.register_webhook("users", &webhook::start().await).await;
    let pending = thief
        .post("/v1/auth/tenant-key/rotate", json!({"activation": "on_confirm"}))
        .await
        .expect(200)
        .json();
    let waiting = app.holder(text(&pending["data"]["new_tenant_api_key"]));
    // One under the stolen key, and one through a gateway that named no key.
    let mut tokens = Vec::new();
    for issuer in [&thief, &*acme] {
        let issued = issuer.post("/v1/auth/token", json!({"user_id": user})).await.expect(200).json();
        tokens.push(
            app.anyone().with("authorization", format!("Bearer {}", text(&issued["data"]["access_token"]))),
        );
    }
    for token in &tokens {
        token.get(&format!("/v1/users/{user}")).await.expect(200);
    }

    let recovered = recover(&app, json!({})).await;
    let ended = &recovered["ended"];
    assert_eq!(ended["tenant_keys"], json!([pending["data"]["key_id"], key_id]));
    assert_eq!(
        (ended["signing_secrets"].as_array().expect("secrets").len(), &ended["queues_paused"]),
        (1, &json!(["users"]))
    );
    waiting.get("/v1/users").await.expect(401);
    thief.get("/v1/users").await.expect(401);
    for token in &tokens {
        token.get(&format!("/v1/users/{user}")).await.expect(401);
    }
    let secrets = acme.get("/v1/auth/signing-secret").await.expect(200).json();
    assert_eq!(secrets["data"]["previous"], json!([]));
    let queue = acme.get("/v1/admin/org/queues/users").await.expect(200).json();
    assert_eq!(
        queue["data"]["pause_reason"].as_str().or(queue["data"]["status"].as_str()),
        Some("requested"),
        "{queue}"
    );

    // What is issued from now on is good.
    app.clock.advance(TimeDelta::seconds(1));
    let owner = app.holder(text(&recovered["tenant_api_key"]));
    let issued = owner.post("/v1/auth/token", json!({"user_id": user})).await.expect(200).json();
    let token =
        app.anyone().with("authorization", format!("Bearer {}", text(&issued["data"]["access_token"])));
    token.get(&format!("/v1/users/{user}")).await.expect(200);
}

#[tokio::test]
async fn a_key_that_is_kept_goes_on_alone() {
    let app = TestApp::new().await;
    let (acme, kept, owner) = stolen(&app).await;
    let (_, other) = acme.mint().await;
    let recovered = recover(&app, json!({"keep_key_id": kept})).await;
    assert_eq!((&recovered["key_id"], recovered.get("tenant_api_key")), (&json!(kept), None));
    owner.get("/v1/users").await.expect(200);
    app.holder(&other).get("/v1/users").await.expect(401);
}

#[tokio::test]
async fn only_a_current_key_is_kept_and_nothing_changes_where_it_is_none() {
    let app = TestApp::new().await;
    let (acme, old, thief) = stolen(&app).await;
    let rotated = thief.post("/v1/auth/tenant-key/rotate", json!({})).await.expect(200).json();
    let current = app.holder(text(&rotated["data"]["new_tenant_api_key"]));
    let waiting = current
        .post("/v1/auth/tenant-key/rotate", json!({"activation": "on_confirm"}))
        .await
        .expect(200)
        .json();
    let (dead, _) = acme.mint().await;
    acme.delete(&format!("{KEYS}/{dead}")).await.expect(204);
    let (_, platform) = app.platform(&[PlatformScope::OrgsWrite]).await;
    for (keep, status, code) in [
        (json!(old), 409, "key_already_rotated"),
        (waiting["data"]["key_id"].clone(), 409, "rotation_pending"),
        (json!(dead), 409, "key_not_live"),
        (json!(Uuid::new_v4()), 404, "not_found"),
    ] {
        let refused = platform
            .post("/internal/orgs/acme/recover", json!({"keep_key_id": keep}))
            .await
            .expect(status)
            .json();
        assert_eq!(refused["error"]["code"], code);
    }
    current.get("/v1/users").await.expect(200);
    platform
        .post("/internal/orgs/acme/recover", json!({"keep_key_id": old, "claim": true}))
        .await
        .expect(422);
}

#[tokio::test]
async fn with_a_claim_nobody_but_its_opener_sees_the_key() {
    let app = TestApp::new().await;
    let (acme, _, thief) = stolen(&app).await;
    acme.make_signing_secret(0).await;
    let recovered = recover(&app, json!({"claim": true})).await;
    assert_eq!((&recovered["key_id"], recovered.get("tenant_api_key")), (&json!(null), None));
    thief.get("/v1/users").await.expect(401);
    let url = text(&recovered["claim_url"]);
    let path = &url[url.find("/v1/claims/").expect("the path of claims")..];
    let opened = app.anyone().bodyless("POST", path).await.expect(200).json();
    assert_eq!(opened["data"].get("signing_secret"), None);
    app.holder(text(&opened["data"]["tenant_api_key"])).get("/v1/users").await.expect(200);
}

#[tokio::test]
async fn since_tells_the_thiefs_secret_from_the_owners() {
    let app = TestApp::new().await;
    let (acme, _, thief) = stolen(&app).await;
    acme.make_signing_secret(0).await;
    let before = recover(&app, json!({"since": "2026-11-21T08:00:01Z"})).await;
    assert_eq!(
        (before.get("signing_secret"), &before["left"]["signing_secret_created_at"]),
        (None, &json!("2026-11-21T08:00:00Z"))
    );
    drop(thief);
    let since = recover(&app, json!({"since": "2026-11-21T08:00:00Z"})).await;
    assert!(text(&since["signing_secret"]).starts_with("whsec_"));
    assert_eq!(since["ended"]["signing_secrets"].as_array().expect("secrets").len(), 1);
    assert_eq!(since["left"]["signing_secret_created_at"], json!(null));
}

/// Behind a gateway that says where a request came from.
fn from(caller: &Caller, address: &str) -> Caller {
    caller.with("x-gateway-auth", SECRET).with("x-forwarded-for", address)
}

async fn behind_a_gateway() -> (TestApp, Org) {
    let app = TestApp::with(&[("GATEWAY_SECRETS", SECRET), ("PUBLIC_URL", URL)]).await;
    let acme = app.org("acme").await;
    (app, acme)
}

async fn register(acme: &Org, body: Value) -> String {
    let reply = from(acme, OWNER_AT).post("/api/v1/key", body).await.expect(200).json();
    text(&reply["UniqueId"]).to_owned()
}

#[tokio::test]
async fn since_lifts_what_a_thief_demanded_of_the_orgs_requests() {
    let (app, acme) = behind_a_gateway().await;
    let alice = register(&acme, registration(&acme, &ALICE, "Authentication")).await;
    app.clock.advance(TimeDelta::seconds(1));
    let mallory = register(&acme, registration(&acme, &MALLORY, "Authentication")).await;
    let thief = from(&app.anyone(), THIEF_AT);
    for body in [json!({"allowed_networks": ["203.0.113.66/32"]}), json!({"signature_policy": "required"})] {
        Request::new("PATCH", ORG, &MALLORY, &mallory).with_body(body).send(&thief).await.expect(200);
    }
    let refused = from(&acme, OWNER_AT).get("/v1/users").await.expect(403);
    assert_eq!(refused.code(), "network_not_allowed");

    let recovered = recover(&app, json!({"since": "2026-11-21T08:00:01Z"})).await;
    assert_eq!(recovered["ended"]["lifted"], json!(["signature_policy", "allowed_networks"]));
    assert_eq!(recovered["ended"]["public_keys"], json!([mallory]));
    assert_eq!(recovered["left"]["authentication_keys"], json!([alice]));
    let owner = from(&app.holder(text(&recovered["tenant_api_key"])), OWNER_AT);
    owner.get("/v1/users").await.expect(200);
    owner.post("/v1/users", json!({"user_id": Uuid::new_v4()})).await.expect(201);
}

#[tokio::test]
async fn what_the_owner_demanded_before_the_thief_came_stays() {
    let (app, acme) = behind_a_gateway().await;
    from(&acme, OWNER_AT).patch(ORG, json!({"allowed_networks": ["198.51.100.0/24"]})).await.expect(200);
    app.clock.advance(TimeDelta::seconds(1));
    let recovered = recover(&app, json!({"since": "2026-11-21T08:00:01Z"})).await;
    assert_eq!(recovered["ended"]["lifted"], json!([]));
    let owner = app.holder(text(&recovered["tenant_api_key"]));
    from(&owner, OWNER_AT).get("/v1/users").await.expect(200);
    from(&owner, THIEF_AT).get("/v1/users").await.expect(403);
}
