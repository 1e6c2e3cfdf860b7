//! Rotations, revocations and the like, and how much is left to `reseal`.

use chrono::TimeDelta;
use partner_api::background::{expiry, outbox_depth};
use partner_api::clock::rfc3339;
use partner_api::metrics::EventMetrics;
use serde_json::{Value, json};

use super::value;
use crate::support::TestApp;
use crate::support::document::Document;

const CHANGES: &str = "partner_api_credential_changes_total";

#[tokio::test]
async fn every_change_of_a_credential_is_counted_once_and_a_refused_one_not() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let keys = "/v1/admin/org/tenant-keys";
    let ends = rfc3339(app.clock.now() + TimeDelta::hours(1));
    let minted = acme.post(keys, json!({"name": "one", "expires_at": ends})).await.expect(201).json();
    let second = acme.post(keys, json!({"name": "two"})).await.expect(201).json();
    acme.post("/v1/auth/tenant-key/rotate", json!({"key_id": second["data"]["id"]})).await.expect(200);
    acme.post("/v1/auth/tenant-key/rotate", json!({"key_id": second["data"]["id"]})).await.expect(409);
    acme.delete(&format!("{keys}/{}", text(&second["data"]["id"]))).await.expect(204);
    acme.post("/v1/auth/signing-secret/rotate", json!({})).await.expect(200);
    app.clock.advance(TimeDelta::hours(2));
    expiry::step(&app.state).await.unwrap();
    assert!(minted["data"]["expires_at"].is_string());

    for (kind, times) in [
        ("tenant_key.created", 2.0),
        ("tenant_key.rotated", 1.0),
        ("tenant_key.revoked", 1.0),
        ("tenant_key.expired", 1.0),
        ("signing_secret.rotated", 1.0),
        ("signing_secret.revoked", 0.0),
        ("public_key.registered", 0.0),
    ] {
        assert_eq!(value(&app, CHANGES, &[("type", kind)]).await, times, "{kind}");
    }
}

/// Changes are told by their routes, so a route that is renamed would be counted no more.
#[test]
fn the_routes_that_count_as_changes_are_in_the_document() {
    let operations = Document::generated().operations();
    for (method, path) in EventMetrics::change_routes() {
        let is_there =
            operations.iter().any(|known| (known.method.as_str(), known.path.as_str()) == (method, path));
        assert!(is_there, "{method} {path}");
    }
}

#[tokio::test]
async fn what_reseal_has_left_is_counted() {
    let app = TestApp::with(&[(
        "MASTER_KEYS",
        "base64:YW5vdGhlciBtYXN0ZXIga2V5LCAzMiBieXRlcyBsbmc=,base64:dGVzdCBtYXN0ZXIga2V5LCAzMiBieXRlcyBsb25nISE=",
    )])
    .await;
    app.org("acme").await.post("/v1/auth/signing-secret/rotate", json!({})).await.expect(200);
    let mut database = app.database.connect().await;
    let old: i64 =
        sqlx::query_scalar("SELECT count(*) FROM service_keys").fetch_one(&mut database).await.unwrap();
    outbox_depth::count_reseal(&app.state).await.unwrap();
    // The service's own keys came with the template; the new secret is under the new key.
    assert!(old > 0);
    assert_eq!(value(&app, "partner_api_reseal_left", &[]).await, old as f64);
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}
