//! `GET /v1/admin/org/events/{event_id}`: what was signed, and what became of each attempt (contract 14).

use chrono::TimeDelta;
use partner_api::clock::rfc3339;
use serde_json::{Value, json};

use super::{EVENTS, create_user, partner, publish, service, the_event};
use crate::support::TestApp;

/// Writes what is known of an event's attempts and its subject, as publishers and the platform do.
async fn known(app: &TestApp, event_id: &str, deliveries: &Value, subject: &str) {
    let update =
        "UPDATE events SET deliveries = $2, subject = $3 WHERE 'evt_' || replace(id::text, '-', '') = $1";
    let update = sqlx::query(update).bind(event_id).bind(deliveries).bind(subject);
    let updated = update.execute(&mut app.database.connect().await).await.expect("it is there");
    assert_eq!(updated.rows_affected(), 1);
}

#[tokio::test]
async fn an_event_shows_what_was_signed_and_what_became_of_each_attempt() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    let user_id = create_user(&acme.org).await;
    publish(&app).await;
    let arrived = acme.receiver.take();
    let listed = the_event(&acme.org).await;
    let event_id = listed["event_id"].as_str().expect("an id");
    let deliveries = json!([
        {"attempt": 1, "at": "2026-11-21T08:00:00Z", "duration_ms": 10_000, "status": null, "error": "timeout"},
        {"attempt": 2, "at": "2026-11-21T08:01:04.250Z", "duration_ms": 12, "status": 503, "error": "status 503"},
        {"attempt": 3, "at": "2026-11-21T08:06:00Z", "duration_ms": 0, "status": 204, "error": null},
    ]);
    known(&app, event_id, &deliveries, "user-1").await;

    let shown = acme.org.get(&format!("{EVENTS}/{event_id}")).await.expect(200).json()["data"].clone();

    let mut expected = listed.clone();
    expected["body"] = json!(arrived[0].body);
    expected["subject"] = json!("user-1");
    expected["deliveries"] = deliveries;
    assert_eq!(shown, expected);
    let body: Value = serde_json::from_str(shown["body"].as_str().expect("a text")).expect("JSON");
    assert_eq!((&body["type"], &body["data"]["user_id"]), (&json!("user.created"), &json!(user_id)));
}

#[tokio::test]
async fn an_event_that_was_never_tried_has_no_deliveries_and_no_subject() {
    let app = service().await;
    let acme = app.org("acme").await;
    create_user(&acme).await;
    let event_id = the_event(&acme).await["event_id"].as_str().expect("an id").to_owned();
    let shown = acme.get(&format!("{EVENTS}/{event_id}")).await.expect(200).json()["data"].clone();
    assert_eq!((&shown["status"], &shown["deliveries"]), (&json!("pending"), &json!([])));
    assert_eq!(shown.get("subject"), None);
}

#[tokio::test]
async fn an_event_of_another_org_is_not_found_and_a_text_that_is_no_id_is_refused() {
    let app = service().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    create_user(&acme).await;
    let event_id = the_event(&acme).await["event_id"].as_str().expect("an id").to_owned();
    let foreign = zeta.get(&format!("{EVENTS}/{event_id}")).await.expect(404);
    let missing = zeta.get(&format!("{EVENTS}/evt_{}", uuid::Uuid::nil().simple())).await.expect(404);
    assert_eq!((foreign.code(), foreign.text()), ("not_found".to_owned(), missing.text()));
    for malformed in [&event_id[4..], "evt_1", &event_id.to_uppercase()] {
        let refused = zeta.get(&format!("{EVENTS}/{malformed}")).await.expect(422).json();
        assert_eq!(refused["detail"][0]["loc"], json!(["path", "event_id"]), "{malformed}");
    }
}

#[tokio::test]
async fn every_attempt_is_noted_with_when_it_began_and_what_went_wrong() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    create_user(&acme.org).await;
    let mut began = Vec::new();
    for answer in ["500 Internal Server Error", "503 Service Unavailable", "200 OK"] {
        acme.receiver.answers(answer);
        app.clock.advance(TimeDelta::minutes(10));
        began.push(rfc3339(app.clock.now()));
        publish(&app).await;
    }
    let event_id = the_event(&acme.org).await["event_id"].as_str().expect("an id").to_owned();
    let shown = acme.org.get(&format!("{EVENTS}/{event_id}")).await.expect(200).json()["data"].clone();
    let attempts: Vec<_> = shown["deliveries"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|each| {
            (each["attempt"].clone(), each["at"].clone(), each["status"].clone(), each["error"].clone())
        })
        .collect();
    assert_eq!(
        attempts,
        [
            (json!(1), json!(began[0]), json!(500), json!("status 500")),
            (json!(2), json!(began[1]), json!(503), json!("status 503")),
            (json!(3), json!(began[2]), json!(200), Value::Null),
        ]
    );
    assert!(
        shown["deliveries"][0]["duration_ms"].as_i64().is_some_and(|millis| (0..10_000).contains(&millis))
    );
    assert_eq!((&shown["status"], &shown["attempts"]), (&json!("delivered"), &json!(3)));
}
