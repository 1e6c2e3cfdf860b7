//! One dead target delays nobody else, and no org sees another's events.

use std::time::Duration;

use futures_util::future::join_all;
use partner_api::background::publisher;
use serde_json::json;
use sqlx::Executor;
use tokio::sync::watch;

use super::{EVENTS, REPLAY, create_user, listed, partner, publish, service};
use crate::support::webhook::Receiver;
use crate::support::{nodes, within};

#[tokio::test]
async fn a_target_that_hangs_delays_no_other_org_and_no_other_stream() {
    let app = service().await;
    let (hung, well) = (partner(&app, "hung").await, partner(&app, "well").await);
    let other_stream = Receiver::start().await;
    hung.org.register_webhook("credentials", &other_stream.url).await;
    let _hangs = hung.receiver.answers_later("200 OK");
    // More than one queue may have in flight.
    let lines: String =
        (0..200).map(|_| format!("{{\"user_id\": \"{}\"}}\n", uuid::Uuid::new_v4())).collect();
    let head =
        crate::support::request("POST", "/v1/users/bulk").header("content-type", "application/x-ndjson");
    hung.org.send(head, lines).await.expect(200);

    let (stop, stopped) = watch::channel(false);
    let publisher = tokio::spawn(publisher::run(app.state.clone(), stopped));
    let arrived = async || (hung.receiver.take().len() > 1).then_some(());
    within(Duration::from_secs(5), "the hanging target is busy", arrived).await;
    for _ in 0..3 {
        create_user(&well.org).await;
        hung.org.mint().await;
        let delivered = async || {
            let (theirs, credentials) = (well.receiver.take().len(), other_stream.take().len());
            (theirs > 0 || credentials > 0).then_some(())
        };
        within(Duration::from_secs(2), "the others' events arrive", delivered).await;
    }
    let all = async || {
        let pending = [listed(&well.org, "&status=pending").await, stream_pending(&hung.org).await];
        pending.iter().all(Vec::is_empty).then_some(())
    };
    within(Duration::from_secs(3), "nothing of theirs waits", all).await;
    assert!(!listed(&hung.org, "&status=pending").await.is_empty());
    publisher.abort();
    drop(stop);
}

async fn stream_pending(org: &crate::support::Org) -> Vec<serde_json::Value> {
    let path = format!("{EVENTS}?stream=credentials&status=pending");
    org.get(&path).await.expect(200).json()["data"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn no_org_sees_replays_or_receives_anothers_events() {
    let app = service().await;
    let (acme, zeta) = (partner(&app, "acme").await, partner(&app, "zeta").await);
    create_user(&acme.org).await;
    create_user(&zeta.org).await;
    create_user(&zeta.org).await;
    assert_eq!(publish(&app).await, 3);
    for (partner, count) in [(&acme, 1), (&zeta, 2)] {
        let arrived = partner.receiver.take();
        assert_eq!(arrived.len(), count);
        assert!(arrived.iter().all(|event| event.json()["org_id"] == json!(partner.org.id)));
        assert_eq!(listed(&partner.org, "").await.len(), count);
    }
    let theirs = listed(&zeta.org, "").await[0]["event_id"].clone();
    let replayed = acme.org.post(REPLAY, json!({"event_ids": [theirs]})).await.expect(202);
    assert_eq!(replayed.json(), json!({"data": {"replayed": 0}}));
    let range = json!({"stream": "users", "from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z"});
    assert_eq!(acme.org.post(REPLAY, range).await.expect(202).json()["data"]["replayed"], 1);
    assert_eq!(publish(&app).await, 1);
    assert!(zeta.receiver.take().is_empty());
    // Neither does a queue that takes another's place.
    acme.org.delete(super::QUEUE).await.expect(204);
    create_user(&acme.org).await;
    assert_eq!(publish(&app).await, 0);
    assert!(zeta.receiver.take().is_empty());
}

#[tokio::test]
async fn a_dozen_targets_that_hang_leave_room_for_another() {
    let app = service().await;
    let mut hanging = Vec::new();
    for n in 0..12 {
        let partner = partner(&app, &format!("hanging-{n}")).await;
        let answer = partner.receiver.answers_later("200 OK");
        join_all((0..80).map(|_| create_user(&partner.org))).await;
        hanging.push((partner, answer));
    }
    let acme = partner(&app, "acme").await;
    let (stop, stopped) = watch::channel(false);
    let publisher = tokio::spawn(publisher::run(app.state.clone(), stopped));
    let mut arrived = 0;
    let all_hang = async || {
        arrived += hanging.iter().map(|(partner, _)| partner.receiver.take().len()).sum::<usize>();
        // Each has what a target gets to begin with.
        (arrived >= 48).then_some(())
    };
    within(Duration::from_secs(8), "they hang", all_hang).await;
    create_user(&acme.org).await;
    // Theirs end after ten seconds.
    let arrives = async || (!acme.receiver.take().is_empty()).then_some(());
    within(Duration::from_secs(5), "another's event arrives", arrives).await;
    for (_, answer) in &hanging {
        answer.send_replace(true);
    }
    stop.send_replace(true);
    publisher.await.expect("it ends well");
}

#[tokio::test]
async fn a_backlog_of_more_queues_than_one_look_takes_is_worked_off_at_once() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    let mut database = app.database.connect().await;
    // As if 4,000 orgs had registered the same endpoint, and each had an event of another process.
    let others = "INSERT INTO orgs (id, key, name, created_at)
                      SELECT gen_random_uuid(), 'other-' || n, 'Other', now() FROM generate_series(1, 4000) AS n;
                  INSERT INTO event_queues (org_id, stream, type, settings, created_at, updated_at)
                      SELECT o.id, q.stream, q.type, q.settings, q.created_at, q.updated_at
                      FROM orgs o, event_queues q WHERE o.key LIKE 'other-%';
                  INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at)
                      SELECT id, gen_random_uuid(), 'users', 'user.created', '{}', '2026-11-21', '2026-11-21'
                      FROM orgs WHERE key LIKE 'other-%'";
    database.execute(others).await.unwrap();
    let (stop, stopped) = watch::channel(false);
    let publisher = tokio::spawn(publisher::run(app.state.clone(), stopped));
    // They have no signing secret, so each attempt fails at once; tried is tried.
    let all_tried = async || {
        let left: i64 =
            sqlx::query_scalar("SELECT count(*) FROM events WHERE attempts = 0 AND stream = 'users'")
                .fetch_one(&mut database)
                .await
                .unwrap();
        (left == 0).then_some(())
    };
    // A look comes once a second and holds 128 at most: one after the other would need half a minute. Of distributed
    // tables it is a dozen statements, and here three servers and the publisher share what one has else.
    let patience = if nodes::workers().is_empty() { 8 } else { 16 };
    within(Duration::from_secs(patience), "all are tried", all_tried).await;
    stop.send_replace(true);
    publisher.await.expect("it ends well");
    drop(acme);
}

