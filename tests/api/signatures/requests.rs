//! What a signed request does, and every way in which it does not pass.

use serde_json::json;

use super::{ALICE, MALLORY, NOW, Request, app, pkcs1, refused, register};
use crate::support::request;

#[tokio::test]
async fn a_signature_identifies_the_org_by_itself() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let nobody = app.anyone();
    Request::new("GET", "/v1/users?limit=5", &ALICE, &keyid).send(&nobody).await.expect(200);
    let user = json!({"user_id": "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13"});
    Request::new("POST", "/v1/users", &ALICE, &keyid).with_body(user).send(&nobody).await.expect(201);
    let renamed = json!({"name": "Acme & Sons"});
    Request::new("PATCH", "/v1/admin/org", &ALICE, &keyid).with_body(renamed).send(&nobody).await.expect(200);
    let log = acme.get("/v1/admin/org/audit").await.expect(200).json();
    let last = log["data"].as_array().expect("rows").last().expect("a row").clone();
    assert_eq!(
        (&last["action"], &last["actor"], &last["key_id"]),
        (&json!("org.renamed"), &json!("public_key"), &json!(keyid))
    );
}

#[tokio::test]
async fn each_allowed_algorithm_and_each_way_to_cover_the_target_pass() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let get = |path| Request::new("GET", path, &ALICE, &keyid);
    let pss = Request { parameters: ";alg=\"rsa-pss-sha512\"".into(), ..get("/v1/users") };
    pss.send(&app.anyone()).await.expect(200);
    let v15 = Request { parameters: ";alg=\"rsa-v1_5-sha256\"".into(), padding: pkcs1(), ..get("/v1/users") };
    v15.send(&app.anyone()).await.expect(200);
    let parts = Request { covered: vec!["@method", "@authority", "@path"], ..get("/v1/users") };
    parts.send(&app.anyone()).await.expect(200);
    let query =
        Request { covered: vec!["@method", "@authority", "@path", "@query"], ..get("/v1/users?limit=5") };
    query.send(&app.anyone()).await.expect(200);
    let tagged = Request { parameters: ";tag=\"partner-api\"".into(), ..get("/v1/users") };
    tagged.send(&app.anyone()).await.expect(200);
}

#[tokio::test]
async fn beside_a_credential_of_the_same_org_it_passes_and_of_another_it_does_not() {
    let app = app().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let get = Request::new("GET", "/v1/users", &ALICE, &keyid);
    get.send(&acme).await.expect(200);
    refused(get.send(&zeta).await);
    let (_, own) = acme.mint().await;
    get.send(&app.holder(&own)).await.expect(200);
    let (_, others) = zeta.mint().await;
    refused(get.send(&app.holder(&others)).await);
    refused(get.send(&app.holder("tk_test_nonsense")).await);
    // A good credential does not save a bad signature.
    refused(Request { key: &MALLORY, ..get }.send(&acme).await);
}

#[tokio::test]
async fn beside_a_bearer_token_it_is_a_conflict() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let get = Request::new("GET", "/v1/users", &ALICE, &keyid);
    let reply = get.send(&app.anyone().with("authorization", "Bearer x.y.z")).await.expect(400);
    assert_eq!(reply.code(), "conflicting_credentials");
}

#[tokio::test]
async fn whatever_is_wrong_has_one_body() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let other_usage = register(&acme, &MALLORY, "CredentialsDownload").await;
    let get = || Request::new("GET", "/v1/users", &ALICE, &keyid);
    let wrong = [
        Request { key: &MALLORY, ..get() },
        Request { keyid: "0192f0c1-2345-7abc-8def-0123456789ab".into(), ..get() },
        Request { keyid: "not an id".into(), ..get() },
        Request { key: &MALLORY, keyid: other_usage, ..get() },
        Request { created: NOW - 301, ..get() },
        Request { created: NOW + 301, ..get() },
        Request { parameters: format!(";expires={}", NOW - 1), ..get() },
        Request { covered: vec!["@method"], ..get() },
        Request { covered: vec!["@target-uri"], ..get() },
        Request { covered: vec!["@method", "@authority"], ..get() },
        Request { covered: vec!["@method", "@target-uri", "@method"], ..get() },
        Request { parameters: ";alg=\"rsa-v1_5-sha256\"".into(), ..get() },
        Request { parameters: ";alg=\"hmac-sha256\"".into(), ..get() },
        Request { parameters: ";alg=\"none\"".into(), ..get() },
        Request { nonce: None, ..Request::new("POST", "/v1/users", &ALICE, &keyid) },
        Request { nonce: Some("short".into()), ..Request::new("POST", "/v1/users", &ALICE, &keyid) },
    ];
    for (number, request) in wrong.into_iter().enumerate() {
        let reply = request.send(&app.anyone()).await;
        assert_eq!(reply.status, 401, "number {number} passed");
        refused(reply);
    }
}

