//! `PUT /api/v1/key/{UniqueId}/set-expiration`.

use chrono::TimeDelta;
use serde_json::json;

use super::{path, pgp, register, rsa, set_expiration};
use crate::support::TestApp;

#[tokio::test]
async fn a_live_keys_end_moves_both_ways() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    for key in [rsa(&acme, "rsa2048.spki.pem"), pgp(&acme, "pgp-rsa.asc")] {
        let id = register(&acme, key).await;
        for (sent, shown) in [
            ("2027-01-01T01:00:00+01:00", "2027-01-01T00:00:00.000Z"),
            ("2029-11-21T08:00:00Z", "2029-11-21T08:00:00.000Z"),
        ] {
            let moved = json!({"UniqueId": id, "ExpirationUtc": shown});
            set_expiration(&acme, &id, sent).await.expect_json(200, &moved);
            assert_eq!(acme.get(&path(&id)).await.expect(200).json()["ExpirationUtc"], shown);
        }
    }
}

#[tokio::test]
async fn an_expired_key_never_comes_back() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let id = register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;
    set_expiration(&acme, &id, "2026-11-21T09:00:00Z").await.expect(200);

    app.clock.advance(TimeDelta::hours(1));

    let late = set_expiration(&acme, &id, "2028-01-01T00:00:00Z").await.expect(400);
    assert_eq!(late.code(), "key_not_live");
}

#[tokio::test]
async fn the_same_rules_hold_for_a_new_end() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let id = register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;
    for (end, reason) in [
        ("2026-11-21T08:00:00Z", "must be in the future"),
        ("2029-11-22T08:00:00Z", "must be at most 3 years ahead"),
    ] {
        let refused = set_expiration(&acme, &id, end).await;
        refused.expect_json(400, &super::not_valid(json!({"ExpirationUtc": reason})));
    }
}

#[tokio::test]
async fn a_certificate_that_is_no_longer_acceptable_is_not_extended() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let id = register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;
    // As if it had been registered before the screening knew this defect.
    let mut database = app.database.connect().await;
    sqlx::query("UPDATE public_keys SET public_key = $1")
        .bind(super::fixture("weak-roca.pem"))
        .execute(&mut database)
        .await
        .expect("the row is there");

    let refused = set_expiration(&acme, &id, "2029-01-01T00:00:00Z").await.expect(400);
    assert_eq!(refused.code(), "weak_key");
    set_expiration(&acme, &id, "2027-01-01T00:00:00Z").await.expect(200);
}
