//! `/v1/auth/signing-secret`: rotated at leisure, because while a previous secret lives every
//! event carries a signature of each (contract 5).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use partner_api::background::{expiry, publisher, rotations};
use serde_json::{Value, json};
use sqlx::Row as _;
use tokio::task::JoinSet;

use crate::support::webhook::Receiver;
use crate::support::{Org, Reply, TestApp, envelope};

const SECRET: &str = "/v1/auth/signing-secret";
const ROTATE: &str = "/v1/auth/signing-secret/rotate";

/// Bytes that look random.
const BYTES: &str = "fb9f8c3e17d2604ab5e91c77f0383dfe6250cfa98bd14e73960f2ac5e8b47d1b";

#[tokio::test]
async fn the_first_secret_has_no_previous_one_and_is_shown_once() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let none = acme.get(SECRET).await;
    none.expect_json(
        404,
        &envelope("signing_secret_not_configured", "The organisation has no signing secret yet."),
    );

    let reply = acme.bodyless("POST", ROTATE).await.expect(200);

    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let data = reply.json()["data"].clone();
    assert_eq!(data["signing_secret_rotated_at"], "2026-11-21T08:00:00Z");
    assert_eq!(data["previous_secret_expires_at"], Value::Null);
    let secret = data["new_signing_secret"].as_str().expect("it is shown");
    assert_eq!(
        STANDARD.decode(secret.strip_prefix("whsec_").expect("the prefix")).expect("base64").len(),
        32
    );

    let shown = acme.get(SECRET).await.expect(200);
    assert!(!shown.text().contains(&secret[6..]));
    let current = json!({"id": data["secret_id"], "created_at": "2026-11-21T08:00:00Z", "source": "server"});
    shown.expect_json(200, &json!({"data": {"current": current, "previous": [], "pending": null}}));
}

#[tokio::test]
async fn a_partners_own_secret_is_taken_in_every_published_spelling_and_never_shown() {
    let app = TestApp::new().await;
    let bytes = hex::decode(BYTES).expect("hex");
    let spellings = [
        BYTES.to_owned(),
        BYTES.to_uppercase(),
        STANDARD.encode(&bytes),
        STANDARD_NO_PAD.encode(&bytes),
        URL_SAFE.encode(&bytes),
        URL_SAFE_NO_PAD.encode(&bytes),
    ];
    for (n, spelling) in spellings.iter().enumerate() {
        for (prefix, key) in [("", "bare"), ("whsec_", "with")] {
            let org = app.org(&format!("{key}-{n}")).await;
            let reply = org.post(ROTATE, json!({"secret": format!("{prefix}{spelling}")})).await.expect(200);
            assert_eq!(reply.json()["data"].get("new_signing_secret"), None);
            assert_eq!(org.get(SECRET).await.json()["data"]["current"]["source"], "partner");
            // Each of them is the same secret: any other spelling of it was had before.
            let again = org.post(ROTATE, json!({"secret": spellings[(n + 1) % 6]})).await.expect(409);
            assert_eq!(again.code(), "secret_reused");
        }
    }
}

#[tokio::test]
async fn what_anybody_could_guess_or_nobody_can_read_is_refused_and_not_repeated() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let encoded = |bytes: &[u8]| STANDARD.encode(bytes);
    let counting: Vec<u8> = (7..71).collect();
    for bad in [
        String::new(),
        "not base64!".to_owned(),
        "whsec_".to_owned(),
        encoded(&hex::decode(BYTES).expect("hex")[..31]),
        encoded(&hex::decode(BYTES).expect("hex").repeat(9)),
        encoded(&[0x41; 32]),
        encoded(&b"0123456789abcdef".repeat(3)),
        encoded(b"hunter2hunter2hunter2hunter2hunter2hu"),
        encoded(&counting),
        hex::encode([0; 32]),
        BYTES[..62].to_owned(),
        BYTES[..63].to_owned(),
        BYTES[..48].to_owned(),
        format!("{BYTES} "),
        format!("{BYTES}\n"),
        format!("0x{BYTES}"),
        format!("whsec_whsec_{}", encoded(&hex::decode(BYTES).expect("hex"))),
        // SHA-256 of nothing, once the example of our own document; RFC 7515 A.1.
        "whsec_47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".to_owned(),
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow".to_owned(),
    ] {
        let reply = acme.post(ROTATE, json!({"secret": bad})).await;
        assert!(bad.len() < 8 || !reply.text().contains(&bad[..8]), "{}", reply.text());
        let problem = reply.expect(422).json()["detail"][0].clone();
        assert_eq!(problem["loc"], json!(["body", "secret"]), "{bad}");
        assert!(["value_error", "missing"].contains(&problem["type"].as_str().expect("a type")), "{problem}");
    }
    for (body, kind) in [
        (json!({"secret": 7}), "string_type"),
        (json!({"grace_period_seconds": 604_801}), "less_than_equal"),
        (json!({"grace_period_seconds": -1}), "greater_than_equal"),
        (json!({"grace": 1}), "extra_forbidden"),
    ] {
        assert_eq!(acme.post(ROTATE, body).await.expect(422).json()["detail"][0]["type"], kind);
    }
    acme.get(SECRET).await.expect(404);
}

