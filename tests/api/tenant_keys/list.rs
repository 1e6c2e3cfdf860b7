//! `GET /v1/admin/org/tenant-keys`.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{KEYS, START, holder, holder_until, path, rotated};
use crate::support::{Caller, TestApp};

async fn ids(caller: &Caller, query: &str) -> Vec<String> {
    let list = caller.get(&format!("{KEYS}{query}")).await.expect(200).json();
    let id = |key: &Value| key["id"].as_str().expect("an id").to_owned();
    list["data"].as_array().expect("a list").iter().map(id).collect()
}

#[tokio::test]
async fn live_keys_are_listed_oldest_first_and_dead_ones_on_demand() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    holder(&app, &zeta).await;
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(holder(&app, &acme).await.id);
        app.clock.advance(TimeDelta::seconds(1));
    }
    let expiring = holder_until(&app, &acme, "2026-11-21T09:00:00Z").await;
    acme.delete(&path(&made[1])).await.expect(204);
    assert_eq!(ids(&acme, "").await, [made[0].clone(), made[2].clone(), expiring.id.clone()]);
    app.clock.advance(TimeDelta::hours(1));
    assert_eq!(ids(&acme, "?include_revoked=false").await, [made[0].clone(), made[2].clone()]);
    let all = [&made[..], std::slice::from_ref(&expiring.id)].concat();
    assert_eq!(ids(&acme, "?include_revoked=true").await, all);
    acme.get(&format!("{KEYS}?include_revoked=yes")).await.expect(422);
}

#[tokio::test]
async fn an_entry_shows_the_prefix_and_never_the_key() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (id, secret) = acme.mint_with(json!({"name": "billing"})).await;
    let list = app.holder(&secret).get(KEYS).await.expect(200);
    assert!(!list.text().contains(&secret));
    let entry = json!({
        "id": id, "name": "billing", "prefix": &secret[.."tk_test_".len() + 6], "created_at": START,
        "last_used_at": null, "revoked_at": null, "expires_at": null, "rotated_to": null, "leaked_at": null, "scopes": ["*"],
        "scope_policy": "enforce", "is_current": true, "origin": "made",
        "allowed_networks": null, "network_policy": "enforce",
    });
    let pagination = json!({"limit": 25, "offset": 0, "total": 1});
    list.expect_json(200, &json!({"data": [entry], "pagination": pagination}));
}

#[tokio::test]
async fn the_key_that_asks_is_marked_and_no_other() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (first, second) = (holder(&app, &acme).await, holder(&app, &acme).await);
    let current = async |caller: &Caller| {
        let list = caller.get(KEYS).await.expect(200).json();
        let keys = list["data"].as_array().expect("a list").clone();
        let marked: Vec<_> = keys.iter().filter(|key| key["is_current"] == true).collect();
        marked.iter().map(|key| key["id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(current(&first.caller).await, [first.id.as_str()]);
    assert_eq!(current(&acme.with("x-tenant-key-id", &second.id)).await, [second.id.as_str()]);
    assert!(current(&acme).await.is_empty());
    let third = rotated(&app, &second, 60).await;
    assert_eq!(current(&third.caller).await, [third.id.as_str()]);
}
