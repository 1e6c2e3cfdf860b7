//! `deliver_to`: a new secret that only the partner's private key opens.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use pgp::composed::{Deserializable as _, Message, SignedSecretKey};
use serde_json::{Value, json};

use super::{body_of, fixture, generation, path, pgp, register, rsa};
use crate::support::{Org, TestApp, envelope};

const ROTATE: &str = "/v1/auth/tenant-key/rotate";
const MINT: &str = "/v1/admin/org/tenant-keys";
const SECRET: &str = "/v1/auth/signing-secret/rotate";

/// Opens an OpenPGP message with a key of gpg's.
fn open_pgp(message: &str, key: &str) -> String {
    let (key, _) = SignedSecretKey::from_string(&fixture(key)).expect("a key");
    let (message, _) = Message::from_string(message).expect("a message");
    let mut opened = message.decrypt(&"".into(), &key).expect("it opens");
    String::from_utf8(opened.as_data_vec().expect("it is whole")).expect("text")
}

/// Opens a compact JWE (RFC 7516 section 5.2) with a key of openssl's; gives its `kid` as well.
fn open_jwe(message: &str, key: &str) -> (String, String) {
    let parts: Vec<_> = message.split('.').collect();
    let decode = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64url");
    let header: Value = serde_json::from_slice(&decode(parts[0])).expect("JSON");
    assert_eq!((&header["alg"], &header["enc"]), (&json!("RSA-OAEP-256"), &json!("A256GCM")));
    let key = BASE64_STANDARD.decode(body_of(&fixture(key))).expect("base64");
    let key =
        OaepPrivateDecryptingKey::new(PrivateDecryptingKey::from_pkcs8(&key).expect("a key")).expect("RSA");
    let mut wrapped = vec![0; key.min_output_size()];
    let content =
        key.decrypt(&OAEP_SHA256_MGF1SHA256, &decode(parts[1]), &mut wrapped, None).expect("it opens");
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, content).expect("32 bytes"));
    let nonce = Nonce::try_assume_unique_for_key(&decode(parts[2])).expect("12 bytes");
    let mut sealed = [decode(parts[3]), decode(parts[4])].concat();
    let opened = cipher.open_in_place(nonce, Aad::from(parts[0].as_bytes()), &mut sealed).expect("it opens");
    (String::from_utf8(opened.to_vec()).expect("text"), header["kid"].as_str().expect("a kid").to_owned())
}

/// Opens either with the private half in this file.
pub fn open(message: &str, key: &str) -> String {
    if message.starts_with("-----BEGIN PGP MESSAGE-----") {
        open_pgp(message, key)
    } else {
        open_jwe(message, key).0
    }
}

/// The encrypted message of a reply, whose other fields are checked.
async fn message(acme: &Org, data: &Value, id: &str, clear: &str) -> String {
    let fingerprint = acme.get(&path(id)).await.expect(200).json()["Fingerprint"].clone();
    assert_eq!(data["encrypted_to"], json!({"UniqueId": id, "Fingerprint": fingerprint}));
    assert!(data.get(clear).is_none(), "{data}");
    data["encrypted_secret"].as_str().expect("a message").to_owned()
}

#[tokio::test]
async fn a_rotated_key_is_delivered_to_a_certificate_and_works() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    for name in ["pgp-curve", "pgp-rsa", "pgp-nist"] {
        let id = register(&acme, pgp(&acme, &format!("{name}.asc"))).await;
        let (_, old) = acme.mint().await;
        let caller = app.anyone().with("taih-tenant-key", &old);

        let wanted = json!({"deliver_to": "CredentialsDownload", "grace_period_seconds": 0});
        let reply = caller.post(ROTATE, wanted).await.expect(200);

        let data = reply.json()["data"].clone();
        let message = message(&acme, &data, &id, "new_tenant_api_key").await;
        let key = open_pgp(&message, &format!("{name}.key.asc"));
        assert!(key.starts_with("tk_test_") && key.len() == 57 && !reply.text().contains(&key));
        app.anyone().with("taih-tenant-key", &key).get("/v1/users").await.expect(200);
        caller.get("/v1/users").await.expect(401);
    }
}

#[tokio::test]
async fn a_minted_key_is_delivered_to_an_rsa_key_and_works() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let id = register(&acme, rsa(&acme, "rsa3072.spki.pem")).await;

    let wanted = json!({"name": "billing", "deliver_to": id});
    let data = acme.post(MINT, wanted).await.expect(201).json()["data"].clone();

    let (key, kid) = open_jwe(&message(&acme, &data, &id, "secret").await, "rsa3072.key.pem");
    assert_eq!(kid, id);
    assert_eq!(data["name"], "billing");
    app.anyone().with("taih-tenant-key", &key).get("/v1/users").await.expect(200);
}

