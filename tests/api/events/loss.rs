//! What is old is deleted; what is lost that way is counted and shown.

use chrono::TimeDelta;
use partner_api::background::{publisher, retention};

use super::{QUEUE, create_user, listed, partner, publish, service};
use crate::support::webhook::Receiver;
use crate::support::within;

#[tokio::test]
async fn delivered_and_failed_events_are_kept_thirty_days_after_their_end() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    create_user(&acme.org).await;
    app.clock.advance(TimeDelta::days(13));
    publish(&app).await;
    app.clock.advance(TimeDelta::days(30));
    retention::step(&app.state).await.expect("it deletes");
    assert_eq!(listed(&acme.org, "").await.len(), 1);
    app.clock.advance(TimeDelta::milliseconds(1));
    assert_eq!(retention::step(&app.state).await.expect("it deletes"), 0);
    assert_eq!(listed(&acme.org, "").await.len(), 0);
    assert_eq!(acme.org.get(QUEUE).await.json()["data"]["lost_events"], 0);
}

#[tokio::test]
async fn what_waits_longer_than_fourteen_days_is_lost_and_counted() {
    let app = service().await;
    let acme = app.org("acme").await;
    for _ in 0..3 {
        create_user(&acme).await;
    }
    app.clock.advance(TimeDelta::days(14));
    assert_eq!(retention::step(&app.state).await.expect("it deletes"), 0);
    create_user(&acme).await;
    app.clock.advance(TimeDelta::milliseconds(1));
    assert_eq!(retention::step(&app.state).await.expect("it deletes"), 3);
    assert_eq!(listed(&acme, "").await.len(), 1);

    acme.make_signing_secret(0).await;
    let receiver = Receiver::start().await;
    acme.register_webhook("users", &receiver.url).await;
    assert_eq!(acme.get(QUEUE).await.json()["data"]["lost_events"], 3);

    // What is lost later is counted with what was lost before.
    acme.delete(QUEUE).await.expect(204);
    app.clock.advance(TimeDelta::days(15));
    assert_eq!(
        retention::step(&app.state).await.expect("it deletes"),
        3,
        "the secret's and the queue's end as well"
    );
    acme.register_webhook("users", &receiver.url).await;
    assert_eq!(acme.get(QUEUE).await.json()["data"]["lost_events"], 4);
}

#[tokio::test]
async fn how_long_events_are_kept_is_configured() {
    let app = crate::support::TestApp::with(&[
        ("ALLOW_PRIVATE_TARGETS", "true"),
        ("EVENT_RETENTION_DAYS", "2"),
        ("EVENT_WAIT_DAYS", "1"),
    ])
    .await;
    let (acme, zeta) = (partner(&app, "acme").await, app.org("zeta").await);
    create_user(&acme.org).await;
    publish(&app).await;
    create_user(&zeta).await;
    app.clock.advance(TimeDelta::hours(25));
    // The users' event of zeta and the secret's event of acme, for which there is no queue.
    assert_eq!(retention::step(&app.state).await.expect("it deletes"), 2);
    assert_eq!((listed(&acme.org, "").await.len(), listed(&zeta, "").await.len()), (1, 0));
    app.clock.advance(TimeDelta::hours(24));
    retention::step(&app.state).await.expect("it deletes");
    assert_eq!(listed(&acme.org, "").await.len(), 0);
}

#[tokio::test]
async fn what_a_dead_publisher_had_claimed_for_a_queue_that_is_gone_is_not_kept_for_ever() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    create_user(&acme.org).await;
    let _never = acme.receiver.answers_later("200 OK");
    let state = app.state.clone();
    let died = tokio::spawn(async move { publisher::step(&state).await });
    let patience = std::time::Duration::from_secs(5);
    within(patience, "the event arrives", async || acme.receiver.take().pop()).await;
    died.abort();
    assert!(died.await.is_err());
    acme.org.delete(QUEUE).await.expect(204);
    app.clock.advance(TimeDelta::days(15));
    retention::step(&app.state).await.expect("it deletes");
    assert_eq!(listed(&acme.org, "").await.len(), 0);
}

#[tokio::test]
async fn however_much_is_old_it_goes_in_one_round() {
    let app = service().await;
    let acme = app.org("acme").await;
    // More than two statements' worth of each, and one of each that stays.
    sqlx::query(
        "INSERT INTO events (org_id, id, stream, type, body, created_at, state, closed_at, next_attempt_at)
         SELECT $1, gen_random_uuid(), 'users', 'user.created', '{}', at, state,
                CASE WHEN state = 'delivered' THEN at END, at
         FROM (VALUES ('delivered'), ('pending')) AS s (state),
              LATERAL (SELECT $2 AS at FROM generate_series(1, 4100)
                       UNION ALL SELECT $2 + interval '40 days') AS old",
    )
    .bind(acme.id)
    .bind(app.clock.now())
    .execute(&mut app.database.connect().await)
    .await
    .expect("the outbox takes them");
    app.clock.advance(TimeDelta::days(40));
    assert_eq!(retention::step(&app.state).await.expect("it deletes"), 4_100);
    assert_eq!(listed(&acme, "").await.len(), 2);
    assert_eq!(retention::step(&app.state).await.expect("it deletes"), 0);
}
