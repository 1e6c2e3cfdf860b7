//! Nobody makes, changes or ends what may do more than they may.

use serde_json::json;
use tokio::task::JoinSet;

use super::{KEYS, holder, lacks, path, rights};
use crate::signatures::{ALICE, Request, register, registration};
use crate::support::{TestApp, envelope};

const MANAGER: &[&str] = &["users:read", "tenant_keys:read", "tenant_keys:write"];

#[tokio::test]
async fn a_key_mints_keys_within_its_own_scopes() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let manager = holder(&app, &acme, MANAGER).await.caller;
    let mint = async |scopes: &[&str]| manager.post(KEYS, json!({"name": "x", "scopes": scopes})).await;
    mint(&["users:read"]).await.expect(201);
    mint(MANAGER).await.expect(201);
    lacks(&mint(&["users:read", "users:write", "org:read"]).await, &["users:write", "org:read"]);
    // Without scopes it would be everything.
    lacks(&manager.post(KEYS, json!({"name": "x"})).await, &["*"]);
    let watched = json!({"name": "x", "scopes": ["users:read"], "scope_policy": "report"});
    lacks(&manager.post(KEYS, watched).await, &["*"]);
}

#[tokio::test]
async fn a_key_changes_and_ends_keys_within_its_own_scopes() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let manager = holder(&app, &acme, MANAGER).await.caller;
    let (within, beyond) =
        (holder(&app, &acme, &["users:read"]).await, holder(&app, &acme, &["org:write"]).await);
    let (all, _) = acme.mint().await;
    manager.patch(&path(&within.id), json!({"name": "renamed"})).await.expect(200);
    manager.patch(&path(&within.id), json!({"scopes": ["tenant_keys:read"]})).await.expect(200);
    lacks(&manager.patch(&path(&within.id), json!({"scopes": ["audit:read"]})).await, &["audit:read"]);
    lacks(&manager.patch(&path(&within.id), json!({"scope_policy": "report"})).await, &["*"]);
    for (id, missing) in [(&beyond.id, "org:write"), (&all, "*")] {
        lacks(&manager.patch(&path(id), json!({"name": "renamed"})).await, &[missing]);
        lacks(&manager.patch(&path(id), json!({"scopes": ["users:read"]})).await, &[missing]);
        lacks(&manager.delete(&path(id)).await, &[missing]);
    }
    manager.delete(&path(&within.id)).await.expect(204);
    beyond.caller.patch("/v1/admin/org", json!({"name": "Acme"})).await.expect(200);
}

#[tokio::test]
async fn a_key_that_is_only_watched_may_do_everything_and_is_changed_by_who_may() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let manager = holder(&app, &acme, MANAGER).await.caller;
    let watched = json!({"name": "x", "scopes": ["users:read"], "scope_policy": "report"});
    let (id, secret) = acme.mint_with(watched).await;
    lacks(&manager.patch(&path(&id), json!({"scope_policy": "enforce"})).await, &["*"]);
    lacks(&manager.delete(&path(&id)).await, &["*"]);
    // It holds itself to its scopes, and cannot undo that.
    let own = app.holder(&secret);
    own.patch(&path(&id), json!({"scope_policy": "enforce"})).await.expect(200);
    lacks(&own.patch(&path(&id), json!({"scope_policy": "report"})).await, &["tenant_keys:write"]);
}

#[tokio::test]
async fn a_key_narrows_itself_and_does_not_widen_itself() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let manager = holder(&app, &acme, MANAGER).await;
    let change =
        async |scopes: &[&str]| manager.caller.patch(&path(&manager.id), json!({"scopes": scopes})).await;
    lacks(&change(&["users:read", "tenant_keys:write", "users:write"]).await, &["users:write"]);
    change(&["tenant_keys:write"]).await.expect(200);
    lacks(&change(MANAGER).await, &["users:read", "tenant_keys:read"]);
    assert_eq!(rights(&acme, &manager.id).await.0, json!(["tenant_keys:write"]));
}

