//! Keys that are refused, and why.

use serde_json::json;

use super::{KEYS, fixture, pgp, registration, rsa};
use crate::support::TestApp;

#[tokio::test]
async fn every_refused_key_is_400_with_its_code_and_a_reason() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let cases = [
        ("RSA", "rsa3072.key.pem", "private_key"),
        ("RSA", "rsa3072.traditional.key.pem", "private_key"),
        ("RSA", "rsa3072.encrypted.key.pem", "private_key"),
        ("RSA", "ssh.key", "private_key"),
        ("RSA", "ec.sec1.key.pem", "private_key"),
        ("PGP", "pgp-curve.key.asc", "private_key"),
        ("PGP", "rsa3072.key.pem", "private_key"),
        ("RSA", "pgp-curve.key.asc", "private_key"),
        ("RSA", "rsa1024.spki.pem", "weak_key"),
        ("RSA", "weak-2047.pem", "weak_key"),
        ("RSA", "weak-8193.pem", "weak_key"),
        ("RSA", "weak-even.pem", "weak_key"),
        ("RSA", "weak-factor3.pem", "weak_key"),
        ("RSA", "weak-factor65521.pem", "weak_key"),
        ("RSA", "weak-square.pem", "weak_key"),
        ("RSA", "weak-prime.pem", "weak_key"),
        ("RSA", "weak-cube.pem", "weak_key"),
        ("RSA", "weak-factor16777259.pem", "weak_key"),
        ("RSA", "weak-rfc7517.pem", "weak_key"),
        ("RSA", "weak-badkeys-debianweak.pem", "weak_key"),
        ("RSA", "weak-close.pem", "weak_key"),
        ("RSA", "weak-roca.pem", "weak_key"),
        ("RSA", "weak-e3.pem", "weak_key"),
        ("RSA", "weak-e-even.pem", "weak_key"),
        ("RSA", "weak-e-33bit.pem", "weak_key"),
        ("PGP", "pgp-rsa1024.asc", "weak_key"),
        ("PGP", "pgp-dsa.asc", "weak_key"),
        ("PGP", "pgp-sha1.asc", "weak_key"),
        ("PGP", "pgp-expired.asc", "invalid_request"),
        ("PGP", "pgp-revoked.asc", "invalid_request"),
        ("PGP", "pgp-revoked-subkey.asc", "invalid_request"),
        ("PGP", "pgp-no-encryption.asc", "invalid_request"),
        ("PGP", "pgp-signer.asc", "invalid_request"),
        ("PGP", "pgp-subkey-2027.asc", "invalid_request"),
        ("PGP", "pgp-primary-2027.asc", "invalid_request"),
        ("PGP", "pgp-several.asc", "invalid_request"),
        ("PGP", "pgp-message.asc", "invalid_request"),
        ("PGP", "rsa3072.spki.pem", "invalid_request"),
        ("RSA", "pgp-curve.asc", "invalid_request"),
        ("RSA", "ec.spki.pem", "invalid_request"),
        ("RSA", "ed25519.spki.pem", "invalid_request"),
        ("RSA", "rsa3072.cert.pem", "invalid_request"),
        ("RSA", "ssh.pub.txt", "invalid_request"),
    ];
    for (kind, file, code) in cases {
        let reply = acme.post(KEYS, registration(&acme, kind, &fixture(file))).await.expect(400);
        assert_eq!(reply.code(), code, "{file}");
        let extra = reply.json()["Error"]["ExtraData"].clone();
        let reasons = extra.as_object().expect("an object");
        assert_eq!(reasons.keys().collect::<Vec<_>>(), ["PublicKey"], "{file}");
        assert!(reasons["PublicKey"].as_str().is_some_and(|reason| reason.len() > 9), "{file}");
        let secret: String = super::body_of(&fixture(file)).chars().take(40).collect();
        assert!(!reply.text().contains(&secret), "{file} is repeated");
    }
    assert!(super::listed(&acme, "?includeExpired=true").await.is_empty());
}

#[tokio::test]
async fn broken_texts_are_refused_without_a_guess() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (spki, certificate) = (fixture("rsa2048.spki.pem"), fixture("pgp-curve.asc"));
    let cases = [
        ("RSA", String::new()),
        ("RSA", "nonsense".to_owned()),
        ("RSA", format!("{spki}{spki}")),
        ("RSA", format!("{spki}trailing")),
        ("RSA", spki[..spki.len() / 2].to_owned()),
        ("RSA", format!("{}AAAA", super::body_of(&spki))),
        ("PGP", format!("{certificate}{certificate}")),
        ("PGP", certificate[..certificate.len() / 2].to_owned()),
        ("PGP", "\0".to_owned()),
    ];
    for (kind, text) in cases {
        let reply = acme.post(KEYS, registration(&acme, kind, &text)).await.expect(400);
        assert_eq!(reply.code(), "invalid_request", "{text:?}");
        assert!(reply.json()["Error"]["ExtraData"]["PublicKey"].is_string());
    }
}

#[tokio::test]
async fn a_private_key_is_named_first_among_all_problems_and_never_kept() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let mut wrong = rsa(&acme, "rsa3072.key.pem");
    wrong["Usage"] = json!([]);
    wrong["ExpirationUtc"] = json!("soon");

    let reply = acme.post(KEYS, wrong).await.expect(400);

    assert_eq!(reply.code(), "private_key");
    let extra = reply.json()["Error"]["ExtraData"].clone();
    assert_eq!(extra.as_object().map(serde_json::Map::len), Some(3), "{extra}");
    assert!(extra["PublicKey"].as_str().is_some_and(|reason| reason.contains("compromised")));
}

#[tokio::test]
async fn a_certificate_serves_as_long_as_its_encryption_key_lives() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let mut brief = pgp(&acme, "pgp-subkey-2027.asc");
    brief["ExpirationUtc"] = json!("2026-12-20T00:00:00Z");
    let id = super::register(&acme, brief).await;

    let refused = super::set_expiration(&acme, &id, "2027-06-01T00:00:00Z").await.expect(400);

    assert_eq!(refused.code(), "invalid_request");
    let reason = refused.json()["Error"]["ExtraData"]["ExpirationUtc"].as_str().expect("a reason").to_owned();
    assert!(
        reason.starts_with("the key has no subkey to encrypt to that lives as long as ExpirationUtc"),
        "{reason}"
    );
    assert!(reason.contains("which may be at most 2027-01-01T"), "{reason}");
    super::set_expiration(&acme, &id, "2026-12-01T00:00:00Z").await.expect(200);
}
