//! Who is calling (contract 0, step 4): which credentials are taken, and in which order they are
//! judged.

use serde_json::Value;

use crate::support::{Caller, TestApp, envelope, request};

const SOMEONE: &str = "5f0c9a54-0d5b-4a35-9d8e-6f6f1b2c3d4e";
const CURRENT: &str = "current-0123456789012345678901234567";
const PREVIOUS: &str = "previous-012345678901234567890123456";

#[tokio::test]
async fn whoever_sends_no_credentials_is_told_so_with_a_challenge() {
    let app = TestApp::new().await;
    let reply = app.anyone().get("/v1/users").await;
    assert_eq!(reply.header("www-authenticate"), Some("ApiKey realm=\"partner-api\""));
    reply.expect_json(401, &unauthorized());
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_need_no_credentials() {
    let app = TestApp::new().await;
    let not_found = envelope("not_found", "There is no such resource.");
    app.anyone().get("/v1/nonsense").await.expect_json(404, &not_found);
    app.anyone().get("/v1/users/").await.expect_json(404, &not_found);
    let reply = app.anyone().delete("/v1/users").await.expect(405);
    assert_eq!(reply.header("allow"), Some("POST,GET,HEAD"));
}

#[tokio::test]
async fn a_bearer_token_beside_a_key_or_an_org_id_is_a_conflict() {
    let app = TestApp::with(&[("GATEWAY_SECRETS", CURRENT)]).await;
    let message = "A bearer token cannot be combined with a tenant key or an OrgId.";
    let bearer = app.anyone().with("authorization", "bearer token");
    for caller in [
        bearer.with("orgid", SOMEONE),
        bearer.with("orgid", ""),
        bearer.with("taih-tenant-key", "tk_test_x"),
        bearer.with("taih-tenant-key", "").with("orgid", SOMEONE),
        app.anyone()
            .with("authorization", "Basic eDp5")
            .with("authorization", "Bearer")
            .with("orgid", SOMEONE),
    ] {
        caller.get("/v1/features").await.expect_json(400, &envelope("conflicting_credentials", message));
    }
}

#[tokio::test]
async fn authorization_with_another_scheme_is_ignored() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    for other in ["Basic dXNlcjpwYXNz", "Bearertoken x", "Digest bearer", ""] {
        acme.with("authorization", other).get("/v1/features").await.expect(200);
        app.anyone().with("authorization", other).get("/v1/features").await.expect_json(401, &unauthorized());
    }
}

#[tokio::test]
async fn a_bearer_token_alone_is_not_good_for_a_partners_route() {
    let app = TestApp::new().await;
    app.anyone().with("authorization", "Bearer x").get("/v1/users").await.expect_json(401, &unauthorized());
}

#[tokio::test]
async fn an_org_id_is_one_uuid_in_its_usual_form() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let id = acme.id.to_string();
    acme.without("orgid").with("OrgId", id.to_uppercase()).get("/v1/features").await.expect(200);

    let malformed = envelope("invalid_request", "OrgId must be sent once, as a UUID.");
    for bad in ["", "acme", &id.replace('-', ""), &format!("{{{id}}}"), &format!("{id},{id}"), "\u{fc}"] {
        app.anyone().with("orgid", bad).get("/v1/features").await.expect_json(400, &malformed);
    }
    acme.with("orgid", &id).get("/v1/features").await.expect_json(400, &malformed);
    acme.with("orgid", "").get("/v1/features").await.expect_json(400, &malformed);
}

#[tokio::test]
async fn unknown_and_suspended_orgs_are_told_the_same() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    app.suspend(&acme).await;

    let suspended = acme.get("/v1/features").await;
    let unknown = app.anyone().with("orgid", SOMEONE).get("/v1/features").await;

    let forbidden = envelope("forbidden", "This organisation has no access.");
    assert_eq!(suspended.headers, unknown.headers);
    suspended.expect_json(403, &forbidden);
    unknown.expect_json(403, &forbidden);
    app.resume(&acme).await;
    acme.get("/v1/features").await.expect(200);
}

