//! What happens to a key that leaked, as its org wants it.

use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Holder, KEYS, ROTATE, holder, noted, reported, shown, told};
use crate::support::{Org, TestApp};

const ORG: &str = "/v1/admin/org";

async fn policy(org: &Org, policy: &str, grace: u32) {
    let body = json!({"leak_policy": policy, "leak_grace_seconds": grace});
    let now = org.patch(ORG, body).await.expect(200).json()["data"].clone();
    assert_eq!((&now["leak_policy"], &now["leak_grace_seconds"]), (&json!(policy), &json!(grace)));
}

async fn works(key: &Holder) -> bool {
    key.caller.get("/v1/features").await.status == 200
}

#[tokio::test]
async fn by_default_a_leaked_key_ends_in_a_day_and_administers_nothing() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let key = holder(&app, &acme).await;
    let user_id = Uuid::new_v4();
    acme.post("/v1/users", json!({"user_id": user_id})).await.expect(201);
    let now = acme.get(ORG).await.expect(200).json()["data"].clone();
    assert_eq!((&now["leak_policy"], &now["leak_grace_seconds"]), (&json!("grace"), &json!(86_400)));

    assert_eq!(reported(&app, &key.key).await, 1);

    assert_eq!(shown(&acme, &key.id).await["expires_at"], "2026-11-22T08:00:00Z");
    let expected = json!({
        "key_id": key.id, "source": "report", "url": "https://example.com/a", "ends_at": "2026-11-22T08:00:00Z",
        "occurred_at": "2026-11-21T08:00:00Z", "version": 2,
    });
    assert_eq!(told(&app).await, [expected]);
    // Traffic goes on.
    key.caller.get(&format!("/v1/users/{user_id}")).await.expect(200);
    for caller in [&key.caller, &acme.with("x-tenant-key-id", &key.id)] {
        for (path, body) in [
            (KEYS, json!({"name": "mine"})),
            (ROTATE, json!({})),
            ("/v1/auth/token", json!({"user_id": user_id})),
            ("/v1/auth/signing-secret/rotate", json!({})),
        ] {
            assert_eq!(caller.post(path, body).await.expect(403).code(), "key_leaked", "{path}");
        }
    }
    key.caller.bodyless("POST", "/v1/admin/org/freeze").await.expect(200);
    app.clock.advance(TimeDelta::days(1));
    assert!(!works(&key).await);
}

#[tokio::test]
async fn another_administrator_replaces_it_and_the_successor_has_its_old_lifetime() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (leaked, other) = (holder(&app, &acme).await, holder(&app, &acme).await);
    reported(&app, &leaked.key).await;
    let rotated = other.caller.post(ROTATE, json!({"key_id": leaked.id})).await.expect(200).json();
    let new = app.holder(rotated["data"]["new_tenant_api_key"].as_str().expect("a key"));
    assert_eq!(rotated["data"]["previous_key_expires_at"], "2026-11-22T08:00:00Z");
    let id = rotated["data"]["key_id"].as_str().expect("an id");
    let successor = shown(&acme, id).await;
    assert_eq!((&successor["expires_at"], &successor["leaked_at"]), (&Value::Null, &Value::Null));
    new.post(KEYS, json!({"name": "mine"})).await.expect(201);
    assert_eq!(leaked.caller.post(KEYS, json!({"name": "mine"})).await.expect(403).code(), "key_leaked");
}

#[tokio::test]
async fn without_another_key_the_gateways_word_replaces_the_only_one() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let leaked = holder(&app, &acme).await;
    reported(&app, &leaked.key).await;
    let rotated = acme.post(ROTATE, json!({"grace_period_seconds": 0})).await.expect(200).json();
    assert_eq!(rotated["data"]["previous_key_id"], leaked.id);
    assert!(!works(&leaked).await);
}

#[tokio::test]
async fn its_end_moves_within_seven_days_of_the_report_and_not_away() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let leaked = holder(&app, &acme).await;
    reported(&app, &leaked.key).await;
    let path = format!("{KEYS}/{}", leaked.id);
    for end in [Value::Null, json!("2026-11-28T08:00:01Z")] {
        acme.patch(&path, json!({"expires_at": end})).await.expect(422);
    }
    acme.patch(&path, json!({"expires_at": "2026-11-28T08:00:00Z"})).await.expect(200);
    acme.delete(&path).await.expect(204);
    assert!(!works(&leaked).await);
}

#[tokio::test]
async fn an_end_of_its_own_stays_where_it_is_earlier() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (id, key) = acme.mint_with(json!({"name": "brief", "expires_at": "2026-11-21T09:00:00Z"})).await;
    reported(&app, &key).await;
    assert_eq!(shown(&acme, &id).await["expires_at"], "2026-11-21T09:00:00Z");
}

