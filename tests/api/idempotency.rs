//! `Idempotency-Key` (contract 7): a POST that is sent again is answered again, not done again.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use futures_util::future::join_all;
use partner_api::background::retention;
use serde_json::json;
use sqlx::Executor;
use uuid::Uuid;

use crate::support::{Caller, Org, Reply, TestApp, envelope};

const KEY: &str = "order-7-0123456789abcdef";
const USERS: &str = "/v1/users";
const ROTATE: &str = "/v1/auth/tenant-key/rotate";
const TENANT_KEYS: &str = "/v1/admin/org/tenant-keys";

/// The caller, who may send the same again.
fn with_key(caller: &Caller) -> Caller {
    caller.with("idempotency-key", KEY)
}

fn is_replayed(reply: &Reply) -> bool {
    reply.header("idempotent-replayed") == Some("true")
}

async fn count(app: &TestApp, query: &str) -> i64 {
    sqlx::query_scalar(sqlx::AssertSqlSafe(query))
        .fetch_one(&mut app.database.connect().await)
        .await
        .expect("it counts")
}

/// The org's backend with a key of its own.
async fn with_tenant_key(app: &TestApp, org: &Org) -> Caller {
    let minted = org.post(TENANT_KEYS, json!({"name": "first"})).await.expect(201).json();
    app.anyone().with("taih-tenant-key", minted["data"]["secret"].as_str().expect("a key"))
}

#[tokio::test]
async fn what_is_sent_again_is_answered_again_and_not_done_again() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let user = json!({"user_id": "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13"});
    let first = with_key(&acme).post(USERS, user.clone()).await.expect(201);
    assert!(!is_replayed(&first));
    // Quoted, it is the same key.
    let again =
        acme.with("idempotency-key", format!("\"{KEY}\"")).post(USERS, user.clone()).await.expect(201);
    assert!(is_replayed(&again));
    assert_eq!(again.body, first.body);
    assert_eq!(again.header("cache-control"), Some("no-store"));
    assert_eq!(again.header("content-type"), Some("application/json"));
    assert_eq!(count(&app, "SELECT count(*) FROM events WHERE type = 'user.created'").await, 1);
    // Without a key it is another request.
    assert_eq!(acme.post(USERS, user).await.expect(409).code(), "user_already_exists");
}

#[tokio::test]
async fn another_body_under_the_same_key_is_refused() {
    let app = TestApp::new().await;
    let acme = with_key(&*app.org("acme").await);
    acme.post(USERS, json!({"user_id": Uuid::new_v4()})).await.expect(201);
    let reused = envelope("idempotency_key_reused", "This Idempotency-Key was used for another request.");
    acme.post(USERS, json!({"user_id": Uuid::new_v4()})).await.expect_json(422, &reused);
    // What is wrong with the body comes first.
    let invalid = acme.post(USERS, json!({"user_id": "7"})).await.expect(422);
    assert_eq!(invalid.json()["detail"][0]["type"], "uuid_parsing");
}

#[tokio::test]
async fn another_org_credential_or_path_is_another_request() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let user = json!({"user_id": Uuid::new_v4()});
    with_key(&acme).post(USERS, user.clone()).await.expect(201);
    assert!(!is_replayed(&with_key(&zeta).post(USERS, user.clone()).await.expect(201)));
    let by_key = with_key(&with_tenant_key(&app, &acme).await);
    assert_eq!(by_key.post(USERS, user).await.expect(409).code(), "user_already_exists");
    let elsewhere = with_key(&acme).post(TENANT_KEYS, json!({"name": "other"})).await.expect(201);
    assert!(!is_replayed(&elsewhere));
}

#[tokio::test]
async fn a_refusal_is_not_kept() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let user_id = Uuid::new_v4();
    acme.post(USERS, json!({"user_id": user_id})).await.expect(201);
    with_key(&acme).post(USERS, json!({"user_id": user_id})).await.expect(409);
    acme.delete(&format!("{USERS}/{user_id}")).await.expect(204);
    let created = with_key(&acme).post(USERS, json!({"user_id": user_id})).await.expect(201);
    assert!(!is_replayed(&created));
}

