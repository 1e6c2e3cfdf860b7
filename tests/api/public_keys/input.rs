//! What the routes take, and how they say what they do not.

use serde_json::{Value, json};

use super::{KEYS, expiration_path, not_valid, pgp, register, rsa};
use crate::support::{TestApp, request};

const USAGES: &str = "must hold only Unknown, Reports, Authentication, MessageLevelEncryption, \
                      CredentialsDownload and ResponseSignature";

#[tokio::test]
async fn every_problem_is_told_at_once_by_field() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;

    let missing = json!({
        "OwnerCode": "is required", "Usage": "is required", "Type": "is required",
        "PublicKey": "is required", "ExpirationUtc": "is required",
    });
    acme.post(KEYS, json!({})).await.expect_json(400, &not_valid(missing));

    let wrong = json!({
        "OwnerCode": 7, "Usage": ["Reports", "reports"], "Type": "DSA", "PublicKey": ["x"],
        "ExpirationUtc": "2027-01-01", "RelatedClientId": "x".repeat(201), "Surprise": 1,
    });
    let reasons = json!({
        "OwnerCode": "must be a string", "Usage": USAGES, "Type": "must be RSA or PGP",
        "PublicKey": "must be a string",
        "ExpirationUtc": "must be an RFC 3339 date and time with an offset, such as 2027-01-31T12:00:00Z",
        "RelatedClientId": "must have at most 200 characters", "Surprise": "is not a field of this request",
    });
    acme.post(KEYS, wrong).await.expect_json(400, &not_valid(reasons));

    let missing = json!({
        "OwnerCode": "is required", "Usage": "is required", "Type": "is required",
        "Length": "is required", "ExpirationUtc": "is required",
    });
    acme.post(&format!("{KEYS}/generate"), json!({})).await.expect_json(400, &not_valid(missing));
}

/// Changes one field of a good registration and gives the reason for its refusal.
async fn reason(app: &TestApp, base: &str, field: &str, value: Value) -> Value {
    let acme = app.org(&format!("org-{}", uuid::Uuid::new_v4().simple())).await;
    let mut body = if base == "PGP" { pgp(&acme, "pgp-curve.asc") } else { rsa(&acme, "rsa2048.spki.pem") };
    body[field] = value;
    let reply = acme.post(KEYS, body).await.expect(400);
    assert_eq!(reply.code(), "invalid_request");
    let extra = reply.json()["Error"]["ExtraData"].clone();
    assert_eq!(extra.as_object().map(serde_json::Map::len), Some(1), "{extra}");
    extra[field].clone()
}

#[tokio::test]
async fn usages_go_together_as_the_contract_says() {
    let app = TestApp::new().await;
    for (base, usage, expected) in [
        ("RSA", json!([]), "must have 1 to 50 items"),
        ("RSA", json!("Reports"), "must be a list"),
        ("RSA", json!(["Unknown", "Reports"]), "Unknown must stand alone"),
        ("RSA", json!([null]), "is required"),
        ("PGP", json!(["Authentication"]), "must be Reports or CredentialsDownload for a PGP key"),
        (
            "PGP",
            json!(["Reports", "ResponseSignature"]),
            "must be Reports or CredentialsDownload for a PGP key",
        ),
        ("PGP", json!(["Unknown"]), "must be Reports or CredentialsDownload for a PGP key"),
    ] {
        assert_eq!(reason(&app, base, "Usage", usage).await, expected);
    }
    let acme = app.org("acme").await;
    let mut all = rsa(&acme, "rsa2048.spki.pem");
    all["Usage"] = json!([
        "Reports",
        "Authentication",
        "MessageLevelEncryption",
        "CredentialsDownload",
        "ResponseSignature"
    ]);
    register(&acme, all).await;
    let mut unknown = rsa(&acme, "rsa3072.spki.pem");
    unknown["Usage"] = json!(["Unknown", "Unknown"]);
    register(&acme, unknown).await;
}

