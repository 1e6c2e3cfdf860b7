//! `REQUIRE_KEY_PROOF` (contract 12.5): a key that is not proven signs nothing.

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PSS_SHA512;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use partner_api::db::change_feed::ChangeFeed;
use partner_api::ids::OrgId;
use partner_api::state::App;
use partner_api::telemetry::AccessLog;
use serde_json::{Value, json};

use super::{ALICE, MALLORY, Request, URL, refused, register, registration};
use crate::support::{Caller, TestApp, within};

async fn app() -> TestApp {
    let mut app = TestApp::with(&[("PUBLIC_URL", URL), ("REQUIRE_KEY_PROOF", "true")]).await;
    // As in service: whether a key is proven is remembered, and a proof is heard of.
    app.listen().await;
    app
}

fn path(keyid: &str, step: &str) -> &'static str {
    format!("/api/v1/key/{keyid}/{step}").leak()
}

/// The answer to a challenge.
fn answer(challenge: &Value, pair: &KeyPair) -> Value {
    let text = challenge["Challenge"].as_str().expect("a text");
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PSS_SHA512, &SystemRandom::new(), text.as_bytes(), &mut signature).expect("it signs");
    json!({"Response": STANDARD.encode(signature)})
}

/// Proves a key without a signature.
async fn prove(caller: &Caller, keyid: &str, pair: &KeyPair) {
    let challenge = caller.bodyless("POST", path(keyid, "challenge")).await.expect(200).json();
    caller.post(path(keyid, "proof"), answer(&challenge, pair)).await.expect(200);
}

#[tokio::test]
async fn a_key_signs_requests_from_its_proof_on() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let get = Request::new("GET", "/v1/users", &ALICE, &keyid);
    refused(get.send(&app.anyone()).await);
    refused(get.send(&acme).await);
    let headers: Vec<_> = get.headers().into_iter().map(|(name, value)| json!([name, value])).collect();
    let check = json!({"method": "GET", "target_uri": format!("{URL}/v1/users"), "headers": headers});
    let checked = async || {
        let data = acme.post("/v1/auth/signature/check", check.clone()).await.expect(200).json();
        (data["data"]["valid"].clone(), data["data"]["problem"].clone())
    };
    let reason =
        "`keyid` is not the UniqueId of a live and proven key of yours with the usage Authentication";
    assert_eq!(checked().await, (json!(false), json!(reason)));

    prove(&acme, &keyid, &ALICE).await;

    get.send(&app.anyone()).await.expect(200);
    assert_eq!(checked().await, (json!(true), json!(null)));
}

#[tokio::test]
async fn the_first_proof_needs_no_signature_and_under_a_policy_a_proven_key_signs_the_next() {
    let app = app().await;
    let acme = app.org("acme").await;
    let first = register(&acme, &ALICE, "Authentication").await;
    let policy = || {
        Request::new("PATCH", "/v1/admin/org", &ALICE, &first)
            .with_body(json!({"signature_policy": "administration"}))
    };
    refused(policy().send(&app.anyone()).await);
    prove(&acme, &first, &ALICE).await;
    policy().send(&app.anyone()).await.expect(200);

    // Of the next one, whatever changes something is signed by the one that is proven.
    let body = registration(&acme, &MALLORY, "Authentication");
    let made = Request::new("POST", "/api/v1/key", &ALICE, &first).with_body(body).send(&app.anyone()).await;
    let second = made.expect(200).json()["UniqueId"].as_str().expect("an id").to_owned();
    let unsigned = acme.bodyless("POST", path(&second, "challenge")).await;
    assert_eq!(unsigned.expect(403).code(), "signature_required");
    let by_itself = Request::new("POST", path(&second, "challenge"), &MALLORY, &second);
    assert_eq!(by_itself.send(&app.anyone()).await.expect(401).code(), "unauthorized");
    let ask = Request::new("POST", path(&second, "challenge"), &ALICE, &first);
    let challenge = ask.send(&app.anyone()).await.expect(200).json();
    let body = answer(&challenge, &MALLORY);
    assert_eq!(
        acme.post(path(&second, "proof"), body.clone()).await.expect(403).code(),
        "signature_required"
    );

    // As long as it is not proven, the first is the last that can sign.
    let end = |keyid: &str| Request::new("DELETE", path(keyid, "").trim_end_matches('/'), &ALICE, &first);
    assert_eq!(end(&first).send(&app.anyone()).await.expect(400).code(), "last_authentication_key");
    let proof = Request::new("POST", path(&second, "proof"), &ALICE, &first).with_body(body);
    proof.send(&app.anyone()).await.expect(200);
    Request::new("GET", "/v1/users", &MALLORY, &second).send(&app.anyone()).await.expect(200);
    end(&first).send(&app.anyone()).await.expect(204);
}

#[tokio::test]
async fn another_replica_hears_of_a_proof_within_a_second() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let state = &app.state;
    let (config, keyring) = (state.config.clone(), state.keyring.clone());
    let other = App::new(config, app.clock.clone(), app.database.db(), keyring, AccessLog::off());
    let (feed, _) = ChangeFeed::new(other.db.clone(), other.trust.clone(), app.clock.clone());
    let hearing = tokio::spawn(feed.run(other.caches()));
    within(Duration::from_secs(10), "it believes its memory", async || other.trust.is_fresh().then_some(()))
        .await;
    let knows = async || {
        let org = other.identity.org(OrgId(acme.id)).await.expect("it is asked").expect("it is there");
        org.authentication_key(keyid.parse().expect("an id"), app.clock.now()).map(drop)
    };
    assert!(knows().await.is_none());

    prove(&acme, &keyid, &ALICE).await;

    within(Duration::from_secs(1), "it has heard of the proof", knows).await;
    hearing.abort();
}