#[tokio::test]
async fn a_refused_secret_is_told_what_it_looks_like() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let cases = [
        (&BYTES[..48], "fewer than 64 digits"),
        (&BYTES[..60], "fewer than 64 digits"),
        (&BYTES[..63], "odd number of digits"),
        ("fb9f8c3e17d2604ab5e91c77f0383dfe-6250cfa98bd14e73960f2ac5e8b47d1b", "dashes"),
        (" +5+MPhfSYEq16Rx38Dg9/mJQz6mL0U5zlg8qxei0fRs=", "white space"),
        ("+5+MPhfSYEq16Rx38Dg9/mJQz6mL0U5zlg8qxei0fRs=\r\n", "white space"),
        ("whsec_whsec_+5+MPhfSYEq16Rx38Dg9/mJQz6mL0U5zlg8qxei0fRs=", "twice"),
        ("WHSEC_+5+MPhfSYEq16Rx38Dg9/mJQz6mL0U5zlg8qxei0fRs=", "prefix"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "published"),
        ("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "published"),
    ];
    for (secret, word) in cases {
        let problem =
            acme.post(ROTATE, json!({"secret": secret})).await.expect(422).json()["detail"][0].clone();
        assert_eq!((&problem["loc"], &problem["type"]), (&json!(["body", "secret"]), &json!("value_error")));
        assert!(problem["msg"].as_str().is_some_and(|msg| msg.contains(word)), "{secret}: {problem}");
    }
    acme.get(SECRET).await.expect(404);
}

#[tokio::test]
async fn a_secret_is_never_had_twice_by_the_same_org_and_another_org_may_have_it() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let own = json!({"secret": BYTES, "grace_period_seconds": 0});
    acme.post(ROTATE, own.clone()).await.expect(200);
    zeta.post(ROTATE, own.clone()).await.expect(200);
    // While it is current, and long after it died.
    assert_eq!(acme.post(ROTATE, own.clone()).await.expect(409).code(), "secret_reused");
    acme.make_signing_secret(0).await;
    app.clock.advance(TimeDelta::days(365));
    expiry::step(&app.state).await.expect("it looks");
    assert_eq!(acme.post(ROTATE, own).await.expect(409).code(), "secret_reused");
}

#[tokio::test]
async fn five_secrets_live_and_the_refusal_names_the_next_end() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    for grace in [9, 3600, 1800, 7200, 9000] {
        acme.make_signing_secret(grace).await;
    }
    let refused = acme.post(ROTATE, json!({"grace_period_seconds": 60})).await.expect(409);
    assert_eq!(refused.code(), "too_many_live_secrets");
    assert_eq!(refused.json()["error"]["details"][0]["message"], "2026-11-21T08:30:00Z");
    acme.make_signing_secret(0).await;
    app.clock.advance(TimeDelta::minutes(30));
    acme.make_signing_secret(60).await;
}

