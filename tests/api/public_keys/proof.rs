//! `POST /api/v1/key/{UniqueId}/challenge` and `/proof` (contract 12.5).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA512, RsaEncoding};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::TimeDelta;
use partner_api::background::retention;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::deliver::open;
use super::{
    KEYS, body_of, challenge, fixture, generation, no_such_key, path, pgp, prove, prove_with, register, rsa,
    traced, unique_id,
};
use crate::support::{Org, TestApp};

const FAILED: &str = "This does not prove that you hold the private key; see ExtraData.";
const NONE_OPEN: &str = "answers no challenge that is open: there is none, or it has expired, or its 5 tries are \
                         used up; ask for a new one";

fn challenge_path(id: &str) -> String {
    format!("{}/challenge", path(id))
}

fn wrong(tries_left: u8) -> Value {
    let reason = format!(
        "is not the answer to the newest challenge, which is the text of the message that was encrypted, or a \
         signature in base64 (RSASSA-PSS, SHA-512, salt of 64 bytes); tries left: {tries_left}"
    );
    traced("proof_failed", FAILED, json!({"Response": reason}))
}

fn none_open() -> Value {
    traced("proof_failed", FAILED, json!({"Response": NONE_OPEN}))
}

/// Signs as openssl does; gives the signature in base64.
fn sign(text: &str, key: &str, padding: &'static dyn RsaEncoding) -> String {
    let pair =
        KeyPair::from_pkcs8(&BASE64_STANDARD.decode(body_of(&fixture(key))).expect("base64")).expect("a key");
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(padding, &SystemRandom::new(), text.as_bytes(), &mut signature).expect("it signs");
    BASE64_STANDARD.encode(signature)
}

/// Registers a key that signs; gives its id.
async fn signer(org: &Org, file: &str) -> String {
    let mut registration = rsa(org, file);
    registration["Usage"] = json!(["Authentication"]);
    register(org, registration).await
}

async fn proven_utc(org: &Org, id: &str) -> Value {
    org.get(&path(id)).await.expect(200).json()["ProvenUtc"].clone()
}

/// What happened to a key, as the audit log and the outbox have it.
async fn told(app: &TestApp, id: &str) -> (Vec<String>, Vec<String>) {
    let mut database = app.database.connect().await;
    let noted = sqlx::query_scalar("SELECT action FROM audit_log WHERE subject = $1 ORDER BY seq")
        .bind(id)
        .fetch_all(&mut database)
        .await
        .expect("the log answers");
    // Events of one instant have no order.
    let events = "SELECT type FROM events WHERE strpos(body, $1) > 0 ORDER BY type";
    let events =
        sqlx::query_scalar(events).bind(id).fetch_all(&mut database).await.expect("the outbox answers");
    (noted, events)
}

#[tokio::test]
async fn what_is_encrypted_to_a_key_is_answered_with_its_text() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let keys = [
        (pgp(&acme, "pgp-curve.asc"), "pgp-curve.key.asc", "-----BEGIN PGP MESSAGE-----"),
        (pgp(&acme, "pgp-rsa.asc"), "pgp-rsa.key.asc", "-----BEGIN PGP MESSAGE-----"),
        (rsa(&acme, "rsa3072.spki.pem"), "rsa3072.key.pem", "eyJ"),
    ];
    for (registration, private, head) in keys {
        let id = register(&acme, registration).await;
        assert_eq!(proven_utc(&acme, &id).await, Value::Null);

        let asked = acme.bodyless("POST", &challenge_path(&id)).await.expect(200).json();

        let message = asked["Challenge"].as_str().expect("text").to_owned();
        assert!(message.starts_with(head), "{message}");
        let expected =
            json!({"UniqueId": id, "Challenge": message, "ExpiresUtc": "2026-11-21T08:10:00.000Z"});
        assert_eq!(asked, expected);
        let answer = open(&message, private);
        assert_eq!(answer.len(), 43, "256 bits");
        let proven = json!({"UniqueId": id, "ProvenUtc": "2026-11-21T08:00:00.000Z"});
        // As a shell hands it over.
        prove(&acme, &id, &format!(" {answer}\n")).await.expect_json(200, &proven);
        assert_eq!(proven_utc(&acme, &id).await, "2026-11-21T08:00:00.000Z");
    }
    let listed = acme.get(&format!("{KEYS}/list/acme")).await.expect(200).json();
    let listed = listed["Items"].as_array().expect("items").iter().map(|item| &item["ProvenUtc"]);
    assert_eq!(listed.collect::<Vec<_>>(), ["2026-11-21T08:00:00.000Z"; 3]);
}

