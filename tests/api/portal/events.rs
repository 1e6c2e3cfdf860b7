//! Queues and events in the portal.

use serde_json::json;

use super::{Browser, press};
use crate::support::{TestApp, webhook};

const PRIVATE: (&str, &str) = ("ALLOW_PRIVATE_TARGETS", "true");

#[tokio::test]
async fn a_queue_is_tested_paused_and_resumed() {
    let app = TestApp::with(&[PRIVATE]).await;
    let acme = app.org("acme").await;
    let receiver = webhook::Receiver::start().await;
    acme.make_signing_secret(0).await;
    acme.register_webhook("users", &receiver.url).await;
    receiver.take_all();
    let browser = Browser::enter(&app, &acme, "admin").await;
    assert!(browser.page("/portal/queues").await.contains("href=\"/portal/queues/users\""));
    let act = async |what: &str| {
        let done = browser.submit("/portal/queues/users", &format!("/portal/queues/users/{what}"), &[]).await;
        browser.page(done.expect(303).header("location").unwrap()).await
    };
    assert!(act("test").await.contains("The queue has the test event."));
    assert_eq!(receiver.take_all().len(), 1);
    assert!(act("pause").await.contains("The queue stands still."));
    assert_eq!(acme.get("/v1/admin/org/queues/users").await.json()["data"]["state"], "paused");
    assert!(act("resume").await.contains("Events are sent again."));
    assert_eq!(acme.get("/v1/admin/org/queues/users").await.json()["data"]["state"], "active");

    receiver.answers("503 Service Unavailable");
    let refused = browser.submit("/portal/queues/users", "/portal/queues/users/test", &[]).await.expect(422);
    assert!(refused.text().contains("503"), "{}", refused.text());
}

#[tokio::test]
async fn a_queues_health_is_shown_by_the_minute() {
    let app = TestApp::with(&[PRIVATE]).await;
    let acme = app.org("acme").await;
    acme.make_signing_secret(0).await;
    acme.register_webhook("users", &webhook::start().await).await;
    sqlx::query(
        "INSERT INTO queue_minutes (org_id, stream, minute, attempts, delivered, durations)
         VALUES ($1, 'users', '2026-11-21T07:58:00Z', 10, 7, '{0,0,10}'),
                ($1, 'users', '2026-11-21T06:59:00Z', 99, 99, '{99}')",
    )
    .bind(acme.id)
    .execute(&mut app.database.connect().await)
    .await
    .unwrap();
    let health = acme.get("/v1/admin/org/queues/users/health").await.expect(200).json();
    let minutes = health["data"]["minutes"].as_array().unwrap();
    assert_eq!(minutes.len(), 60);
    assert_eq!(
        minutes[0],
        json!({"minute": "2026-11-21T07:01:00Z", "attempts": 0, "delivered": 0, "p95_ms": null})
    );
    assert_eq!(
        minutes[57],
        json!({"minute": "2026-11-21T07:58:00Z", "attempts": 10, "delivered": 7, "p95_ms": 3})
    );
    assert_eq!(
        acme.get("/v1/admin/org/queues/credentials/health").await.expect(404).code(),
        "queue_not_configured"
    );
    assert_eq!(acme.get("/v1/admin/org/queues/other/health").await.expect(404).code(), "unknown_stream");

    let browser = Browser::enter(&app, &acme, "viewer").await;
    let page = browser.page("/portal/queues/users").await;
    assert!(page.contains("10 attempts in the last 60 minutes, 3 of them not acknowledged"), "{page}");
    assert!(
        page.contains("<svg class=\"columns\"")
            && !page.contains("<form method=\"post\" action=\"/portal/queues")
    );
}

