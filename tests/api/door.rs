//! The gateway's question answered where it is read (`app::Door`): nobody can tell it from an answer of the layers'.

use axum::http::{HeaderMap, HeaderValue};
use chrono::TimeDelta;
use partner_api::limits::Limit;
use serde_json::json;

use crate::support::raw::{Connection, ask};
use crate::support::{Reply, TestApp};

const VERIFY: &str = "/internal/auth/verify";
/// The same question, which only the router knows.
const ROUTED: &str = "/internal/auth/verify/";

#[tokio::test]
async fn an_answer_from_memory_is_what_the_layers_say() {
    let mut app = TestApp::with(&[("RATE_LIMIT", "50;burst=100")]).await;
    app.listen().await;
    let acme = app.org("acme").await;
    let (_, plain) = acme.mint().await;
    let (_, brief) = acme.mint_with(json!({"name": "brief", "expires_at": "2026-11-21T08:00:03Z"})).await;
    let (_, narrow) =
        acme.mint_with(json!({"name": "narrow", "scopes": ["users:read", "events:read"]})).await;
    for secret in [&plain, &brief, &narrow] {
        let key = app.operations().with("taih-tenant-key", secret);
        assert!(!is_remembered(&app, secret));
        let first = seen(&key.get(VERIFY).await.expect(200));
        assert!(is_remembered(&app, secret));
        assert_eq!(seen(&key.get(VERIFY).await), first);
        assert_eq!(seen(&key.get(ROUTED).await), first);
        for method in ["HEAD", "POST", "PURGE"] {
            assert_eq!(seen(&key.bodyless(method, VERIFY).await), first, "{method}");
        }
        // What a client sent along changes neither.
        let key =
            key.with("orgid", "nonsense").with("x-tenant-scopes", "*").with("authorization", "Bearer x");
        assert_eq!(seen(&key.get(VERIFY).await), first);
        let unnamed = key.without("x-request-id");
        assert_ne!(
            unnamed.get(VERIFY).await.header("x-request-id"),
            unnamed.get(VERIFY).await.header("x-request-id")
        );
    }
    let metrics = app.operations().get("/metrics").await.expect(200).text();
    for (method, count) in [("GET", 15), ("HEAD", 3), ("POST", 3), ("OTHER", 3)] {
        let line =
            format!("http_requests_total{{method=\"{method}\",route=\"{VERIFY}\",status=\"200\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}");
    }
}

#[tokio::test]
async fn memory_says_nothing_of_a_key_that_ended_and_of_an_org_that_is_not_served() {
    let mut app = TestApp::new().await;
    app.listen().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let (id, revoked) = acme.mint().await;
    let (_, expired) = acme.mint_with(json!({"name": "brief", "expires_at": "2026-11-21T08:00:03Z"})).await;
    let (_, suspended) = zeta.mint().await;
    let key = |secret: &str| app.operations().with("taih-tenant-key", secret);
    for secret in [&revoked, &expired, &suspended] {
        key(secret).get(VERIFY).await.expect(200);
        key(secret).get(VERIFY).await.expect(200);
        assert!(is_remembered(&app, secret));
    }
    acme.delete(&format!("/v1/admin/org/tenant-keys/{id}")).await.expect(204);
    app.suspend(&zeta).await;
    app.clock.advance(TimeDelta::seconds(3));
    for (secret, status) in [(&revoked, 401), (&expired, 401), (&suspended, 403)] {
        crate::support::within(std::time::Duration::from_secs(5), "the end is known", async || {
            (key(secret).get(VERIFY).await.status == status).then_some(())
        })
        .await;
        assert!(!is_remembered(&app, secret));
        assert_eq!(key(secret).get(ROUTED).await.status, status);
    }
    let (_, live) = acme.mint().await;
    key(&live).get(VERIFY).await.expect(200);
    assert!(is_remembered(&app, &live));
    app.state.trust.lose();
    assert!(!is_remembered(&app, &live), "memory is not believed");
}

#[tokio::test]
async fn what_is_out_of_the_ordinary_is_refused_whatever_memory_knows() {
    let mut app = TestApp::new().await;
    app.listen().await;
    let (_, secret) = app.org("acme").await.mint().await;
    app.operations().with("taih-tenant-key", &secret).get(VERIFY).await.expect(200);
    let server = app.serve().await;
    let key = format!("taih-tenant-key: {secret}\r\n");
    let long = format!("x-long: {}\r\n", "a".repeat(70_000));
    for (target, head, status) in [
        (VERIFY, "host: localhost\r\n", 200),
        (VERIFY, "", 400),
        (VERIFY, "host: a\r\nhost: b\r\n", 400),
        (VERIFY, "host: a b\r\n", 400),
        ("http://localhost/internal/auth/verify", "host: a b\r\n", 400),
        ("http://localhost/internal/auth/verify", "host: localhost\r\n", 200),
        ("http://u@localhost/internal/auth/verify", "host: localhost\r\n", 400),
        (VERIFY, &format!("host: localhost\r\n{long}"), 431),
        (VERIFY, "host: localhost\r\ntaih-tenant-key: another\r\n", 401),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\n{head}{key}\r\n");
        assert_eq!(ask(server.internal, request).await.status, status, "{target} {head:.40}");
    }
    // A body is read to its end, so that the connection can be used again.
    let mut connection = Connection::open(server.internal).await;
    for _ in 0..2 {
        let head =
            format!("POST {VERIFY} HTTP/1.1\r\nhost: localhost\r\n{key}content-length: 5\r\n\r\nhello");
        connection.send(head).await;
        assert_eq!(connection.reply().await.expect("an answer").status, 200);
    }
    let limit = app.state.limits.permits(Limit::Internal);
    let everything = u32::try_from(limit.available_permits()).unwrap();
    let full = limit.acquire_many(everything).await.unwrap();
    let refused =
        ask(server.internal, format!("GET {VERIFY} HTTP/1.1\r\nhost: localhost\r\n{key}\r\n")).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    drop(full);
    server.stop().await;
}

/// Whether the answer about a key is in memory.
fn is_remembered(app: &TestApp, secret: &str) -> bool {
    let mut headers = HeaderMap::new();
    headers.insert("taih-tenant-key", HeaderValue::from_str(secret).expect("a header's value"));
    app.state.identity.recall(&headers, app.clock.now()).is_some()
}

/// All that a client sees.
fn seen(reply: &Reply) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let text = |value: &HeaderValue| value.to_str().expect("text").to_owned();
    let mut headers: Vec<_> =
        reply.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    headers.sort();
    (reply.status, headers, reply.body.to_vec())
}
