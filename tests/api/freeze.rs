//! The brake on an org's administration (contract 13.4): pulled with any live key, released by a signature.

use chrono::TimeDelta;
use partner_api::background::rotations;
use partner_api::routes::org::{self, OrgChange};
use serde_json::{Value, json};

use crate::signatures::{ALICE, Request, URL, register};
use crate::support::{Caller, Org, Reply, TestApp};

const FREEZE: &str = "/v1/admin/org/freeze";
const THAW: &str = "/v1/admin/org/thaw";
const KEYS: &str = "/v1/admin/org/tenant-keys";
const ROTATE: &str = "/v1/auth/tenant-key/rotate";

async fn app() -> TestApp {
    TestApp::with(&[("PUBLIC_URL", URL)]).await
}

async fn freeze(caller: &Caller) -> Value {
    caller.post(FREEZE, json!({"reason": "found in a repository"})).await.expect(200).json()["data"].clone()
}

async fn thaw(app: &TestApp, keyid: &str) -> Reply {
    Request::new("POST", THAW, &ALICE, keyid).send(&app.anyone()).await
}

async fn mint(caller: &Caller) -> Reply {
    caller.post(KEYS, json!({"name": "another"})).await
}

async fn shown(org: &Org) -> Value {
    org.get("/v1/admin/org").await.expect(200).json()["data"]["administration"].clone()
}

/// Type and data of what the org was told of itself, oldest first.
async fn told(app: &TestApp) -> Vec<(String, Value)> {
    let told: Vec<(String, String)> =
        sqlx::query_as("SELECT type, body FROM events WHERE type LIKE 'org.%' ORDER BY id")
            .fetch_all(&mut app.database.connect().await)
            .await
            .expect("the outbox answers");
    let data = |body: &str| serde_json::from_str::<Value>(body).expect("JSON")["data"].clone();
    told.into_iter().map(|(kind, body)| (kind, data(&body))).collect()
}

#[tokio::test]
async fn a_frozen_org_changes_nothing_and_goes_on_serving() {
    let app = app().await;
    let acme = app.org("acme").await;
    let (key_id, key) = acme.mint().await;
    let holder = app.holder(&key);
    assert_eq!(shown(&acme).await, json!({"frozen_at": null, "reason": null}));

    let frozen = json!({"frozen_at": "2026-11-21T08:00:00Z", "reason": "found in a repository"});
    assert_eq!(freeze(&holder).await, frozen);
    assert_eq!(shown(&acme).await, frozen);
    for caller in [&holder, &acme, &acme.with("x-tenant-key-id", &key_id)] {
        assert_eq!(mint(caller).await.expect(403).code(), "administration_frozen");
        caller.get(KEYS).await.expect(200);
        caller.get("/v1/admin/org/events").await.expect(200);
        let user_id = uuid::Uuid::new_v4();
        caller.post("/v1/users", json!({"user_id": user_id})).await.expect(201);
        caller.post("/v1/auth/token", json!({"user_id": user_id})).await.expect(200);
        caller.delete(&format!("/v1/users/{user_id}")).await.expect(204);
    }
    let zeta = app.org("zeta").await;
    mint(&zeta).await.expect(201);
}

#[tokio::test]
async fn frozen_again_it_stays_as_it_was_frozen() {
    let app = app().await;
    let acme = app.org("acme").await;
    let first = freeze(&acme).await;
    app.clock.advance(TimeDelta::hours(1));
    assert_eq!(acme.bodyless("POST", FREEZE).await.expect(200).json()["data"], first);
    assert_eq!(acme.post(FREEZE, json!({"reason": "again"})).await.expect(200).json()["data"], first);
    assert_eq!(told(&app).await.len(), 1);
}

#[tokio::test]
async fn every_live_key_pulls_the_brake_and_no_dead_one() {
    let app = app().await;
    for kind in ["superseded", "pending", "revoked"] {
        let org = app.org(kind).await;
        let (id, key) = org.mint().await;
        let key = match kind {
            "superseded" => {
                org.post(ROTATE, json!({"key_id": id})).await.expect(200);
                key
            }
            "pending" => {
                let body = json!({"key_id": id, "activation": "on_confirm"});
                let reply = org.post(ROTATE, body).await.expect(200).json();
                reply["data"]["new_tenant_api_key"].as_str().expect("a key").to_owned()
            }
            _ => {
                org.delete(&format!("{KEYS}/{id}")).await.expect(204);
                key
            }
        };
        let status = if kind == "revoked" { 401 } else { 200 };
        app.holder(&key).bodyless("POST", FREEZE).await.expect(status);
        assert_eq!(shown(&org).await["frozen_at"].is_string(), status == 200, "{kind}");
    }
}