#[tokio::test]
async fn events_are_listed_shown_and_sent_again() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    acme.mint().await;
    let event =
        acme.get("/v1/admin/org/events").await.json()["data"][0]["event_id"].as_str().unwrap().to_owned();
    sqlx::query(
        "UPDATE events SET state = 'failed', attempts = 7, last_error = 'status 503', closed_at = created_at",
    )
    .execute(&mut app.database.connect().await)
    .await
    .unwrap();
    let browser = Browser::enter(&app, &acme, "developer").await;
    let listed = browser.page("/portal/events?status=failed").await;
    assert!(listed.contains(&event) && listed.contains("status 503"), "{listed}");
    assert!(!browser.page("/portal/events?status=delivered").await.contains(&event));

    let page = format!("/portal/events/{event}");
    let shown = browser.page(&page).await;
    assert!(shown.contains("&quot;type&quot;: &quot;tenant_key.created&quot;"), "{shown}");
    let replayed = browser.submit(&page, &format!("{page}/replay"), &[]).await.expect(303);
    let shown = browser.page(replayed.header("location").unwrap()).await;
    assert!(shown.contains("1 event is sent again") && shown.contains("http-equiv=\"refresh\""), "{shown}");

    let fields = [("stream", "credentials"), ("from", "2026-11-21T07:00"), ("to", "2026-11-21T09:00")];
    let replayed = browser.submit("/portal/events", "/portal/events/replay", &fields).await.expect(303);
    assert_eq!(replayed.header("location"), Some("/portal/events?stream=credentials&replayed=1"));
    let fields = [("stream", "credentials"), ("from", "yesterday"), ("to", "2026-11-21T09:00")];
    let refused = browser.submit("/portal/events", "/portal/events/replay", &fields).await.expect(422);
    assert!(refused.text().contains("id=\"f-from-problem\""), "{}", refused.text());
}

#[tokio::test]
async fn the_newest_events_come_first() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    for _ in 0..9 {
        acme.mint().await;
    }
    sqlx::query(
        "INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at)
         SELECT $1, (lpad(to_hex((extract(epoch FROM e.at) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid, 'users', 'user.created', '{}', e.at, e.at
         FROM (SELECT timestamptz '2026-11-20T08:00:00Z' + n * interval '1 minute' AS at FROM generate_series(1, 40) AS n) e",
    )
    .bind(acme.id)
    .execute(&mut app.database.connect().await)
    .await
    .unwrap();
    let browser = Browser::enter(&app, &acme, "viewer").await;
    let listed = browser.page("/portal/events").await;
    assert_eq!(listed.matches("<th scope=\"row\">").count(), 25);
    assert!(listed.contains("tenant_key.created") && listed.contains("20 Nov 2026, 08:40 UTC"), "{listed}");
    let since = browser.page("/portal/events?since=2026-11-20T08:00").await;
    assert!(
        since.contains("08:01 UTC") && !since.contains("08:40 UTC") && since.contains("Later ones"),
        "{since}"
    );
}

#[tokio::test]
async fn a_viewer_is_offered_nothing_that_changes_anything() {
    let app = TestApp::with(&[PRIVATE]).await;
    let acme = app.org("acme").await;
    let (key_id, _) = acme.mint().await;
    acme.make_signing_secret(0).await;
    acme.register_webhook("users", &webhook::start().await).await;
    let event =
        acme.get("/v1/admin/org/events").await.json()["data"][0]["event_id"].as_str().unwrap().to_owned();
    let browser = Browser::enter(&app, &acme, "viewer").await;
    for page in [
        "/portal",
        "/portal/keys",
        "/portal/secrets",
        "/portal/public-keys",
        "/portal/queues",
        "/portal/queues/users",
        "/portal/events",
        "/portal/reports",
        "/portal/audit",
        "/portal/snippets",
        &format!("/portal/keys/{key_id}"),
        &format!("/portal/events/{event}"),
    ] {
        let text = browser.page(page).await;
        assert_eq!(text.matches("method=\"post\"").count(), 1, "{page} offers more than to leave");
    }
    let developer = Browser::enter(&app, &acme, "developer").await;
    let token = developer.form_token().await;
    press(&developer.caller, "/portal/queues/users/test", &[("form", &token)]).await.expect(303);
    press(&developer.caller, "/portal/queues/users/pause", &[("form", &token)]).await.expect(403);
}
