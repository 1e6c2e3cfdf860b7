//! Who still uses a key (contract 13.2): requests by hour and by source, counted where they arrive, and whether the key
//! may go.

use chrono::TimeDelta;
use partner_api::background::retention;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use super::{Holder, ROTATE, holder, path, rotated};
use crate::support::{Caller, Org, Replica, TestApp};

const SECRET: &str = "current-0123456789012345678901234567";

/// A service whose gateway proves itself, so that its word on addresses counts.
async fn behind_a_gateway() -> TestApp {
    TestApp::with(&[("GATEWAY_SECRETS", SECRET)]).await
}

/// The same caller, seen from an address with a `User-Agent`.
fn from(caller: &Caller, address: &str, agent: &str) -> Caller {
    caller.with("x-gateway-auth", SECRET).with("x-forwarded-for", address).with("user-agent", agent)
}

fn gateway(org: &Org) -> Caller {
    org.with("x-gateway-auth", SECRET)
}

async fn flush(app: &TestApp) {
    app.state.identity.flush().await;
}

async fn usage(caller: &Caller, id: &str) -> Value {
    caller.get(&format!("{}/usage", path(id))).await.expect(200).json()["data"].take()
}

/// The hours that have requests.
fn hours(usage: &Value) -> Vec<(&str, i64)> {
    let hourly = usage["hourly"].as_array().expect("a list");
    assert_eq!(hourly.len(), 48);
    let counted =
        hourly.iter().map(|hour| (hour["hour"].as_str().unwrap(), hour["requests"].as_i64().unwrap()));
    counted.filter(|(_, requests)| *requests > 0).collect()
}

async fn use_it(key: &Holder, times: usize) {
    for _ in 0..times {
        key.caller.get("/v1/features").await.expect(200);
    }
}

#[tokio::test]
async fn requests_are_counted_by_hour_and_by_source() {
    let app = behind_a_gateway().await;
    let acme = app.org("acme").await;
    let (id, secret) = org_mint(&acme).await;
    let by_key = app.holder(&secret);
    let by_gateway = acme.with("x-tenant-key-id", &id);
    app.clock.advance(TimeDelta::minutes(59));
    for address in ["198.51.100.7", "198.51.100.200"] {
        from(&by_key, address, "billing/1.4").get("/v1/features").await.expect(200);
    }
    app.clock.advance(TimeDelta::minutes(1));
    from(&by_gateway, "2001:db8:1:2::3", "").get("/v1/features").await.expect(200);
    from(&by_gateway, "198.51.100.9", "billing/1.4").get("/v1/users/nonsense").await.expect(422);
    by_key.get("/v1/features").await.expect(200);
    assert_eq!(hours(&usage(&gateway(&acme), &id).await), [], "it is not written on the request's path");
    flush(&app).await;

    let usage = usage(&gateway(&acme), &id).await;
    assert_eq!(hours(&usage), [("2026-11-21T08:00:00Z", 2), ("2026-11-21T09:00:00Z", 3)]);
    assert_eq!(usage["hourly"][0], json!({"hour": "2026-11-19T10:00:00Z", "requests": 0}), "oldest first");
    assert_eq!(usage["requests_last_24h"], 5);
    assert_eq!((&usage["key_id"], &usage["last_used_at"]), (&json!(id), &json!("2026-11-21T09:00:00Z")));
    assert_eq!(
        usage["sources"],
        json!([
            {"network": null, "user_agent": null, "first_seen_at": "2026-11-21T09:00:00Z",
             "last_seen_at": "2026-11-21T09:00:00Z", "requests": 1, "outside_networks": 0},
            {"network": "198.51.100.0/24", "user_agent": "billing/1.4", "first_seen_at": "2026-11-21T08:59:00Z",
             "last_seen_at": "2026-11-21T09:00:00Z", "requests": 3, "outside_networks": 0},
            {"network": "2001:db8:1::/48", "user_agent": null, "first_seen_at": "2026-11-21T09:00:00Z",
             "last_seen_at": "2026-11-21T09:00:00Z", "requests": 1, "outside_networks": 0},
        ])
    );
}

async fn org_mint(org: &Org) -> (String, String) {
    let made = gateway(org).post(super::KEYS, json!({"name": "billing"})).await.expect(201).json();
    let text = |field: &str| made["data"][field].as_str().expect(field).to_owned();
    (text("id"), text("secret"))
}

