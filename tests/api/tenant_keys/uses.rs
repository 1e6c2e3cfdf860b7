//! What becomes of a key: its last use, the tokens it issued, and what came of it after its end.
//! Counted in memory, written together.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{ROTATE, START, holder, holder_until, path, shown};
use crate::support::exposition::Exposition;
use crate::support::process::Program;
use crate::support::{Org, TestApp};

async fn flush(app: &TestApp) {
    app.state.identity.keys.usage.flush(&app.state.db).await;
}

/// A key as an operator sees it.
fn listed(app: &TestApp, org: &Org, id: &str) -> Value {
    let out = Program::on(&app.database).run(&["key", "list", "--org", &org.key, "--json"]).succeeded();
    let keys: Value = serde_json::from_str(&out).expect("one JSON value");
    let keys = keys["keys"].as_array().expect("a list").clone();
    keys.into_iter().find(|key| key["id"] == id).expect("the key is listed")
}

async fn refused(app: &TestApp, reason: &str) -> f64 {
    let scraped = Exposition::parse(&app.operations().get("/metrics").await.expect(200).text());
    scraped.value("partner_api_tenant_keys_refused_total", &[("reason", reason)])
}

#[tokio::test]
async fn last_use_is_the_exact_instant_once_it_was_written() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (used, named) = (holder(&app, &acme).await, holder(&app, &acme).await);
    let idle = holder(&app, &acme).await;
    let last_used = async |id: &str| shown(&acme, id).await["last_used_at"].clone();
    app.clock.advance(TimeDelta::microseconds(119_000_001));
    used.caller.get("/v1/features").await.expect(200);
    acme.with("x-tenant-key-id", &named.id).get("/v1/features").await.expect(200);
    assert_eq!(last_used(&used.id).await, Value::Null, "it is not written on the request's path");
    flush(&app).await;
    assert_eq!(last_used(&used.id).await, "2026-11-21T08:01:59.000001Z");
    assert_eq!(last_used(&named.id).await, "2026-11-21T08:01:59.000001Z");
    assert_eq!(last_used(&idle.id).await, Value::Null);

    // Several uses between two writings: the last one counts, also within one minute.
    for _ in 0..3 {
        app.clock.advance(TimeDelta::microseconds(1));
        used.caller.get("/v1/features").await.expect(200);
    }
    flush(&app).await;
    assert_eq!(last_used(&used.id).await, "2026-11-21T08:01:59.000004Z");
    assert_eq!(last_used(&named.id).await, "2026-11-21T08:01:59.000001Z");
}

#[tokio::test]
async fn last_use_is_exact_from_memory_as_well() {
    let mut app = TestApp::new().await;
    app.listen().await;
    let acme = app.org("acme").await;
    let key = holder(&app, &acme).await;
    for _ in 0..5 {
        app.clock.advance(TimeDelta::milliseconds(1_500));
        key.caller.get("/v1/features").await.expect(200);
        acme.with("x-tenant-key-id", &key.id).get("/v1/features").await.expect(200);
    }
    flush(&app).await;
    assert_eq!(shown(&acme, &key.id).await["last_used_at"], "2026-11-21T08:00:07.500Z");
}

#[tokio::test]
async fn an_older_use_that_is_written_later_moves_nothing_back() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let key = holder(&app, &acme).await;
    key.caller.get("/v1/features").await.expect(200);
    // Another replica wrote first.
    sqlx::query("UPDATE tenant_keys SET last_used_at = $1")
        .bind(app.clock.now() + TimeDelta::seconds(9))
        .execute(&mut app.database.connect().await)
        .await
        .expect("a row");
    flush(&app).await;
    assert_eq!(shown(&acme, &key.id).await["last_used_at"], "2026-11-21T08:00:09Z");
}

#[tokio::test]
async fn uses_survive_a_graceful_stop() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let key = holder(&app, &acme).await;
    let serving = app.serve().await;
    app.clock.advance(TimeDelta::microseconds(1_234_567));
    key.caller.get("/v1/features").await.expect(200);
    serving.stop().await;
    let written: Option<DateTime<Utc>> =
        sqlx::query_scalar("SELECT last_used_at FROM tenant_keys WHERE id::text = $1")
            .bind(&key.id)
            .fetch_one(&mut app.database.connect().await)
            .await
            .expect("the key is there");
    let start: DateTime<Utc> = START.parse().expect("an instant");
    assert_eq!(written, Some(start + TimeDelta::microseconds(1_234_567)));
}

