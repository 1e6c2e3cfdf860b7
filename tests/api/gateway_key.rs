//! `X-Tenant-Key-Id`: the gateway says which key it had checked, and the service does not take its
//! word for it (contract 0): one UUID, of a live key, of the very org.

use chrono::TimeDelta;
use serde_json::json;

use crate::support::{Caller, TestApp, envelope};

const FEATURES: &str = "/v1/features";
const SOMEONE: &str = "5f0c9a54-0d5b-4a35-9d8e-6f6f1b2c3d4e";

#[tokio::test]
async fn it_is_one_uuid_of_a_live_key_or_nobody_is_served() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (id, _) = acme.mint().await;
    for good in [id.clone(), id.to_uppercase()] {
        acme.with("x-tenant-key-id", good).get(FEATURES).await.expect(200);
    }
    let twice = format!("{id},{id}");
    let (braced, simple) = (format!("{{{id}}}"), id.replace('-', ""));
    for bad in ["", " ", "acme", "null", SOMEONE, &twice, &braced, &simple, &id[1..], "\u{fc}"] {
        refused(&acme.with("x-tenant-key-id", bad)).await;
        // Whichever of two is the good one.
        refused(&acme.with("x-tenant-key-id", bad).with("x-tenant-key-id", &id)).await;
        refused(&acme.with("x-tenant-key-id", &id).with("x-tenant-key-id", bad)).await;
    }
    refused(&acme.with("x-tenant-key-id", &id).with("x-tenant-key-id", &id)).await;
    refused(&acme.with("X-TENANT-KEY-ID", SOMEONE)).await;
}

#[tokio::test]
async fn another_orgs_key_is_nobodys_whether_or_not_it_is_remembered() {
    let mut app = TestApp::new().await;
    app.listen().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let (id, secret) = zeta.mint().await;
    refused(&acme.with("x-tenant-key-id", &id)).await;
    // Now memory knows the key.
    app.holder(&secret).get(FEATURES).await.expect(200);
    refused(&acme.with("x-tenant-key-id", &id)).await;
    let (own, _) = zeta.mint().await;
    zeta.with("x-tenant-key-id", &own).get(FEATURES).await.expect(200);
    refused(&acme.with("x-tenant-key-id", &own)).await;
    zeta.with("x-tenant-key-id", &own).get(FEATURES).await.expect(200);
}

#[tokio::test]
async fn a_key_that_has_ended_is_nobodys() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (revoked, _) = acme.mint().await;
    let (ending, _) = acme.mint_with(json!({"name": "short", "expires_at": "2026-11-21T09:00:00Z"})).await;
    for id in [&revoked, &ending] {
        acme.with("x-tenant-key-id", id).get(FEATURES).await.expect(200);
    }
    acme.delete(&format!("/v1/admin/org/tenant-keys/{revoked}")).await.expect(204);
    refused(&acme.with("x-tenant-key-id", &revoked)).await;
    app.clock.advance(TimeDelta::milliseconds(3_599_999));
    acme.with("x-tenant-key-id", &ending).get(FEATURES).await.expect(200);
    app.clock.advance(TimeDelta::milliseconds(1));
    refused(&acme.with("x-tenant-key-id", &ending)).await;
}

#[tokio::test]
async fn beside_a_tenant_key_it_means_nothing() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let ((_, secret), (foreign, _)) = (acme.mint().await, zeta.mint().await);
    for ignored in ["", "nonsense", SOMEONE, &foreign] {
        app.holder(&secret).with("x-tenant-key-id", ignored).get(FEATURES).await.expect(200);
    }
}

#[tokio::test]
async fn alone_it_is_no_credential() {
    let app = TestApp::new().await;
    let (id, _) = app.org("acme").await.mint().await;
    let nobody = app.anyone().with("x-tenant-key-id", id).get(FEATURES).await;
    nobody.expect_json(401, &envelope("unauthorized", "Credentials are missing or not valid."));
}

/// The one body of every 401, with its challenge.
async fn refused(caller: &Caller) {
    let reply = caller.get(FEATURES).await;
    assert_eq!(reply.header("www-authenticate"), Some("ApiKey realm=\"partner-api\""));
    reply.expect_json(401, &envelope("unauthorized", "Credentials are missing or not valid."));
}
