//! The gateway's question (contract 8): whose key is this? On the internal listener only.

use std::time::{Duration, Instant};

use axum::body::Body;
use chrono::TimeDelta;
use partner_api::crypto::tenant_key::{KeyEnv, TenantKey};
use serde_json::{Value, json};
use sqlx::Connection as _;
use tokio::task::JoinSet;

use crate::support::{Caller, Org, Reply, TestApp, envelope, request};

const VERIFY: &str = "/internal/auth/verify";
const A_SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_live_key_is_answered_with_its_org_and_its_id() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (id, secret) = acme.mint().await;

    let reply = gateway(&app, &secret).get(VERIFY).await.expect(200);

    assert_eq!(reply.header("orgid"), Some(acme.id.to_string().as_str()));
    assert_eq!(reply.header("x-tenant-key-id"), Some(id.as_str()));
    assert_eq!(reply.header("cache-control"), Some("private, max-age=5"));
    assert!(reply.body.is_empty());
}

#[tokio::test]
async fn whatever_else_the_client_sent_is_ignored() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let (_, secret) = acme.mint().await;
    let key = gateway(&app, &secret);
    for below in [
        "",
        "/",
        "//",
        "///v1//users/",
        "/v1/users?OrgId=x",
        "?taih-tenant-key=x",
        "/%2F",
        "/%00%ff%0d%0a",
        "/%zz",
        "/..",
        "/../../livez",
        "/internal/auth/verify",
        "/caf%C3%A9;a=b",
    ] {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
            is_acmes(&acme, &key.bodyless(method, &format!("{VERIFY}{below}")).await);
        }
    }
    let head = request("POST", VERIFY).header("content-type", "application/json");
    is_acmes(&acme, &key.send(head, Body::from(vec![b'{'; 200_000])).await);
    let spoofing = key
        .with("orgid", zeta.id.to_string())
        .with("orgid", "nonsense")
        .with("x-tenant-key-id", "nonsense")
        .with("authorization", "Bearer x")
        .with("idempotency-key", "");
    is_acmes(&acme, &spoofing.get(VERIFY).await);
}

#[tokio::test]
async fn what_is_not_one_live_key_is_refused_with_one_answer() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (id, revoked) = acme.mint().await;
    acme.delete(&format!("/v1/admin/org/tenant-keys/{id}")).await.expect(204);
    let (_, expired) = acme.mint_with(json!({"name": "brief", "expires_at": "2026-11-21T08:00:01Z"})).await;
    app.clock.advance(TimeDelta::seconds(1));
    let (_, live) = acme.mint().await;
    let gateway = app.operations();
    let key = |value: &str| gateway.with("taih-tenant-key", value);
    let spaced = format!("{live} {live}");
    for (what, caller) in [
        ("missing", gateway.clone()),
        ("empty", key("")),
        ("not text", gateway.with("taih-tenant-key", [0xff, 0xfe])),
        ("malformed", key("tk_test_x")),
        ("a character changed", key(&flipped(&live))),
        ("in upper case", key(&live.to_uppercase())),
        ("twice in one", key(&spaced)),
        ("a list", key(&format!("{live},{live}"))),
        ("sent twice", key(&live).with("taih-tenant-key", &live)),
        ("sent with another", key(&live).with("taih-tenant-key", "")),
        ("unknown", key(&unknown())),
        ("expired", key(&expired)),
        ("revoked", key(&revoked)),
        ("in another header", gateway.with("authorization", &live)),
        ("in a spelling that is not ours", gateway.with("taih_tenant_key", &live)),
    ] {
        for path in [VERIFY, "/internal/auth/verify//v1/users"] {
            let reply = caller.get(path).await;
            assert_eq!(reply.header("www-authenticate"), Some("ApiKey realm=\"partner-api\""), "{what}");
            assert_eq!(reply.header("cache-control"), Some("no-store"), "{what}");
            assert!(!reply.headers.contains_key("orgid"), "{what}");
            reply.expect_json(401, &unauthorized());
        }
    }
    key(&live).get(VERIFY).await.expect(200);
}

#[tokio::test]
async fn a_good_key_of_a_suspended_org_is_forbidden() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (_, secret) = acme.mint().await;
    let key = gateway(&app, &secret);
    app.suspend(&acme).await;
    let reply = key.get(VERIFY).await;
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert!(!reply.headers.contains_key("orgid"));
    reply.expect_json(403, &envelope("forbidden", "This organisation has no access."));
    app.resume(&acme).await;
    key.get(VERIFY).await.expect(200);
}

#[tokio::test]
async fn an_answer_may_be_kept_for_no_longer_than_the_key_lives() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (_, secret) = acme.mint_with(json!({"name": "brief", "expires_at": "2026-11-21T08:00:07Z"})).await;
    let key = gateway(&app, &secret);
    for (passes, kept) in [
        (0, "private, max-age=5"),
        (1_999, "private, max-age=5"),
        (1, "private, max-age=5"),
        (1, "private, max-age=4"),
        (3_998, "private, max-age=1"),
        (1, "private, max-age=1"),
        (1, "no-store"),
        (998, "no-store"),
    ] {
        app.clock.advance(TimeDelta::milliseconds(passes));
        assert_eq!(key.get(VERIFY).await.expect(200).header("cache-control"), Some(kept), "{passes}");
    }
    app.clock.advance(TimeDelta::milliseconds(1));
    key.get(VERIFY).await.expect(401);
}

