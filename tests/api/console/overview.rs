//! The pages over all orgs: what fails, what ends, what leaked, what there is.

use chrono::TimeDelta;
use partner_api::identity::platform::PlatformScope;
use serde_json::json;

use super::Operator;
use crate::support::{TestApp, webhook};

#[tokio::test]
async fn queues_that_fail_or_stand_still_are_on_the_first_page() {
    let app = TestApp::with(&[("ALLOW_PRIVATE_TARGETS", "true")]).await;
    let url = webhook::start().await;
    for key in ["failing", "paused", "well"] {
        let org = app.org(key).await;
        org.make_signing_secret(0).await;
        org.register_webhook("users", &url).await;
        if key == "paused" {
            org.bodyless("POST", "/v1/admin/org/queues/users/pause").await.expect(200);
        }
    }
    sqlx::query(
        "UPDATE event_queues SET failures = 20, failing_since = '2026-11-21T07:00:00Z'
         WHERE org_id = (SELECT id FROM orgs WHERE key = 'failing')",
    )
    .execute(&mut app.database.connect().await)
    .await
    .unwrap();
    let operator = Operator::enter(&app, &[PlatformScope::OrgsRead]).await;
    let page = operator.page("/console").await;
    let (failing, paused) =
        (page.find("/console/orgs/failing/queues/users"), page.find("/console/orgs/paused/queues/users"));
    assert!(failing.is_some() && failing < paused, "what fails comes first: {page}");
    assert!(!page.contains("/console/orgs/well") && page.contains("60 minutes ago"), "{page}");
}

#[tokio::test]
async fn what_ends_within_thirty_days_is_there_and_the_soonest_is_first() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    for (name, end) in [
        ("in a month", "2026-12-21T08:00:00Z"),
        ("tomorrow", "2026-11-22T08:00:00Z"),
        ("next year", "2027-11-22T08:00:00Z"),
    ] {
        acme.mint_with(json!({"name": name, "expires_at": end})).await;
    }
    let (revoked, _) = acme.mint_with(json!({"name": "gone", "expires_at": "2026-11-22T08:00:00Z"})).await;
    acme.delete(&format!("/v1/admin/org/tenant-keys/{revoked}")).await.expect(204);
    let operator = Operator::enter(&app, &[PlatformScope::OrgsRead]).await;
    let page = operator.page("/console").await;
    let (soon, later) = (page.find(">tomorrow<"), page.find(">in a month<"));
    assert!(soon.is_some() && soon < later, "{page}");
    assert!(!page.contains("next year") && !page.contains(">gone<"), "{page}");
    app.clock.advance(TimeDelta::days(2));
    let operator = Operator::enter(&app, &[PlatformScope::OrgsRead]).await;
    assert!(!operator.page("/console").await.contains(">tomorrow<"));
}

#[tokio::test]
async fn leaked_keys_are_listed_with_what_was_done() {
    let app = TestApp::new().await;
    let operator = Operator::enter(&app, &[PlatformScope::OrgsRead]).await;
    assert!(operator.page("/console/leaks").await.contains("None was reported."));
    let acme = app.org("acme").await;
    let (key_id, _) = acme.mint_with(json!({"name": "on github"})).await;
    sqlx::query(
        "UPDATE tenant_keys SET leaked_at = '2026-11-21T07:00:00Z', leak_source = 'github',
             leak_url = 'https://example.com/.env', leak_response = 'grace', expires_at = '2026-11-22T07:00:00Z',
             expiry_set_at = '2026-11-21T07:00:00Z'",
    )
    .execute(&mut app.database.connect().await)
    .await
    .unwrap();
    let page = operator.page("/console/leaks").await;
    for shown in [
        &format!("/console/orgs/acme/keys/{key_id}"),
        "github",
        "https://example.com/.env",
        "a grace window began",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("href=\"https://example.com"), "nobody follows a stranger's link: {page}");
}

#[tokio::test]
async fn streams_are_shown_to_whom_publishes_and_orgs_are_not() {
    let app = TestApp::new().await;
    app.org("acme").await;
    let (_, platform) = app.platform(&[PlatformScope::EventsPublish]).await;
    let stream = json!({"description": "What becomes of orders.", "types": [
        {"type": "order.paid", "description": "An order was paid.", "schema": {"type": "object"}}
    ]});
    platform.json("PUT", "/internal/streams/orders", stream).await.expect(200);
    let operator = Operator::enter(&app, &[PlatformScope::EventsPublish]).await;
    assert!(operator.page("/console/streams").await.contains("What becomes of orders."));
    let shown = operator.page("/console/streams/orders").await;
    assert!(
        shown.contains("order.paid") && shown.contains("&quot;type&quot;: &quot;object&quot;"),
        "{shown}"
    );
    operator.get("/console/streams/nothing").await.expect(404);
    let first = operator.page("/console").await;
    assert!(first.contains("orgs:read") && !first.contains("href=\"/console/orgs\""), "{first}");
}

#[tokio::test]
async fn the_service_says_how_it_is() {
    let app = TestApp::with(&[("DISABLED_FEATURES", "reports")]).await;
    let operator = Operator::enter(&app, &[PlatformScope::LeaksWrite]).await;
    let page = operator.page("/console/service").await;
    for shown in [env!("CARGO_PKG_VERSION"), "starting", "reports", "switched off", "Requests: public"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
}