#[tokio::test]
async fn what_was_changed_on_the_way_does_not_pass() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let signed = Request::new("POST", "/v1/users", &ALICE, &keyid)
        .with_body(json!({"user_id": "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13"}));
    let caller = signed.by(&app.anyone());
    let other = json!({"user_id": "00000000-9d4a-4c6b-8f1e-2a7d5c9b0e13"}).to_string();
    refused(caller.raw("POST", "/v1/users", other).await);
    refused(caller.raw("POST", "/v1/users", "").await);
    refused(caller.raw("POST", "/v1/users?x=1", signed.body.clone()).await);
    refused(caller.raw("PUT", "/v1/admin/org/queues/users", signed.body.clone()).await);
    // None of these used the nonce up.
    caller.raw("POST", "/v1/users", signed.body.clone()).await.expect(201);
    // A body that no signature covers.
    let bare = Request::new("POST", "/v1/users", &ALICE, &keyid).by(&app.anyone());
    refused(bare.raw("POST", "/v1/users", signed.body.clone()).await);
    for header in ["signature", "signature-input"] {
        refused(signed.by(&app.anyone()).without(header).raw("POST", "/v1/users", signed.body.clone()).await);
    }
}

#[tokio::test]
async fn a_nonce_passes_once_even_of_many_at_the_same_time() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let signed = Request::new("POST", "/v1/users", &ALICE, &keyid)
        .with_body(json!({"user_id": "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13"}));
    let caller = signed.by(&app.anyone());
    let sent: Vec<_> = (0..20)
        .map(|_| {
            let (caller, body) = (caller.clone(), signed.body.clone());
            tokio::spawn(async move { caller.raw("POST", "/v1/users", body).await.status })
        })
        .collect();
    let mut statuses = Vec::new();
    for reply in sent {
        statuses.push(reply.await.expect("an answer"));
    }
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (201, &[401; 19][..]));
    // Another request may have another one, and a GET the same twice.
    let get = Request::new("GET", "/v1/users", &ALICE, &keyid).by(&app.anyone());
    get.get("/v1/users").await.expect(200);
    get.get("/v1/users").await.expect(200);
}

#[tokio::test]
async fn nonces_are_forgotten_once_their_signatures_are_too_old() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let post = Request {
        nonce: Some("0123456789abcdef".into()),
        ..Request::new("POST", "/v1/users", &ALICE, &keyid)
    };
    let post = post.with_body(json!({"user_id": "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13"}));
    post.send(&app.anyone()).await.expect(201);
    let left = async || {
        let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM signature_nonces");
        count.fetch_one(&mut app.database.connect().await).await.expect("a count")
    };
    app.clock.advance(chrono::TimeDelta::seconds(300));
    refused(post.send(&app.anyone()).await);
    partner_api::background::retention::step(&app.state).await.expect("it deletes");
    assert_eq!(left().await, 1, "it could still pass");
    app.clock.advance(chrono::TimeDelta::seconds(2));
    refused(post.send(&app.anyone()).await);
    partner_api::background::retention::step(&app.state).await.expect("it deletes");
    assert_eq!(left().await, 0);
}

#[tokio::test]
async fn a_key_that_ended_signs_nothing_any_more() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let get = Request::new("GET", "/v1/users", &ALICE, &keyid);
    get.send(&app.anyone()).await.expect(200);
    acme.delete(&format!("/api/v1/key/{keyid}")).await.expect(204);
    refused(get.send(&app.anyone()).await);
    refused(get.send(&acme).await);
}

#[tokio::test]
async fn a_suspended_org_is_told_so_and_a_deleted_one_is_nobody() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let get = Request::new("GET", "/v1/users", &ALICE, &keyid);
    app.suspend(&acme).await;
    assert_eq!(get.send(&app.anyone()).await.expect(403).code(), "forbidden");
    app.resume(&acme).await;
    get.send(&app.anyone()).await.expect(200);
    app.delete(&acme).await;
    refused(get.send(&app.anyone()).await);
}

#[tokio::test]
async fn bulk_bodies_are_signed_as_all_others() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let line = "{\"user_id\": \"3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13\"}\n";
    let mut signed = Request::new("POST", "/v1/users/bulk", &ALICE, &keyid);
    signed.body = line.to_owned();
    signed.covered.push("content-digest");
    let caller = signed.by(&app.anyone());
    let send = async |body: String| {
        let head = request("POST", "/v1/users/bulk").header("content-type", "application/x-ndjson");
        caller.send(head, body).await
    };
    refused(send(format!("{line}{line}")).await);
    let reply = send(line.to_owned()).await.expect(200);
    assert!(reply.text().contains("created"), "{}", reply.text());
}
