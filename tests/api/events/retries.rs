//! A target that fails is tried again, later and later, and in the end given up.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{QUEUE, create_user, listed, partner, publish, service, the_event, waits};

/// The steps of contract 6, in seconds.
const STEPS: [i64; 6] = [60, 300, 1_800, 7_200, 43_200, 86_400];

#[tokio::test]
async fn retries_come_later_and_later_a_tenth_early_or_late_under_the_same_id() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    acme.receiver.answers("500 Internal Server Error");
    create_user(&acme.org).await;
    let mut ids = Vec::new();
    for (n, step) in STEPS.into_iter().enumerate() {
        assert_eq!(publish(&app).await, 1, "attempt {}", n + 1);
        assert_eq!(publish(&app).await, 0);
        ids.push(acme.receiver.take()[0].id().to_owned());
        let event = the_event(&acme.org).await;
        assert_eq!((&event["status"], &event["attempts"]), (&json!("pending"), &json!(n + 1)));
        assert_eq!(event["last_error"], "status 500");
        let wait = waits(&app, &event);
        let (early, late) = (TimeDelta::milliseconds(step * 900), TimeDelta::milliseconds(step * 1_100));
        assert!(early <= wait && wait <= late, "{wait} after attempt {}", n + 1);
        app.clock.advance(wait - TimeDelta::milliseconds(1));
        assert_eq!(publish(&app).await, 0);
        app.clock.advance(TimeDelta::milliseconds(1));
    }
    assert_eq!(publish(&app).await, 1);
    let event = the_event(&acme.org).await;
    assert_eq!((&event["status"], &event["attempts"]), (&json!("failed"), &json!(7)));
    assert_eq!((&event["next_attempt_at"], &event["delivered_at"]), (&Value::Null, &Value::Null));
    ids.push(acme.receiver.take()[0].id().to_owned());
    ids.dedup();
    assert_eq!(ids, [event["event_id"].as_str().expect("an id")]);
    app.clock.advance(TimeDelta::days(7));
    assert_eq!(publish(&app).await, 0);
    assert_eq!(acme.org.get(QUEUE).await.expect(200).json()["data"]["failed_events"], 1);
}

#[tokio::test]
async fn what_failed_together_does_not_come_back_together() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    acme.receiver.answers("503 Service Unavailable");
    for _ in 0..10 {
        create_user(&acme.org).await;
    }
    publish(&app).await;
    let mut times: Vec<_> =
        listed(&acme.org, "").await.iter().map(|event| event["next_attempt_at"].to_string()).collect();
    times.sort_unstable();
    times.dedup();
    assert!(times.len() >= 9, "{times:?}");
}

#[tokio::test]
async fn what_is_put_off_comes_when_the_receiver_asks_for_it_and_what_fails_up_to_the_next_step() {
    let app = service().await;
    for (answer, seconds) in [
        ("429 Too Many Requests\r\nretry-after: 90", 90..=90),
        ("429 Too Many Requests\r\nretry-after: 7200", 3_600..=3_600),
        ("429 Too Many Requests\r\nretry-after: 1", 1..=1),
        ("429 Too Many Requests\r\nretry-after: Sat, 21 Nov 2026 08:02:00 GMT", 120..=120),
        ("429 Too Many Requests\r\nretry-after: whenever", 1..=1),
        ("503 Service Unavailable\r\nretry-after: 7", 7..=7),
        ("500 Internal Server Error\r\nretry-after: 90", 90..=90),
        ("500 Internal Server Error\r\nretry-after: 3600", 300..=300),
        ("500 Internal Server Error\r\nretry-after: 1", 54..=66),
    ] {
        let partner = partner(&app, &format!("org-{}", uuid::Uuid::new_v4().simple())).await;
        partner.receiver.answers(answer);
        create_user(&partner.org).await;
        publish(&app).await;
        let wait = waits(&app, &the_event(&partner.org).await).num_seconds();
        assert!(seconds.contains(&wait), "{answer}: {wait}");
    }
}

#[tokio::test]
async fn an_event_is_given_up_two_days_after_its_first_attempt() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    create_user(&acme.org).await;
    // It waited for long, which does not count.
    app.clock.advance(TimeDelta::days(10));
    acme.receiver.answers("404 Not Found");
    assert_eq!(publish(&app).await, 1);
    assert_eq!(the_event(&acme.org).await["status"], "pending");
    // The service was away for two days.
    app.clock.advance(TimeDelta::hours(48));
    assert_eq!(publish(&app).await, 1);
    let event = the_event(&acme.org).await;
    assert_eq!((&event["status"], &event["attempts"]), (&json!("failed"), &json!(2)));
}

#[tokio::test]
async fn what_is_wrong_is_told_in_classes() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    for (answer, class) in [
        ("301 Moved Permanently\r\nlocation: http://127.0.0.1:1/elsewhere", "status 301"),
        ("199 Odd", "closed"),
        ("400 Bad Request", "status 400"),
    ] {
        acme.receiver.answers(answer);
        create_user(&acme.org).await;
        publish(&app).await;
        let event = listed(&acme.org, "").await.pop().expect("an event");
        if class != "closed" {
            assert_eq!(event["last_error"], class);
        }
        assert!(event["last_error"].as_str().is_some_and(|text| text.len() < 40 && !text.contains("127.0")));
        app.clock.advance(TimeDelta::milliseconds(1));
    }
}

#[tokio::test]
async fn a_dead_queue_is_probed_with_one_event_at_a_time_until_it_lives() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    acme.receiver.answers("503 Service Unavailable");
    for _ in 0..25 {
        create_user(&acme.org).await;
    }
    assert_eq!(publish(&app).await, 20, "twenty in a row, and it is dead");
    acme.receiver.take();
    assert_eq!(acme.org.get(QUEUE).await.json()["data"]["consecutive_failures"], 20);

    // New events wait as well; one is tried a minute, whichever is due first.
    for _ in 0..5 {
        create_user(&acme.org).await;
    }
    assert_eq!(publish(&app).await, 0);
    for failures in [21, 22] {
        app.clock.advance(TimeDelta::seconds(66));
        assert_eq!(publish(&app).await, 1);
        assert_eq!(publish(&app).await, 0);
        assert_eq!(acme.receiver.take().len(), 1);
        assert_eq!(acme.org.get(QUEUE).await.json()["data"]["consecutive_failures"], failures);
    }
    acme.receiver.answers("204 No Content");
    app.clock.advance(TimeDelta::minutes(30));
    assert_eq!(publish(&app).await, 30);
    assert_eq!(listed(&acme.org, "&status=delivered").await.len(), 30);
    let queue = acme.org.get(QUEUE).await.json()["data"].clone();
    assert_eq!((&queue["consecutive_failures"], &queue["waiting_events"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn replacing_a_queue_starts_with_a_clean_record() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    acme.receiver.answers("503 Service Unavailable");
    for _ in 0..20 {
        create_user(&acme.org).await;
    }
    publish(&app).await;
    acme.receiver.answers("200 OK");
    let queue = json!({"type": "webhook", "webhook": {"url": acme.receiver.url}});
    acme.org.json("PUT", QUEUE, queue).await.expect(200);
    create_user(&acme.org).await;
    assert_eq!(publish(&app).await, 21, "those that waited for their retry, too");
}