#[tokio::test]
async fn only_requests_that_a_key_authenticates_count_for_it() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (key, other) = (holder(&app, &acme).await, holder(&app, &acme).await);
    let user = json!({"user_id": uuid::Uuid::new_v4()});
    acme.post("/v1/users", user.clone()).await.expect(201);
    let token = key.caller.post("/v1/auth/token", user.clone()).await.expect(200).json();
    let token = format!("Bearer {}", token["data"]["access_token"].as_str().expect("a token"));
    let member = app.anyone().with("authorization", token);
    member.get(&format!("/v1/users/{}", user["user_id"].as_str().unwrap())).await.expect(200);
    let (_, secret) = acme.mint().await;
    for _ in 0..3 {
        app.operations().with("taih-tenant-key", &secret).get("/internal/auth/verify").await.expect(200);
    }
    app.holder(&secret).get("/v1/nonsense").await.expect(404);
    acme.get("/v1/features").await.expect(200);
    acme.delete(&path(&other.id)).await.expect(204);
    other.caller.get("/v1/features").await.expect(401);
    flush(&app).await;
    assert_eq!(usage(&acme, &key.id).await["requests_last_24h"], 1, "the token's request is the member's");
    assert_eq!(usage(&acme, &other.id).await["requests_last_24h"], 0);
    let keys = acme.get("/v1/admin/org/tenant-keys").await.expect(200).json();
    let asked = &keys["data"][1];
    assert_eq!(asked["last_used_at"], "2026-11-21T08:00:00Z", "the gateway's question is a use");
    let usage = usage(&acme, asked["id"].as_str().expect("an id")).await;
    assert_eq!((hours(&usage), &usage["sources"]), (vec![], &json!([])), "and no request");
}

#[tokio::test]
async fn what_replicas_count_adds_up() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (id, secret) = acme.mint().await;
    let (here, there) = (app.holder(&secret), Replica::start(&app).await);
    let other = there.anyone().with("taih-tenant-key", &secret);
    for (number, caller) in [&here, &other, &other, &here, &other].into_iter().enumerate() {
        caller.with("user-agent", format!("fleet/{}", number % 2)).get("/v1/features").await.expect(200);
        app.clock.advance(TimeDelta::minutes(20));
    }
    for _ in 0..2 {
        tokio::join!(flush(&app), there.state.identity.flush());
    }
    let usage = usage(&acme, &id).await;
    assert_eq!(hours(&usage), [("2026-11-21T08:00:00Z", 3), ("2026-11-21T09:00:00Z", 2)]);
    let sources: Vec<_> = usage["sources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|source| (source["user_agent"].as_str().unwrap(), source["requests"].as_i64().unwrap()))
        .collect();
    assert_eq!(sources, [("fleet/0", 3), ("fleet/1", 2)]);
    assert_eq!(usage["sources"][0]["first_seen_at"], "2026-11-21T08:00:00Z");
    assert_eq!(usage["sources"][0]["last_seen_at"], "2026-11-21T09:20:00Z");
}

#[tokio::test]
async fn counts_are_exact_over_a_graceful_stop() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let key = holder(&app, &acme).await;
    let serving = app.serve().await;
    use_it(&key, 7).await;
    serving.stop().await;
    let counted: i64 =
        sqlx::query_scalar("SELECT sum(requests)::bigint FROM tenant_key_hours WHERE key_id::text = $1")
            .bind(&key.id)
            .fetch_one(&mut app.database.connect().await)
            .await
            .expect("a sum");
    assert_eq!(counted, 7);
}

#[tokio::test]
async fn what_could_not_be_written_is_written_the_next_time() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let key = holder(&app, &acme).await;
    use_it(&key, 3).await;
    let mut owner = app.database.connect().await;
    for (before, after) in [("tenant_key_scopes", "away"), ("away", "tenant_key_scopes")] {
        let rename = format!("ALTER TABLE {before} RENAME TO {after}");
        sqlx::query(AssertSqlSafe(rename)).execute(&mut owner).await.expect("the owner may");
        flush(&app).await;
        use_it(&key, 2).await;
    }
    flush(&app).await;
    let usage = usage(&acme, &key.id).await;
    assert_eq!(hours(&usage), [("2026-11-21T08:00:00Z", 7)]);
    assert_eq!(usage["sources"][0]["requests"], 7);
}

