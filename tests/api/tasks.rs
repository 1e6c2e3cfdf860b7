//! What `serve` keeps running beside its listeners. Each task is seen to do its work in a service that
//! nobody helps along.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;

use crate::support::webhook::Receiver;
use crate::support::{TestApp, within};

/// Every task does its work when it starts; this is far below its interval where it has a long one.
const SOON: Duration = Duration::from_secs(8);

async fn service() -> TestApp {
    TestApp::with(&[("ALLOW_PRIVATE_TARGETS", "true")]).await
}

/// Waits until a question about the database has this answer.
async fn comes_true(app: &TestApp, what: &str, question: &'static str) {
    let mut database = app.database.connect().await;
    let answer = async || {
        let yes: bool = sqlx::query_scalar(question).fetch_one(&mut database).await.expect("it answers");
        yes.then_some(())
    };
    within(SOON, what, answer).await;
}

#[tokio::test]
async fn ends_are_announced() {
    let app = service().await;
    let acme = app.org("acme").await;
    acme.mint_with(json!({"name": "short", "expires_at": "2026-12-01T08:00:00Z"})).await;
    app.clock.advance(TimeDelta::days(11));
    let serving = app.serve().await;
    let told = "SELECT EXISTS (SELECT 1 FROM events WHERE type = 'tenant_key.expired')";
    comes_true(&app, "the end is announced", told).await;
    serving.stop().await;
}

#[tokio::test]
async fn what_is_old_is_deleted() {
    let app = service().await;
    let acme = app.org("acme").await;
    acme.post("/v1/users", json!({"user_id": uuid::Uuid::new_v4()})).await.expect(201);
    app.clock.advance(TimeDelta::days(15));
    let serving = app.serve().await;
    let lost =
        "SELECT NOT EXISTS (SELECT 1 FROM events) AND EXISTS (SELECT 1 FROM event_losses WHERE lost = 1)";
    comes_true(&app, "the event is deleted", lost).await;
    serving.stop().await;
}

#[tokio::test]
async fn uses_of_keys_are_written() {
    let app = service().await;
    let (_, secret) = app.org("acme").await.mint().await;
    app.holder(&secret).get("/v1/features").await.expect(200);
    let serving = app.serve().await;
    comes_true(
        &app,
        "the use is written",
        "SELECT EXISTS (SELECT FROM tenant_keys WHERE last_used_at IS NOT NULL)",
    )
    .await;
    serving.stop().await;
}

#[tokio::test]
async fn uses_of_keys_are_written_on_the_way_down() {
    let app = service().await;
    let (_, secret) = app.org("acme").await.mint().await;
    let serving = app.serve().await;
    // The first round has nothing to write; the next comes after five seconds.
    app.trusted().await;
    app.holder(&secret).get("/v1/features").await.expect(200);
    serving.stop().await;
    let written = "SELECT EXISTS (SELECT FROM tenant_keys WHERE last_used_at IS NOT NULL)";
    let written: bool =
        sqlx::query_scalar(written).fetch_one(&mut app.database.connect().await).await.expect("it answers");
    assert!(written);
}

#[tokio::test]
async fn the_next_key_of_member_tokens_is_published_though_nobody_asks() {
    let app = service().await;
    let acme = app.org("acme").await;
    let user_id = uuid::Uuid::new_v4();
    acme.post("/v1/users", json!({"user_id": user_id})).await.expect(201);
    acme.post("/v1/auth/token", json!({"user_id": user_id})).await.expect(200);
    app.clock.advance(TimeDelta::days(90));
    let serving = app.serve().await;
    // The one of then is dead, and the one of now is made.
    let renewed = "SELECT count(*) = 1 AND NOT bool_or(name = 'member_token_000692')
                   FROM service_keys WHERE starts_with(name, 'member_token_')";
    comes_true(&app, "a new key is made", renewed).await;
    serving.stop().await;
}

#[tokio::test]
async fn events_are_delivered() {
    let app = service().await;
    let acme = app.org("acme").await;
    acme.make_signing_secret(0).await;
    let receiver = Receiver::start().await;
    acme.register_webhook("users", &receiver.url).await;
    acme.post("/v1/users", json!({"user_id": uuid::Uuid::new_v4()})).await.expect(201);
    let serving = app.serve().await;
    within(SOON, "the event arrives", async || receiver.take().pop()).await;
    serving.stop().await;
}

#[tokio::test]
async fn the_outbox_is_measured() {
    let app = service().await;
    let acme = app.org("acme").await;
    acme.post("/v1/users", json!({"user_id": uuid::Uuid::new_v4()})).await.expect(201);
    let serving = app.serve().await;
    let measured = async || {
        let metrics = app.operations().get("/metrics").await.expect(200).text();
        metrics.contains("outbox_events{stream=\"users\",state=\"pending\"} 1").then_some(())
    };
    within(SOON, "the outbox is measured", measured).await;
    serving.stop().await;
}

#[tokio::test]
async fn memory_is_believed_and_readiness_is_looked_after() {
    let app = service().await;
    let serving = app.serve().await;
    app.trusted().await;
    let says = async |reason: &str| {
        let said = async || (app.operations().get("/readyz").await.text() == reason).then_some(());
        within(SOON, reason, said).await;
    };
    // The tests' clock stands still; the heartbeat measures it against the database's.
    says("clock differs from the database's\n").await;
    let undo = "DELETE FROM _sqlx_migrations";
    sqlx::query(undo).execute(&mut app.database.connect().await).await.expect("they are forgotten");
    says("migrations pending\n").await;
    serving.stop().await;
}

#[tokio::test]
async fn claims_are_closed_before_it_ends() {
    let app = service().await;
    let acme = app.org("acme").await;
    acme.make_signing_secret(0).await;
    let receiver = Receiver::start().await;
    acme.register_webhook("users", &receiver.url).await;
    let answer = receiver.answers_later("200 OK");
    acme.post("/v1/users", json!({"user_id": uuid::Uuid::new_v4()})).await.expect(201);
    let serving = app.serve().await;
    within(SOON, "the event arrives", async || receiver.take().pop()).await;
    let stopping = tokio::spawn(serving.stop());
    app_drains(&app).await;
    answer.send_replace(true);
    stopping.await.expect("it ends well");
    let closed = "SELECT state = 'delivered' AND lease IS NULL FROM events WHERE stream = 'users'";
    let closed: bool =
        sqlx::query_scalar(closed).fetch_one(&mut app.database.connect().await).await.expect("it answers");
    assert!(closed);
}

async fn app_drains(app: &TestApp) {
    let draining = async || app.state.draining.load(std::sync::atomic::Ordering::Acquire).then_some(());
    within(SOON, "it drains", draining).await;
}