#[tokio::test]
async fn a_rotation_whose_reply_was_lost_is_answered_to_the_superseded_key() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let old = with_key(&with_tenant_key(&app, &acme).await);
    let first = old.bodyless("POST", ROTATE).await.expect(200);
    app.clock.advance(TimeDelta::seconds(599));
    // What is forgotten later is not forgotten yet.
    retention::step(&app.state).await.unwrap();
    let again = old.bodyless("POST", ROTATE).await.expect(200);
    assert!(is_replayed(&again));
    assert_eq!(again.body, first.body);
    assert_eq!(count(&app, "SELECT count(*) FROM tenant_keys").await, 2);
    assert_eq!(
        old.without("idempotency-key").bodyless("POST", ROTATE).await.expect(409).code(),
        "key_already_rotated"
    );
}

#[tokio::test]
async fn after_ten_minutes_a_secret_is_not_told_again_but_what_it_belongs_to_is() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let old = with_key(&with_tenant_key(&app, &acme).await);
    let first = old.bodyless("POST", ROTATE).await.expect(200).json();
    let mut expected = envelope(
        "secret_no_longer_available",
        "The request was carried out, and its secret was shown; details name what it made.",
    );
    expected["error"]["details"] = json!([
        {"field": "key_id", "code": "made", "message": first["data"]["key_id"]},
        {"field": "previous_key_id", "code": "made", "message": first["data"]["previous_key_id"]},
    ]);
    app.clock.advance(TimeDelta::minutes(10));
    old.bodyless("POST", ROTATE).await.expect_json(409, &expected);
    retention::step(&app.state).await.unwrap();
    assert_eq!(count(&app, "SELECT count(*) FROM idempotency_keys WHERE sealed IS NOT NULL").await, 0);
    old.bodyless("POST", ROTATE).await.expect_json(409, &expected);
    assert_eq!(count(&app, "SELECT count(*) FROM tenant_keys").await, 2);
}

#[tokio::test]
async fn the_minutes_can_be_set_to_none() {
    let app = TestApp::with(&[("IDEMPOTENCY_SECRET_SECONDS", "0")]).await;
    let acme = with_key(&*app.org("acme").await);
    acme.post(TENANT_KEYS, json!({"name": "first"})).await.expect(201);
    assert_eq!(count(&app, "SELECT count(*) FROM idempotency_keys WHERE sealed IS NOT NULL").await, 0);
    let again = acme.post(TENANT_KEYS, json!({"name": "first"})).await.expect(409);
    assert_eq!(again.code(), "secret_no_longer_available");
}

#[tokio::test]
async fn a_reply_without_a_secret_is_kept_for_a_day() {
    let app = TestApp::new().await;
    let acme = with_key(&*app.org("acme").await);
    let (body, day) = (json!({"user_id": Uuid::new_v4()}), TimeDelta::hours(24));
    acme.post(USERS, body.clone()).await.expect(201);
    app.clock.advance(day - TimeDelta::microseconds(1));
    assert!(is_replayed(&acme.post(USERS, body.clone()).await.expect(201)));
    app.clock.advance(TimeDelta::microseconds(1));
    // Now it is a new request, of which the user stands in the way.
    acme.post(USERS, body).await.expect(409);
    // A new one takes the old one's place before anybody cleans up.
    acme.post(USERS, json!({"user_id": Uuid::new_v4()})).await.expect(201);
    app.clock.advance(day);
    retention::step(&app.state).await.unwrap();
    assert_eq!(count(&app, "SELECT count(*) FROM idempotency_keys").await, 0);
}

#[tokio::test]
async fn of_many_at_once_one_is_carried_out() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let old = with_key(&with_tenant_key(&app, &acme).await);
    let replies = join_all((0..50).map(|_| old.bodyless("POST", ROTATE))).await;
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    let mut bodies = Vec::new();
    for reply in replies {
        let outcome = match reply.status {
            200 if is_replayed(&reply) => "replayed".to_owned(),
            200 => "done".to_owned(),
            _ => reply.code(),
        };
        bodies.extend((reply.status == 200).then(|| reply.body.clone()));
        *outcomes.entry(outcome).or_default() += 1;
    }
    assert_eq!(outcomes["done"], 1, "{outcomes:?}");
    assert!(
        outcomes.keys().all(|o| ["done", "replayed", "idempotency_in_progress"].contains(&o.as_str())),
        "{outcomes:?}"
    );
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(count(&app, "SELECT count(*) FROM tenant_keys").await, 2);
    assert!(is_replayed(&old.bodyless("POST", ROTATE).await.expect(200)));
}

