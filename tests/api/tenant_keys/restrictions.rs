//! What restrictions would refuse, and what they could be (contract 13.3).

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{KEYS, path};
use crate::support::{Caller, TestApp};

const SECRET: &str = "current-0123456789012345678901234567";

async fn restrictions(app: &TestApp, caller: &Caller, id: &str) -> Value {
    app.state.identity.flush().await;
    caller.get(&format!("{}/restrictions", path(id))).await.expect(200).json()["data"].take()
}

#[tokio::test]
async fn the_networks_that_were_seen_are_suggested() {
    let app = TestApp::with(&[("GATEWAY_SECRETS", SECRET)]).await;
    let gateway = app.org("acme").await.with("x-gateway-auth", SECRET);
    let made = gateway.post(KEYS, json!({"name": "billing"})).await.expect(201).json();
    let id = made["data"]["id"].as_str().expect("an id");
    let nothing = restrictions(&app, &gateway, id).await;
    let note = "No request was seen that was let through, so nothing is known of what it needs.";
    assert_eq!((&nothing["suggestion"], &nothing["note"]), (&json!({}), &json!(note)));
    assert_eq!(nothing["watched_since"], "2026-11-21T08:00:00Z");
    let key = gateway.with("x-tenant-key-id", id);
    for address in ["198.51.100.7", "198.51.101.8", "198.51.100.9", "2001:db8:1:2::3"] {
        for agent in ["billing/1.4", "billing/1.5"] {
            let caller = key.with("x-forwarded-for", address).with("user-agent", agent);
            caller.get("/v1/features").await.expect(200);
        }
    }
    app.clock.advance(TimeDelta::days(34));
    let seen = restrictions(&app, &gateway, id).await;
    assert_eq!(seen["suggestion"]["allowed_networks"], json!(["198.51.100.0/23", "2001:db8:1::/48"]));
    assert_eq!(seen["would_refuse"], json!({"scopes": [], "networks": []}));
    assert_eq!((&seen["note"], &seen["watched_since"]), (&Value::Null, &json!("2026-11-21T08:00:00Z")));

    app.clock.advance(TimeDelta::days(2));
    let forgotten = restrictions(&app, &gateway, id).await;
    assert_eq!(forgotten["suggestion"], json!({}));
    assert_eq!(forgotten["watched_since"], "2026-11-22T08:00:00Z");
}

#[tokio::test]
async fn a_key_is_watched_before_it_is_held_to_the_scopes_that_are_suggested() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let watched =
        json!({"name": "billing", "scopes": ["users:read", "audit:read"], "scope_policy": "report"});
    let (id, secret) = acme.mint_with(watched).await;
    let key = app.holder(&secret);
    key.get("/v1/users").await.expect(200);
    app.clock.advance(TimeDelta::seconds(5));
    for _ in 0..2 {
        key.post("/v1/users", json!({"user_id": uuid::Uuid::new_v4()})).await.expect(201);
    }
    app.clock.advance(TimeDelta::seconds(5));
    let seen = restrictions(&app, &acme, &id).await;
    let beyond = json!([{"scope": "users:write", "requests": 2, "last_seen_at": "2026-11-21T08:00:05Z"}]);
    assert_eq!(seen["would_refuse"]["scopes"], beyond);
    let suggested = &seen["suggestion"]["scopes"];
    assert_eq!(*suggested, json!(["users:read", "users:write"]));

    let held = json!({"scopes": suggested, "scope_policy": "enforce"});
    acme.patch(&path(&id), held).await.expect(200);
    key.post("/v1/users", json!({"user_id": uuid::Uuid::new_v4()})).await.expect(201);
    key.get("/v1/admin/org/audit").await.expect(403);
    let after = restrictions(&app, &acme, &id).await;
    assert_eq!(after["suggestion"]["scopes"], *suggested, "what was refused is not what it needs");
    let usage = acme.get(&format!("{}/usage", path(&id))).await.expect(200).json();
    assert_eq!(usage["data"]["requests_last_24h"], 5, "what was refused counts as a request");
}

#[tokio::test]
async fn a_key_is_watched_before_it_is_held_to_the_networks_that_are_suggested() {
    let app = TestApp::with(&[("GATEWAY_SECRETS", SECRET)]).await;
    let gateway = app.org("acme").await.with("x-gateway-auth", SECRET);
    let watched =
        json!({"name": "billing", "allowed_networks": ["203.0.113.0/24"], "network_policy": "report"});
    let made = gateway.post(KEYS, watched).await.expect(201).json();
    let id = made["data"]["id"].as_str().expect("an id");
    let key = gateway.with("x-tenant-key-id", id);
    let from = |address: &str| key.with("x-forwarded-for", address);
    from("203.0.113.9").get("/v1/users").await.expect(200);
    for host in [7, 8] {
        app.clock.advance(TimeDelta::seconds(1));
        from(&format!("198.51.100.{host}")).get("/v1/users").await.expect(200);
    }
    let seen = restrictions(&app, &gateway, id).await;
    let outside =
        json!([{"network": "198.51.100.0/24", "requests": 2, "last_seen_at": "2026-11-21T08:00:02Z"}]);
    assert_eq!(seen["would_refuse"], json!({"scopes": [], "networks": outside}));
    let suggested =
        json!({"scopes": ["users:read"], "allowed_networks": ["198.51.100.0/24", "203.0.113.0/24"]});
    assert_eq!(seen["suggestion"], suggested);

    gateway.patch(&path(id), suggested.clone()).await.expect(200);
    gateway.patch(&path(id), json!({"network_policy": "enforce"})).await.expect(200);
    from("198.51.100.9").get("/v1/users").await.expect(200);
    from("192.0.2.1").get("/v1/users").await.expect(403);
    assert_eq!(restrictions(&app, &gateway, id).await["suggestion"], suggested);
    let usage = gateway.get(&format!("{}/usage", path(id))).await.expect(200).json();
    let sources = usage["data"]["sources"].as_array().expect("a list");
    let mut outside: Vec<_> = sources
        .iter()
        .map(|source| (source["network"].as_str(), source["outside_networks"].as_i64()))
        .collect();
    outside.sort_unstable();
    let of = |network, outside| (Some(network), Some(outside));
    assert_eq!(outside, [of("192.0.2.0/24", 1), of("198.51.100.0/24", 2), of("203.0.113.0/24", 0)]);
}