#[tokio::test]
async fn a_key_that_authenticates_signs_a_text_that_can_be_nothing_else() {
    let app = TestApp::with(&[("PUBLIC_URL", "https://api.example.com")]).await;
    let acme = app.org("acme").await;
    let id = signer(&acme, "rsa2048.spki.pem").await;
    let text = challenge(&acme, &id).await;
    let (head, rest) = text.split_once("; nonce ").expect("a nonce");
    assert_eq!(
        head,
        format!(
            "partner-api key proof, version 1: the signer holds the private half of {id} at https://api.example.com"
        )
    );
    let (nonce, end) = rest.split_once("; ").expect("an end");
    assert_eq!((nonce.len(), end), (43, "expires 2026-11-21T08:10:00.000Z"));
    let signature = sign(&text, "rsa2048.key.pem", &RSA_PSS_SHA512);
    let proven = json!({"UniqueId": id, "ProvenUtc": "2026-11-21T08:00:00.000Z"});
    prove(&acme, &id, &signature).await.expect_json(200, &proven);
}

#[tokio::test]
async fn line_ends_that_tools_add_do_not_matter() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let id = signer(&acme, "rsa2048.spki.pem").await;
    let text = challenge(&acme, &id).await;
    let signature = sign(&format!("{text}\n"), "rsa2048.key.pem", &RSA_PSS_SHA512);
    let lines: Vec<_> = signature.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    prove(&acme, &id, &format!("{}\n", lines.join("\r\n"))).await.expect(200);
}

#[tokio::test]
async fn no_other_signature_proves_a_key() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let id = signer(&acme, "rsa2048.spki.pem").await;
    let before = challenge(&acme, &id).await;
    let tries: [fn(&str) -> String; 5] = [
        |text| sign(text, "rsa3072.key.pem", &RSA_PSS_SHA512),
        |text| sign(text, "rsa2048.key.pem", &RSA_PSS_SHA256),
        |text| sign(text, "rsa2048.key.pem", &RSA_PKCS1_SHA512),
        |text| sign(&format!("{text} "), "rsa2048.key.pem", &RSA_PSS_SHA512),
        |_| "not base64".to_owned(),
    ];
    for (number, made) in tries.into_iter().enumerate() {
        let text = challenge(&acme, &id).await;
        prove(&acme, &id, &made(&text)).await.expect_json(400, &wrong(4));
        let old = sign(&before, "rsa2048.key.pem", &RSA_PSS_SHA512);
        prove(&acme, &id, &old).await.expect_json(400, &wrong(3));
        assert_eq!(proven_utc(&acme, &id).await, Value::Null, "number {number}");
    }
}

#[tokio::test]
async fn a_key_that_is_for_both_is_asked_to_decrypt() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let mut both = rsa(&acme, "rsa2048.spki.pem");
    both["Usage"] = json!(["Authentication", "Reports"]);
    let id = register(&acme, both).await;
    let signed = sign(&challenge(&acme, &id).await, "rsa2048.key.pem", &RSA_PSS_SHA512);
    prove(&acme, &id, &signed).await.expect_json(400, &wrong(4));
    prove_with(&acme, &id, "rsa2048.key.pem").await.expect(200);
}

#[tokio::test]
async fn a_challenge_takes_five_tries_and_a_new_one_takes_five_more() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let id = register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;
    prove(&acme, &id, "before there is one").await.expect_json(400, &none_open());
    let answer = open(&challenge(&acme, &id).await, "rsa2048.key.pem");
    for left in [4, 3, 2, 1, 0] {
        prove(&acme, &id, &answer.to_lowercase()).await.expect_json(400, &wrong(left));
    }
    prove(&acme, &id, &answer).await.expect_json(400, &none_open());
    let second = open(&challenge(&acme, &id).await, "rsa2048.key.pem");
    assert_ne!(second, answer);
    for left in [4, 3, 2, 1] {
        prove(&acme, &id, &answer).await.expect_json(400, &wrong(left));
    }
    prove(&acme, &id, &second).await.expect(200);
}

