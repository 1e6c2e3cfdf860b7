//! Whoever loses a queue hears of it: on the other stream, and once at the target that the queue had.

use serde_json::json;

use super::{partner, publish, queue, replace, service};
use crate::support::webhook::{Arrived, Receiver};
use crate::support::{Org, TestApp};

/// An org with both queues and a known secret.
struct Owner {
    org: Org,
    secret: Vec<u8>,
    users: Receiver,
    credentials: Receiver,
}

async fn owner(app: &TestApp) -> Owner {
    let org = app.org("acme").await;
    let secret = org.make_signing_secret(0).await.1;
    let (users, credentials) = (Receiver::start().await, Receiver::start().await);
    org.register_webhook("users", &users.url).await;
    org.register_webhook("credentials", &credentials.url).await;
    publish(app).await;
    credentials.take();
    Owner { org, secret, users, credentials }
}

fn kinds(arrived: &[Arrived]) -> Vec<String> {
    arrived.iter().map(Arrived::kind).collect()
}

#[tokio::test]
async fn a_stolen_queue_is_told_to_the_other_stream_and_once_to_the_old_target() {
    let app = service().await;
    let acme = owner(&app).await;
    let thief = Receiver::start().await;
    replace(&acme.org, "credentials", &thief.url).await;
    publish(&app).await;
    let (other, old) = (acme.users.take(), acme.credentials.take());
    assert_eq!(
        (kinds(&other), kinds(&old)),
        (vec!["queue.replaced".to_owned()], vec!["queue.replaced".to_owned()])
    );
    assert_eq!((other[0].id(), &other[0].body), (old[0].id(), &old[0].body), "the same event");
    for arrived in [&other[0], &old[0]] {
        assert_eq!(arrived.signatures(), [arrived.signature_with(&acme.secret)]);
        assert_eq!(arrived.json()["data"]["queue_name"], "credentials");
        assert!(arrived.json()["data"]["version"].as_i64().is_some_and(|version| version > 0));
        assert!(!arrived.body.contains("127.0.0.1"), "{}", arrived.body);
    }
    publish(&app).await;
    assert!(acme.credentials.take().is_empty(), "once");
    assert!(thief.take().is_empty());
}

#[tokio::test]
async fn removal_and_pause_are_told_as_well_with_a_higher_version_each() {
    let app = service().await;
    let acme = owner(&app).await;
    acme.org.bodyless("POST", "/v1/admin/org/queues/users/pause").await.expect(200);
    publish(&app).await;
    acme.org.delete("/v1/admin/org/queues/users").await.expect(204);
    publish(&app).await;
    let expected = ["queue.paused", "queue.deleted"].map(str::to_owned);
    let (old, other) = (acme.users.take(), acme.credentials.take());
    assert_eq!((kinds(&old), kinds(&other)), (expected.to_vec(), expected.to_vec()));
    assert_eq!(old[0].json()["data"]["reason"], "requested");
    let versions: Vec<_> = other.iter().map(|event| event.json()["data"]["version"].as_i64()).collect();
    assert!(versions[0] < versions[1], "{versions:?}");
}

#[tokio::test]
async fn an_old_target_that_fails_is_tried_once_and_holds_nothing_up() {
    let app = service().await;
    let acme = owner(&app).await;
    acme.users.answers("500 No");
    let better = Receiver::start().await;
    replace(&acme.org, "users", &better.url).await;
    for _ in 0..3 {
        publish(&app).await;
        app.clock.advance(chrono::TimeDelta::minutes(2));
    }
    assert_eq!(kinds(&acme.users.take()), ["queue.replaced"]);
    assert_eq!(queue(&acme.org).await["consecutive_failures"], 0);
    assert_eq!(waiting(&app).await, 0);
}

#[tokio::test]
async fn a_notice_survives_the_process_that_wrote_it_and_the_one_that_took_it() {
    let app = service().await;
    let acme = owner(&app).await;
    let better = Receiver::start().await;
    replace(&acme.org, "users", &better.url).await;
    // A publisher took it and died.
    let held = app.clock.now() + chrono::TimeDelta::seconds(30);
    let mut database = app.database.connect().await;
    sqlx::query("UPDATE queue_notices SET held_until = $1").bind(held).execute(&mut database).await.unwrap();
    publish(&app).await;
    assert!(acme.users.take().is_empty());
    app.clock.advance(chrono::TimeDelta::seconds(30));
    publish(&app).await;
    assert_eq!(kinds(&acme.users.take()), ["queue.replaced"]);
}

#[tokio::test]
async fn notices_that_wait_are_bounded_and_do_not_outlive_a_day() {
    let app = service().await;
    let acme = owner(&app).await;
    for _ in 0..60 {
        replace(&acme.org, "users", &acme.users.url).await;
    }
    assert_eq!(waiting(&app).await, 50);
    app.clock.advance(chrono::TimeDelta::hours(25));
    publish(&app).await;
    assert_eq!(waiting(&app).await, 0);
    assert!(acme.users.take().is_empty());
}

#[tokio::test]
async fn an_azure_target_is_told_with_the_token_it_had() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    // As if the queue had been an Azure queue: its sealed part opens where it was sealed.
    let place =
        partner_api::crypto::associated_data::event_queue(partner_api::ids::OrgId(acme.org.id), "users");
    let sealed = app.state.keyring.master.seal(&place, b"sv=1&sp=a&se=2027-01-01&sig=a");
    sqlx::query("UPDATE event_queues SET type = 'azure_storage_queue', settings = $1, sealed = $2 WHERE stream = 'users'")
        .bind(json!({"account_name": "account", "queue_name": "queue"}))
        .bind(&sealed)
        .execute(&mut app.database.connect().await)
        .await
        .unwrap();
    replace(&acme.org, "users", &acme.receiver.url).await;
    let kept: Vec<u8> = sqlx::query_scalar("SELECT sealed FROM queue_notices")
        .fetch_one(&mut app.database.connect().await)
        .await
        .unwrap();
    assert_eq!(kept, sealed);
}

async fn waiting(app: &TestApp) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM queue_notices")
        .fetch_one(&mut app.database.connect().await)
        .await
        .unwrap()
}