#[tokio::test]
async fn how_long_a_gateway_may_keep_an_answer_is_configured() {
    for (seconds, kept) in [("0", "no-store"), ("60", "private, max-age=60")] {
        let app = TestApp::with(&[("GATEWAY_CACHE_SECONDS", seconds)]).await;
        let (_, secret) = app.org("acme").await.mint().await;
        let reply = gateway(&app, &secret).get(VERIFY).await.expect(200);
        assert_eq!(reply.header("cache-control"), Some(kept));
    }
}

#[tokio::test]
async fn nobody_asks_it_in_public() {
    let app = TestApp::new().await;
    let (_, secret) = app.org("acme").await.mint().await;
    for path in [VERIFY, "/internal/auth/verify/"] {
        app.holder(&secret).get(path).await.expect(404);
    }
    app.operations().get("/internal/auth/verifyx").await.expect(404);
}

#[tokio::test]
async fn a_malformed_key_costs_no_query() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (_, live) = acme.mint().await;
    app.state.db.close().await;
    let typo = flipped(&live);
    for malformed in ["", "tk_test_x", &typo, &live[1..], &live[..56], &format!("{live}0")] {
        gateway(&app, malformed).get(VERIFY).await.expect(401);
    }
    // Only the database could tell of these.
    cannot_know(&gateway(&app, &live)).await;
    cannot_know(&gateway(&app, &unknown())).await;
}

#[tokio::test]
async fn a_remembered_key_costs_no_query() {
    let mut app = TestApp::new().await;
    app.listen().await;
    let acme = app.org("acme").await;
    let (_, secret) = acme.mint().await;
    let key = gateway(&app, &secret);
    key.get(VERIFY).await.expect(200);
    let mut database = app.database.connect().await;
    let mut lock = database.begin().await.unwrap();
    sqlx::query("LOCK TABLE tenant_keys, orgs IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    for _ in 0..3 {
        is_acmes(&acme, &key.get(VERIFY).await);
    }
}

#[tokio::test]
async fn a_flood_of_unknown_keys_evicts_no_live_one() {
    let mut app = TestApp::new().await;
    app.listen().await;
    let acme = app.org("acme").await;
    let (_, secret) = acme.mint().await;
    let key = gateway(&app, &secret);
    key.get(VERIFY).await.expect(200);

    let mut flood = JoinSet::new();
    for _ in 0..16 {
        let gateway = app.operations();
        flood.spawn(async move {
            let mut refused = 0;
            for _ in 0..250 {
                let status = gateway.with("taih-tenant-key", unknown()).get(VERIFY).await.status;
                assert!([401, 503].contains(&status), "{status}");
                refused += usize::from(status == 401);
            }
            refused
        });
    }
    let refused: usize = flood.join_all().await.into_iter().sum();
    assert!(refused > 3_900, "{refused}");

    app.trusted().await;
    let mut database = app.database.connect().await;
    let mut lock = database.begin().await.unwrap();
    sqlx::query("LOCK TABLE tenant_keys, orgs IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    is_acmes(&acme, &key.get(VERIFY).await);
}

#[tokio::test]
async fn of_many_who_ask_for_the_same_key_at_once_all_are_answered_though_some_hang_up() {
    let mut app = TestApp::new().await;
    app.listen().await;
    let acme = app.org("acme").await;
    let (_, secret) = acme.mint().await;
    let key = gateway(&app, &secret);
    let mut asked = JoinSet::new();
    for n in 0..200 {
        let key = key.clone();
        // Some hang up.
        let patience = if n % 3 == 0 { Duration::from_millis(1) } else { 5 * A_SECOND };
        asked.spawn(
            async move { tokio::time::timeout(patience, key.get(VERIFY)).await.ok().map(|r| r.status) },
        );
    }
    let answers = asked.join_all().await;
    assert!(answers.iter().flatten().all(|status| *status == 200), "{answers:?}");
    assert!(answers.iter().flatten().count() >= 133);
}

#[tokio::test]
async fn when_the_database_does_not_answer_the_gateway_hears_so_within_a_second() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (_, secret) = acme.mint().await;
    let key = gateway(&app, &secret);
    let mut database = app.database.connect().await;
    for table in ["tenant_keys", "orgs"] {
        let mut lock = database.begin().await.unwrap();
        let statement = format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut *lock).await.unwrap();
        let mut asked = JoinSet::new();
        for _ in 0..50 {
            let key = key.clone();
            asked.spawn(async move { cannot_know(&key).await });
        }
        asked.join_all().await;
        lock.rollback().await.unwrap();
        let well = async || (key.get(VERIFY).await.status == 200).then_some(());
        crate::support::within(5 * A_SECOND, "it is well again", well).await;
    }
    app.state.db.close().await;
    cannot_know(&key).await;
}

fn gateway(app: &TestApp, key: &str) -> Caller {
    app.operations().with("taih-tenant-key", key)
}

/// A well-formed key that nobody has.
fn unknown() -> String {
    TenantKey::generate(KeyEnv::Test).expose().to_owned()
}

/// With one character changed in the middle, as a typing error does.
fn flipped(key: &str) -> String {
    let mut bytes = key.as_bytes().to_vec();
    bytes[20] = if bytes[20] == b'a' { b'b' } else { b'a' };
    String::from_utf8(bytes).expect("ASCII")
}

#[track_caller]
fn is_acmes(acme: &Org, reply: &Reply) {
    assert_eq!((reply.status, reply.header("orgid")), (200, Some(acme.id.to_string().as_str())));
}

/// 503 within a second, never a refusal.
async fn cannot_know(key: &Caller) {
    let began = Instant::now();
    let reply = key.get(VERIFY).await;
    assert!(began.elapsed() < A_SECOND, "{:?}", began.elapsed());
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(reply.expect(503).code(), "service_unavailable");
}

fn unauthorized() -> Value {
    envelope("unauthorized", "Credentials are missing or not valid.")
}
