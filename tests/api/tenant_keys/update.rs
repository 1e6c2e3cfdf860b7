//! `PATCH /v1/admin/org/tenant-keys/{key_id}`.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{holder, holder_until, path, rotated, works};
use crate::support::{TestApp, envelope, invalid};

#[tokio::test]
async fn a_name_and_an_end_are_changed_one_without_the_other() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let key = holder(&app, &acme).await;
    let change =
        async |body: Value| acme.patch(&path(&key.id), body).await.expect(200).json()["data"].clone();
    let named = change(json!({"name": "payments"})).await;
    assert_eq!((&named["name"], &named["expires_at"]), (&json!("payments"), &Value::Null));
    let ending = change(json!({"expires_at": "2026-11-21T10:00:00+01:00"})).await;
    assert_eq!(
        (&ending["name"], &ending["expires_at"]),
        (&json!("payments"), &json!("2026-11-21T09:00:00Z"))
    );
    assert_eq!(change(json!({})).await, ending);
    assert_eq!(change(json!({"expires_at": null})).await["expires_at"], Value::Null);
    app.clock.advance(TimeDelta::days(1));
    assert!(works(&key).await);
}

#[tokio::test]
async fn an_end_lies_in_the_future() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let key = holder(&app, &acme).await;
    for past in ["2026-11-21T08:00:00Z", "2020-01-01T00:00:00Z"] {
        acme.patch(&path(&key.id), json!({"expires_at": past})).await.expect(422);
    }
    acme.patch(&path(&key.id), json!({"expires_at": "2026-11-21T08:00:00.001Z"})).await.expect(200);
}

#[tokio::test]
async fn a_running_grace_window_is_shortened_and_extended_within_seven_days_of_the_rotation() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let old = holder(&app, &acme).await;
    rotated(&app, &old, 3600).await;
    app.clock.advance(TimeDelta::minutes(30));
    let change = async |end: Value| acme.patch(&path(&old.id), json!({"expires_at": end})).await;

    let refusal = invalid(
        &["body", "expires_at"],
        "value_error",
        "a rotated key must end within seven days of its rotation",
    );
    for bad in [json!("2026-11-28T08:00:00.000001Z"), Value::Null] {
        change(bad).await.expect_json(422, &refusal);
    }
    change(json!("2026-11-28T08:00:00Z")).await.expect(200);
    app.clock.advance(TimeDelta::days(6));
    assert!(works(&old).await);
    change(json!("2026-11-27T08:31:00Z")).await.expect(200);
    app.clock.advance(TimeDelta::minutes(1));
    assert!(!works(&old).await);
    assert_eq!(change(json!("2026-11-27T09:00:00Z")).await.expect(409).code(), "key_not_live");
}

#[tokio::test]
async fn a_new_end_is_noticed_at_once_where_keys_are_remembered() {
    let mut app = TestApp::new().await;
    app.listen().await;
    let acme = app.org("acme").await;
    let key = holder_until(&app, &acme, "2026-11-22T08:00:00Z").await;
    assert!(works(&key).await);
    acme.patch(&path(&key.id), json!({"expires_at": "2026-11-21T08:00:01Z"})).await.expect(200);
    app.clock.advance(TimeDelta::seconds(1));
    let refused = async || (!works(&key).await).then_some(());
    crate::support::within(std::time::Duration::from_secs(1), "the key is refused", refused).await;
}

#[tokio::test]
async fn another_orgs_key_cannot_be_changed() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let theirs = holder(&app, &zeta).await;
    let not_found = envelope("not_found", "There is no such resource.");
    for id in [theirs.id.as_str(), "0192f0c1-2345-7abc-8def-0123456789ab"] {
        acme.patch(&path(id), json!({"name": "mine"})).await.expect_json(404, &not_found);
    }
}
