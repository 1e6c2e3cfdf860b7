//! `POST /v1/auth/tenant-key/rotate`: deadlines and lifetimes.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{ROTATE, START, holder, holder_until, rotated, shown, successor, works};
use crate::support::TestApp;

#[tokio::test]
async fn old_and_new_key_work_until_the_deadline_and_then_only_the_new_one() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let old = holder(&app, &acme).await;

    let reply = old.caller.post(ROTATE, json!({"grace_period_seconds": 3600})).await.expect(200);

    let data = reply.json()["data"].clone();
    assert_eq!(data["previous_key_expires_at"], "2026-11-21T09:00:00Z");
    assert_eq!(data["previous_key_id"], old.id.as_str());
    let new = successor(&app, &reply);
    for seconds in [0, 3599] {
        app.clock.advance(TimeDelta::seconds(seconds));
        assert!(works(&old).await && works(&new).await);
    }
    app.clock.advance(TimeDelta::milliseconds(999));
    assert!(works(&old).await);
    app.clock.advance(TimeDelta::milliseconds(1));
    assert!(!works(&old).await && works(&new).await);
}

#[tokio::test]
async fn the_reply_shows_a_key_of_the_published_form_and_nothing_else() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let old = holder(&app, &acme).await;
    let reply = old.caller.post(ROTATE, json!({})).await.expect(200);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let data = reply.json()["data"].clone();
    let fields: Vec<_> = data.as_object().expect("an object").keys().collect();
    assert_eq!(fields, ["key_id", "new_tenant_api_key", "previous_key_expires_at", "previous_key_id"]);
    let key = data["new_tenant_api_key"].as_str().expect("a key");
    let random = key.strip_prefix("tk_test_").expect("the prefix");
    assert_eq!(random.len(), 49);
    assert!(random.bytes().all(|b| b.is_ascii_alphanumeric()));
}

#[tokio::test]
async fn without_a_body_the_grace_window_is_a_day() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let old = holder(&app, &acme).await;
    let data = old.caller.bodyless("POST", ROTATE).await.expect(200).json()["data"].clone();
    assert_eq!(data["previous_key_expires_at"], "2026-11-22T08:00:00Z");
}

#[tokio::test]
async fn no_grace_ends_the_old_key_at_once() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let old = holder(&app, &acme).await;
    let reply = old.caller.post(ROTATE, json!({"grace_period_seconds": 0})).await.expect(200);
    assert_eq!(reply.json()["data"]["previous_key_expires_at"], START);
    assert!(!works(&old).await && works(&successor(&app, &reply)).await);
    assert_eq!(shown(&acme, &old.id).await["revoked_at"], START);
}

#[tokio::test]
async fn no_grace_window_outlasts_the_old_keys_own_end() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let old = holder_until(&app, &acme, "2026-11-21T08:30:00Z").await;
    let reply = old.caller.post(ROTATE, json!({"grace_period_seconds": 3600})).await.expect(200);
    assert_eq!(reply.json()["data"]["previous_key_expires_at"], "2026-11-21T08:30:00Z");
    app.clock.advance(TimeDelta::minutes(30));
    // The successor got the same half an hour.
    assert!(!works(&old).await && !works(&successor(&app, &reply)).await);
}

#[tokio::test]
async fn a_second_rotation_moves_no_earlier_deadline() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let first = holder(&app, &acme).await;
    let second = rotated(&app, &first, 3600).await;
    app.clock.advance(TimeDelta::seconds(10));
    let third = rotated(&app, &second, 60).await;

    assert_eq!(shown(&acme, &first.id).await["expires_at"], "2026-11-21T09:00:00Z");
    app.clock.advance(TimeDelta::seconds(60));
    assert!(works(&first).await && !works(&second).await && works(&third).await);
    app.clock.advance(TimeDelta::seconds(3530));
    assert!(!works(&first).await && works(&third).await);
}

#[tokio::test]
async fn a_key_is_rotated_once_and_its_successor_again() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let first = holder(&app, &acme).await;
    let second = rotated(&app, &first, 3600).await;
    for _ in 0..2 {
        let again = first.caller.post(ROTATE, json!({})).await.expect(409);
        assert_eq!(again.code(), "key_already_rotated");
        let named = acme.post(ROTATE, json!({"key_id": first.id})).await.expect(409);
        assert_eq!(named.code(), "key_already_rotated");
    }
    let third = rotated(&app, &second, 3600).await;
    let chain = [&first, &second, &third].map(|key| key.id.clone());
    assert_eq!(shown(&acme, &chain[0]).await["rotated_to"], chain[1].as_str());
    assert_eq!(shown(&acme, &chain[1]).await["rotated_to"], chain[2].as_str());
    assert_eq!(shown(&acme, &chain[2]).await["rotated_to"], Value::Null);
}

#[tokio::test]
async fn the_successor_keeps_the_name_and_gets_the_old_keys_lifetime() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let forever = holder(&app, &acme).await;
    let monthly = holder_until(&app, &acme, "2026-12-21T08:00:00Z").await;
    app.clock.advance(TimeDelta::days(10));

    let lives = async |reply: crate::support::Reply| {
        let key = shown(&acme, &successor(&app, &reply).id).await;
        assert_eq!(key["name"], "billing");
        key["expires_at"].clone()
    };
    let end = "2026-12-05T00:00:00Z";
    let chosen = monthly.caller.post(ROTATE, json!({"expires_at": end, "grace_period_seconds": 60})).await;
    assert_eq!(lives(chosen.expect(200)).await, end);
    assert_eq!(lives(forever.caller.post(ROTATE, json!({})).await.expect(200)).await, Value::Null);
    let another = holder_until(&app, &acme, "2026-12-31T08:00:00Z").await;
    app.clock.advance(TimeDelta::days(1));
    assert_eq!(lives(another.caller.post(ROTATE, json!({})).await.expect(200)).await, "2027-01-01T08:00:00Z");
}