#[tokio::test]
async fn a_second_rotation_moves_no_earlier_deadline() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (first, _) = acme.make_signing_secret(9).await;
    let (second, _) = acme.make_signing_secret(3600).await;
    app.clock.advance(TimeDelta::seconds(1));
    let reply = acme.post(ROTATE, json!({"grace_period_seconds": 60})).await.expect(200);
    assert_eq!(reply.json()["data"]["previous_secret_expires_at"], "2026-11-21T08:01:01Z");
    let previous = json!([
        {"id": second, "expires_at": "2026-11-21T08:01:01Z"},
        {"id": first, "expires_at": "2026-11-21T09:00:00Z"},
    ]);
    assert_eq!(acme.get(SECRET).await.json()["data"]["previous"], previous);
    app.clock.advance(TimeDelta::seconds(60));
    assert_eq!(acme.get(SECRET).await.json()["data"]["previous"][0]["id"], first.as_str());
}

#[tokio::test]
async fn a_previous_secret_is_ended_early_and_the_current_one_is_not() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let (first, _) = acme.make_signing_secret(9).await;
    app.clock.advance(TimeDelta::seconds(1));
    let (current, _) = acme.make_signing_secret(3600).await;
    app.clock.advance(TimeDelta::seconds(1));
    let end = async |org: &Org, id: &str| org.delete(&format!("{SECRET}/{id}")).await;
    assert_eq!(end(&acme, &current).await.expect(409).code(), "cannot_revoke_current");
    let theirs: Reply = end(&zeta, &first).await.expect(404);
    assert_eq!(theirs.body, end(&zeta, &uuid::Uuid::new_v4().to_string()).await.body);
    end(&acme, &first).await.expect(204);
    end(&acme, &first).await.expect(204);
    assert_eq!(acme.get(SECRET).await.json()["data"]["previous"], json!([]));
    assert_eq!(kinds(&app).await, ["rotated", "rotated", "revoked"]);
}

#[tokio::test]
async fn every_event_carries_a_signature_of_each_live_secret_newest_first() {
    let app = TestApp::with(&[("ALLOW_PRIVATE_TARGETS", "true")]).await;
    let acme = app.org("acme").await;
    let partner = Receiver::start().await;
    let (_, first) = acme.make_signing_secret(9).await;
    acme.register_webhook("users", &partner.url).await;
    let signed_with = async |secrets: &[&Vec<u8>]| {
        acme.post("/v1/users", json!({"user_id": uuid::Uuid::new_v4()})).await.expect(201);
        assert_eq!(publisher::step(&app.state).await.expect("it looks"), 1);
        let arrived = partner.take();
        let expected: Vec<_> = secrets.iter().map(|secret| arrived[0].signature_with(secret)).collect();
        assert_eq!(arrived[0].signatures(), expected);
    };

    signed_with(&[&first]).await;
    app.clock.advance(TimeDelta::seconds(1));
    let (second_id, second) = acme.make_signing_secret(3600).await;
    signed_with(&[&second, &first]).await;
    app.clock.advance(TimeDelta::seconds(1));
    let (_, third) = acme.make_signing_secret(7200).await;
    signed_with(&[&third, &second, &first]).await;
    app.clock.advance(TimeDelta::seconds(3599));
    signed_with(&[&third, &second]).await;
    acme.delete(&format!("{SECRET}/{second_id}")).await.expect(204);
    signed_with(&[&third]).await;
    let (_, fourth) = acme.make_signing_secret(0).await;
    signed_with(&[&fourth]).await;
}

#[tokio::test]
async fn an_end_is_told_once_and_the_dead_secret_is_wiped() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    acme.make_signing_secret(9).await;
    acme.make_signing_secret(60).await;
    app.clock.advance(TimeDelta::milliseconds(59_999));
    assert_eq!(expiry::step(&app.state).await.expect("it looks"), 0);
    app.clock.advance(TimeDelta::milliseconds(1));
    assert_eq!(expiry::step(&app.state).await.expect("it looks"), 1);
    assert_eq!(expiry::step(&app.state).await.expect("it looks"), 0);
    assert_eq!(kinds(&app).await, ["rotated", "rotated", "expired"]);
    let sealed: i64 = sqlx::query_scalar("SELECT count(sealed) FROM signing_secrets")
        .fetch_one(&mut app.database.connect().await)
        .await
        .expect("the database answers");
    assert_eq!(sealed, 1);
}