#[tokio::test]
async fn only_a_signature_releases_it() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let (_, key) = acme.mint().await;
    freeze(&acme).await;
    for caller in [&acme, &app.holder(&key)] {
        assert_eq!(caller.bodyless("POST", THAW).await.expect(403).code(), "signature_required");
    }
    app.clock.advance(TimeDelta::seconds(1));
    let thawed = json!({"data": {"frozen_at": null, "reason": null}});
    thaw(&app, &keyid).await.expect_json(200, &thawed);
    mint(&acme).await.expect(201);
    // What is not frozen needs no release.
    acme.bodyless("POST", THAW).await.expect_json(200, &thawed);

    let expected = [
        ("org.administration_frozen", json!({"occurred_at": "2026-11-21T08:00:00Z", "version": 4})),
        ("org.administration_thawed", json!({"occurred_at": "2026-11-21T08:00:01Z", "version": 5})),
    ];
    assert_eq!(told(&app).await, expected.map(|(kind, data)| (kind.to_owned(), data)));
    let log: Vec<(String, String)> = sqlx::query_as(
        "SELECT action, actor FROM audit_log WHERE action LIKE 'org.administration%' ORDER BY seq",
    )
    .fetch_all(&mut app.database.connect().await)
    .await
    .expect("the log answers");
    let expected = [("org.administration_frozen", "gateway"), ("org.administration_thawed", "public_key")];
    assert_eq!(log, expected.map(|(action, actor)| (action.to_owned(), actor.to_owned())));
}

#[tokio::test]
async fn the_event_names_the_key_that_froze() {
    let app = app().await;
    let acme = app.org("acme").await;
    let (id, key) = acme.mint().await;
    freeze(&app.holder(&key)).await;
    let data = json!({"by_key_id": id, "occurred_at": "2026-11-21T08:00:00Z", "version": 3});
    assert_eq!(told(&app).await, [("org.administration_frozen".to_owned(), data)]);
}

#[tokio::test]
async fn operators_freeze_thaw_and_go_on() {
    let app = app().await;
    let acme = app.org("acme").await;
    let operate = async |change| {
        org::operate(&app.state.db, &app.clock, &app.state.keyring, "acme", change)
            .await
            .expect("it is done");
    };
    operate(OrgChange::Freeze { reason: Some("by telephone".to_owned()) }).await;
    assert_eq!(shown(&acme).await["reason"], "by telephone");
    assert_eq!(mint(&acme).await.expect(403).code(), "administration_frozen");
    operate(OrgChange::Rename("Acme".to_owned())).await;
    operate(OrgChange::Thaw { is_signed: true }).await;
    mint(&acme).await.expect(201);
}

#[tokio::test]
async fn a_change_loses_against_a_freeze_that_its_replica_has_not_heard_of() {
    let mut app = app().await;
    app.listen().await;
    let acme = app.org("acme").await;
    acme.get("/v1/features").await.expect(200);
    // Without the news of it.
    let mut database = app.database.connect().await;
    sqlx::query("UPDATE orgs SET frozen_at = created_at").execute(&mut database).await.expect("it is frozen");
    assert_eq!(mint(&acme).await.expect(403).code(), "administration_frozen");
    let keys: i64 = sqlx::query_scalar("SELECT count(*) FROM tenant_keys")
        .fetch_one(&mut database)
        .await
        .expect("a number");
    assert_eq!(keys, 0);
}

#[tokio::test]
async fn while_it_is_frozen_a_first_use_confirms_nothing_and_what_is_overdue_ends() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let (id, _) = acme.mint().await;
    let started = async || {
        let body = json!({"key_id": id, "activation": "on_first_use", "confirm_within_seconds": 600});
        let reply = acme.post(ROTATE, body).await.expect(200).json()["data"].clone();
        app.holder(reply["new_tenant_api_key"].as_str().expect("a key"))
    };
    let state = async || {
        acme.get(&format!("{KEYS}/{id}")).await.expect(200).json()["data"]["rotation"]["state"].clone()
    };
    let successor = started().await;
    freeze(&acme).await;
    successor.get("/v1/features").await.expect(200);
    assert_eq!(rotations::step(&app.state).await.expect("it looks"), 0);
    assert_eq!(state().await, "pending");
    app.clock.advance(TimeDelta::minutes(10));
    assert_eq!(rotations::step(&app.state).await.expect("it looks"), 1);
    assert_eq!(state().await, Value::Null);
    let mut request = Request::new("POST", THAW, &ALICE, &keyid);
    request.created += 600;
    request.send(&app.anyone()).await.expect(200);
    started().await.get("/v1/features").await.expect(200);
    assert_eq!(rotations::step(&app.state).await.expect("it looks"), 1);
    assert_eq!(state().await, "grace");
}

#[tokio::test]
async fn a_reason_is_one_short_line() {
    let app = app().await;
    let acme = app.org("acme").await;
    for (reason, kind) in [
        (json!(""), "string_too_short"),
        (json!("x".repeat(201)), "string_too_long"),
        (json!("two\nlines"), "value_error"),
        (json!(7), "string_type"),
    ] {
        let refused = acme.post(FREEZE, json!({"reason": reason})).await.expect(422);
        assert_eq!(refused.json()["detail"][0]["type"], kind);
    }
    assert_eq!(shown(&acme).await["frozen_at"], Value::Null);
}
