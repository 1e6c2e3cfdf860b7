//! `GET /api/v1/key/list/{OwnerCode}` and `DELETE /api/v1/key/{UniqueId}`.

use chrono::TimeDelta;
use serde_json::json;

use super::{END, KEYS, listed, path, pgp, register, rsa};
use crate::support::TestApp;

#[tokio::test]
async fn live_keys_are_listed_oldest_first_and_dead_ones_on_request() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    acme.get(&format!("{KEYS}/list/acme")).await.expect_json(200, &json!({"Items": [], "Next": null}));
    let mut brief = rsa(&acme, "rsa2048.spki.pem");
    brief["ExpirationUtc"] = json!("2026-11-21T09:00:00Z");
    let (a, b) = (register(&acme, brief).await, register(&acme, rsa(&acme, "rsa3072.spki.pem")).await);
    app.clock.advance(TimeDelta::seconds(1));
    let c = register(&acme, pgp(&acme, "pgp-curve.asc")).await;
    assert_eq!(listed(&acme, "").await, [a.clone(), b.clone(), c.clone()]);

    app.clock.advance(TimeDelta::hours(1));
    acme.delete(&path(&b)).await.expect(204);

    assert_eq!(listed(&acme, "").await, std::slice::from_ref(&c));
    assert_eq!(listed(&acme, "?includeExpired=false").await, std::slice::from_ref(&c));
    assert_eq!(listed(&acme, "?includeExpired=true").await, [a, b, c]);
}

#[tokio::test]
async fn an_entry_of_the_list_is_the_key_as_it_is_shown() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let id = register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;
    let shown = acme.get(&path(&id)).await.expect(200).json();
    acme.get(&format!("{KEYS}/list/acme")).await.expect_json(200, &json!({"Items": [shown], "Next": null}));
}

#[tokio::test]
async fn a_deleted_key_ends_now_stays_and_is_deleted_once() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let id = register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;

    app.clock.advance(TimeDelta::seconds(90));
    acme.delete(&path(&id)).await.expect(204);
    app.clock.advance(TimeDelta::seconds(90));
    acme.delete(&path(&id)).await.expect(204);

    let shown = acme.get(&path(&id)).await.expect(200).json();
    assert_eq!(shown["ExpirationUtc"], "2026-11-21T08:01:30.000Z");
    let late = super::set_expiration(&acme, &id, END).await;
    let message = "This key has expired or was deleted, and does not come back.";
    late.expect_json(400, &super::traced("key_not_live", message, json!({})));
}