#[tokio::test]
async fn a_secret_that_is_ended_is_wiped_from_its_row_at_once() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (first, _) = acme.make_signing_secret(0).await;
    let (second, _) = acme.make_signing_secret(3600).await;
    let (third, _) = acme.make_signing_secret(0).await;
    assert_eq!(sealed(&app).await, [(first.clone(), true), (second.clone(), false), (third.clone(), true)]);
    acme.delete(&format!("{SECRET}/{first}")).await.expect(204);
    assert_eq!(sealed(&app).await, [(first, false), (second, false), (third, true)]);
}

#[tokio::test]
async fn a_revoked_secret_signs_nothing_even_where_its_row_is_whole() {
    let app = TestApp::with(&[("ALLOW_PRIVATE_TARGETS", "true")]).await;
    let acme = app.org("acme").await;
    let receiver = Receiver::start().await;
    let (first, _) = acme.make_signing_secret(0).await;
    acme.register_webhook("users", &receiver.url).await;
    let (_, second) = acme.make_signing_secret(3600).await;
    let mut database = app.database.connect().await;
    // As a backup would put it back.
    let whole: Vec<u8> = sqlx::query_scalar("SELECT sealed FROM signing_secrets WHERE id::text = $1")
        .bind(&first)
        .fetch_one(&mut database)
        .await
        .expect("it lives");
    acme.delete(&format!("{SECRET}/{first}")).await.expect(204);
    sqlx::query("UPDATE signing_secrets SET sealed = $2 WHERE id::text = $1")
        .bind(&first)
        .bind(whole)
        .execute(&mut database)
        .await
        .expect("it is put back");
    receiver.take_all();
    acme.post("/v1/users", json!({"user_id": uuid::Uuid::new_v4()})).await.expect(201);
    assert_eq!(publisher::step(&app.state).await.expect("it looks"), 1);
    let arrived = receiver.take().remove(0);
    assert_eq!(arrived.signatures(), [arrived.signature_with(&second)]);
}

async fn start(org: &Org, grace: u32) -> (String, Vec<u8>) {
    let body =
        json!({"activation": "on_confirm", "grace_period_seconds": grace, "confirm_within_seconds": 600});
    let data = org.post(ROTATE, body).await.expect(200).json()["data"].clone();
    assert_eq!(data["confirmation_expires_at"], "2026-11-21T08:10:00Z");
    assert_eq!(data["previous_secret_expires_at"], Value::Null);
    let secret = data["new_signing_secret"].as_str().expect("it is shown");
    let bytes = STANDARD.decode(secret.trim_start_matches("whsec_")).expect("base64");
    (data["secret_id"].as_str().expect("an id").to_owned(), bytes)
}

async fn confirm(org: &Org, id: &str) -> Reply {
    org.bodyless("POST", &format!("{SECRET}/{id}/confirm")).await
}

#[tokio::test]
async fn a_secret_that_waits_signs_along_and_takes_its_place_when_it_is_confirmed() {
    let app = TestApp::with(&[("ALLOW_PRIVATE_TARGETS", "true")]).await;
    let acme = app.org("acme").await;
    let partner = Receiver::start().await;
    let (first_id, first) = acme.make_signing_secret(0).await;
    acme.register_webhook("users", &partner.url).await;
    let signed_with = async |secrets: &[&Vec<u8>]| {
        partner.take_all();
        acme.post("/v1/users", json!({"user_id": uuid::Uuid::new_v4()})).await.expect(201);
        assert_eq!(publisher::step(&app.state).await.expect("it looks"), 1);
        let arrived = partner.take();
        let expected: Vec<_> = secrets.iter().map(|secret| arrived[0].signature_with(secret)).collect();
        assert_eq!(arrived[0].signatures(), expected);
    };
    let (second_id, second) = start(&acme, 60).await;
    signed_with(&[&second, &first]).await;
    let shown = acme.get(SECRET).await.json()["data"].clone();
    assert_eq!((&shown["current"]["id"], &shown["previous"]), (&json!(first_id), &json!([])));
    assert_eq!(shown["pending"], json!({"id": second_id, "confirmation_expires_at": "2026-11-21T08:10:00Z"}));
    let refused = acme.bodyless("POST", ROTATE).await.expect(409);
    assert_eq!(
        (refused.code(), refused.json()["error"]["details"][0]["message"].clone()),
        ("rotation_pending".to_owned(), json!(second_id))
    );
    assert_eq!(confirm(&acme, &first_id).await.expect(409).code(), "rotation_not_pending");
    let confirmed = confirm(&acme, &second_id).await.expect(200).json();
    let expected = json!({"secret_id": second_id, "previous_secret_id": first_id,
                          "previous_secret_expires_at": "2026-11-21T08:01:00Z"});
    assert_eq!(confirmed["data"], expected);
    assert_eq!(confirm(&acme, &second_id).await.expect(409).code(), "rotation_not_pending");
    signed_with(&[&second, &first]).await;
    app.clock.advance(TimeDelta::seconds(60));
    signed_with(&[&second]).await;
    assert_eq!(acme.get(SECRET).await.json()["data"]["current"]["id"], json!(second_id));
}

