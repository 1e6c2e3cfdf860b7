//! `POST /v1/leaks/github`: what GitHub's secret scanning found, signed by GitHub.

use std::path::PathBuf;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use partner_api::background::leaks;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{holder, noted, shown, told};
use crate::support::{Reply, TestApp};

const GITHUB: &str = "/v1/leaks/github";
const NOBODYS: &str = "tk_test_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg2O0zBE";

/// A pair of GitHub's, and the file that publishes it.
struct Github {
    pair: EcdsaKeyPair,
    file: PathBuf,
}

impl Github {
    fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a pair");
        let file = std::env::temp_dir().join(format!("github-keys-{}.json", uuid::Uuid::new_v4()));
        let github = Self { pair, file };
        github.publish("current", true);
        github
    }

    fn publish(&self, identifier: &str, is_current: bool) {
        let spki: PublicKeyX509Der<'_> = self.pair.public_key().as_der().expect("DER");
        let der = STANDARD.encode(AsRef::<[u8]>::as_ref(&*spki));
        let pem =
            format!("-----BEGIN PUBLIC KEY-----\n{}\n{}\n-----END PUBLIC KEY-----\n", &der[..64], &der[64..]);
        let other = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a pair");
        let spki: PublicKeyX509Der<'_> = other.public_key().as_der().expect("DER");
        let der = STANDARD.encode(AsRef::<[u8]>::as_ref(&*spki));
        let other = format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----");
        let keys = json!({"public_keys": [
            {"key_identifier": identifier, "key": pem, "is_current": is_current},
            {"key_identifier": "other", "key": other, "is_current": true},
        ]});
        std::fs::write(&self.file, keys.to_string()).expect("it is written");
    }

    async fn app(&self) -> TestApp {
        TestApp::with(&[("GITHUB_LEAK_KEYS_FILE", self.file.to_str().expect("a path"))]).await
    }

    fn sign(&self, body: &str) -> String {
        STANDARD.encode(self.pair.sign(&SystemRandom::new(), body.as_bytes()).expect("it signs"))
    }

    async fn send(&self, app: &TestApp, identifier: &str, signature: &str, body: &str) -> Reply {
        let caller = app.anyone().with("github-public-key-identifier", identifier);
        caller.with("github-public-key-signature", signature).raw("POST", GITHUB, body.to_owned()).await
    }

    async fn report(&self, app: &TestApp, matches: &Value) -> Reply {
        let body = matches.to_string();
        self.send(app, "current", &self.sign(&body), &body).await
    }
}

impl Drop for Github {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

fn found(token: &str) -> Value {
    json!({"token": token, "type": "partner_api_tenant_key", "url": "https://github.com/a/b", "source": "content"})
}

fn label(token: &str, label: &str) -> Value {
    let token_hash = hex::encode(Sha256::digest(token));
    json!({"token_hash": token_hash, "token_type": "partner_api_tenant_key", "label": label})
}

#[tokio::test]
async fn each_match_is_labelled_and_what_is_a_key_leaks() {
    let github = Github::new();
    let app = github.app().await;
    let acme = app.org("acme").await;
    let key = holder(&app, &acme).await;
    let matches = json!([found(&key.key), found(NOBODYS), found("anything")]);
    let expected = json!([
        label(&key.key, "true_positive"),
        label(NOBODYS, "false_positive"),
        label("anything", "false_positive"),
    ]);
    github.report(&app, &matches).await.expect_json(200, &expected);
    assert_eq!(leaks::step(&app.state).await.expect("it looks"), 1);
    let leak =
        json!({"source": "github", "url": "https://github.com/a/b", "note": null, "response": "grace"});
    assert_eq!(shown(&acme, &key.id).await["leak"], leak);
    // The same bytes again: the same answer, and nothing more.
    github.report(&app, &matches).await.expect_json(200, &expected);
    assert_eq!(leaks::step(&app.state).await.expect("it looks"), 0);
    assert_eq!((told(&app).await.len(), noted(&app, "tenant_key.leaked").await), (1, 1));
}

#[tokio::test]
async fn only_what_a_current_key_of_githubs_signed_is_read() {
    let github = Github::new();
    let app = github.app().await;
    let body = json!([found(NOBODYS)]).to_string();
    let signature = github.sign(&body);
    github.send(&app, "current", &signature, &body).await.expect(200);
    for (identifier, signature, body) in [
        ("current", signature.as_str(), format!("{body} ").as_str()),
        ("unknown", &signature, &body),
        ("other", &signature, &body),
        ("current", "", &body),
        ("current", "not base64", &body),
        ("current", "AAAA", &body),
    ] {
        let refused = github.send(&app, identifier, signature, body).await.expect(401);
        assert_eq!(refused.code(), "unauthorized");
    }
    app.anyone().raw("POST", GITHUB, body.clone()).await.expect(401);
    github.publish("current", false);
    // Another length, so that the file is seen to have changed whatever the clock's grain.
    github.send(&app, "current", &signature, &body).await.expect(401);
    github.publish("renewed-identifier", true);
    github.send(&app, "renewed-identifier", &signature, &body).await.expect(200);
    std::fs::write(&github.file, "nonsense").expect("it is written");
    github.send(&app, "renewed-identifier", &signature, &body).await.expect(200);
}

#[tokio::test]
async fn what_is_signed_and_no_list_of_matches_is_refused_and_much_of_it_taken() {
    let github = Github::new();
    let app = github.app().await;
    for body in ["", "{}", "[1]", "[{}]", "[{\"token\":1,\"type\":\"x\"}]", "nonsense", "[[[["] {
        let reply = github.send(&app, "current", &github.sign(body), body).await;
        assert!([415, 422].contains(&reply.status), "{body}: {}", reply.text());
    }
    let many = Value::Array(vec![found(NOBODYS); 1_000]);
    let labels = github.report(&app, &many).await.expect(200).json();
    assert_eq!(labels.as_array().expect("a list").len(), 1_000);
    let too_many = Value::Array(vec![found(&"x".repeat(1_000)); 1_200]);
    github.report(&app, &too_many).await.expect(413);
    github.report(&app, &json!([])).await.expect_json(200, &json!([]));
}

#[tokio::test]
async fn without_githubs_keys_it_is_not_live() {
    let app = TestApp::new().await;
    let reply = app.anyone().raw("POST", GITHUB, "[]".to_owned()).await.expect(503);
    assert_eq!(reply.header("retry-after"), Some("86400"));
}
