//! What ends a session: its time, its person, the credential that it was asked for with, and its org's troubles. At
//! once, for good.

use chrono::TimeDelta;
use partner_api::background::retention;
use partner_api::identity::platform::PlatformScope;
use serde_json::json;

use super::{Browser, LINKS, link, press, wanted};
use crate::signatures::{ALICE, Request, URL, register};
use crate::support::{Caller, Org, TestApp};

/// An admin's browser, by a link that this backend asked for.
async fn admin(app: &TestApp, by: &Caller) -> Browser {
    let browser = Browser::enter(app, by, "admin").await;
    browser.get("/portal").await.expect(200);
    browser
}

async fn is_out(browser: &Browser) -> bool {
    browser.get("/portal").await.status == 401
}

#[tokio::test]
async fn a_session_lasts_half_an_hour() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let browser = admin(&app, &acme).await;
    app.clock.advance(TimeDelta::seconds(1_799));
    assert!(!is_out(&browser).await);
    app.clock.advance(TimeDelta::seconds(1));
    assert!(is_out(&browser).await);
}

#[tokio::test]
async fn leaving_ends_it_on_the_server_and_shows_the_way_back() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let mut body = wanted("viewer");
    body["return_url"] = json!("https://app.example.com/settings?a=1&b=2");
    let browser = Browser::open(&app, &link(&acme, body).await).await;
    let left = browser.submit("/portal", "/portal/leave", &[]).await.expect(200);
    assert!(left.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert!(left.text().contains("href=\"https://app.example.com/settings?a=1&amp;b=2\""), "{}", left.text());
    assert!(is_out(&browser).await);
}

#[tokio::test]
async fn who_opens_another_link_leaves_the_session_before() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let browser = admin(&app, &acme).await;
    let path = link(&acme, wanted("viewer")).await;
    let token = path.rsplit('/').next().unwrap();
    let opened = press(&browser.caller, "/portal/open", &[("link", token)]).await.expect(303);
    assert!(!opened.header("set-cookie").unwrap().contains(&browser.cookie));
    assert!(is_out(&browser).await);
}

#[tokio::test]
async fn freezing_suspending_recovering_and_deleting_end_sessions_and_links_for_good() {
    let app = TestApp::new().await;
    let (_, platform) = app.platform(&[PlatformScope::OrgsRead, PlatformScope::OrgsWrite]).await;
    let post =
        async |path: &str| platform.post(&format!("/internal/orgs/{path}"), json!({})).await.expect(200);
    for (key, end, undo) in [
        ("frozen", "freeze", Some("thaw")),
        ("suspended", "suspend", Some("resume")),
        ("recovered", "recover", Some("thaw")),
    ] {
        let org = app.org(key).await;
        let (browser, unopened) = (admin(&app, &org).await, link(&org, wanted("admin")).await);
        post(&format!("{key}/{end}")).await;
        assert!(is_out(&browser).await, "{end}");
        app.anyone().get(&unopened).await.expect(410);
        if let Some(undo) = undo {
            post(&format!("{key}/{undo}")).await;
        }
        assert!(is_out(&browser).await, "{end} and back");
    }
    let deleted = app.org("deleted").await;
    let browser = admin(&app, &deleted).await;
    platform.delete("/internal/orgs/deleted?confirm=deleted").await.expect(204);
    assert!(is_out(&browser).await);
}

#[tokio::test]
async fn thawing_ends_no_session() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (_, platform) = app.platform(&[PlatformScope::OrgsWrite]).await;
    platform.post("/internal/orgs/acme/freeze", json!({})).await.expect(200);
    // The platform's support looks at an org that is frozen, and changes nothing either.
    acme.post(LINKS, wanted("viewer")).await.expect(403);
    let made = platform.post("/internal/orgs/acme/portal-sessions", wanted("admin")).await.expect(201).json();
    let url = made["data"]["url"].as_str().unwrap();
    let support = Browser::open(&app, &url[url.find("/portal").unwrap()..]).await;
    assert!(support.page("/portal").await.contains("The administration is frozen."));
    let refused = support.submit("/portal/keys", "/portal/keys", &[("name", "x")]).await.expect(422);
    assert!(refused.text().contains("administration is frozen"), "{}", refused.text());
    platform.post("/internal/orgs/acme/thaw", json!({})).await.expect(200);
    assert!(!is_out(&support).await);
}

