//! How many requests an org may make (contract 13.5), and what its replies say of it.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::process::Program;
use crate::support::{Caller, Replica, Reply, TestApp, envelope, within};

/// What a reply says of the limit and of what is left.
fn told(reply: &Reply) -> (Option<&str>, Option<&str>) {
    (reply.header("ratelimit-policy"), reply.header("ratelimit"))
}

#[track_caller]
fn refused(reply: &Reply, retry_after: &str) {
    assert_eq!(reply.json(), envelope("rate_limited", "Too many requests; try again later."));
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some(retry_after)));
}

#[tokio::test]
async fn an_org_makes_its_burst_at_once_and_then_its_rate() {
    let app = TestApp::with(&[("RATE_LIMIT", "2;burst=5")]).await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    for left in [4, 3, 2, 1, 0] {
        let reply = acme.get("/v1/features").await.expect(200);
        let left = format!("\"org\";r={left};t=1");
        assert_eq!(told(&reply), (Some("\"org\";q=5;w=3"), Some(left.as_str())));
    }
    let reply = acme.get("/v1/features").await;
    refused(&reply, "1");
    assert_eq!(told(&reply), (Some("\"org\";q=5;w=3"), Some("\"org\";r=0;t=1")));
    zeta.get("/v1/features").await.expect(200);

    app.clock.advance(TimeDelta::milliseconds(499));
    refused(&acme.get("/v1/features").await, "1");
    app.clock.advance(TimeDelta::milliseconds(1));
    acme.get("/v1/features").await.expect(200);
    refused(&acme.get("/v1/features").await, "1");
    app.clock.advance(TimeDelta::seconds(60));
    let reply = acme.get("/v1/features").await.expect(200);
    assert_eq!(told(&reply).1, Some("\"org\";r=4;t=1"));
    let metrics = app.operations().get("/metrics").await.expect(200).text();
    assert!(metrics.contains("partner_api_http_requests_over_rate_total 3\n"));
}

#[tokio::test]
async fn without_a_limit_no_reply_says_anything_of_one() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    assert_eq!(told(&acme.get("/v1/features").await.expect(200)), (None, None));
    assert_eq!(told(&acme.get("/v1/users/x").await.expect(422)), (None, None));
}

#[tokio::test]
async fn every_reply_to_somebody_known_tells_what_is_left() {
    let app = TestApp::with(&[("RATE_LIMIT", "100"), ("DISABLED_FEATURES", "reports")]).await;
    let acme = app.org("acme").await;
    let policy = Some("\"org\";q=100;w=1");
    let mut left = 100;
    let mut tells = |reply: &Reply| {
        left -= 1;
        let left = format!("\"org\";r={left};t=1");
        assert_eq!(told(reply), (policy, Some(left.as_str())), "{}", reply.text());
    };
    let (user_id, key) = (Uuid::new_v4(), acme.with("idempotency-key", "0123456789abcdef-mint"));
    tells(&acme.post("/v1/users", json!({"user_id": user_id})).await.expect(201));
    tells(&acme.post("/v1/users", json!({"user_id": user_id})).await.expect(409));
    tells(&acme.patch(&format!("/v1/users/{user_id}"), json!({"first_name": "A"})).await.expect(204));
    tells(&acme.get(&format!("/v1/users/{}", Uuid::new_v4())).await.expect(404));
    tells(&acme.post("/v1/users", json!({})).await.expect(422));
    tells(&acme.get("/v1/admin/org/reports").await.expect(503));
    tells(&acme.bodyless("HEAD", "/v1/users").await.expect(200));
    tells(&acme.get("/api/v1/key/list/zeta").await);
    // What was kept is told with what is left now.
    tells(&key.post("/v1/admin/org/tenant-keys", json!({"name": "x"})).await.expect(201));
    let again = key.post("/v1/admin/org/tenant-keys", json!({"name": "x"})).await.expect(201);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    tells(&again);
    // A stream of lines is one request.
    let lines: String = (0..50).map(|_| format!("{}\n", json!({"user_id": Uuid::new_v4()}))).collect();
    tells(&bulk(&acme, lines).await.expect(200));
    // A member's request is its org's.
    let issued = acme.post("/v1/auth/token", json!({"user_id": user_id})).await.expect(200);
    tells(&issued);
    let token = issued.json()["data"]["access_token"].as_str().expect("a token").to_owned();
    let member = app.anyone().with("authorization", format!("Bearer {token}"));
    tells(&member.get(&format!("/v1/users/{user_id}")).await.expect(200));
    // Whoever is nobody's is told nothing, and uses nothing up.
    for reply in [
        app.anyone().get("/v1/users").await.expect(401),
        acme.get("/v1/nothing").await.expect(404),
        acme.with("authorization", "Bearer x").get("/v1/users").await.expect(400),
        app.anyone().get("/openapi.json").await.expect(200),
    ] {
        assert_eq!(told(&reply), (None, None));
    }
    tells(&acme.get("/v1/features").await.expect(200));
}