#[tokio::test]
async fn a_secret_that_is_not_confirmed_is_given_up_and_wiped() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (first, _) = acme.make_signing_secret(0).await;
    let before = acme.get(SECRET).await.json();
    let (second, _) = start(&acme, 60).await;
    acme.delete(&format!("{SECRET}/{second}")).await.expect(204);
    assert_eq!(acme.get(SECRET).await.json(), before);
    let (third, _) = start(&acme, 60).await;
    app.clock.advance(TimeDelta::seconds(600));
    assert_eq!(acme.get(SECRET).await.json(), before);
    assert_eq!(confirm(&acme, &third).await.expect(409).code(), "key_not_live");
    for done in [1, 0] {
        assert_eq!(rotations::step(&app.state).await.expect("it looks"), done);
        assert_eq!(expiry::step(&app.state).await.expect("it looks"), 0);
    }
    let mut told = kinds(&app).await;
    told.sort_unstable();
    let (abandoned, started) = ("rotation_abandoned", "rotation_started");
    assert_eq!(told, ["rotated", abandoned, abandoned, started, started]);
    assert_eq!(sealed(&app).await, [(first, true), (second, false), (third, false)]);
}

#[tokio::test]
async fn the_first_secret_of_all_has_nothing_to_wait_for() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let data =
        acme.post(ROTATE, json!({"activation": "on_confirm"})).await.expect(200).json()["data"].clone();
    assert_eq!(data.get("confirmation_expires_at"), None);
    assert_eq!(acme.get(SECRET).await.json()["data"]["current"]["id"], data["secret_id"]);
    acme.post(ROTATE, json!({"activation": "on_first_use"})).await.expect(422);
}

#[tokio::test]
async fn rotations_at_once_leave_one_current_secret() {
    let mut app = TestApp::new().await;
    app.listen().await;
    let acme = app.org("acme").await;
    acme.get("/v1/features").await.expect(200);
    let mut posts = JoinSet::new();
    for _ in 0..12 {
        let caller = (*acme).clone();
        posts.spawn(async move {
            let reply = caller.post(ROTATE, json!({"grace_period_seconds": 3600})).await;
            if reply.status == 200 { "done".to_owned() } else { reply.code() }
        });
    }
    let mut outcomes = posts.join_all().await;
    outcomes.sort_unstable();
    assert_eq!(outcomes, [["done"; 5].as_slice(), &["too_many_live_secrets"; 7]].concat());
    let shown = acme.get(SECRET).await.expect(200).json();
    assert_eq!(shown["data"]["previous"].as_array().map(Vec::len), Some(4));
}

/// Every secret, in the order of creation, and whether something of it is kept.
async fn sealed(app: &TestApp) -> Vec<(String, bool)> {
    sqlx::query_as("SELECT id::text, sealed IS NOT NULL FROM signing_secrets ORDER BY id")
        .fetch_all(&mut app.database.connect().await)
        .await
        .expect("the database answers")
}

/// What was told of secrets, oldest first.
async fn kinds(app: &TestApp) -> Vec<String> {
    let rows =
        sqlx::query("SELECT type FROM events WHERE type LIKE 'signing_secret.%' ORDER BY created_at, id")
            .fetch_all(&mut app.database.connect().await)
            .await
            .expect("the outbox answers");
    rows.iter().map(|row| row.get::<&str, _>(0).trim_start_matches("signing_secret.").to_owned()).collect()
}
