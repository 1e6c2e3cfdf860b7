//! What goes wrong on our side is one request's 500 or 503, soon and in the usual shape
//! (contract 1 and 11).

use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use partner_api::limits::Limit;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection, Postgres, Transaction};

use crate::support::{Reply, TestApp, envelope, within};

#[tokio::test]
async fn a_panic_is_one_requests_500_and_tells_nothing() {
    let app = TestApp::new().await;
    let routes = Router::new()
        .route("/v1/panics", get(async || -> &'static str { panic!("s3cr3t") }))
        .route("/v1/works", get(async || "works"));
    let anyone = app.wrapping(routes);

    let reply = anyone.get("/v1/panics").await;

    assert_eq!(
        (reply.header("x-request-id"), reply.header("cache-control")),
        (Some("test"), Some("no-store"))
    );
    reply.expect_json(500, &envelope("internal_error", "Something went wrong on our side."));
    assert_eq!(anyone.get("/v1/works").await.text(), "works");
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_told_to_come_back() {
    let app = TestApp::with(&[("REQUEST_TIMEOUT_SECONDS", "1")]).await;
    let acme = app.org("acme").await;
    let mut database = app.database.connect().await;
    let lock = lock_users(&mut database).await;

    let began = Instant::now();
    come_back(acme.get("/v1/users").await, "1");
    assert!((1..3).contains(&began.elapsed().as_secs()));

    lock.rollback().await.unwrap();
    acme.get("/v1/users").await.expect(200);
}

#[tokio::test]
async fn requests_that_were_given_up_make_room_though_their_statements_still_hang() {
    let app = TestApp::with(&[("REQUEST_TIMEOUT_SECONDS", "1")]).await;
    let acme = app.org("acme").await;
    let mut database = app.database.connect().await;
    let lock = lock_users(&mut database).await;
    let hanging: Vec<_> = (0..10)
        .map(|_| {
            let caller = (*acme).clone();
            tokio::spawn(async move { come_back(caller.get("/v1/users").await, "1") })
        })
        .collect();
    for request in hanging {
        request.await.unwrap();
    }

    let served = async || (acme.get("/v1/admin/org/tenant-keys").await.status == 200).then_some(());
    within(Duration::from_secs(2), "other requests are served", served).await;

    lock.rollback().await.unwrap();
    acme.get("/v1/users").await.expect(200);
}

#[tokio::test]
async fn an_org_that_cannot_be_looked_up_is_told_so_within_a_second() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let mut database = app.database.connect().await;
    let mut lock = database.begin().await.unwrap();
    sqlx::query("LOCK TABLE orgs IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    let began = Instant::now();
    come_back(acme.get("/v1/features").await, "5");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    lock.rollback().await.unwrap();
    let served = async || (acme.get("/v1/features").await.status == 200).then_some(());
    within(Duration::from_secs(2), "it is served again", served).await;
}

#[tokio::test]
async fn a_connection_that_died_while_it_rested_is_noticed_before_it_is_used() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (_, key) = acme.mint().await;
    let user = || serde_json::json!({"user_id": uuid::Uuid::new_v4()});
    for _ in 0..3 {
        acme.post("/v1/users", user()).await.expect(201);
        app.holder(&key).get("/v1/users").await.expect(200);
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .execute(&mut app.database.connect().await)
        .await
        .unwrap();
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }
    acme.post("/v1/users", user()).await.expect(201);
    app.holder(&key).get("/v1/users").await.expect(200);
}

#[tokio::test]
async fn when_too_many_run_the_next_is_told_at_once() {
    let app = TestApp::with(&[("MAX_IN_FLIGHT", "2")]).await;
    // Each has one of the two places.
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let mut database = app.database.connect().await;
    let lock = lock_users(&mut database).await;
    let running: Vec<_> = [&acme, &zeta]
        .into_iter()
        .map(|org| {
            let caller = (**org).clone();
            tokio::spawn(async move { caller.get("/v1/users").await.status })
        })
        .collect();
    let full = async || (app.state.limits.permits(Limit::Public).available_permits() == 0).then_some(());
    within(Duration::from_secs(5), "two requests run", full).await;

    let began = Instant::now();
    come_back(acme.get("/v1/features").await, "1");
    come_back(app.anyone().get("/v1/nonsense").await, "1");
    assert!(began.elapsed() < Duration::from_millis(500));

    lock.rollback().await.unwrap();
    for request in running {
        assert_eq!(request.await.unwrap(), 200);
    }
    acme.get("/v1/features").await.expect(200);
}

#[tokio::test]
async fn without_a_database_every_answer_is_a_503_and_soon() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    app.state.db.close().await;
    let began = Instant::now();
    for path in ["/v1/users", "/v1/features", "/v1/admin/org/members"] {
        come_back(acme.get(path).await, "5");
    }
    assert!(began.elapsed() < Duration::from_secs(3));
    app.anyone().get("/v1/users").await.expect(401);
    app.anyone().get("/livez").await.expect(200);
}

#[tokio::test]
async fn connections_that_were_cut_are_replaced() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    acme.get("/v1/users").await.expect(200);
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .execute(&mut app.database.connect().await)
    .await
    .unwrap();
    let served = async || {
        let status = acme.get("/v1/users").await.status;
        assert!([200, 503].contains(&status), "{status}");
        (status == 200).then_some(())
    };
    within(Duration::from_secs(2), "the service works again", served).await;
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_not_connected_to_for_longer_than_it_must() {
    let app = TestApp::new().await;
    let db = &app.state.db;
    app.org("acme").await;
    let connected: Vec<i32> =
        sqlx::query_scalar("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
            .fetch_all(&mut app.database.connect().await)
            .await
            .unwrap();

    let refused: Result<(), sqlx::Error> = db
        .transaction(async |mut tx| {
            sqlx::query("SET TRANSACTION READ ONLY").execute(&mut *tx).await?;
            sqlx::query("DELETE FROM orgs").execute(&mut *tx).await.map(drop)
        })
        .await;

    let refused = refused.unwrap_err();
    let state = refused.as_database_error().and_then(|error| error.code());
    assert_eq!(state.as_deref(), Some("25006"));
    for pool in [&db.pool, &db.lookups] {
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(pool).await.unwrap();
        assert!(!connected.contains(&pid), "what was connected before is closed");
    }
    assert!(!db.state().await.unwrap().is_read_only);
}

#[tokio::test]
async fn a_refused_row_costs_no_connection() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let user = serde_json::json!({"user_id": "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13"});
    acme.post("/v1/users", user.clone()).await.expect(201);
    acme.post("/v1/users", user).await.expect(409);
    assert!(!app.state.db.pool.suspects().contains(Instant::now()));
}

/// Keeps every request about users waiting.
async fn lock_users(database: &mut PgConnection) -> Transaction<'_, Postgres> {
    let mut lock = database.begin().await.expect("the database answers");
    sqlx::query("LOCK TABLE users IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.expect("a lock");
    lock
}

#[track_caller]
fn come_back(reply: Reply, seconds: &str) {
    let unavailable: Value =
        envelope("service_unavailable", "The service cannot answer right now; try again later.");
    assert_eq!(reply.header("retry-after"), Some(seconds));
    reply.expect_json(503, &unavailable);
}