#[tokio::test]
async fn tokens_are_counted_under_the_key_that_issued_them() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (key, other) = (holder(&app, &acme).await, holder(&app, &acme).await);
    let user = json!({"user_id": uuid::Uuid::new_v4()});
    acme.post("/v1/users", user.clone()).await.expect(201);
    for caller in [&key.caller, &acme.with("x-tenant-key-id", &key.id), &key.caller, &acme] {
        caller.post("/v1/auth/token", user.clone()).await.expect(200);
    }
    key.caller.post("/v1/auth/token", json!({"user_id": uuid::Uuid::new_v4()})).await.expect(404);
    for _ in 0..2 {
        flush(&app).await;
        assert_eq!(listed(&app, &acme, &key.id)["tokens_issued"], 3);
        assert_eq!(listed(&app, &acme, &other.id)["tokens_issued"], 0);
    }
    let scraped = Exposition::parse(&app.operations().get("/metrics").await.expect(200).text());
    assert_eq!(scraped.value("partner_api_member_tokens_issued_total", &[]), 4.0);
}

#[tokio::test]
async fn a_dead_keys_use_is_counted_and_answered_as_any_other() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let revoked = holder(&app, &acme).await;
    let expired = holder_until(&app, &acme, "2026-11-21T08:10:00Z").await;
    let rotated = holder(&app, &acme).await;
    rotated.caller.post(ROTATE, json!({"grace_period_seconds": 0})).await.expect(200);
    acme.delete(&path(&revoked.id)).await.expect(204);
    app.clock.advance(TimeDelta::microseconds(600_000_001));

    let unknown = app.holder("tk_test_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg2O0zBE");
    let answer = unknown.get("/v1/features").await.expect(401);
    for (dead, times) in [(&revoked, 3), (&expired, 2), (&rotated, 1)] {
        for _ in 0..times {
            let refused = dead.caller.get("/v1/features").await.expect(401);
            assert_eq!((&refused.headers, &refused.body), (&answer.headers, &answer.body));
        }
        let by_gateway = acme.with("x-tenant-key-id", &dead.id).get("/v1/features").await.expect(401);
        assert_eq!((&by_gateway.headers, &by_gateway.body), (&answer.headers, &answer.body));
    }
    assert_eq!(refused(&app, "revoked").await, 6.0);
    assert_eq!(refused(&app, "expired").await, 3.0);
    assert_eq!(refused(&app, "unknown").await, 1.0);

    assert_eq!(listed(&app, &acme, &revoked.id)["dead_uses"], 0, "it is not written on the request's path");
    flush(&app).await;
    flush(&app).await;
    for (dead, times) in [(&revoked, 4), (&expired, 3), (&rotated, 2)] {
        let listed = listed(&app, &acme, &dead.id);
        let told = (&listed["dead_uses"], &listed["dead_used_at"]);
        assert_eq!(told, (&json!(times), &json!("2026-11-21T08:10:00.000001Z")));
    }
    assert_eq!(shown(&acme, &revoked.id).await["last_used_at"], Value::Null, "it opened nothing");
    let text = Program::on(&app.database).run(&["key", "list", "--org", "acme"]).succeeded();
    assert!(text.contains("sent 4 times after its end, last 2026-11-21T08:10:00.000001Z"), "{text}");
}

#[tokio::test]
async fn the_gateways_question_counts_dead_keys_too() {
    let mut app = TestApp::new().await;
    app.listen().await;
    let acme = app.org("acme").await;
    let (id, secret) = acme.mint().await;
    let gateway = app.operations().with("taih-tenant-key", &secret);
    gateway.get("/internal/auth/verify").await.expect(200);
    acme.delete(&path(&id)).await.expect(204);
    let refused = async || (gateway.get("/internal/auth/verify").await.status == 401).then_some(());
    crate::support::within(std::time::Duration::from_secs(1), "it is refused", refused).await;
    for _ in 0..9 {
        gateway.get("/internal/auth/verify").await.expect(401);
    }
    flush(&app).await;
    assert_eq!(listed(&app, &acme, &id)["dead_uses"], 10);
}
