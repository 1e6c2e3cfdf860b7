//! `POST /v1/admin/org/events/replay`: the same events again, under the same ids.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{REPLAY, create_user, listed, partner, publish, service, the_event};

#[tokio::test]
async fn events_named_by_id_are_delivered_again_under_the_same_id() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    for _ in 0..3 {
        create_user(&acme.org).await;
        app.clock.advance(TimeDelta::seconds(1));
    }
    publish(&app).await;
    acme.receiver.take();
    let ids: Vec<_> = listed(&acme.org, "").await.iter().map(|event| event["event_id"].clone()).collect();
    let nobodys = json!(format!("evt_{}", uuid::Uuid::new_v4().simple()));
    let named = json!({"event_ids": [ids[2], ids[0], ids[0], nobodys]});
    acme.org.post(REPLAY, named).await.expect_json(202, &json!({"data": {"replayed": 2}}));
    assert_eq!(publish(&app).await, 2);
    let mut again: Vec<_> = acme.receiver.take().iter().map(|arrived| json!(arrived.id())).collect();
    again.sort_by_key(Value::to_string);
    let mut expected = vec![ids[0].clone(), ids[2].clone()];
    expected.sort_by_key(Value::to_string);
    assert_eq!(again, expected);
}

#[tokio::test]
async fn an_event_that_failed_starts_over() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    acme.receiver.answers("500 Internal Server Error");
    create_user(&acme.org).await;
    publish(&app).await;
    app.clock.advance(TimeDelta::hours(48));
    publish(&app).await;
    let failed = the_event(&acme.org).await;
    assert_eq!(failed["status"], "failed");
    acme.org.post(REPLAY, json!({"event_ids": [failed["event_id"]]})).await.expect(202);
    let waiting = the_event(&acme.org).await;
    assert_eq!(
        (&waiting["status"], &waiting["attempts"], &waiting["last_error"]),
        (&json!("pending"), &json!(0), &Value::Null)
    );
    // It has all its attempts again.
    assert_eq!(publish(&app).await, 1);
    assert_eq!(the_event(&acme.org).await["status"], "pending");
    acme.receiver.answers("200 OK");
    app.clock.advance(TimeDelta::seconds(66));
    publish(&app).await;
    assert_eq!(the_event(&acme.org).await["status"], "delivered");
}

#[tokio::test]
async fn a_range_of_time_takes_its_first_instant_and_not_its_last() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    for _ in 0..4 {
        create_user(&acme.org).await;
        app.clock.advance(TimeDelta::seconds(60));
    }
    publish(&app).await;
    acme.receiver.take();
    let range = |stream: &str, from: &str, to: &str| json!({"stream": stream, "from": from, "to": to});
    let replayed = async |body: Value| acme.org.post(REPLAY, body).await.expect(202).json()["data"].clone();
    let (first, third) = ("2026-11-21T08:00:00Z", "2026-11-21T08:02:00Z");
    assert_eq!(replayed(range("users", first, third)).await, json!({"replayed": 2}));
    assert_eq!(publish(&app).await, 2);
    assert_eq!(replayed(range("users", third, first)).await, json!({"replayed": 0}));
    assert_eq!(
        replayed(range("credentials", "2026-11-21T08:01:00Z", "2027-01-01T00:00:00Z")).await["replayed"],
        0
    );
    assert_eq!(replayed(range("users", "2026-11-21T09:01:00+01:00", third)).await["replayed"], 1);
}

#[tokio::test]
async fn a_replay_that_cannot_be_read_or_holds_too_much_is_refused() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    let id = format!("evt_{}", uuid::Uuid::new_v4().simple());
    let (from, to) = ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z");
    for bad in [
        json!({}),
        json!({"event_ids": []}),
        json!({"event_ids": ["evt_1"]}),
        json!({"event_ids": vec![&id; 1_001]}),
        json!({"event_ids": [id], "stream": "users"}),
        json!({"stream": "users", "from": from}),
        json!({"stream": "orgs", "from": from, "to": to}),
        json!({"stream": "users", "from": "yesterday", "to": to}),
    ] {
        acme.org.post(REPLAY, bad).await.expect(422);
    }
    sqlx::query(
        "INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at)
         SELECT $1, ('019aa586-9000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'users', 'user.created', '{}', $2, $2
         FROM generate_series(1, 10001) AS n",
    )
    .bind(acme.org.id)
    .bind(app.clock.now())
    .execute(&mut app.database.connect().await)
    .await
    .expect("the outbox takes them");
    let all = json!({"stream": "users", "from": "2020-01-01T00:00:00Z", "to": "2030-01-01T00:00:00Z"});
    let refused = acme.org.post(REPLAY, all).await.expect(422).json();
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "to"]));
}