#[tokio::test]
async fn a_queue_has_a_share_of_the_places_however_much_it_has() {
    let app = service().await;
    let (hung, well) = (partner(&app, "hung").await, partner(&app, "well").await);
    let answer = hung.receiver.answers_later("200 OK");
    for _ in 0..4 {
        join_all((0..75).map(|_| create_user(&hung.org))).await;
    }
    let (stop, stopped) = watch::channel(false);
    let publisher = tokio::spawn(publisher::run_until(app.state.clone(), stopped, Duration::ZERO));
    let mut arrived = 0;
    for _ in 0..3 {
        create_user(&well.org).await;
        // Each time the publisher has looked again, and could have taken more of the other.
        let delivered = async || (!well.receiver.take().is_empty()).then_some(());
        within(Duration::from_secs(5), "the other's event arrives", delivered).await;
        arrived += hung.receiver.take().len();
    }
    let looked = std::time::Instant::now();
    let several_looks = async || (looked.elapsed() > Duration::from_millis(1_500)).then_some(());
    within(Duration::from_secs(5), "it looks at all queues", several_looks).await;
    arrived += hung.receiver.take().len();
    assert!((1..=128).contains(&arrived), "{arrived} of one queue");
    answer.send_replace(true);
    stop.send_replace(true);
    publisher.await.expect("it ends well");
}

#[tokio::test]
async fn what_another_replica_wrote_is_found_though_nothing_wakes_this_one() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    let (stop, stopped) = watch::channel(false);
    let publisher = tokio::spawn(publisher::run(app.state.clone(), stopped));
    create_user(&acme.org).await;
    within(Duration::from_secs(5), "its own arrives", async || acme.receiver.take().pop()).await;
    sqlx::query(
        "INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at)
         VALUES ($1, gen_random_uuid(), 'users', 'user.created', '{\"type\": \"user.created\"}', $2, $2)",
    )
    .bind(acme.org.id)
    .bind(app.clock.now())
    .execute(&mut app.database.connect().await)
    .await
    .expect("the outbox takes it");
    within(Duration::from_secs(5), "the other's arrives", async || acme.receiver.take().pop()).await;
    stop.send_replace(true);
    publisher.await.expect("it ends well");
}