#[tokio::test]
async fn of_a_key_that_there_is_not_nobody_hears_more_than_that() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let manager = holder(&app, &acme, MANAGER).await.caller;
    let (theirs, _) = zeta.mint().await;
    let not_found = envelope("not_found", "There is no such resource.");
    for id in [theirs.as_str(), "0192f0c1-2345-7abc-8def-0123456789ab"] {
        manager.patch(&path(id), json!({"name": "mine"})).await.expect_json(404, &not_found);
        manager.delete(&path(id)).await.expect_json(404, &not_found);
        manager.bodyless("POST", &format!("{}/confirm", path(id))).await.expect_json(404, &not_found);
    }
    let reader = holder(&app, &acme, &["users:read"]).await.caller;
    lacks(&reader.delete(&path(&theirs)).await, &["tenant_keys:write"]);
}

#[tokio::test]
async fn the_org_itself_and_its_signatures_may_do_everything() {
    let app = TestApp::with(&[("PUBLIC_URL", crate::signatures::URL)]).await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let signed = Request::new("POST", KEYS, &ALICE, &keyid).with_body(json!({"name": "by signature"}));
    signed.send(&app.anyone()).await.expect(201);
    acme.post(KEYS, json!({"name": "by org"})).await.expect(201);
}

#[tokio::test]
async fn a_signature_beside_a_narrow_key_does_not_widen_it() {
    let app = TestApp::with(&[("PUBLIC_URL", crate::signatures::URL)]).await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let reader = holder(&app, &acme, &["users:read"]).await.caller;
    let signed = Request::new("POST", KEYS, &ALICE, &keyid).with_body(json!({"name": "x"}));
    lacks(&signed.send(&reader).await, &["tenant_keys:write"]);
}

#[tokio::test]
async fn whoever_may_not_do_everything_registers_moves_and_ends_no_key_that_signs() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let narrow = holder(&app, &acme, &["public_keys:read", "public_keys:write"]).await.caller;
    let refused =
        narrow.post("/api/v1/key", registration(&acme, &ALICE, "Authentication")).await.expect(403).json();
    assert_eq!(refused["Error"]["ExtraData"], json!({"scope": "*"}));
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let key = format!("/api/v1/key/{keyid}");
    let later = json!({"ExpirationUtc": "2027-11-21T08:00:00.000Z"});
    narrow.json("PUT", &format!("{key}/set-expiration"), later.clone()).await.expect(403);
    narrow.delete(&key).await.expect(403);
    narrow.get(&key).await.expect(200);
    acme.json("PUT", &format!("{key}/set-expiration"), later).await.expect(200);
    acme.delete(&key).await.expect(204);
    narrow.post("/api/v1/key", registration(&acme, &ALICE, "Reports")).await.expect(200);
}

#[tokio::test]
async fn narrowing_beside_minting_leaves_no_key_that_may_do_more() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let manager = holder(&app, &acme, &["tenant_keys:write", "users:read", "users:write"]).await;
    let mut tasks = JoinSet::new();
    for number in 0..8 {
        let (caller, id) = (manager.caller.clone(), manager.id.clone());
        let org = acme.without("x-request-id").with("x-request-id", "test");
        tasks.spawn(async move {
            if number == 4 {
                org.patch(&path(&id), json!({"scopes": ["tenant_keys:write", "users:read"]})).await.status
            } else {
                caller.post(KEYS, json!({"name": "x", "scopes": ["users:write"]})).await.status
            }
        });
    }
    let statuses = tasks.join_all().await;
    assert!(statuses.iter().all(|status| [200, 201, 403].contains(status)), "{statuses:?}");
    // Whatever was made before is there; after it nothing is.
    lacks(
        &manager.caller.post(KEYS, json!({"name": "x", "scopes": ["users:write"]})).await,
        &["users:write"],
    );
}