#[tokio::test]
async fn other_spellings_of_the_org_header_mean_nothing() {
    let app = TestApp::new().await;
    let id = app.org("acme").await.id.to_string();
    for name in ["Org-Id", "Org_Id", "X-Org-Id", "X-OrgId", "OrgID-"] {
        app.anyone().with(name, &id).get("/v1/features").await.expect_json(401, &unauthorized());
    }
    app.anyone().with("ORGID", &id).get("/v1/features").await.expect(200);
}

#[tokio::test]
async fn an_org_id_in_the_query_or_in_the_body_means_nothing() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let path = format!("/v1/features?OrgId={}&orgid={}", acme.id, acme.id);
    app.anyone().get(&path).await.expect_json(401, &unauthorized());
}

#[tokio::test]
async fn with_secrets_configured_an_org_id_needs_one_good_proof() {
    let app = TestApp::with(&[("GATEWAY_SECRETS", &format!("{CURRENT},{PREVIOUS}"))]).await;
    let acme = app.org("acme").await;
    for good in [CURRENT, PREVIOUS] {
        acme.with("x-gateway-auth", good).get("/v1/features").await.expect(200);
    }
    let both = format!("{CURRENT},{PREVIOUS}");
    for bad in ["", "wrong", &CURRENT[1..], &CURRENT.to_uppercase(), &both] {
        acme.with("x-gateway-auth", bad).get("/v1/features").await.expect_json(401, &unauthorized());
    }
    acme.get("/v1/features").await.expect_json(401, &unauthorized());
    let twice = acme.with("x-gateway-auth", CURRENT).with("x-gateway-auth", CURRENT);
    twice.get("/v1/features").await.expect_json(401, &unauthorized());
}

#[tokio::test]
async fn the_proof_is_judged_before_what_it_would_prove() {
    let app = TestApp::with(&[("GATEWAY_SECRETS", CURRENT)]).await;
    let status = async |caller: Caller| caller.get("/v1/features").await.status;
    for org_id in ["", "malformed", SOMEONE] {
        let caller = app.anyone().with("orgid", org_id);
        assert_eq!(status(caller.clone()).await, 401, "{org_id:?}");
        let proven = if org_id == SOMEONE { 403 } else { 400 };
        assert_eq!(status(caller.with("x-gateway-auth", CURRENT)).await, proven, "{org_id:?}");
    }
    assert_eq!(status(app.anyone().with("x-gateway-auth", CURRENT)).await, 401);
}

#[tokio::test]
async fn a_proof_that_nobody_asked_for_is_ignored() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    acme.with("x-gateway-auth", "anything").get("/v1/features").await.expect(200);
}

#[tokio::test]
async fn credentials_are_judged_before_the_body_is_read() {
    let app = TestApp::new().await;
    for (caller, status) in [(app.anyone(), 401), (app.anyone().with("orgid", SOMEONE), 403)] {
        let head = request("POST", "/v1/users").header("content-type", "text/plain");
        caller.send(head, vec![b'x'; 70_000]).await.expect(status);
    }
}

#[tokio::test]
async fn an_org_id_beside_a_tenant_key_must_be_the_keys_own() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let (own, other) = (acme.id.to_string(), zeta.id.to_string());
    let holder = app.holder(&acme.mint().await.1);
    let malformed = envelope("invalid_request", "OrgId must be sent once, as a UUID.");
    holder.with("orgid", &own).get("/v1/features").await.expect(200);
    for foreign in [other.as_str(), SOMEONE] {
        holder.with("orgid", foreign).get("/v1/features").await.expect_json(401, &unauthorized());
    }
    for bad in ["", "acme"] {
        holder.with("orgid", bad).get("/v1/features").await.expect_json(400, &malformed);
    }
    for second in [&own, &other] {
        let twice = holder.with("orgid", &own).with("orgid", second);
        twice.get("/v1/features").await.expect_json(400, &malformed);
    }
    // Of a suspended org no more is told to whoever names another.
    app.suspend(&acme).await;
    holder.with("orgid", &other).get("/v1/features").await.expect_json(401, &unauthorized());
    holder.with("orgid", &own).get("/v1/features").await.expect(403);
}

fn unauthorized() -> Value {
    envelope("unauthorized", "Credentials are missing or not valid.")
}