#[tokio::test]
async fn of_a_hundred_tries_at_once_five_are_judged() {
    let app = TestApp::with(&[("ORG_SHARE", "1")]).await;
    let acme = app.org("acme").await;
    let id = register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;
    let answer = open(&challenge(&acme, &id).await, "rsa2048.key.pem");
    let mut tries = JoinSet::new();
    for number in 0..100 {
        let (caller, id) = ((*acme).clone(), id.clone());
        tries.spawn(async move { prove(&caller, &id, &format!("guess {number}")).await });
    }
    let mut judged = Vec::new();
    for reply in tries.join_all().await {
        let said =
            reply.expect(400).json()["Error"]["ExtraData"]["Response"].as_str().expect("a reason").to_owned();
        match said.split_once("tries left: ") {
            Some((_, left)) => judged.push(left.to_owned()),
            None => assert_eq!(said, NONE_OPEN),
        }
    }
    judged.sort_unstable();
    assert_eq!(judged, ["0", "1", "2", "3", "4"]);
    prove(&acme, &id, &answer).await.expect_json(400, &none_open());
}

#[tokio::test]
async fn of_right_answers_at_once_one_proves_the_key_and_all_hear_the_same() {
    let mut app = TestApp::new().await;
    app.listen().await;
    let acme = app.org("acme").await;
    let id = register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;
    let answer = open(&challenge(&acme, &id).await, "rsa2048.key.pem");
    let mut tries = JoinSet::new();
    for _ in 0..20 {
        let (caller, id, answer) = ((*acme).clone(), id.clone(), answer.clone());
        tries.spawn(async move { prove(&caller, &id, &answer).await });
    }
    let (proven, late): (Vec<_>, Vec<_>) =
        tries.join_all().await.into_iter().partition(|reply| reply.status == 200);
    assert!(!proven.is_empty());
    for reply in &proven {
        assert_eq!(reply.json()["ProvenUtc"], "2026-11-21T08:00:00.000Z");
    }
    // While the first five were judged.
    for reply in late {
        reply.expect_json(400, &none_open());
    }
    let (noted, events) = told(&app, &id).await;
    assert_eq!(noted, ["public_key.registered", "public_key.challenged", "public_key.proven"]);
    assert_eq!(events, ["public_key.proven", "public_key.registered"]);
}

#[tokio::test]
async fn the_winner_may_ask_again_and_a_challenge_that_proved_proves_nothing_more() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let id = register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;
    let answer = open(&challenge(&acme, &id).await, "rsa2048.key.pem");
    prove(&acme, &id, &answer).await.expect(200);
    app.clock.advance(TimeDelta::minutes(9));
    for _ in 0..7 {
        let again = prove(&acme, &id, &answer).await.expect(200).json();
        assert_eq!(again["ProvenUtc"], "2026-11-21T08:00:00.000Z");
        prove(&acme, &id, "something else").await.expect(400);
    }
    assert_eq!(told(&app, &id).await.1.len(), 2, "registered and proven");
    app.clock.advance(TimeDelta::minutes(1));
    prove(&acme, &id, &answer).await.expect_json(400, &none_open());

    // A new one proves anew.
    let second = open(&challenge(&acme, &id).await, "rsa2048.key.pem");
    prove(&acme, &id, &answer).await.expect_json(400, &wrong(4));
    assert_eq!(proven_utc(&acme, &id).await, "2026-11-21T08:00:00.000Z", "it stays proven meanwhile");
    prove(&acme, &id, &second).await.expect(200);
    assert_eq!(proven_utc(&acme, &id).await, "2026-11-21T08:10:00.000Z");
}

#[tokio::test]
async fn a_challenge_lives_ten_minutes_and_only_the_newest_counts() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let id = register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;
    let late = open(&challenge(&acme, &id).await, "rsa2048.key.pem");
    app.clock.advance(TimeDelta::minutes(10));
    prove(&acme, &id, &late).await.expect_json(400, &none_open());
    let old = open(&challenge(&acme, &id).await, "rsa2048.key.pem");
    let new = open(&challenge(&acme, &id).await, "rsa2048.key.pem");
    prove(&acme, &id, &old).await.expect_json(400, &wrong(4));
    app.clock.advance(TimeDelta::milliseconds(599_999));
    prove(&acme, &id, &new).await.expect(200);
}

