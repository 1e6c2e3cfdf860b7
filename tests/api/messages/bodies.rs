//! Encrypted bodies (contract 12.3).

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{URL, USER, app};
use crate::signatures::{self, ALICE};
use crate::support::sealed::{Pair, generate, opened, register};
use crate::support::{Caller, Reply, TestApp, envelope, request};

const MLE: &str = "MessageLevelEncryption";

async fn send(caller: &Caller, method: &str, path: &str, body: impl Into<Body>) -> Reply {
    caller.send(request(method, path).header("content-type", "application/jose"), body).await
}

async fn create(caller: &Caller, pair: &Pair, body: Value) -> Reply {
    send(caller, "POST", "/v1/users", pair.encrypt(&body.to_string())).await
}

#[track_caller]
fn not_opened(reply: Reply) {
    reply.expect_json(400, &envelope("decryption_failed", "The body cannot be decrypted."));
}

#[tokio::test]
async fn an_encrypted_body_is_read_as_its_plain_text() {
    let app = app().await;
    let acme = app.org("acme").await;
    let pair = generate(&acme, MLE).await;
    let made = create(&acme, &pair, json!({"user_id": USER, "first_name": "Grace"})).await.expect(201);
    assert_eq!(made.json()["data"]["user_id"], USER);
    let shows = async || acme.get(&format!("/v1/users/{USER}")).await.expect(200).text().contains("Grace");
    assert!(shows().await);
    let path = format!("/v1/users/{USER}");
    send(&acme, "PATCH", &path, pair.encrypt(r#"{"first_name":null}"#)).await.expect(204);
    assert!(!shows().await);
    // Its problems are told as anybody's.
    let problems = create(&acme, &pair, json!({"user_id": 1})).await.expect(422).json();
    assert_eq!(problems["detail"][0]["loc"], json!(["body", "user_id"]));
    let problems = send(&acme, "POST", "/v1/users", pair.encrypt("{")).await.expect(422).json();
    assert_eq!(problems["detail"][0]["type"], "json_invalid");
    // And under a pair that has been followed by another.
    generate(&acme, MLE).await;
    create(&acme, &pair, json!({"user_id": USER})).await.expect(409);
}

#[tokio::test]
async fn whatever_is_wrong_with_a_body_has_one_answer() {
    let app = app().await;
    let acme = app.org("acme").await;
    let pair = generate(&acme, MLE).await;
    let good = pair.encrypt(&json!({"user_id": USER}).to_string());
    let segments: Vec<_> = good.split('.').collect();
    let with = |index: usize, segment: &str| {
        let mut changed = segments.clone();
        changed[index] = segment;
        changed.join(".")
    };
    let headed = |header: Value| with(0, &URL_SAFE_NO_PAD.encode(header.to_string()));
    let header = |changes: &[(&str, Value)]| {
        let mut header = json!({"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": pair.unique_id});
        for (name, value) in changes {
            header[*name] = value.clone();
        }
        headed(header)
    };
    let zeta = app.org("zeta").await;
    let theirs = generate(&zeta, MLE).await;
    let of_another_use = generate(&acme, "ResponseSignature").await;
    let ended = generate(&acme, MLE).await;
    acme.delete(&format!("/api/v1/key/{}", ended.unique_id)).await.expect(204);
    let partners = register(&acme, MLE).await;
    for (what, body) in [
        ("nothing", String::new()),
        ("JSON", json!({"user_id": USER}).to_string()),
        ("four segments", segments[..4].join(".")),
        ("six segments", format!("{good}.")),
        ("another tag", with(4, "AAAAAAAAAAAAAAAAAAAAAA")),
        ("another ciphertext", with(3, &URL_SAFE_NO_PAD.encode("{\"user_id\":1}"))),
        ("another wrapped key", with(1, &URL_SAFE_NO_PAD.encode([7; 256]))),
        ("a short wrapped key", with(1, "AAAA")),
        ("a line's end", format!("{good}\n")),
        ("compression", header(&[("zip", json!("DEF"))])),
        ("a critical extension", header(&[("crit", json!(["exp"])), ("exp", json!(1))])),
        ("RSA1_5", header(&[("alg", json!("RSA1_5"))])),
        ("RSA-OAEP with SHA-1", header(&[("alg", json!("RSA-OAEP"))])),
        ("dir", header(&[("alg", json!("dir"))])),
        ("none", header(&[("alg", json!("none"))])),
        ("A128GCM", header(&[("enc", json!("A128GCM"))])),
        ("no kid", headed(json!({"alg": "RSA-OAEP-256", "enc": "A256GCM"}))),
        ("a kid that is no id", header(&[("kid", json!("first"))])),
        ("nobody's pair", header(&[("kid", json!(USER))])),
        ("another org's pair", theirs.encrypt("{}")),
        ("a pair of another use", of_another_use.encrypt("{}")),
        ("a pair that has ended", ended.encrypt("{}")),
        ("the partner's own key", header(&[("kid", json!(partners))])),
    ] {
        let reply = send(&acme, "POST", "/v1/users", body).await;
        assert_eq!(reply.status, 400, "{what}: {}", reply.text());
        not_opened(reply);
    }
    let reply = send(&acme, "POST", "/api/v1/key", "x").await.expect(400).json();
    assert_eq!(reply["Error"]["Code"], "decryption_failed");
}

#[tokio::test]
async fn a_jwe_is_a_body_of_its_own_kind_only() {
    let app = app().await;
    let acme = app.org("acme").await;
    let pair = generate(&acme, MLE).await;
    let body = || pair.encrypt(&json!({"user_id": USER}).to_string());
    let head = |content_type: &str| request("POST", "/v1/users").header("content-type", content_type);
    acme.send(head("Application/JOSE"), body()).await.expect(201);
    acme.send(head("application/json"), body()).await.expect(422);
    acme.send(head("application/jose+json"), body()).await.expect(415);
    acme.send(head("application/jose").header("content-encoding", "gzip"), body()).await.expect(415);
    acme.send(head("application/jose").header("content-type", "application/json"), body()).await.expect(415);
    // Lines are no JSON.
    send(&acme, "POST", "/v1/users/bulk", body()).await.expect(415);
    // A body that nobody reads is not opened.
    send(&acme, "GET", "/v1/users", "x").await.expect(200);
}

#[tokio::test]
async fn the_limit_of_size_is_the_plain_texts_and_a_third() {
    let app = app().await;
    let acme = app.org("acme").await;
    let pair = generate(&acme, MLE).await;
    let padded = |length: usize| {
        let body = json!({"user_id": USER}).to_string();
        format!("{body}{}", " ".repeat(length - body.len()))
    };
    send(&acme, "POST", "/v1/users", pair.encrypt(&padded(64 * 1024))).await.expect(201);
    let reply = send(&acme, "POST", "/v1/users", pair.encrypt(&padded(64 * 1024 + 1))).await.expect(413);
    assert_eq!(reply.code(), "payload_too_large");
    send(&acme, "POST", "/v1/users", "x".repeat(100 * 1024)).await.expect(413);
}

#[tokio::test]
async fn a_reply_of_json_is_encrypted_to_the_key_registered_last_or_named() {
    let app = app().await;
    let acme = app.org("acme").await;
    let first = register(&acme, MLE).await;
    let accepting = |value: &str| acme.with("accept", value);
    let reply = accepting("application/jose").get("/v1/admin/org").await.expect(200);
    assert_eq!(opened(&reply, &first).json()["data"]["key"], "acme");
    for (accept, kid) in [
        ("application/json;q=0.1, application/jose".to_owned(), &first),
        (format!("application/jose; kid=\"{first}\""), &first),
        (format!("application/jose;kid={first}"), &first),
    ] {
        opened(&accepting(&accept).get("/v1/users").await.expect(200), kid);
    }
    // Errors stay as they are, and what has no body has none.
    let jose = accepting("application/jose");
    assert_eq!(jose.get(&format!("/v1/users/{USER}")).await.expect(404).code(), "not_found");
    jose.post("/v1/users", json!({"user_id": USER})).await.expect(201);
    assert!(jose.delete(&format!("/v1/users/{USER}")).await.expect(204).body.is_empty());
    let head = jose.bodyless("HEAD", "/v1/users").await.expect(200);
    assert_eq!((head.header("content-type"), head.body.len()), (Some("application/jose"), 0));
    for accept in ["*/*", "application/*", "application/json", "application/jose;q=0"] {
        accepting(accept).get("/v1/users").await.expect(200).json();
    }
}

#[tokio::test]
async fn without_a_key_to_encrypt_to_nothing_is_changed() {
    let app = app().await;
    let acme = app.org("acme").await;
    let create =
        async |accept: &str| acme.with("accept", accept).post("/v1/users", json!({"user_id": USER})).await;
    // A pair of ours is nothing that the partner could open.
    let pair = generate(&acme, MLE).await;
    assert_eq!(create("application/jose").await.expect(409).code(), "no_encryption_key");
    register(&acme, "CredentialsDownload").await;
    assert_eq!(create("application/jose").await.expect(409).code(), "no_encryption_key");
    for kid in [&pair.unique_id[..], "first", USER] {
        let accept = format!("application/jose; kid=\"{kid}\"");
        assert_eq!(create(&accept).await.expect(409).code(), "no_encryption_key");
    }
    acme.get(&format!("/v1/users/{USER}")).await.expect(404);
}

#[tokio::test]
async fn a_retry_is_known_by_its_plain_text_and_its_reply_is_encrypted_anew() {
    let app = app().await;
    let acme = app.org("acme").await;
    let (pair, kid) = (generate(&acme, MLE).await, register(&acme, MLE).await);
    let caller = acme.with("accept", "application/jose").with("idempotency-key", "retried-0123456789abcdef");
    let body = json!({"name": "billing"});
    let mint = async |body: Value| {
        send(&caller, "POST", "/v1/admin/org/tenant-keys", pair.encrypt(&body.to_string())).await
    };
    let (first, again) = (mint(body.clone()).await.expect(201), mint(body.clone()).await.expect(201));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_ne!(first.body, again.body);
    assert_eq!(opened(&first, &kid).json(), opened(&again, &kid).json());
    assert_eq!(mint(json!({"name": "other"})).await.expect(422).code(), "idempotency_key_reused");
    // In clear it is the same request, and the same reply.
    let clear = acme.with("idempotency-key", "retried-0123456789abcdef");
    let clear = clear.post("/v1/admin/org/tenant-keys", body).await.expect(201);
    assert_eq!(clear.json(), opened(&first, &kid).json());
}

#[tokio::test]
async fn signatures_are_over_the_message_as_it_is_sent() {
    let app = app().await;
    let acme = app.org("acme").await;
    let (pair, signing, kid) =
        (generate(&acme, MLE).await, generate(&acme, "ResponseSignature").await, register(&acme, MLE).await);
    let keyid = signatures::register(&acme, &ALICE, "Authentication").await;
    let mut signed = signatures::Request::new("POST", "/v1/users", &ALICE, &keyid).with_body(json!({}));
    signed.body = pair.encrypt(&json!({"user_id": USER}).to_string());
    let headers = signed.headers();
    let sender = headers.iter().fold(app.anyone(), |caller, (name, value)| caller.with(name, value));
    let sender = sender.with("accept", "application/jose").with("accept-signature", "sig=()");
    let reply = send(&sender, "POST", "/v1/users", signed.body.clone()).await.expect(201);
    let signature = headers.iter().find(|(name, _)| *name == "signature").expect("it is signed").1.clone();
    let signature = signature.strip_prefix("sig1=");
    signing.signed(&reply, "POST", &format!("{URL}/v1/users"), signature);
    assert_eq!(opened(&reply, &kid).json()["data"]["user_id"], USER);
    // The plain text is not what was signed.
    let mut other =
        signatures::Request::new("POST", "/v1/users", &ALICE, &keyid).with_body(json!({"user_id": USER}));
    let headers = other.headers();
    other.body = pair.encrypt(&other.body);
    let sender = headers.iter().fold(app.anyone(), |caller, (name, value)| caller.with(name, value));
    send(&sender, "POST", "/v1/users", other.body).await.expect(401);
}

#[tokio::test]
async fn switched_off_it_says_so() {
    let app = TestApp::with(&[("PUBLIC_URL", URL), ("DISABLED_FEATURES", "message_encryption")]).await;
    let acme = app.org("acme").await;
    let (pair, _) = (generate(&acme, MLE).await, register(&acme, MLE).await);
    let reply = create(&acme, &pair, json!({"user_id": USER})).await.expect(503);
    assert_eq!(reply.header("retry-after"), Some("86400"));
    acme.with("accept", "application/jose").get("/v1/users").await.expect(503);
}