async fn bulk(caller: &Caller, lines: String) -> Reply {
    let head =
        crate::support::request("POST", "/v1/users/bulk").header("content-type", "application/x-ndjson");
    caller.send(head, axum::body::Body::from(lines)).await
}

#[tokio::test]
async fn who_waits_for_a_place_is_told_what_is_left_as_well() {
    let app = TestApp::with(&[("RATE_LIMIT", "10"), ("MAX_IN_FLIGHT", "2")]).await;
    let acme = app.org("acme").await;
    let _held = acme.open("/v1/features").await;
    let reply = acme.get("/v1/features").await;
    refused(&reply, "1");
    assert_eq!(told(&reply), (Some("\"org\";q=10;w=1"), Some("\"org\";r=8;t=1")));
}

#[tokio::test]
async fn a_limit_of_its_own_takes_the_place_of_that_of_all_within_a_second_at_every_replica() {
    let mut app = TestApp::with(&[("RATE_LIMIT", "50;burst=100")]).await;
    app.listen().await;
    let acme = app.org("acme").await;
    let (replica, program) = (Replica::start(&app).await, Program::on(&app.database));
    let there = replica.anyone().with("orgid", acme.id.to_string());
    let policies = async |expected: Option<&'static str>| {
        for caller in [&there, &*acme] {
            let holds = async || (told(&caller.get("/v1/features").await).0 == expected).then_some(());
            within(Duration::from_secs(1), "the limit is known", holds).await;
        }
    };
    policies(Some("\"org\";q=100;w=2")).await;
    program.run(&["org", "limit", "--key", "acme", "--rate", "7", "--burst", "20"]).succeeded();
    policies(Some("\"org\";q=20;w=3")).await;
    program.run(&["org", "limit", "--key", "acme", "--rate", "30"]).succeeded();
    policies(Some("\"org\";q=30;w=1")).await;
    program.run(&["org", "limit", "--key", "acme", "--none"]).succeeded();
    policies(None).await;
    program.run(&["org", "limit", "--key", "acme", "--default"]).succeeded();
    policies(Some("\"org\";q=100;w=2")).await;
}

#[tokio::test]
async fn operators_set_one_limit_that_makes_sense_and_see_it() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let program = Program::on(&app.database);
    for wrong in [
        &["--rate", "0"][..],
        &["--rate", "1000001"],
        &["--rate", "5", "--burst", "0"],
        &["--rate", "5", "--none"],
        &["--none", "--default"],
        &["--burst", "5"],
        &[],
    ] {
        let outcome = program.run(&[&["org", "limit", "--key", "acme"], wrong].concat());
        assert!(!outcome.status.success(), "{wrong:?}");
    }
    program.run(&["org", "limit", "--key", "acme", "--rate", "5", "--burst", "9", "--json"]).succeeded();
    let listed: Value =
        serde_json::from_str(&program.run(&["org", "list", "--json"]).succeeded()).expect("JSON");
    assert_eq!((&listed["orgs"][0]["rate_limit"], &listed["orgs"][0]["rate_burst"]), (&json!(5), &json!(9)));
    let log = acme.get("/v1/admin/org/audit").await.expect(200).json();
    assert_eq!(
        (&log["data"][1]["action"], &log["data"][1]["actor"]),
        (&json!("org.limits_changed"), &json!("operator"))
    );
}

#[tokio::test]
async fn the_gateway_is_told_the_limit_with_the_key() {
    let app = TestApp::with(&[("RATE_LIMIT", "50;burst=100")]).await;
    let (_, secret) = app.org("acme").await.mint().await;
    let gateway = app.operations().with("taih-tenant-key", &secret);
    for _ in 0..200 {
        // A question is no request of the org's.
        let reply = gateway.get("/internal/auth/verify").await.expect(200);
        assert_eq!(told(&reply), (Some("\"org\";q=100;w=2"), None));
    }
}