#[tokio::test]
async fn revoke_ends_it_now_and_the_tokens_that_it_issued() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    policy(&acme, "revoke", 86_400).await;
    let key = holder(&app, &acme).await;
    let user_id = Uuid::new_v4();
    acme.post("/v1/users", json!({"user_id": user_id})).await.expect(201);
    let token = key.caller.post("/v1/auth/token", json!({"user_id": user_id})).await.expect(200).json();
    let token = token["data"]["access_token"].as_str().expect("a token").to_owned();
    let member = app.anyone().with("authorization", format!("Bearer {token}"));
    let path = format!("/v1/users/{user_id}");
    member.get(&path).await.expect(200);
    assert_eq!(reported(&app, &key.key).await, 1);
    assert!(!works(&key).await);
    member.get(&path).await.expect(401);
    assert_eq!(told(&app).await[0]["ends_at"], "2026-11-21T08:00:00Z");
    assert_eq!(shown(&acme, &key.id).await["revoked_at"], "2026-11-21T08:00:00Z");
}

#[tokio::test]
async fn grace_zero_ends_it_now_and_notify_leaves_it_as_it_was() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    policy(&acme, "grace", 0).await;
    let key = holder(&app, &acme).await;
    reported(&app, &key.key).await;
    assert!(!works(&key).await);
    app.clock.advance(TimeDelta::seconds(1));
    policy(&acme, "notify", 0).await;
    let key = holder(&app, &acme).await;
    reported(&app, &key.key).await;
    key.caller.post(KEYS, json!({"name": "mine"})).await.expect(201);
    let seen = shown(&acme, &key.id).await;
    assert_eq!((&seen["expires_at"], &seen["leak"]["response"]), (&Value::Null, &json!("notify")));
    assert_eq!(told(&app).await[1]["ends_at"], Value::Null);
}

#[tokio::test]
async fn a_dead_key_is_noted_and_nobody_is_told() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let key = holder(&app, &acme).await;
    acme.delete(&format!("{KEYS}/{}", key.id)).await.expect(204);
    assert_eq!((reported(&app, &key.key).await, reported(&app, &key.key).await), (0, 0));
    assert_eq!((told(&app).await.len(), noted(&app, "tenant_key.leaked").await), (0, 1));
    assert!(shown(&acme, &key.id).await["leaked_at"].is_string());
}

#[tokio::test]
async fn a_successor_that_waits_gives_its_rotation_up() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let old = holder(&app, &acme).await;
    let started = old.caller.post(ROTATE, json!({"activation": "on_confirm"})).await.expect(200).json();
    let key = started["data"]["new_tenant_api_key"].as_str().expect("a key").to_owned();
    assert_eq!(reported(&app, &key).await, 1);
    app.holder(&key).get("/v1/features").await.expect(401);
    assert_eq!(shown(&acme, &old.id).await["rotation"], Value::Null);
    assert_eq!(told(&app).await[0]["ends_at"], "2026-11-21T08:00:00Z");
    assert_eq!(noted(&app, "tenant_key.rotation_abandoned").await, 1);
    old.caller.post(ROTATE, json!({})).await.expect(200);
}

#[tokio::test]
async fn a_leaked_keys_successor_goes_on_and_confirms_itself() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    policy(&acme, "revoke", 0).await;
    let old = holder(&app, &acme).await;
    let started = old.caller.post(ROTATE, json!({"activation": "on_confirm"})).await.expect(200).json();
    let text = |field: &str| started["data"][field].as_str().expect(field).to_owned();
    let new = app.holder(&text("new_tenant_api_key"));
    reported(&app, &old.key).await;
    assert!(!works(&old).await);
    assert_eq!(new.post(KEYS, json!({"name": "mine"})).await.expect(403).code(), "key_not_confirmed");
    new.bodyless("POST", &format!("{KEYS}/{}/confirm", text("key_id"))).await.expect(200);
    new.post(KEYS, json!({"name": "mine"})).await.expect(201);
}

#[tokio::test]
async fn the_policy_is_one_of_three_and_its_grace_at_most_seven_days() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    for body in [
        json!({"leak_policy": "ignore"}),
        json!({"leak_policy": null}),
        json!({"leak_grace_seconds": 604_801}),
        json!({"leak_grace_seconds": -1}),
    ] {
        acme.patch(ORG, body).await.expect(422);
    }
    acme.patch(ORG, json!({"leak_grace_seconds": 60})).await.expect(200);
    let now = acme.get(ORG).await.expect(200).json()["data"].clone();
    assert_eq!((&now["leak_policy"], &now["leak_grace_seconds"]), (&json!("grace"), &json!(60)));
    assert_eq!(noted(&app, "org.leak_policy_changed").await, 1);
}
