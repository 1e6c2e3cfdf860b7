//! Reports in the portal: asked for, followed, fetched.

use partner_api::background::reports;

use super::Browser;
use crate::public_keys::{pgp, register};
use crate::support::TestApp;

#[tokio::test]
async fn a_report_is_asked_for_followed_and_fetched() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let browser = Browser::enter(&app, &acme, "developer").await;
    let fields = [("type", "audit_log"), ("format", "csv")];
    let refused = browser.submit("/portal/reports", "/portal/reports", &fields).await.expect(422).text();
    assert!(refused.contains("no live public key of yours with the usage Reports"), "{refused}");

    let mut key = pgp(&acme, "pgp-curve.asc");
    key["Usage"] = serde_json::json!(["Reports"]);
    register(&acme, key).await;
    let asked = browser.submit("/portal/reports", "/portal/reports", &fields).await.expect(303);
    let page = browser.page(asked.header("location").unwrap()).await;
    assert!(page.contains("queued") && page.contains("http-equiv=\"refresh\" content=\"2\""), "{page}");
    reports::step(&app.state).await.unwrap();
    let page = browser.page("/portal/reports").await;
    assert!(page.contains("ready") && !page.contains("http-equiv=\"refresh\""), "{page}");

    let (_, rest) = page.split_once("href=\"/portal/reports/").unwrap();
    let path = format!("/portal/reports/{}", rest.split('"').next().unwrap());
    let content = browser.get(&path).await.expect(200);
    assert_eq!(content.header("content-type"), Some("application/pgp-encrypted"));
    assert!(content.header("content-disposition").unwrap().starts_with("attachment"));
    assert_eq!(content.header("x-content-type-options"), Some("nosniff"));
    let delete = path.replace("/content", "/delete");
    browser.submit("/portal/reports", &delete, &[]).await.expect(303);
    assert!(browser.page("/portal/reports").await.contains("There is no report."));
}

#[tokio::test]
async fn the_snippets_name_where_the_service_is() {
    let app = TestApp::with(&[("PUBLIC_URL", "http://localhost:4711")]).await;
    let acme = app.org("acme").await;
    let page = Browser::enter(&app, &acme, "viewer").await.page("/portal/snippets").await;
    assert!(page.contains("http://localhost:4711/v1/admin/org") && !page.contains("PUBLIC_URL"), "{page}");
}