#[tokio::test]
async fn the_fifty_sources_that_were_seen_last_are_kept() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let key = holder(&app, &acme).await;
    for number in 0..60 {
        app.clock.advance(TimeDelta::seconds(1));
        key.caller.with("user-agent", format!("fleet/{number}")).get("/v1/features").await.expect(200);
        if number % 20 == 19 {
            flush(&app).await;
        }
    }
    let told = usage(&acme, &key.id).await;
    let agents: Vec<_> =
        told["sources"].as_array().unwrap().iter().map(|s| s["user_agent"].as_str().unwrap()).collect();
    let newest: Vec<_> = (10..60).rev().map(|number| format!("fleet/{number}")).collect();
    assert_eq!(agents, newest);
    assert_eq!(told["requests_last_24h"], 60, "every request counts");
    let restrictions = acme.get(&format!("{}/restrictions", path(&key.id))).await.expect(200).json();
    let note = "It was used from more sources than are remembered, so the networks are not all known.";
    assert_eq!(restrictions["data"]["note"], note);
}

#[tokio::test]
async fn old_counts_are_forgotten_and_all_go_with_their_org() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let (key, theirs) = (holder(&app, &acme).await, holder(&app, &zeta).await);
    let rows = async || -> Vec<i64> {
        let mut counts = Vec::new();
        for table in ["tenant_key_hours", "tenant_key_sources"] {
            let count = format!("SELECT count(*) FROM {table}");
            let mut connection = app.database.connect().await;
            counts.push(
                sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&mut connection).await.expect("a number"),
            );
        }
        counts
    };
    use_it(&key, 1).await;
    use_it(&theirs, 1).await;
    flush(&app).await;
    app.clock.advance(TimeDelta::hours(49));
    use_it(&key, 1).await;
    flush(&app).await;
    retention::step(&app.state).await.expect("it is done");
    assert_eq!(rows().await, [3, 2], "what may still be shown stays");
    app.clock.advance(TimeDelta::hours(2));
    retention::step(&app.state).await.expect("it is done");
    assert_eq!(rows().await, [1, 2]);
    app.clock.advance(TimeDelta::days(33));
    retention::step(&app.state).await.expect("it is done");
    assert_eq!(rows().await, [0, 1], "seen within 35 days");
    use_it(&theirs, 1).await;
    app.delete(&zeta).await;
    flush(&app).await;
    assert_eq!(rows().await, [0, 1], "an org that is gone is passed over");
    app.delete(&acme).await;
    assert_eq!(rows().await, [0, 0]);
}

#[tokio::test]
async fn an_old_key_may_go_once_its_successor_is_used_and_it_was_not_for_a_day() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let old = holder(&app, &acme).await;
    let new = rotated(&app, &old, 604_800).await;
    let judged = async || {
        flush(&app).await;
        usage(&acme, &old.id).await["safe_to_retire"].take()
    };
    let used = json!({"answer": "no", "reason": "Used 0 seconds ago.", "unused_for_seconds": 0});
    assert_eq!(judged().await, used);
    app.clock.advance(TimeDelta::hours(30));
    let unknown = judged().await;
    assert_eq!((&unknown["answer"], &unknown["unused_for_seconds"]), (&json!("unknown"), &json!(108_000)));
    use_it(&new, 1).await;
    app.clock.advance(TimeDelta::minutes(3));
    let yes = json!({
        "answer": "yes", "reason": "Not used for 30 hours, while its successor is: last 3 minutes ago.",
        "unused_for_seconds": 108_180,
    });
    assert_eq!(judged().await, yes);
    from(&old.caller, "198.51.100.7", "batch/1")
        .without("x-gateway-auth")
        .get("/v1/features")
        .await
        .expect(200);
    assert_eq!(judged().await["answer"], "no");
    acme.delete(&path(&old.id)).await.expect(204);
    assert_eq!(judged().await["reason"], "It has ended, and was not sent since.");
}

#[tokio::test]
async fn a_successor_that_waits_to_be_confirmed_counts_as_one() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let old = holder(&app, &acme).await;
    let body = json!({"activation": "on_confirm", "confirm_within_seconds": 604_800});
    let new = super::successor(&app, &old.caller.post(ROTATE, body).await.expect(200));
    app.clock.advance(TimeDelta::hours(24));
    use_it(&new, 1).await;
    flush(&app).await;
    assert_eq!(usage(&acme, &old.id).await["safe_to_retire"]["answer"], "yes");
    assert_eq!(usage(&acme, &new.id).await["safe_to_retire"]["answer"], "no");
}

#[tokio::test]
async fn another_orgs_key_has_no_usage() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let key = holder(&app, &zeta).await;
    for what in ["usage", "restrictions"] {
        let theirs = acme.get(&format!("{}/{what}", path(&key.id))).await.expect(404);
        let nobodys =
            acme.get(&format!("{}/{what}", path(&uuid::Uuid::new_v4().to_string()))).await.expect(404);
        assert_eq!(theirs.body, nobodys.body);
    }
}
