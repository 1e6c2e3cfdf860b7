//! What waits, what is late, and what became of deliveries.

use chrono::TimeDelta;
use partner_api::background::publisher;

use super::{create_users, scrape, value, with_queue};
use crate::support::{Org, TestApp};

const WEBHOOK: (&str, &str) = ("queue_type", "webhook");

#[tokio::test]
async fn what_waits_is_counted_and_is_late_only_where_there_is_a_queue() {
    let app = TestApp::with(&[("ALLOW_PRIVATE_TARGETS", "true")]).await;
    let (acme, zeta) = (with_queue(&app).await, app.org("zeta").await);
    create_users(&acme, 3).await;
    create_users(&zeta, 2).await;
    app.clock.advance(TimeDelta::seconds(90));
    measure(&app).await;

    let seen = scrape(&app).await;
    let users = ("stream", "users");
    assert_eq!(seen.value("partner_api_outbox_events", &[users, ("state", "pending")]), 5.0);
    assert_eq!(seen.value("partner_api_outbox_due_events", &[users]), 3.0);
    assert_eq!(seen.value("partner_api_outbox_oldest_due_seconds", &[users]), 90.0);
    assert_eq!(seen.value("partner_api_outbox_queues", &[users, ("state", "working")]), 1.0);
    // Nobody has a queue for these, so none is late: acme's signing secret, zeta's nothing.
    let credentials = ("stream", "credentials");
    assert_eq!(seen.value("partner_api_outbox_events", &[credentials, ("state", "pending")]), 1.0);
    assert_eq!(seen.value("partner_api_outbox_oldest_due_seconds", &[credentials]), 0.0);
    let at = app.clock.now().timestamp();
    assert_eq!(seen.value("partner_api_outbox_measured_timestamp_seconds", &[]), at as f64);

    publisher::step(&app.state).await.unwrap();
    measure(&app).await;

    let seen = scrape(&app).await;
    assert_eq!(seen.value("partner_api_outbox_events", &[users, ("state", "pending")]), 2.0);
    assert_eq!(seen.value("partner_api_outbox_due_events", &[users]), 0.0);
    assert_eq!(seen.value("partner_api_outbox_oldest_due_seconds", &[users]), 0.0);
}

#[tokio::test]
async fn deliveries_are_counted_by_how_they_ended_and_why() {
    let app = TestApp::with(&[("ALLOW_PRIVATE_TARGETS", "true")]).await;
    let acme = with_queue(&app).await;
    create_users(&acme, 2).await;
    publisher::step(&app.state).await.unwrap();
    assert_eq!(deliveries(&app).await, [2.0, 0.0, 0.0]);
    assert_eq!(value(&app, "partner_api_event_delivery_duration_seconds_count", &[WEBHOOK]).await, 2.0);

    point_nowhere(&app, &acme).await;
    create_users(&acme, 1).await;
    publisher::step(&app.state).await.unwrap();
    measure(&app).await;
    assert_eq!(deliveries(&app).await, [2.0, 1.0, 0.0]);
    let refused = [WEBHOOK, ("reason", "refused")];
    assert_eq!(value(&app, "partner_api_event_delivery_errors_total", &refused).await, 1.0);
    assert_eq!(queues(&app).await, [0.0, 1.0, 0.0]);

    app.clock.advance(TimeDelta::hours(49));
    publisher::step(&app.state).await.unwrap();
    measure(&app).await;
    assert_eq!(deliveries(&app).await, [2.0, 1.0, 1.0]);
    let failed = [("stream", "users"), ("state", "failed")];
    assert_eq!(value(&app, "partner_api_outbox_events", &failed).await, 1.0);
}

#[tokio::test]
async fn a_dead_queue_is_counted_as_dead_and_its_events_are_not_late() {
    let app = TestApp::with(&[("ALLOW_PRIVATE_TARGETS", "true")]).await;
    let acme = with_queue(&app).await;
    point_nowhere(&app, &acme).await;
    create_users(&acme, 20).await;
    publisher::step(&app.state).await.unwrap();
    app.clock.advance(TimeDelta::hours(1));
    measure(&app).await;
    assert_eq!(queues(&app).await, [0.0, 0.0, 1.0]);
    assert_eq!(value(&app, "partner_api_outbox_oldest_due_seconds", &[("stream", "users")]).await, 0.0);
}

#[tokio::test]
async fn events_that_waited_in_vain_are_counted_as_lost() {
    let app = TestApp::new().await;
    create_users(&app.org("acme").await, 3).await;
    app.clock.advance(TimeDelta::days(15));
    partner_api::background::retention::step(&app.state).await.unwrap();
    assert_eq!(value(&app, "partner_api_events_lost_total", &[]).await, 3.0);
}

async fn measure(app: &TestApp) {
    partner_api::background::outbox_depth::measure(&app.state).await.unwrap();
}

/// Delivered, retried, failed.
async fn deliveries(app: &TestApp) -> [f64; 3] {
    let seen = scrape(app).await;
    ["delivered", "retried", "failed"]
        .map(|result| seen.value("partner_api_event_deliveries_total", &[WEBHOOK, ("result", result)]))
}

/// Working, failing, dead.
async fn queues(app: &TestApp) -> [f64; 3] {
    let seen = scrape(app).await;
    ["working", "failing", "dead"]
        .map(|state| seen.value("partner_api_outbox_queues", &[("stream", "users"), ("state", state)]))
}

/// The endpoint is gone.
async fn point_nowhere(app: &TestApp, org: &Org) {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    sqlx::query("UPDATE event_queues SET settings = jsonb_build_object('url', $2::text) WHERE org_id = $1")
        .bind(org.id)
        .bind(format!("http://{gone}/events"))
        .execute(&mut app.database.connect().await)
        .await
        .unwrap();
}
