//! What is told of keys, and noted; all in the statement of the change.

use chrono::TimeDelta;
use partner_api::background::expiry;
use serde_json::{Value, json};
use sqlx::Row as _;

use super::{ROTATE, holder, holder_until, path, rotated, successor};
use crate::support::TestApp;

/// The events of keys, oldest first: type and data.
async fn events(app: &TestApp) -> Vec<(String, Value)> {
    let rows =
        sqlx::query("SELECT type, body FROM events WHERE type LIKE 'tenant_key.%' ORDER BY created_at, id")
            .fetch_all(&mut app.database.connect().await)
            .await
            .expect("the outbox answers");
    let read = |body: String| serde_json::from_str::<Value>(&body).expect("JSON")["data"].clone();
    rows.iter().map(|row| (row.get(0), read(row.get(1)))).collect()
}

async fn kinds(app: &TestApp) -> Vec<String> {
    let kinds = events(app).await.into_iter();
    kinds.map(|(kind, _)| kind.trim_start_matches("tenant_key.").to_owned()).collect()
}

#[tokio::test]
async fn every_change_is_told_once_and_a_refusal_is_not() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let key = holder(&app, &acme).await;
    app.clock.advance(TimeDelta::seconds(1));
    acme.patch(&path(&key.id), json!({"name": "payments"})).await.expect(200);
    app.clock.advance(TimeDelta::seconds(1));
    let new =
        successor(&app, &key.caller.post(ROTATE, json!({"grace_period_seconds": 60})).await.expect(200));
    key.caller.post(ROTATE, json!({})).await.expect(409);
    key.caller.delete(&path(&new.id)).await.expect(403);
    app.clock.advance(TimeDelta::seconds(1));
    acme.delete(&path(&key.id)).await.expect(204);
    acme.delete(&path(&key.id)).await.expect(204);

    let told = events(&app).await;
    assert_eq!(kinds(&app).await, ["created", "updated", "rotated", "revoked"]);
    assert_eq!(told[0].1, json!({"key_id": key.id, "occurred_at": "2026-11-21T08:00:00Z", "version": 1}));
    assert_eq!(told[1].1["version"], 2);
    let rotation = json!({
        "key_id": new.id, "previous_key_id": key.id, "expires_at": "2026-11-21T08:01:02Z",
        "occurred_at": "2026-11-21T08:00:02Z", "version": 1,
    });
    assert_eq!(told[2].1, rotation);
    assert_eq!((&told[3].1["key_id"], &told[3].1["version"]), (&json!(key.id), &json!(4)));

    let noted: Vec<(String, String)> = sqlx::query_as(
        "SELECT action, actor FROM audit_log WHERE action LIKE 'tenant_key.%' AND request_id = 'test' ORDER BY seq",
    )
    .fetch_all(&mut app.database.connect().await)
    .await
    .expect("the log answers");
    let actions: Vec<_> = noted.iter().map(|(action, _)| action.as_str()).collect();
    assert_eq!(
        actions,
        ["tenant_key.created", "tenant_key.updated", "tenant_key.rotated", "tenant_key.revoked"]
    );
}

#[tokio::test]
async fn an_end_is_announced_in_steps_and_each_once() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    holder_until(&app, &acme, "2027-03-21T08:00:00Z").await;
    for (days, told) in [(90, "expiring"), (23, "expiring"), (6, "expiring"), (1, "expired")] {
        app.clock.advance(TimeDelta::days(days));
        let (one, two) = tokio::join!(expiry::step(&app.state), expiry::step(&app.state));
        assert_eq!(one.expect("it looks") + two.expect("it looks"), 1, "two replicas look at once");
        assert_eq!(expiry::step(&app.state).await.expect("it looks"), 0);
        assert_eq!(kinds(&app).await.last().map(String::as_str), Some(told));
    }
    assert_eq!(kinds(&app).await, ["created", "expiring", "expiring", "expiring", "expired"]);
    let versions: Vec<_> = events(&app).await.into_iter().map(|(_, data)| data["version"].clone()).collect();
    assert_eq!(versions, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_short_life_is_announced_at_its_end_only_and_a_new_end_anew() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    // A step of d days comes only where more than 2 d were left when the end was set.
    let short = holder_until(&app, &acme, "2026-11-23T08:00:00Z").await;
    app.clock.advance(TimeDelta::hours(36));
    assert_eq!(expiry::step(&app.state).await.expect("it looks"), 0);
    acme.patch(&path(&short.id), json!({"expires_at": "2026-11-26T08:00:00Z"})).await.expect(200);
    app.clock.advance(TimeDelta::hours(60));
    assert_eq!(expiry::step(&app.state).await.expect("it looks"), 1);
    assert_eq!(kinds(&app).await, ["created", "updated", "expiring"]);
    acme.patch(&path(&short.id), json!({"expires_at": "2026-11-30T08:00:00Z"})).await.expect(200);
    app.clock.advance(TimeDelta::days(6));
    assert_eq!(expiry::step(&app.state).await.expect("it looks"), 1, "only the nearest step");
    assert_eq!(kinds(&app).await[4..], ["expired"]);
}

#[tokio::test]
async fn the_end_of_a_grace_window_is_told_and_a_revocation_is_not_told_twice() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (first, second) = (holder(&app, &acme).await, holder(&app, &acme).await);
    rotated(&app, &first, 60).await;
    rotated(&app, &second, 0).await;
    app.clock.advance(TimeDelta::seconds(60));
    assert_eq!(expiry::step(&app.state).await.expect("it looks"), 1);
    assert_eq!(events(&app).await.last().expect("it is told").1["key_id"], first.id.as_str());
}

#[tokio::test]
async fn every_new_end_is_announced_anew_from_the_first_step() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let key = holder_until(&app, &acme, "2026-12-11T08:00:00Z").await;
    // Twenty days each time, of which seven are left when it looks.
    for (end, told) in [("2026-12-24T08:00:00Z", 1), ("2027-01-06T08:00:00Z", 2), ("2027-01-19T08:00:00Z", 3)]
    {
        app.clock.advance(TimeDelta::days(13));
        assert_eq!(expiry::step(&app.state).await.expect("it looks"), 1, "announcement {told}");
        assert_eq!(expiry::step(&app.state).await.expect("it looks"), 0);
        acme.patch(&path(&key.id), json!({"expires_at": end})).await.expect(200);
    }
    assert_eq!(kinds(&app).await.iter().filter(|kind| *kind == "expiring").count(), 3);
    // Another name is no new end.
    app.clock.advance(TimeDelta::days(13));
    assert_eq!(expiry::step(&app.state).await.expect("it looks"), 1);
    acme.patch(&path(&key.id), json!({"name": "payments"})).await.expect(200);
    assert_eq!(expiry::step(&app.state).await.expect("it looks"), 0);
}

#[tokio::test]
async fn however_many_end_together_all_are_announced_in_one_round() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    sqlx::query(
        "INSERT INTO tenant_keys (org_id, id, name, prefix, digest, created_at, expires_at, expiry_set_at)
         SELECT $1, gen_random_uuid(), 'x', 'x', sha256(n::text::bytea), $2, $2 + interval '1 hour', $2
         FROM generate_series(1, 1100) AS n",
    )
    .bind(acme.id)
    .bind(app.clock.now())
    .execute(&mut app.database.connect().await)
    .await
    .expect("the table takes them");
    app.clock.advance(TimeDelta::hours(1));
    assert_eq!(expiry::step(&app.state).await.expect("it looks"), 1_100);
    assert_eq!(expiry::step(&app.state).await.expect("it looks"), 0);
}
