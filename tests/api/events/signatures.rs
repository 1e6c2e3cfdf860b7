//! The service's own signature of every message, and the keys that verify it (contract 14).

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{create_user, partner, publish, service};
use crate::support::TestApp;
use crate::support::webhook::Arrived;

const KEYS: &str = "/.well-known/webhook-keys.json";

async fn published(app: &TestApp) -> Vec<Value> {
    let keys = app.anyone().get(KEYS).await.expect(200).json();
    keys["keys"].as_array().expect("a list").clone()
}

async fn kids(app: &TestApp) -> Vec<String> {
    published(app).await.iter().map(|key| key["kid"].as_str().expect("a name").to_owned()).collect()
}

/// The name of the published key that signed a message.
async fn signer(app: &TestApp, arrived: &Arrived) -> String {
    let kid = arrived.headers["webhook-signature-key-id"].clone();
    let keys = published(app).await;
    let key = keys.iter().find(|key| key["kid"] == json!(kid)).expect("it is published");
    let public = URL_SAFE_NO_PAD.decode(key["x"].as_str().expect("a key")).expect("base64url");
    let signatures = arrived.signatures_of("v1a,");
    assert_eq!(signatures.len(), 1);
    let signature = STANDARD.decode(signatures[0].trim_start_matches("v1a,")).expect("base64");
    let signed = format!("{}.{}.{}", arrived.id(), arrived.headers["webhook-timestamp"], arrived.body);
    UnparsedPublicKey::new(&ED25519, public).verify(signed.as_bytes(), &signature).expect("it verifies");
    kid
}

#[tokio::test]
async fn every_message_has_a_signature_that_needs_no_shared_secret_beside_those_that_do() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    create_user(&acme.org).await;
    publish(&app).await;
    let arrived = acme.receiver.take_all();
    assert_eq!(arrived.len(), 2, "the test event, too");
    for arrived in &arrived {
        signer(&app, arrived).await;
        let all: Vec<_> = arrived.headers["webhook-signature"].split(' ').collect();
        assert_eq!(all, [arrived.signatures()[0], arrived.signatures_of("v1a,")[0]], "known ones first");
    }
}

#[tokio::test]
async fn the_keys_are_public_and_may_be_remembered_for_an_hour() {
    let app = TestApp::new().await;
    let reply = app.anyone().get(KEYS).await.expect(200);
    assert_eq!(reply.header("cache-control"), Some("public, max-age=3600"));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let key = &reply.json()["keys"][0];
    for (name, value) in [("kty", "OKP"), ("crv", "Ed25519"), ("alg", "EdDSA"), ("use", "sig")] {
        assert_eq!(key[name], value);
    }
    assert_eq!(key.as_object().expect("a key").len(), 6, "nothing private: {key}");
    // They are not the keys of tokens.
    let tokens = app.anyone().get("/.well-known/jwks.json").await.expect(200).json();
    assert_ne!(tokens["keys"][0]["kid"], key["kid"]);
}

#[tokio::test]
async fn a_key_is_published_a_day_before_it_signs_and_for_as_long_as_a_message_lies_on_a_queue() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    let go_to = |instant: &str| {
        let instant: DateTime<Utc> = instant.parse().expect("an instant");
        app.clock.advance(instant - app.clock.now());
    };
    let signed_by = async || {
        create_user(&acme.org).await;
        publish(&app).await;
        signer(&app, &acme.receiver.take().pop().expect("it arrived")).await
    };
    let first = signed_by().await;
    // A period of 30 days ends on the 3rd of December.
    go_to("2026-12-01T23:59:59Z");
    assert_eq!(kids(&app).await, std::slice::from_ref(&first));
    app.clock.advance(TimeDelta::seconds(61));
    let both = kids(&app).await;
    assert_eq!((both.len(), &both[0]), (2, &first));
    go_to("2026-12-02T23:59:59Z");
    assert_eq!(signed_by().await, first);
    app.clock.advance(TimeDelta::seconds(61));
    assert_eq!(signed_by().await, both[1]);
    go_to("2026-12-17T00:59:00Z");
    assert_eq!(kids(&app).await, both);
    app.clock.advance(TimeDelta::minutes(2));
    assert_eq!(kids(&app).await, both[1..]);
}