#[tokio::test]
async fn a_signing_secret_made_here_is_delivered_and_the_partners_own_is_not_sent_back() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let id = register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;

    let data = acme.post(SECRET, json!({"deliver_to": "CredentialsDownload"})).await.expect(200).json();
    let data = data["data"].clone();
    let message = message(&acme, &data, &id, "new_signing_secret").await;
    let (secret, _) = open_jwe(&message, "rsa2048.key.pem");
    assert!(secret.starts_with("whsec_") && secret.len() == 50);

    let own = json!({"deliver_to": "CredentialsDownload", "secret": "+5+MPhfSYEq16Rx38Dg9/mJQz6mL0U5zlg8qxei0fRs="});
    let data = acme.post(SECRET, own).await.expect(200).json()["data"].clone();
    for absent in ["new_signing_secret", "encrypted_secret", "encrypted_to"] {
        assert!(data.get(absent).is_none(), "{absent}");
    }
}

#[tokio::test]
async fn for_a_usage_the_live_key_registered_last_is_used() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let first = register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;
    let second = register(&acme, pgp(&acme, "pgp-curve.asc")).await;
    let mut other = rsa(&acme, "rsa3072.spki.pem");
    other["Usage"] = json!(["ResponseSignature"]);
    register(&acme, other).await;
    let mut ours = generation(&acme, 2048);
    ours["Usage"] = json!(["CredentialsDownload"]);
    acme.post("/api/v1/key/generate", ours).await.expect(200);
    let used = async || {
        let wanted = json!({"name": "x", "deliver_to": "CredentialsDownload"});
        let made = acme.post(MINT, wanted).await.expect(201).json();
        made["data"]["encrypted_to"]["UniqueId"].as_str().expect("an id").to_owned()
    };
    assert_eq!(used().await, second);
    acme.delete(&path(&second)).await.expect(204);
    assert_eq!(used().await, first);
}

#[tokio::test]
async fn without_a_key_of_the_partners_nothing_is_changed() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    acme.mint().await;
    let foreign = register(&zeta, rsa(&zeta, "rsa2048.spki.pem")).await;
    let dead = register(&acme, rsa(&acme, "rsa3072.spki.pem")).await;
    acme.delete(&path(&dead)).await.expect(204);
    let mut ours = generation(&acme, 2048);
    ours["Usage"] = json!(["CredentialsDownload"]);
    let ours = super::unique_id(&acme.post("/api/v1/key/generate", ours).await.expect(200));
    let before = acme.get(MINT).await.expect(200).text();

    let message = "There is no live public key of yours to encrypt to.";
    for deliver_to in ["CredentialsDownload", "nonsense", &foreign, &dead, &ours] {
        for (path, mut body) in [(ROTATE, json!({})), (MINT, json!({"name": "x"})), (SECRET, json!({}))] {
            body["deliver_to"] = json!(deliver_to);
            acme.post(path, body).await.expect_json(409, &envelope("no_delivery_key", message));
        }
    }
    assert_eq!(acme.get(MINT).await.expect(200).text(), before);
    acme.get("/v1/auth/signing-secret").await.expect(404);
}

#[tokio::test]
async fn a_key_that_has_ended_delivers_nothing_whatever_the_clock_says() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let mut short = rsa(&acme, "rsa2048.spki.pem");
    short["ExpirationUtc"] = json!("2026-11-21T09:00:00.000Z");
    let expired = register(&acme, short).await;
    let refused = async |id: &str| {
        for deliver_to in ["CredentialsDownload", id] {
            let reply = acme.post(MINT, json!({"name": "x", "deliver_to": deliver_to})).await;
            assert_eq!(reply.expect(409).code(), "no_delivery_key", "{deliver_to}");
        }
    };
    app.clock.advance(TimeDelta::milliseconds(3_599_999));
    acme.post(MINT, json!({"name": "x", "deliver_to": expired})).await.expect(201);
    app.clock.advance(TimeDelta::milliseconds(1));
    refused(&expired).await;
    let deleted = register(&acme, rsa(&acme, "rsa3072.spki.pem")).await;
    acme.delete(&path(&deleted)).await.expect(204);
    // Of a replica that is slow: an end that holds at once is a state.
    app.clock.advance(TimeDelta::seconds(-5));
    acme.delete(&path(&expired)).await.expect(204);
    refused(&deleted).await;
}