#[tokio::test]
async fn while_another_request_has_the_key_the_answer_is_a_conflict() {
    let app = TestApp::new().await;
    let acme = with_key(&*app.org("acme").await);
    let body = json!({"user_id": Uuid::new_v4()});
    acme.post(USERS, body.clone()).await.expect(201);
    // As if the first request were still running: nothing of it is there yet, but its lock.
    let mut first = app.database.connect().await;
    let lock: i64 = sqlx::query_scalar(
        "SELECT ('x' || left(encode(scope, 'hex'), 16))::bit(64)::bigint FROM idempotency_keys",
    )
    .fetch_one(&mut first)
    .await
    .unwrap();
    let take = sqlx::AssertSqlSafe(format!("BEGIN; SELECT pg_advisory_xact_lock({lock})"));
    sqlx::raw_sql(take).execute(&mut first).await.unwrap();
    app.database.connect().await.execute("DELETE FROM users; DELETE FROM idempotency_keys").await.unwrap();
    let in_progress = envelope(
        "idempotency_in_progress",
        "A request with this Idempotency-Key is being answered; try again.",
    );
    acme.post(USERS, body.clone()).await.expect_json(409, &in_progress);
    first.execute("ROLLBACK").await.unwrap();
    acme.post(USERS, body).await.expect(201);
}

#[tokio::test]
async fn a_change_whose_reply_cannot_be_kept_is_not_made() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let mut database = app.database.connect().await;
    database
        .execute("ALTER TABLE idempotency_keys ADD CONSTRAINT broken CHECK (false) NOT VALID")
        .await
        .unwrap();
    with_key(&acme).post(USERS, json!({"user_id": Uuid::new_v4()})).await.expect(500);
    with_key(&acme).post(TENANT_KEYS, json!({"name": "first"})).await.expect(500);
    assert_eq!(count(&app, "SELECT count(*) FROM users").await, 0);
    assert_eq!(count(&app, "SELECT count(*) FROM tenant_keys").await, 0);
    assert_eq!(count(&app, "SELECT count(*) FROM events").await, 0);
}

#[tokio::test]
async fn the_table_holds_no_secret_and_no_key_in_clear() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let minted = with_key(&acme).post(TENANT_KEYS, json!({"name": "first"})).await.expect(201).json();
    let dump: String = sqlx::query_scalar("SELECT string_agg(k::text, ' ') FROM idempotency_keys k")
        .fetch_one(&mut app.database.connect().await)
        .await
        .unwrap();
    let secret = minted["data"]["secret"].as_str().unwrap();
    for hidden in [secret, &secret[8..], KEY, &hex::encode(secret), &hex::encode(KEY)] {
        assert!(!dump.contains(hidden), "{dump}");
    }
    assert!(dump.contains(minted["data"]["id"].as_str().unwrap()));
}

#[tokio::test]
async fn a_malformed_key_is_refused_on_every_route_before_the_body_is_looked_at() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    for malformed in ["", "\"", "a b", "\u{e4}"] {
        let sent = acme.with("idempotency-key", malformed);
        assert_eq!(sent.get(USERS).await.expect(400).code(), "invalid_request");
        assert_eq!(sent.post(USERS, json!({"nonsense": 1})).await.expect(400).code(), "invalid_request");
        assert_eq!(sent.get("/v1/admin/org/members").await.expect(503).code(), "service_unavailable");
    }
    let twice = acme.with("idempotency-key", "a").with("idempotency-key", "a");
    twice.get(USERS).await.expect(400);
    // Where a secret is shown, a short key is too easy to guess; elsewhere it is not.
    let short = acme.with("idempotency-key", "1234567890123456789");
    short.bodyless("POST", ROTATE).await.expect(400);
    short.get(TENANT_KEYS).await.expect(200);
    short.post(USERS, json!({"user_id": Uuid::new_v4()})).await.expect(201);
}
