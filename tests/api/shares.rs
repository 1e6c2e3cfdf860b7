//! Fair shares (contract 13.5): whatever one org does, the others find a place in every room.

use partner_api::ids::OrgId;
use partner_api::limits::Limit;
use partner_api::limits::shares;
use serde_json::json;
use uuid::Uuid;

use crate::support::raw::{Connection, RawReply, ask};
use crate::support::{Caller, Org, Reply, TestApp, envelope, within};

const SOON: std::time::Duration = std::time::Duration::from_secs(10);

#[tokio::test]
async fn an_org_with_its_share_of_the_places_is_told_so_and_another_is_served() {
    let app = TestApp::with(&[("MAX_IN_FLIGHT", "4")]).await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let (_, key) = acme.mint().await;
    // Answers that nobody takes yet.
    let held = [acme.open("/v1/features").await, app.holder(&key).open("/v1/users").await];

    over_share(&acme.get("/v1/features").await);
    over_share(&app.holder(&key).post("/v1/users", json!({"user_id": Uuid::new_v4()})).await);
    let refused = acme.get("/api/v1/key/list/acme").await.expect(429);
    assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("rate_limited", Some("1")));
    zeta.get("/v1/features").await.expect(200);
    let metrics = app.operations().get("/metrics").await.expect(200).text();
    assert!(metrics.contains("partner_api_http_requests_over_share_total{lane=\"public\"} 3\n"));

    drop(held);
    acme.get("/v1/features").await.expect(200);
}

#[tokio::test]
async fn what_is_wrong_with_a_caller_is_told_before_its_share() {
    let app = TestApp::with(&[("MAX_IN_FLIGHT", "2"), ("DISABLED_FEATURES", "users")]).await;
    let acme = app.org("acme").await;
    let _held = acme.open("/v1/features").await;
    acme.with("orgid", "x").get("/v1/features").await.expect(400);
    app.anyone().get("/v1/features").await.expect(401);
    over_share(&acme.get("/v1/users").await);
}

#[tokio::test]
async fn with_one_org_alone_its_share_may_be_everything() {
    let app = TestApp::with(&[("MAX_IN_FLIGHT", "2"), ("ORG_SHARE", "1")]).await;
    let acme = app.org("acme").await;
    let _held = [acme.open("/v1/features").await, acme.open("/v1/features").await];
    assert_eq!(acme.get("/v1/features").await.expect(503).code(), "service_unavailable");
}

#[tokio::test]
async fn an_org_whose_bulk_bodies_never_end_leaves_room_for_anothers() {
    let app = TestApp::with(&[("MAX_IN_FLIGHT", "16")]).await;
    let (acme, zeta, server) = (app.org("acme").await, app.org("zeta").await, app.serve().await);
    let mut slow = Connection::open(server.public).await;
    slow.send(bulk(&acme)).await;
    let share = app.state.limits.shares(Limit::Bulk);
    let runs = async || share.try_take(OrgId(acme.id)).is_none().then_some(());
    within(SOON, "the slow one runs", runs).await;

    let refused: RawReply = ask(server.public, bulk(&acme)).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    assert_eq!(refused.json()["error"]["code"], "rate_limited");
    let user = json!({"user_id": Uuid::new_v4()}).to_string();
    let whole = format!("{}{:x}\r\n{user}\r\n0\r\n\r\n", bulk(&zeta), user.len());
    assert_eq!(ask(server.public, whole).await.status, 200);
    // The limit of all other requests is another one.
    acme.get("/v1/features").await.expect(200);

    drop(slow);
    let gone = async || (app.state.limits.permits(Limit::Bulk).available_permits() == 2).then_some(());
    within(SOON, "there is room again", gone).await;
    server.stop().await;
}

#[tokio::test]
async fn an_org_that_holds_its_share_of_the_connections_waits_for_its_own_and_nobody_else_does() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    // Of the tests' five connections two are half.
    let take = || shares::serving(OrgId(acme.id), app.state.db.pool.acquire());
    let held = [take().await.expect("one"), take().await.expect("another one")];

    let waiting = tokio::spawn({
        let acme: Caller = (*acme).clone();
        async move { acme.get("/v1/users").await }
    });
    for _ in 0..3 {
        zeta.get("/v1/users").await.expect(200);
        zeta.post("/v1/admin/org/tenant-keys", json!({"name": "one"})).await.expect(201);
    }
    assert!(!waiting.is_finished());

    drop(held);
    waiting.await.expect("no panic").expect(200);
}

#[tokio::test]
async fn a_change_in_a_task_of_its_own_counts_as_its_orgs() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let take = || shares::serving(OrgId(acme.id), app.state.db.pool.acquire());
    let held = [take().await.expect("one"), take().await.expect("another one")];
    let waiting = tokio::spawn({
        let acme = acme.with("idempotency-key", "0123456789abcdef-mint");
        async move { acme.post("/v1/admin/org/tenant-keys", json!({"name": "one"})).await }
    });
    // Look-ups and whom nobody serves are not counted.
    app.state.db.pool.acquire().await.expect("there are more");
    assert!(!waiting.is_finished());
    drop(held);
    waiting.await.expect("no panic").expect(201);
}

/// A bulk body without an end.
fn bulk(org: &Org) -> String {
    format!(
        "POST /v1/users/bulk HTTP/1.1\r\nhost: localhost\r\norgid: {}\r\ncontent-type: application/x-ndjson\r\n\
         transfer-encoding: chunked\r\n\r\n",
        org.id
    )
}

#[track_caller]
fn over_share(reply: &Reply) {
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("1")), "{}", reply.text());
    assert_eq!(reply.json(), envelope("rate_limited", "Too many requests; try again later."));
}
