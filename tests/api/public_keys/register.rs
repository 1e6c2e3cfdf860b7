//! `POST /api/v1/key`.

use serde_json::json;

use super::{END, KEYS, body_of, fixture, path, pgp, register, registration, rsa, traced};
use crate::support::TestApp;

#[tokio::test]
async fn a_registered_key_is_shown_whole_and_in_canonical_form() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let mut wanted = rsa(&acme, "rsa3072.pkcs1.pem");
    wanted["Usage"] = json!(["ResponseSignature", "Authentication", "ResponseSignature"]);
    wanted["RelatedClientId"] = json!("billing");

    let id = register(&acme, wanted).await;

    let shown = json!({
        "OwnerCode": "acme",
        "PublicKey": fixture("rsa3072.spki.pem"),
        "UniqueId": id,
        "Usage": ["ResponseSignature", "Authentication"],
        "Type": "RSA",
        "ExpirationUtc": END,
        "RelatedClientId": "billing",
        "HasPrivateKey": false,
        "Fingerprint": fixture("rsa3072.spki.sha256").trim(),
        "Algorithm": "RSA-3072",
        "ProvenUtc": null,
    });
    acme.get(&path(&id)).await.expect_json(200, &shown);
}

#[tokio::test]
async fn a_certificate_is_kept_without_what_strangers_signed() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let id = register(&acme, pgp(&acme, "pgp-third-party.asc")).await;

    let shown = acme.get(&path(&id)).await.expect(200).json();

    assert_eq!((&shown["Type"], &shown["RelatedClientId"]), (&json!("PGP"), &json!(null)));
    let kept = shown["PublicKey"].as_str().expect("text");
    assert!(kept.starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----"));
    assert!(kept.len() < fixture("pgp-third-party.asc").len());
    let fingerprint = shown["Fingerprint"].as_str().expect("text");
    assert!(fingerprint.len() == 40 && fingerprint.bytes().all(|b| b.is_ascii_hexdigit()));
}

#[tokio::test]
async fn every_form_of_a_key_is_the_same_key() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let spki = fixture("rsa3072.spki.pem");
    let id = register(&acme, rsa(&acme, "rsa3072.spki.pem")).await;
    let forms = [
        spki.clone(),
        fixture("rsa3072.pkcs1.pem"),
        body_of(&spki),
        body_of(&spki).trim_end_matches('=').to_owned(),
        format!("\r\n  {}  \r\n", spki.replace('\n', "\r\n")),
    ];
    for form in forms {
        let again = acme.post(KEYS, registration(&acme, "RSA", &form)).await;
        let reason = format!("is alive in this organisation already, as {id}");
        let message = "The organisation has this key alive already.";
        again.expect_json(400, &traced("duplicate_key", message, json!({"PublicKey": reason})));
    }
    let certificate = fixture("pgp-curve.asc");
    register(&acme, registration(&acme, "PGP", &certificate)).await;
    let binary = body_of(&certificate);
    let binary = binary.split_at(binary.rfind('=').unwrap_or(binary.len())).0;
    for form in [fixture("pgp-third-party.asc"), binary.to_owned()] {
        let again = acme.post(KEYS, registration(&acme, "PGP", &form)).await.expect(400);
        assert_eq!(again.code(), "duplicate_key");
    }
}

#[tokio::test]
async fn a_key_may_live_in_two_orgs_and_neither_learns_of_the_other() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let id = register(&acme, rsa(&acme, "rsa3072.spki.pem")).await;
    register(&zeta, rsa(&zeta, "rsa3072.spki.pem")).await;

    zeta.get(&path(&id)).await.expect_json(404, &super::no_such_key());
    zeta.delete(&path(&id)).await.expect_json(404, &super::no_such_key());
    super::set_expiration(&zeta, &id, END).await.expect_json(404, &super::no_such_key());
    for owner in ["acme", "nobody", "%00", "%ff"] {
        let list = zeta.get(&format!("{KEYS}/list/{owner}")).await;
        list.expect_json(404, &super::no_such_key());
    }
    for owner in ["acme", "nobody", "", "a\0b"] {
        let mut foreign = rsa(&zeta, "rsa2048.spki.pem");
        foreign["OwnerCode"] = json!(owner);
        zeta.post(KEYS, foreign).await.expect_json(404, &super::no_such_key());
        let mut foreign = super::generation(&zeta, 2048);
        foreign["OwnerCode"] = json!(owner);
        zeta.post(&format!("{KEYS}/generate"), foreign).await.expect_json(404, &super::no_such_key());
    }
    assert_eq!(super::listed(&acme, "").await, [id]);
}

#[tokio::test]
async fn a_dead_key_may_be_registered_again() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let first = register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;
    acme.delete(&path(&first)).await.expect(204);

    let second = register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;

    assert_ne!(first, second);
    app.clock.advance(chrono::TimeDelta::days(731));
    let mut later = rsa(&acme, "rsa2048.spki.pem");
    later["ExpirationUtc"] = json!("2029-11-21T08:00:00Z");
    register(&acme, later).await;
}

#[tokio::test]
async fn at_most_a_hundred_keys_live() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let first = register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;
    let mut database = app.database.connect().await;
    sqlx::query(
        "INSERT INTO public_keys (org_id, unique_id, usages, type, public_key, fingerprint, algorithm,
                                  created_at, expires_at, expiry_set_at)
         SELECT org_id, gen_random_uuid(), usages, type, public_key, 'print ' || n, algorithm,
                created_at, expires_at, expiry_set_at FROM public_keys, generate_series(2, 100) AS n",
    )
    .execute(&mut database)
    .await
    .expect("ninety-nine more");

    let one_more = acme.post(KEYS, rsa(&acme, "rsa3072.spki.pem")).await;
    let message = "The organisation would have more than 100 live public keys.";
    one_more.expect_json(400, &traced("too_many_keys", message, json!({})));
    let pair = acme.post(&format!("{KEYS}/generate"), super::generation(&acme, 2048)).await.expect(400);
    assert_eq!(pair.code(), "too_many_keys");

    acme.delete(&path(&first)).await.expect(204);
    register(&acme, rsa(&acme, "rsa3072.spki.pem")).await;
}
