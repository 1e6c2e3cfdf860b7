//! What is told of public keys, and noted.

use chrono::TimeDelta;
use partner_api::background::expiry;
use serde_json::{Value, json};
use sqlx::Row as _;

use super::{END, path, register, rsa, set_expiration};
use crate::support::TestApp;

/// The events of public keys, oldest first: type and data.
async fn events(app: &TestApp) -> Vec<(String, Value)> {
    let mut database = app.database.connect().await;
    let rows = sqlx::query("SELECT type, body FROM events WHERE type LIKE 'public_key.%' ORDER BY id")
        .fetch_all(&mut database)
        .await
        .expect("the outbox answers");
    let read = |body: String| serde_json::from_str::<Value>(&body).expect("JSON")["data"].clone();
    rows.iter().map(|row| (row.get(0), read(row.get(1)))).collect()
}

fn kinds(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(kind, _)| kind.trim_start_matches("public_key.")).collect()
}

#[tokio::test]
async fn every_change_is_told_once_with_its_version_and_noted_in_the_audit_log() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let id = register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;
    app.clock.advance(TimeDelta::seconds(1));
    set_expiration(&acme, &id, "2027-06-01T00:00:00Z").await.expect(200);
    app.clock.advance(TimeDelta::seconds(1));
    acme.delete(&path(&id)).await.expect(204);
    acme.delete(&path(&id)).await.expect(204);

    let told = events(&app).await;
    assert_eq!(kinds(&told), ["registered", "updated", "deleted"]);
    assert_eq!(
        told[0].1,
        json!({
            "unique_id": id, "expires_at": END.replace(".000", ""), "occurred_at": "2026-11-21T08:00:00Z", "version": 1,
        })
    );
    let versions: Vec<_> = told.iter().map(|(_, data)| data["version"].clone()).collect();
    assert_eq!(versions, [1, 2, 3]);

    let mut database = app.database.connect().await;
    let noted: Vec<String> = sqlx::query_scalar(
        "SELECT action FROM audit_log WHERE subject = $1 AND request_id = 'test' AND actor = 'gateway' ORDER BY seq",
    )
    .bind(&id)
    .fetch_all(&mut database)
    .await
    .expect("the log answers");
    assert_eq!(noted, ["public_key.registered", "public_key.updated", "public_key.deleted"]);
}

#[tokio::test]
async fn an_end_is_announced_in_steps_and_each_once() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;
    let deleted = register(&acme, rsa(&acme, "rsa3072.spki.pem")).await;
    acme.delete(&path(&deleted)).await.expect(204);
    expiry::step(&app.state).await.expect("it looks");
    assert_eq!(kinds(&events(&app).await).len(), 3);

    for (days, told) in [(731 - 30, "expiring"), (23, "expiring"), (6, "expiring"), (1, "expired")] {
        app.clock.advance(TimeDelta::days(days));
        expiry::step(&app.state).await.expect("it looks");
        expiry::step(&app.state).await.expect("it looks");
        assert_eq!(kinds(&events(&app).await).last(), Some(&told));
    }
    let told = events(&app).await;
    assert_eq!(kinds(&told)[3..], ["expiring", "expiring", "expiring", "expired"]);
    assert_eq!(told.last().expect("it is there").1["version"], 5);
}

#[tokio::test]
async fn every_new_end_is_announced_anew_from_the_first_step() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let mut registration = rsa(&acme, "rsa2048.spki.pem");
    registration["ExpirationUtc"] = json!("2026-12-11T08:00:00Z");
    let id = register(&acme, registration).await;
    for end in ["2026-12-24T08:00:00Z", "2027-01-06T08:00:00Z"] {
        app.clock.advance(TimeDelta::days(13));
        assert_eq!(expiry::step(&app.state).await.expect("it looks"), 1);
        assert_eq!(expiry::step(&app.state).await.expect("it looks"), 0);
        // Events of one instant have no order.
        app.clock.advance(TimeDelta::seconds(1));
        set_expiration(&acme, &id, end).await.expect(200);
    }
    assert_eq!(kinds(&events(&app).await), ["registered", "expiring", "updated", "expiring", "updated"]);
}