#[tokio::test]
async fn a_thiefs_session_ends_with_the_key_that_it_was_asked_for_with() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let ((stolen_id, stolen), (_, owners)) = (acme.mint().await, acme.mint().await);
    let thief = admin(&app, &app.holder(&stolen)).await;
    let path = format!("/v1/admin/org/tenant-keys/{stolen_id}");
    app.holder(&owners).delete(&path).await.expect(204);
    assert!(is_out(&thief).await);
}

#[tokio::test]
async fn a_thiefs_session_changes_nothing_once_the_key_was_rotated() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (stolen_id, stolen) = acme.mint().await;
    let thief = admin(&app, &app.holder(&stolen)).await;
    acme.post("/v1/auth/tenant-key/rotate", json!({"key_id": stolen_id})).await.expect(200);
    let refused = thief.submit("/portal/keys", "/portal/keys", &[("name", "mine")]).await.expect(422);
    assert!(refused.text().contains("This key was rotated and administers nothing any more"));
    app.clock.advance(TimeDelta::minutes(1));
    assert_eq!(live_keys(&acme).await, 2);
}

async fn live_keys(org: &Org) -> usize {
    let listed = org.get("/v1/admin/org/tenant-keys").await.expect(200).json();
    listed["data"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_session_does_no_more_than_its_key_once_that_is_restricted() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (id, key) = acme.mint().await;
    let browser = admin(&app, &app.holder(&key)).await;
    let change = json!({"scopes": ["tenant_keys:read", "org:write"]});
    acme.patch(&format!("/v1/admin/org/tenant-keys/{id}"), change).await.expect(200);
    browser.get("/portal/audit").await.expect(403);
    let refused = browser.submit("/portal/keys", "/portal/keys", &[("name", "x")]).await.expect(422);
    assert!(refused.text().contains("tenant_keys:write"), "{}", refused.text());
}

#[tokio::test]
async fn where_administration_is_signed_so_are_links() {
    let app = TestApp::with(&[("PUBLIC_URL", URL)]).await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let unsigned = admin(&app, &acme).await;
    let policy = json!({"signature_policy": "administration"});
    Request::new("PATCH", "/v1/admin/org", &ALICE, &keyid)
        .with_body(policy)
        .send(&app.anyone())
        .await
        .expect(200);
    // What was asked for before that sees, and changes nothing.
    unsigned.get("/portal/keys").await.expect(200);
    let refused = unsigned.submit("/portal/keys", "/portal/keys", &[("name", "x")]).await.expect(422);
    assert!(refused.text().contains("must be signed"), "{}", refused.text());
    assert_eq!(acme.post(LINKS, wanted("admin")).await.expect(403).code(), "signature_required");

    let made =
        Request::new("POST", LINKS, &ALICE, &keyid).with_body(wanted("admin")).send(&app.anyone()).await;
    let url = made.expect(201).json()["data"]["url"].as_str().unwrap().to_owned();
    let signed = Browser::open(&app, &url[url.find("/portal").unwrap()..]).await;
    signed.submit("/portal/keys", "/portal/keys", &[("name", "x")]).await.expect(200);
}

#[tokio::test]
async fn sessions_are_forgotten_a_day_after_their_end() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    admin(&app, &acme).await;
    let rows = async || -> i64 {
        let count = sqlx::query_scalar("SELECT count(*) FROM portal_sessions");
        count.fetch_one(&mut app.database.connect().await).await.unwrap()
    };
    app.clock.advance(TimeDelta::minutes(30) + TimeDelta::days(1));
    retention::step(&app.state).await.unwrap();
    assert_eq!(rows().await, 1);
    app.clock.advance(TimeDelta::seconds(1));
    retention::step(&app.state).await.unwrap();
    assert_eq!(rows().await, 0);
}
