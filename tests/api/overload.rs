//! More than the service can take: who is turned away hears it at once, and what must be answered
//! is (contract 11, docs/observability.md "Overload").

use std::net::SocketAddr;
use std::time::Duration;

use partner_api::background::probe;
use partner_api::limits::Limit;
use serde_json::json;
use tokio::sync::SemaphorePermit;

use crate::support::raw::{Connection, RawReply, ask, get, post};
use crate::support::{Caller, Reply, TestApp, within};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn while_partners_fill_the_house_probes_scrapes_and_the_gateway_are_answered() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let gateway = app.operations().with("taih-tenant-key", mint(&acme).await);
    probe::probe(&app.state, 0).await;
    let full = fill(&app, Limit::Public);

    turned_away(&acme.get("/v1/features").await);
    turned_away(&app.anyone().get("/v1/nonsense").await);
    for caller in [app.anyone(), app.operations()] {
        caller.get("/livez").await.expect(200);
        caller.get("/readyz").await.expect(200);
    }
    gateway.get("/internal/auth/verify").await.expect(200);
    gateway.get("/internal/auth/verify/v1/users").await.expect(200);
    let metrics = app.operations().get("/metrics").await.expect(200).text();
    assert!(metrics.contains("partner_api_http_requests_shed_total{lane=\"public\"} 2\n"));

    drop(full);
    acme.get("/v1/features").await.expect(200);
}

#[tokio::test]
async fn while_the_gateway_asks_too_much_partners_and_probes_are_answered() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let gateway = app.operations().with("taih-tenant-key", mint(&acme).await);
    probe::probe(&app.state, 0).await;
    let _full = fill(&app, Limit::Internal);

    turned_away(&gateway.get("/internal/auth/verify").await);
    acme.get("/v1/features").await.expect(200);
    for path in ["/livez", "/readyz", "/metrics"] {
        app.operations().get(path).await.expect(200);
    }
}

#[tokio::test]
async fn bulk_bodies_that_never_end_fill_their_own_lane_only() {
    let app = TestApp::with(&[("MAX_IN_FLIGHT", "8")]).await;
    let (acme, zeta, server) = (app.org("acme").await, app.org("zeta").await, app.serve().await);
    let org = format!("orgid: {}\r\n", acme.id);
    let bulk = |org_id| {
        format!(
            "POST /v1/users/bulk HTTP/1.1\r\nhost: localhost\r\norgid: {org_id}\r\n\
             content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
        )
    };
    // Each org has one of the two places.
    let mut slow = Connection::open(server.public).await;
    slow.send(bulk(acme.id)).await;
    let mut other = Connection::open(server.public).await;
    other.send(bulk(zeta.id)).await;
    let runs = async || (app.state.limits.permits(Limit::Bulk).available_permits() == 0).then_some(());
    within(SOON, "the slow ones run", runs).await;

    let refused = ask(server.public, bulk(zeta.id)).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    let user = json!({"user_id": uuid::Uuid::new_v4()}).to_string();
    assert_eq!(ask(server.public, post("/v1/users", &org, &user)).await.status, 201);

    slow.send(format!("{:x}\r\n{user}\r\n0\r\n\r\n", user.len())).await;
    let done = slow.reply().await.expect("an answer");
    assert_eq!(done.status, 200);
    drop(other);
    let gone = async || (app.state.limits.permits(Limit::Bulk).available_permits() == 2).then_some(());
    within(SOON, "there is room again", gone).await;
    server.stop().await;
}

#[tokio::test]
async fn beyond_the_last_connection_probes_are_answered_and_clients_told_to_come_back() {
    let app = TestApp::with(&[("MAX_CONNECTIONS", "1")]).await;
    let server = app.serve().await;
    let kept = [hold(server.public).await, hold(server.internal).await];

    for listener in [server.public, server.internal] {
        let reply = ask(listener, get("/livez", "")).await;
        assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
        // In its own words, whatever these are on a busy machine.
        let reply = ask(listener, get("/readyz", "")).await;
        assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"), "{}", reply.body);
        let reply = ask(listener, get("/v1/users", "")).await;
        assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
        assert_eq!(reply.json()["error"]["code"], "service_unavailable");
        assert!(reply.header("x-request-id").is_some());
    }
    let metrics = ask(server.internal, get("/metrics", "")).await;
    assert!(metrics.body.contains("partner_api_connections_refused_total{listener=\"public\"} 3\n"));
    assert_eq!(ask(server.public, get("/metrics", "")).await.status, 503, "not on the public listener");

    drop(kept);
    let served = async || (ask(server.public, get("/v1/users", "")).await.status == 401).then_some(());
    within(SOON, "there is room again", served).await;
    server.stop().await;
}

#[tokio::test]
async fn connections_that_say_nothing_hold_the_reserve_for_a_moment_only() {
    let app = TestApp::with(&[("MAX_CONNECTIONS", "1")]).await;
    let server = app.serve().await;
    let _kept = hold(server.public).await;
    let mut silent = Vec::new();
    for _ in 0..80 {
        silent.push(Connection::open(server.public).await);
    }
    assert!(silent.pop().expect("one").is_closed().await, "there are more than the reserve takes");
    let answered = async || {
        let mut probe = Connection::open(server.public).await;
        probe.send(get("/livez", "")).await;
        let reply: Option<RawReply> = probe.reply().await;
        reply.filter(|reply| reply.status == 200).map(drop)
    };
    within(SOON, "the probe is answered again", answered).await;
    for mut connection in silent {
        assert!(connection.is_closed().await);
    }
    server.stop().await;
}

#[tokio::test]
async fn readiness_falls_before_the_doors_close() {
    let app = TestApp::with(&[("SHUTDOWN_DELAY_SECONDS", "3")]).await;
    let (acme, server) = (app.org("acme").await, app.serve().await);
    let listeners = [server.public, server.internal];
    let request = get("/v1/features", &format!("orgid: {}\r\n", acme.id));
    let ready = async || (ask(listeners[0], get("/readyz", "")).await.status == 200).then_some(());
    within(SOON, "it is ready", ready).await;

    let stopping = tokio::spawn(server.stop());
    let draining = async || (ask(listeners[0], get("/readyz", "")).await.body == "draining\n").then_some(());
    within(SOON, "it is no longer ready", draining).await;
    assert_eq!(ask(listeners[0], &request).await.status, 200, "but it still serves");
    assert_eq!(ask(listeners[1], get("/readyz", "")).await.body, "draining\n");
    stopping.await.expect("it ends well");
}

/// Takes all the room of a limit.
fn fill(app: &TestApp, limit: Limit) -> SemaphorePermit<'_> {
    let room = u32::try_from(app.state.limits.capacity(limit)).expect("a small number");
    app.state.limits.permits(limit).try_acquire_many(room).expect("nobody is there yet")
}

async fn mint(org: &Caller) -> String {
    let made = org.post("/v1/admin/org/tenant-keys", json!({"name": "one"})).await.expect(201).json();
    made["data"]["secret"].as_str().expect("the key").to_owned()
}

/// A connection that was served and stays open.
async fn hold(listener: SocketAddr) -> Connection {
    let mut connection = Connection::open(listener).await;
    connection.send(get("/livez", "")).await;
    assert_eq!(connection.reply().await.expect("an answer").status, 200);
    connection
}

#[track_caller]
fn turned_away(reply: &Reply) {
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")), "{}", reply.text());
}
