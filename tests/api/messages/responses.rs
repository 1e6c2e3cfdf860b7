//! Signed responses (contract 12.2).

use std::time::Duration;

use serde_json::json;

use super::{URL, USER, app};
use crate::oauth::Assertion;
use crate::signatures::{self, ALICE};
use crate::support::sealed::{Pair, generate};
use crate::support::{Caller, Org, Reply, TestApp, request, within};

const ASKED: &str = r#"sig1=("@status");tag="partner-api""#;

fn asking(caller: &Caller) -> Caller {
    caller.with("accept-signature", ASKED)
}

fn at(path: &str) -> String {
    format!("{URL}{path}")
}

#[track_caller]
fn unsigned(reply: &Reply) {
    for name in ["signature", "signature-input", "content-digest"] {
        assert_eq!(reply.header(name), None);
    }
}

#[tokio::test]
async fn whoever_asks_for_a_signature_gets_one_under_every_status() {
    let app = app().await;
    let acme = app.org("acme").await;
    let pair = generate(&acme, "ResponseSignature").await;
    let partner = asking(&acme);
    let whole = r#""@status" "content-digest" "@method";req "@target-uri";req"#;
    let made = partner.post("/v1/users", json!({"user_id": USER})).await.expect(201);
    assert_eq!(pair.signed(&made, "POST", &at("/v1/users"), None), whole);
    for (method, path, body, status) in [
        ("GET", format!("/v1/users/{USER}?"), None, 200),
        ("GET", "/v1/users/00000000-0000-4000-8000-000000000000".to_owned(), None, 404),
        ("POST", "/v1/users".to_owned(), Some(json!({"user_id": USER})), 409),
        ("POST", "/v1/users".to_owned(), Some(json!({"user_id": 1})), 422),
        ("GET", "/v1/admin/org/members".to_owned(), None, 503),
        ("GET", "/api/v1/key/nothing".to_owned(), None, 404),
        ("GET", "/v1/no/such/route?a=%2F".to_owned(), None, 404),
        ("PUT", "/v1/users".to_owned(), None, 405),
    ] {
        let reply = match body {
            Some(body) => partner.json(method, &path, body).await,
            None => partner.bodyless(method, &path).await,
        };
        assert_eq!(pair.signed(&reply.expect(status), method, &at(&path), None), whole, "{method} {path}");
    }
    let gone = partner.delete(&format!("/v1/users/{USER}")).await.expect(204);
    let covered = pair.signed(&gone, "DELETE", &at(&format!("/v1/users/{USER}")), None);
    assert_eq!(covered, r#""@status" "@method";req "@target-uri";req"#);
    unsigned(&acme.get("/v1/users").await.expect(200));
}

#[tokio::test]
async fn the_answer_to_a_signed_request_covers_its_signature() {
    let app = app().await;
    let acme = app.org("acme").await;
    let pair = generate(&acme, "ResponseSignature").await;
    let keyid = signatures::register(&acme, &ALICE, "Authentication").await;
    let (signer, signature) = signing(&app.anyone(), &keyid);
    let reply = asking(&signer).get("/v1/users").await.expect(200);
    let covered = pair.signed(&reply, "GET", &at("/v1/users"), Some(&signature));
    assert!(covered.ends_with(r#""signature";req;key="sig1""#), "{covered}");
}

/// A caller who signs `GET /v1/users`, and the signature.
fn signing(caller: &Caller, keyid: &str) -> (Caller, String) {
    let headers = signatures::Request::new("GET", "/v1/users", &ALICE, keyid).headers();
    let signer = headers.iter().fold(caller.clone(), |caller, (name, value)| caller.with(name, value));
    let signature = headers.iter().find(|(name, _)| *name == "signature").expect("it is signed").1.clone();
    (signer, signature.strip_prefix("sig1=").expect("its label").to_owned())
}

#[tokio::test]
async fn a_head_is_signed_over_the_content_that_it_does_not_have() {
    let app = app().await;
    let acme = app.org("acme").await;
    let pair = generate(&acme, "ResponseSignature").await;
    let reply = asking(&acme).bodyless("HEAD", "/v1/users").await.expect(200);
    assert!(reply.body.is_empty());
    pair.signed(&reply, "HEAD", &at("/v1/users"), None);
}

#[tokio::test]
async fn without_a_pair_nothing_is_changed_where_a_signature_is_asked_for() {
    let app = app().await;
    let acme = app.org("acme").await;
    // A pair for another use is none.
    generate(&acme, "MessageLevelEncryption").await;
    let refused = asking(&acme).post("/v1/users", json!({"user_id": USER})).await.expect(409);
    assert_eq!(refused.code(), "no_response_key");
    unsigned(&refused);
    acme.get(&format!("/v1/users/{USER}")).await.expect(404);
    let refused = asking(&acme).get("/api/v1/key/list/acme").await.expect(409);
    assert_eq!(refused.json()["Error"]["Code"], "no_response_key");
    // What asks for another's signature, or for nothing that can be read, asks for none of ours.
    for other in [r#"sig1=("@status");tag="other""#, "sig1=("] {
        unsigned(&acme.with("accept-signature", other).get("/v1/users").await.expect(200));
    }
}

#[tokio::test]
async fn the_pair_generated_last_signs_until_it_ends() {
    let app = app().await;
    let acme = app.org("acme").await;
    let first = generate(&acme, "ResponseSignature").await;
    app.clock.advance(chrono::TimeDelta::seconds(1));
    let last = generate(&acme, "ResponseSignature").await;
    let signs = async |pair: &Pair| {
        let reply = asking(&acme).get("/v1/users").await.expect(200);
        pair.signed(&reply, "GET", &at("/v1/users"), None);
    };
    signs(&last).await;
    acme.delete(&format!("/api/v1/key/{}", last.unique_id)).await.expect(204);
    signs(&first).await;
    app.clock.advance(chrono::TimeDelta::days(3 * 365));
    assert_eq!(asking(&acme).get("/v1/users").await.expect(409).code(), "no_response_key");
}

async fn set(org: &Org, on: bool) -> Reply {
    org.patch("/v1/admin/org", json!({"sign_responses": on})).await
}

#[tokio::test]
async fn an_org_can_have_all_its_responses_signed() {
    let app = app().await;
    let acme = app.org("acme").await;
    assert_eq!(set(&acme, true).await.expect(409).code(), "no_response_key");
    assert_eq!(acme.get("/v1/admin/org").await.json()["data"]["sign_responses"], false);
    let pair = generate(&acme, "ResponseSignature").await;
    let reply = set(&acme, true).await.expect(200);
    assert_eq!(reply.json()["data"]["sign_responses"], true);
    pair.signed(&acme.get("/v1/users").await.expect(200), "GET", &at("/v1/users"), None);
    let refused = acme.post("/v1/users", json!({})).await.expect(422);
    pair.signed(&refused, "POST", &at("/v1/users"), None);
    // Also to those who come with a registered key alone.
    let keyid = signatures::register(&acme, &ALICE, "Authentication").await;
    let (signer, signature) = signing(&app.anyone(), &keyid);
    pair.signed(&signer.get("/v1/users").await.expect(200), "GET", &at("/v1/users"), Some(&signature));
    let bearer = Assertion::new(&ALICE, &keyid).bearer(&app).await;
    pair.signed(&bearer.get("/v1/users").await.expect(200), "GET", &at("/v1/users"), None);
    // Nobody else's are.
    unsigned(&app.anyone().get("/v1/users").await.expect(401));
    unsigned(&app.org("zeta").await.get("/v1/users").await.expect(200));
    // Its keys stay within its reach when the last pair has ended.
    acme.delete(&format!("/api/v1/key/{}", pair.unique_id)).await.expect(204);
    unsigned(&acme.get("/v1/users").await.expect(200));
    let next = generate(&acme, "ResponseSignature").await;
    next.signed(&acme.get("/v1/users").await.expect(200), "GET", &at("/v1/users"), None);
    set(&acme, false).await.expect(200);
    unsigned(&acme.get("/v1/users").await.expect(200));
    let log = acme.get("/v1/admin/org/audit").await.expect(200).text();
    assert_eq!(log.matches("org.sign_responses_changed").count(), 2, "{log}");
}

#[tokio::test]
async fn changes_of_an_org_are_made_together_or_not_at_all() {
    let app = app().await;
    let acme = app.org("acme").await;
    let both = json!({"name": "Other", "sign_responses": true});
    assert_eq!(acme.patch("/v1/admin/org", both).await.expect(409).code(), "no_response_key");
    assert_eq!(acme.get("/v1/admin/org").await.json()["data"]["name"], "acme");
}

#[tokio::test]
async fn a_pair_that_another_replica_ended_signs_nothing_a_second_later() {
    let mut app = app().await;
    app.listen().await;
    app.trusted().await;
    let acme = app.org("acme").await;
    let pair = generate(&acme, "ResponseSignature").await;
    let reply = asking(&acme).get("/v1/users").await.expect(200);
    pair.signed(&reply, "GET", &at("/v1/users"), None);
    let mut database = app.database.connect().await;
    let ended = "WITH ended AS (UPDATE public_keys SET deleted_at = created_at RETURNING org_id)
                 INSERT INTO announcements (news) SELECT 'org ' || org_id FROM ended";
    sqlx::query(ended).execute(&mut database).await.expect("it ends");
    within(Duration::from_secs(1), "it has heard of the end", async || {
        (asking(&acme).get("/v1/users").await.status == 409).then_some(())
    })
    .await;
}

#[tokio::test]
async fn switched_off_it_says_so_to_who_asks_and_serves_the_rest() {
    let variables = [("PUBLIC_URL", URL), ("DISABLED_FEATURES", "response_signatures")];
    let app = TestApp::with(&variables).await;
    let acme = app.org("acme").await;
    generate(&acme, "ResponseSignature").await;
    let reply = asking(&acme).get("/v1/users").await.expect(503);
    assert_eq!(
        (reply.code(), reply.header("retry-after")),
        ("service_unavailable".to_owned(), Some("86400"))
    );
    set(&acme, true).await.expect(503);
    set(&acme, false).await.expect(200);
    unsigned(&acme.get("/v1/users").await.expect(200));
}

#[tokio::test]
async fn a_bulk_reply_is_signed_as_a_whole() {
    let app = app().await;
    let acme = app.org("acme").await;
    let pair = generate(&acme, "ResponseSignature").await;
    let head = request("POST", "/v1/users/bulk").header("content-type", "application/x-ndjson");
    let reply = asking(&acme).send(head, format!("{{\"user_id\":\"{USER}\"}}\n{{}}\n")).await.expect(200);
    assert_eq!(reply.text().lines().count(), 2);
    pair.signed(&reply, "POST", &at("/v1/users/bulk"), None);
}

#[tokio::test]
async fn while_signed_requests_are_switched_off_none_is_believed() {
    let app = TestApp::with(&[("PUBLIC_URL", URL), ("DISABLED_FEATURES", "request_signatures")]).await;
    let acme = app.org("acme").await;
    let keyid = signatures::register(&acme, &ALICE, "Authentication").await;
    let request = signatures::Request::new("GET", "/v1/users", &ALICE, &keyid);
    assert_eq!(request.send(&acme).await.expect(503).header("retry-after"), Some("86400"));
    acme.get("/v1/users").await.expect(200);
}
