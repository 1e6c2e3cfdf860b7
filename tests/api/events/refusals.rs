//! An event that is refused is the event's fault, not the queue's (contract 14).

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{create_user, listed, partner, publish, queue, service, waits};

#[tokio::test]
async fn thirty_refused_events_do_not_hold_up_the_next_good_one() {
    let app = service().await;
    for (n, status) in [400, 401, 403, 404, 409, 413, 422, 451].into_iter().enumerate() {
        let acme = partner(&app, &format!("org-{n}")).await;
        acme.receiver.answers(&format!("{status} No"));
        for _ in 0..30 {
            create_user(&acme.org).await;
        }
        assert_eq!(publish(&app).await, 30);
        let seen = queue(&acme.org).await;
        assert_eq!(
            (&seen["consecutive_failures"], &seen["state"]),
            (&json!(0), &json!("active")),
            "{status}"
        );
        acme.receiver.take();
        acme.receiver.answers("200 OK");
        create_user(&acme.org).await;
        assert_eq!(publish(&app).await, 1, "{status}");
        assert_eq!(acme.receiver.take().len(), 1);
        // The refused ones have their own retries.
        let refused = listed(&acme.org, "&status=pending").await;
        assert_eq!(refused.len(), 30);
        assert!(refused.iter().all(|event| event["last_error"] == format!("status {status}")
            && event["attempts"] == 1
            && (54..=66).contains(&waits(&app, event).num_seconds())));
    }
}

#[tokio::test]
async fn what_is_no_refusal_counts_against_the_queue() {
    let app = service().await;
    for (n, answer) in ["408 Slow", "425 Early", "500 No", "503 No", "302 Elsewhere"].into_iter().enumerate()
    {
        let acme = partner(&app, &format!("org-{n}")).await;
        acme.receiver.answers(answer);
        for _ in 0..20 {
            create_user(&acme.org).await;
        }
        assert_eq!(publish(&app).await, 20);
        let seen = queue(&acme.org).await;
        assert_eq!(
            (&seen["consecutive_failures"], &seen["state"]),
            (&json!(20), &json!("failing")),
            "{answer}"
        );
        assert_eq!(seen["paused_until"], "2026-11-21T08:01:00Z", "the next probe");
        create_user(&acme.org).await;
        assert_eq!(publish(&app).await, 0, "{answer}");
    }
}

#[tokio::test]
async fn a_refusal_shows_that_a_dead_queue_lives() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    acme.receiver.answers("503 No");
    for _ in 0..25 {
        create_user(&acme.org).await;
    }
    publish(&app).await;
    acme.receiver.answers("400 No");
    app.clock.advance(TimeDelta::seconds(66));
    assert_eq!(publish(&app).await, 25);
    assert_eq!(queue(&acme.org).await["consecutive_failures"], 0);
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it_for_the_whole_queue_up_to_an_hour() {
    let app = service().await;
    for (n, (answer, seconds)) in [
        ("429 Slow\r\nretry-after: 90", 90),
        ("503 No\r\nretry-after: 90", 90),
        ("429 Slow\r\nretry-after: Saturday, 21-Nov-26 08:01:30 GMT", 90),
        ("429 Slow\r\nretry-after: Sat Nov 21 08:01:30 2026", 90),
        ("429 Slow\r\nretry-after: 999999999999999", 3_600),
    ]
    .into_iter()
    .enumerate()
    {
        let app = if n == 0 { &app } else { &service().await };
        let acme = partner(app, "acme").await;
        acme.receiver.answers(answer);
        create_user(&acme.org).await;
        assert_eq!(publish(app).await, 1);
        let until = json!((app.clock.now() + TimeDelta::seconds(seconds)).format("%FT%TZ").to_string());
        let seen = queue(&acme.org).await;
        assert_eq!((&seen["state"], &seen["paused_until"]), (&json!("paused"), &until), "{answer}");
        assert_eq!((&seen["consecutive_failures"], &seen["pause_reason"]), (&json!(0), &Value::Null));
        acme.receiver.answers("200 OK");
        create_user(&acme.org).await;
        app.clock.advance(TimeDelta::milliseconds(seconds * 1_000 - 1));
        assert_eq!(publish(app).await, 0, "{answer}");
        app.clock.advance(TimeDelta::milliseconds(1));
        assert!(publish(app).await >= 1, "{answer}");
        let seen = queue(&acme.org).await;
        assert_eq!((&seen["state"], &seen["paused_until"]), (&json!("active"), &Value::Null));
    }
}

#[tokio::test]
async fn too_many_requests_are_no_failure_of_the_queue() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    acme.receiver.answers("429 Slow");
    for _ in 0..30 {
        create_user(&acme.org).await;
    }
    // Those that were on their way; then it is left alone for a moment, and uses up no retry.
    assert_eq!(publish(&app).await, 4);
    let seen = queue(&acme.org).await;
    assert_eq!((&seen["consecutive_failures"], &seen["state"]), (&json!(0), &json!("paused")));
    assert_eq!(seen["paused_until"], "2026-11-21T08:00:01Z");
    for _ in 0..100 {
        app.clock.advance(TimeDelta::seconds(1));
        publish(&app).await;
    }
    acme.receiver.answers("200 OK");
    app.clock.advance(TimeDelta::seconds(1));
    publish(&app).await;
    app.clock.advance(TimeDelta::seconds(1));
    publish(&app).await;
    assert_eq!(listed(&acme.org, "&status=delivered").await.len(), 30);
}
