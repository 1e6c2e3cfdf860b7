//! `POST /v1/leaks`: anybody reports, and hears the same whatever the key is.

use chrono::TimeDelta;
use partner_api::background::leaks;
use serde_json::{Value, json};

use super::{LEAKS, holder, reported, shown, told};
use crate::support::{TestApp, invalid};

const NOBODYS: &str = "tk_test_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg2O0zBE";
const TYPO: &str = "tk_test_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg2O0zBF";

#[tokio::test]
async fn every_text_with_the_shape_of_a_key_is_answered_alike() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (live, dead) = (holder(&app, &acme).await, holder(&app, &acme).await);
    acme.delete(&format!("{}/{}", super::KEYS, dead.id)).await.expect(204);
    for key in [&live.key, &live.key, &dead.key, NOBODYS, TYPO, &NOBODYS.replace("tk_test", "other_live")] {
        let reply = app.anyone().post(LEAKS, json!({"key": key})).await;
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        reply.expect_json(202, &json!({"data": {"status": "received"}}));
    }
    assert_eq!(leaks::step(&app.state).await.expect("it looks"), 1);
    assert_eq!(told(&app).await.len(), 1);
}

#[tokio::test]
async fn what_is_no_key_is_refused_and_not_repeated() {
    let app = TestApp::new().await;
    let shape = invalid(&["body", "key"], "value_error", "has not the shape of a key");
    for key in
        ["", "tk_test_short", &NOBODYS[1..5], "Tk_test_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg2O0zBE"]
    {
        app.anyone().post(LEAKS, json!({"key": key})).await.expect_json(422, &shape);
    }
    for (body, kind) in [
        (json!({}), "missing"),
        (json!({"key": NOBODYS, "url": "javascript:alert(1)"}), "value_error"),
        (json!({"key": NOBODYS, "url": "https://example.com/\n"}), "value_error"),
        (json!({"key": NOBODYS, "note": "x".repeat(501)}), "string_too_long"),
        (json!({"key": NOBODYS, "other": 1}), "extra_forbidden"),
    ] {
        let reply = app.anyone().post(LEAKS, body).await.expect(422);
        assert_eq!(reply.json()["detail"][0]["type"], kind);
        assert!(!reply.text().contains("0123456789ABC"), "{}", reply.text());
    }
}

#[tokio::test]
async fn one_network_reports_ten_a_minute() {
    let app = TestApp::new().await;
    for _ in 0..10 {
        app.anyone().post(LEAKS, json!({"key": NOBODYS})).await.expect(202);
    }
    app.clock.advance(TimeDelta::seconds(20));
    let refused = app.anyone().post(LEAKS, json!({"key": NOBODYS})).await.expect(429);
    assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("rate_limited", Some("40")));
    app.clock.advance(TimeDelta::seconds(40));
    app.anyone().post(LEAKS, json!({"key": NOBODYS})).await.expect(202);
}

#[tokio::test]
async fn what_is_said_of_a_key_is_shown_to_its_owner_without_the_key() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let key = holder(&app, &acme).await;
    let body = json!({
        "key": key.key, "url": format!("https://example.com/?q={}", key.key),
        "note": format!("\u{202e}found {} here", key.key),
    });
    app.anyone().post(LEAKS, body).await.expect(202);
    assert_eq!(leaks::step(&app.state).await.expect("it looks"), 1);
    let url = "https://example.com/?q=tk_test_*";
    let leak = json!({"source": "report", "url": url, "note": "?found tk_test_* here", "response": "grace"});
    let seen = shown(&acme, &key.id).await;
    assert_eq!((&seen["leak"], &seen["leaked_at"]), (&leak, &json!("2026-11-21T08:00:00Z")));
    let told = told(&app).await;
    assert_eq!((&told[0]["url"], &told[0]["source"]), (&json!(url), &json!("report")));
    assert_eq!(told[0]["note"], Value::Null);
    let mut database = app.database.connect().await;
    for table in ["tenant_keys", "events", "audit_log", "idempotency_keys"] {
        let sql = format!("SELECT count(*) > 0 FROM {table} t WHERE t::text LIKE '%' || $1 || '%'");
        let found: bool = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .bind(&key.key)
            .fetch_one(&mut database)
            .await
            .expect("it answers");
        assert!(!found, "{table}");
    }
}

#[tokio::test]
async fn a_second_report_changes_nothing() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let key = holder(&app, &acme).await;
    assert_eq!(reported(&app, &key.key).await, 1);
    let before = shown(&acme, &key.id).await;
    app.clock.advance(TimeDelta::hours(1));
    assert_eq!(reported(&app, &key.key).await, 0);
    assert_eq!(shown(&acme, &key.id).await, before);
    assert_eq!((told(&app).await.len(), super::noted(&app, "tenant_key.leaked").await), (1, 1));
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let app = TestApp::with(&[("DISABLED_FEATURES", "leak_reports")]).await;
    for path in [LEAKS, "/v1/leaks/github"] {
        let reply = app.anyone().post(path, json!({"key": NOBODYS})).await.expect(503);
        assert_eq!(reply.header("retry-after"), Some("86400"));
    }
}
