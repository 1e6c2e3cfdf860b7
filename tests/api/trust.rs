//! Orgs are remembered, and the memory is honest: what changes is noticed within a second
//! (contract 0 and 4, "cache trust").

use std::time::{Duration, Instant};

use partner_api::changes::{Mandate, OrgState};
use partner_api::crypto::audit_chain::Head;
use partner_api::ids::OrgId;
use partner_api::routes::org::{self, OrgChange};
use serde_json::json;
use sqlx::Connection as _;

use crate::support::frozen::{Frozen, LISTENER};
use crate::support::{Org, TestApp, within};

const A_SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_known_org_is_served_from_memory() {
    let app = listening().await;
    let acme = app.org("acme").await;
    acme.get("/v1/features").await.expect(200);

    let mut database = app.database.connect().await;
    let mut lock = database.begin().await.unwrap();
    sqlx::query("LOCK TABLE orgs IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();

    acme.get("/v1/features").await.expect(200);
}

#[tokio::test]
async fn a_suspension_and_its_end_are_noticed_within_a_second() {
    let app = listening().await;
    let acme = app.org("acme").await;
    for _ in 0..3 {
        acme.get("/v1/features").await.expect(200);
        app.suspend(&acme).await;
        answers_within(A_SECOND, &acme, 403).await;
        app.resume(&acme).await;
        answers_within(A_SECOND, &acme, 200).await;
    }
}

#[tokio::test]
async fn one_orgs_suspension_is_not_anothers() {
    let app = listening().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    for org in [&acme, &zeta] {
        org.get("/v1/features").await.expect(200);
    }
    app.suspend(&acme).await;
    answers_within(A_SECOND, &acme, 403).await;
    zeta.get("/v1/features").await.expect(200);
}

#[tokio::test]
async fn a_suspension_that_is_rolled_back_is_none() {
    let app = listening().await;
    let acme = app.org("acme").await;
    acme.get("/v1/features").await.expect(200);
    let mut database = app.database.connect().await;
    let mut suspension = database.begin().await.unwrap();
    let mandate = Mandate::operator(OrgId(acme.id), &app.state.keyring);
    OrgChange::Suspend { reason: None }
        .by(mandate, &app.state.clock)
        .execute_in(&mut suspension)
        .await
        .unwrap();
    suspension.rollback().await.unwrap();
    acme.get("/v1/features").await.expect(200);
}

#[tokio::test]
async fn an_unknown_org_is_remembered_for_a_second_at_most() {
    let app = listening().await;
    let id = uuid::Uuid::from_u128(7);
    let caller = app.anyone().with("orgid", id.to_string());
    caller.get("/v1/features").await.expect(403);

    let mandate = Mandate::operator(OrgId(id), &app.state.keyring);
    let entry = mandate.entry(OrgState::new(Head::default(), app.clock.now()), "org.created", "late");
    org::store::insert(&app.state.db.pool, "late", "Late", &[], &entry).await.unwrap();

    let served = async || (caller.get("/v1/features").await.status == 200).then_some(());
    within(A_SECOND + Duration::from_millis(200), "the new org is served", served).await;
}

#[tokio::test]
async fn a_look_at_what_is_new_reads_nothing_else() {
    let app = listening().await;
    // For a table that is empty, as it is between two changes, reading all of it seems best. That plan would stay.
    app.database.execute("VACUUM ANALYZE announcements").await;
    app.org("acme").await;
    let looks = async || {
        let mut database = app.database.connect().await;
        let reads: (i64, i64) = sqlx::query_as(
            "SELECT idx_scan, seq_scan FROM pg_stat_user_tables WHERE relname = 'announcements'",
        )
        .fetch_one(&mut database)
        .await
        .unwrap();
        (reads.0 > 3).then_some(reads.1)
    };
    let whole = within(Duration::from_secs(15), "the looks are counted", looks).await;
    assert_eq!(whole, 0);
}

#[tokio::test]
async fn memory_is_not_believed_once_the_connection_that_hears_is_gone() {
    let app = listening().await;
    let acme = app.org("acme").await;
    for _ in 0..5 {
        app.trusted().await;
        acme.get("/v1/features").await.expect(200);
        // The suspension's own news are lost: they come while nobody listens.
        kill_listener(&app).await;
        app.suspend(&acme).await;
        answers_within(A_SECOND, &acme, 403).await;
        app.resume(&acme).await;
        answers_within(A_SECOND, &acme, 200).await;
    }
}

#[tokio::test]
async fn memory_is_not_believed_while_the_connection_that_hears_is_frozen() {
    let app = listening().await;
    let acme = app.org("acme").await;
    let (id, secret) = acme.mint().await;
    let (key, gateway) = (app.holder(&secret), acme.with("x-tenant-key-id", &id));
    for caller in [&key, &gateway] {
        caller.get("/v1/features").await.expect(200);
    }
    let Some(frozen) = Frozen::backends(&app, LISTENER).await else {
        return println!("SKIPPED: the server's processes cannot be stopped from here");
    };
    // Its news are not heard, and 800 ms after the last heartbeat nothing is believed any more.
    acme.delete(&format!("/v1/admin/org/tenant-keys/{id}")).await.expect(204);
    for caller in [&key, &gateway] {
        let refused = async || (caller.get("/v1/features").await.status == 401).then_some(());
        within(A_SECOND, "the key is refused", refused).await;
    }
    assert!(!app.state.trust.is_fresh());
    // The database itself is well: whatever is asked is asked there.
    let (_, another) = acme.mint().await;
    app.holder(&another).get("/v1/features").await.expect(200);

    drop(frozen);
    app.trusted().await;
    for caller in [&key, &gateway] {
        caller.get("/v1/features").await.expect(401);
    }
    app.holder(&another).get("/v1/features").await.expect(200);
}

#[tokio::test]
async fn a_connection_that_stays_frozen_is_replaced() {
    let app = listening().await;
    let acme = app.org("acme").await;
    let Some(_frozen) = Frozen::backends(&app, LISTENER).await else {
        return println!("SKIPPED: the server's processes cannot be stopped from here");
    };
    let lost = async || (!app.state.trust.is_fresh()).then_some(());
    within(A_SECOND, "memory is no longer believed", lost).await;
    let began = Instant::now();
    app.trusted().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    acme.get("/v1/features").await.expect(200);
}

#[tokio::test]
async fn memory_is_believed_again_after_the_connection_was_lost() {
    let app = listening().await;
    let began = Instant::now();
    kill_listener(&app).await;
    let lost = async || (!app.state.trust.is_fresh()).then_some(());
    within(A_SECOND, "memory is no longer believed", lost).await;
    app.trusted().await;
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn changes_of_users_do_not_depend_on_memory() {
    let app = listening().await;
    let acme = app.org("acme").await;
    let user_id = "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13";
    for _ in 0..3 {
        acme.post("/v1/users", json!({"user_id": user_id})).await.expect(201);
        acme.delete(&format!("/v1/users/{user_id}")).await.expect(204);
        acme.get(&format!("/v1/users/{user_id}")).await.expect(404);
    }
}

async fn listening() -> TestApp {
    let mut app = TestApp::new().await;
    app.listen().await;
    app
}

async fn answers_within(patience: Duration, org: &Org, status: u16) {
    let answers = async || (org.get("/v1/features").await.status == status).then_some(());
    within(patience, &format!("the answer is {status}"), answers).await;
}

/// Ends the connection that listens, as a restart of Postgres or of a router between would.
async fn kill_listener(app: &TestApp) {
    let killed: Vec<bool> = sqlx::query_scalar(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND starts_with(query, $1)",
    )
    .bind(LISTENER)
    .fetch_all(&mut app.database.connect().await)
    .await
    .expect("the database answers");
    assert_eq!(killed, [true]);
}