#[tokio::test]
async fn what_has_nothing_to_prove_is_told_why() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let ours = unique_id(&acme.post(&format!("{KEYS}/generate"), generation(&acme, 2048)).await.expect(200));
    let dead = register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;
    acme.delete(&path(&dead)).await.expect(204);
    let foreign = register(&zeta, rsa(&zeta, "rsa3072.spki.pem")).await;
    let pair = "names a pair that was generated here: its private half never leaves the service, so that you have \
                nothing to prove";
    let not_live = "This key has expired or was deleted, and does not come back.";
    for (id, status, body) in [
        (&*ours, 400, super::not_valid(json!({"UniqueId": pair}))),
        (&dead, 400, traced("key_not_live", not_live, json!({}))),
        (&foreign, 404, no_such_key()),
        ("0192f0c1-2345-7abc-8def-0123456789ab", 404, no_such_key()),
        ("nonsense", 404, no_such_key()),
    ] {
        acme.bodyless("POST", &challenge_path(id)).await.expect_json(status, &body);
        prove(&acme, id, "anything").await.expect_json(status, &body);
    }
}

#[tokio::test]
async fn a_key_that_ends_while_it_is_challenged_is_not_proven() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let id = register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;
    let answer = open(&challenge(&acme, &id).await, "rsa2048.key.pem");
    acme.delete(&path(&id)).await.expect(204);
    assert_eq!(prove(&acme, &id, &answer).await.expect(400).code(), "key_not_live");
    assert_eq!(proven_utc(&acme, &id).await, Value::Null);
}

#[tokio::test]
async fn responses_are_read_strictly() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let id = register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;
    let send = async |body: Value| acme.post(&format!("{}/proof", path(&id)), body).await.expect(400);
    let reason = async |body: Value| send(body).await.json()["Error"]["ExtraData"].clone();
    assert_eq!(reason(json!({})).await, json!({"Response": "is required"}));
    assert_eq!(reason(json!({"Response": ""})).await, json!({"Response": "must have at least 1 characters"}));
    let long = json!({"Response": "x".repeat(2_001)});
    assert_eq!(reason(long).await, json!({"Response": "must have at most 2000 characters"}));
    assert_eq!(reason(json!({"Response": 1})).await, json!({"Response": "must be a string"}));
    let more = reason(json!({"Response": "x", "Answer": "y"})).await;
    assert!(more.get("Answer").is_some(), "{more}");
}

#[tokio::test]
async fn a_proof_is_told_with_its_version_and_nothing_tells_an_answer() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let id = register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;
    let answer = open(&challenge(&acme, &id).await, "rsa2048.key.pem");
    let stored = async |table: &str| {
        let query = format!("SELECT coalesce(string_agg(t::text, '|'), '') FROM {table} t");
        let rows: String = sqlx::query_scalar(sqlx::AssertSqlSafe(query))
            .fetch_one(&mut app.database.connect().await)
            .await
            .expect("the rows");
        rows
    };
    let hex: String = answer.bytes().map(|byte| format!("{byte:02x}")).collect();
    let caller = acme.with("idempotency-key", "proofs-0123456789abcdef");
    for step in ["challenged", "proven"] {
        for table in ["public_key_challenges", "public_keys", "events", "audit_log", "idempotency_keys"] {
            let rows = stored(table).await;
            assert!(!rows.contains(&answer) && !rows.contains(&hex), "{step}: {table}");
        }
        prove(&caller, &id, &answer).await.expect(200);
    }
    let bodies: Vec<String> =
        sqlx::query_scalar("SELECT body FROM events WHERE type = 'public_key.proven' ORDER BY id")
            .fetch_all(&mut app.database.connect().await)
            .await
            .expect("the outbox answers");
    assert_eq!(bodies.len(), 1);
    let body: Value = serde_json::from_str(&bodies[0]).expect("JSON");
    assert_eq!(
        body["data"],
        json!({"unique_id": id, "expires_at": "2028-11-21T08:00:00Z", "occurred_at": "2026-11-21T08:00:00Z", "version": 2})
    );
}

#[tokio::test]
async fn challenges_are_forgotten_once_nobody_can_answer_them() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let id = register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;
    challenge(&acme, &id).await;
    let left = async || {
        retention::step(&app.state).await.expect("it deletes");
        let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM public_key_challenges");
        count.fetch_one(&mut app.database.connect().await).await.expect("a count")
    };
    assert_eq!(left().await, 1);
    app.clock.advance(TimeDelta::seconds(601));
    assert_eq!(left().await, 0);
}