#[tokio::test]
async fn an_end_has_an_offset_lies_ahead_and_not_too_far() {
    let app = TestApp::new().await;
    let syntax = "must be an RFC 3339 date and time with an offset, such as 2027-01-31T12:00:00Z";
    for (end, expected) in [
        ("2027-11-21T08:00:00", syntax),
        ("2026-11-21T08:00:00Z", "must be in the future"),
        ("2029-11-21T08:00:00.001Z", "must be at most 3 years ahead"),
        ("9999-12-31T00:00:00Z", "must be at most 3 years ahead"),
    ] {
        assert_eq!(reason(&app, "RSA", "ExpirationUtc", json!(end)).await, expected, "{end}");
    }
    let acme = app.org("acme").await;
    let mut longest = rsa(&acme, "rsa2048.spki.pem");
    longest["ExpirationUtc"] = json!("2029-11-21T09:59:59.123999+02:00");
    let id = register(&acme, longest).await;
    let shown = acme.get(&super::path(&id)).await.expect(200).json();
    assert_eq!(shown["ExpirationUtc"], "2029-11-21T07:59:59.123Z");
}

#[tokio::test]
async fn only_rsa_of_three_lengths_is_generated() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    for (field, value, expected) in [
        ("Type", json!("PGP"), "must be RSA"),
        ("Length", json!(1024), "must be 2048, 3072 or 4096"),
        ("Length", json!(2049), "must be 2048, 3072 or 4096"),
        ("Length", json!("2048"), "must be a whole number"),
    ] {
        let mut body = super::generation(&acme, 2048);
        body[field] = value;
        let refused = acme.post(&format!("{KEYS}/generate"), body).await;
        refused.expect_json(400, &not_valid(json!({field: expected})));
    }
}

#[tokio::test]
async fn an_id_that_is_none_is_a_key_that_does_not_exist() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    for id in ["x", "%ff", "%00", "0192f0c123457abc8def0123456789ab"] {
        acme.get(&super::path(id)).await.expect_json(404, &super::no_such_key());
        acme.delete(&super::path(id)).await.expect_json(404, &super::no_such_key());
        super::set_expiration(&acme, id, super::END).await.expect_json(404, &super::no_such_key());
    }
    let broken = acme.json("PUT", &expiration_path("x"), json!({})).await;
    broken.expect_json(400, &not_valid(json!({"ExpirationUtc": "is required"})));
}

#[tokio::test]
async fn every_failure_has_the_traced_shape() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let traced = |reply: &crate::support::Reply| {
        let body = reply.json();
        assert_eq!(body["TraceId"], "test", "{body}");
        body["Error"]["Code"].as_str().expect("a code").to_owned()
    };
    assert_eq!(traced(&app.anyone().get(&super::path("x")).await.expect(401)), "unauthorized");
    assert_eq!(traced(&acme.bodyless("PATCH", KEYS).await.expect(405)), "method_not_allowed");
    assert_eq!(traced(&acme.raw("POST", KEYS, vec![b' '; 70_000]).await.expect(413)), "payload_too_large");
    let plain = acme.send(request("POST", KEYS).header("content-type", "text/plain"), "{}").await;
    assert_eq!(traced(&plain.expect(415)), "unsupported_media_type");
    let broken = acme.raw("POST", KEYS, "{").await;
    broken.expect_json(400, &not_valid(json!({"body": "must be valid JSON in UTF-8"})));
    let nowhere = acme.get(&format!("{KEYS}/list")).await.expect(404);
    assert_eq!(traced(&nowhere), "not_found");
    let query = acme.get(&format!("{KEYS}/list/acme?includeExpired=maybe")).await;
    query.expect_json(400, &not_valid(json!({"includeExpired": "must be true or false"})));
}

#[tokio::test]
async fn switched_off_it_answers_503() {
    let app = TestApp::with(&[("DISABLED_FEATURES", "public_keys")]).await;
    let acme = app.org("acme").await;
    let reply = acme.post(KEYS, json!({})).await.expect(503);
    assert_eq!(reply.header("retry-after"), Some("86400"));
    assert_eq!(reply.code(), "service_unavailable");
}