#[tokio::test]
async fn only_a_key_for_downloading_credentials_is_delivered_to() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    acme.mint().await;
    let others = [
        ("rsa2048.spki.pem", json!(["Authentication"])),
        ("rsa3072.spki.pem", json!(["Reports", "MessageLevelEncryption", "ResponseSignature"])),
        ("rsa4096.spki.pem", json!(["Unknown"])),
    ];
    let mut refused = vec!["CredentialsDownload".to_owned()];
    for (file, usage) in others {
        let mut key = rsa(&acme, file);
        key["Usage"] = usage;
        refused.push(register(&acme, key).await);
    }
    let mut reports = pgp(&acme, "pgp-curve.asc");
    reports["Usage"] = json!(["Reports"]);
    refused.push(register(&acme, reports).await);
    let names = ["Authentication", "Reports", "MessageLevelEncryption", "ResponseSignature", "Unknown"];
    let spelt = ["credentialsdownload", "CredentialsDownload ", "CREDENTIALSDOWNLOAD"];
    refused.extend(names.into_iter().chain(spelt).map(str::to_owned));
    let before = acme.get(MINT).await.expect(200).text();
    let bodies = [(MINT, json!({"name": "x"})), (SECRET, json!({})), (ROTATE, json!({}))];
    let try_all = async |refused: &[String], bodies: &[(&str, Value)]| {
        for deliver_to in refused {
            for (path, mut body) in bodies.iter().cloned() {
                body["deliver_to"] = json!(deliver_to);
                assert_eq!(acme.post(path, body).await.expect(409).code(), "no_delivery_key", "{deliver_to}");
            }
        }
    };
    try_all(&refused, &bodies).await;
    assert_eq!(acme.get(MINT).await.expect(200).text(), before);

    // One with several usages, this one among them, serves by name and by id; the others still do not.
    let mut several = pgp(&acme, "pgp-nist.asc");
    several["Usage"] = json!(["Reports", "CredentialsDownload"]);
    let several = register(&acme, several).await;
    for deliver_to in ["CredentialsDownload", &several] {
        let made = acme.post(MINT, json!({"name": "x", "deliver_to": deliver_to})).await.expect(201).json();
        assert_eq!(made["data"]["encrypted_to"]["UniqueId"], several);
    }
    // Rotating would ask first which of the keys.
    try_all(&refused[1..], &bodies[..2]).await;
}

#[tokio::test]
async fn a_key_that_ends_between_the_encryption_and_the_change_is_not_delivered_to() {
    use partner_api::ids::OrgId;
    use partner_api::routes::public_keys::delivery::SecretDelivery;
    use partner_api::routes::public_keys::recipient::Recipient;

    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let org_id = OrgId(acme.id);
    let ends =
        [("rsa2048.spki.pem", "deleted"), ("rsa3072.spki.pem", "expired"), ("rsa4096.spki.pem", "alive")];
    for (file, end) in ends {
        let id = register(&acme, rsa(&acme, file)).await;
        let delivery =
            SecretDelivery::prepare(&app.state, org_id, Some("CredentialsDownload"), "secret").await;
        let recipient = delivery.expect("it is encrypted").recipient();
        assert!(
            matches!(recipient, Recipient::Key(key) if key.unique_id == id.parse().ok()),
            "{recipient:?}"
        );
        let mut now = app.state.clock.now();
        match end {
            "deleted" => drop(acme.delete(&path(&id)).await.expect(204)),
            "expired" => now += chrono::TimeDelta::days(3 * 366),
            _ => {}
        }
        let mut db = app.state.db.pool.acquire().await.expect("a connection");
        assert_eq!(recipient.require(&mut db, org_id, now).await.is_ok(), end == "alive", "{end}");
    }
}

#[tokio::test]
async fn what_else_is_wrong_comes_first() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (_, secret) = acme.mint().await;
    let old = app.anyone().with("taih-tenant-key", &secret);
    let unknown = json!({"key_id": uuid::Uuid::new_v4(), "deliver_to": "Reports"});
    assert_eq!(old.post(ROTATE, unknown).await.expect(404).code(), "not_found");
    old.post(ROTATE, json!({})).await.expect(200);
    for (path, body) in
        [(MINT, json!({"name": "x", "deliver_to": "Reports"})), (SECRET, json!({"deliver_to": "Reports"}))]
    {
        assert_eq!(old.post(path, body).await.expect(403).code(), "key_superseded");
    }
}

#[tokio::test]
async fn the_key_in_use_checks_what_the_partner_signed() {
    use partner_api::ids::OrgId;
    use partner_api::routes::public_keys::delivery::{LiveKey, Which};
    use partner_api::routes::public_keys::usage::Usage;
    use public_keys::verify::Scheme;

    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let mut signer = rsa(&acme, "rsa3072.spki.pem");
    signer["Usage"] = json!(["ResponseSignature"]);
    register(&acme, signer).await;
    let find = |usage| LiveKey::find(&app.state, OrgId(acme.id), Which::For(usage), true);
    assert!(find(Usage::Authentication).await.expect("it is asked").is_none());
    let key = find(Usage::ResponseSignature).await.expect("it is asked").expect("it is there");
    let signature = |name: &str| {
        std::fs::read(format!("{}/crates/public-keys/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR")))
            .expect("a file")
    };
    for (scheme, file) in [(Scheme::PssSha256, "pss-sha256.sig"), (Scheme::Pkcs1Sha384, "pkcs1-sha384.sig")] {
        let check = async |message: &[u8]| {
            key.verify(&app.state, scheme, message.to_vec(), signature(file)).await.expect("there is room")
        };
        assert!(check(b"a message").await.is_ok());
        assert!(check(b"another message").await.is_err());
    }
}
