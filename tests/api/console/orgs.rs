//! All orgs, and the pages of one.

use partner_api::identity::platform::PlatformScope;
use serde_json::json;

use super::Operator;
use crate::public_keys::{register, rsa};
use crate::support::TestApp;

#[tokio::test]
async fn an_org_is_found_by_a_part_of_its_name_or_key_and_by_its_id() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let zeta = app.org("zeta-ltd").await;
    acme.patch("/v1/admin/org", json!({"name": "Größe & Söhne"})).await.expect(200);
    let operator = Operator::enter(&app, &[PlatformScope::OrgsRead]).await;
    let found = async |search: &str| {
        let page = operator.page(&format!("/console/orgs?search={search}")).await;
        (page.contains("/console/orgs/acme\""), page.contains("/console/orgs/zeta-ltd\""))
    };
    assert_eq!(found("").await, (true, true));
    assert_eq!(found("acm").await, (true, false));
    assert_eq!(found("%26%20s").await, (true, false));
    assert_eq!(found("LTD").await, (false, true));
    assert_eq!(found(&zeta.id.to_string()).await, (false, true));
    // Nothing is a pattern.
    assert_eq!(found("%25").await, (false, false));
    assert_eq!(found("_").await, (false, false));
    assert!(operator.page("/console/orgs?search=nobody").await.contains("None is found."));
}

#[tokio::test]
async fn the_list_goes_on_from_page_to_page_in_what_is_searched_for() {
    let app = TestApp::new().await;
    for number in 0..52 {
        app.org(&format!("many-{number:02}")).await;
    }
    app.org("one").await;
    let operator = Operator::enter(&app, &[PlatformScope::OrgsRead]).await;
    let first = operator.page("/console/orgs?search=many").await;
    assert!(
        first.contains("52 organisations found") && first.contains("many-49") && !first.contains("many-50")
    );
    let (_, rest) = first.split_once("href=\"/console/orgs?search=many&amp;cursor=").expect("a way on");
    let cursor = rest.split('"').next().unwrap();
    let second = operator.page(&format!("/console/orgs?search=many&cursor={cursor}")).await;
    assert!(second.contains("many-50") && second.contains("many-51") && !second.contains("many-49"));
    assert!(!second.contains("Further ones"));
}

#[tokio::test]
async fn every_page_of_an_org_shows_what_it_has() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (key_id, _) = acme.mint_with(json!({"name": "nightly import"})).await;
    let (secret_id, _) = acme.make_signing_secret(3_600).await;
    let unique_id = register(&acme, rsa(&acme, "rsa3072.spki.pem")).await;
    let operator = Operator::enter(&app, &[PlatformScope::OrgsRead]).await;
    let base = "/console/orgs/acme";
    let overview = operator.page(base).await;
    assert!(overview.contains("nightly import") && overview.contains("What ends when"), "{overview}");
    for (path, shown) in [
        ("/keys".to_owned(), "nightly import".to_owned()),
        (format!("/keys/{key_id}"), "Who uses it".to_owned()),
        ("/secrets".to_owned(), secret_id),
        ("/public-keys".to_owned(), unique_id.to_string()),
        (format!("/public-keys/{unique_id}"), "BEGIN PUBLIC KEY".to_owned()),
        ("/queues".to_owned(), "No queue is registered".to_owned()),
        ("/events".to_owned(), "tenant_key.created".to_owned()),
        ("/reports".to_owned(), "There is no report.".to_owned()),
        ("/audit".to_owned(), "tenant_key.created".to_owned()),
        ("/standing".to_owned(), acme.id.to_string()),
    ] {
        let page = operator.page(&format!("{base}{path}")).await;
        assert!(page.contains(&shown), "{path} lacks {shown}: {page}");
        assert!(page.contains(&format!("href=\"{base}\"")) && !page.contains("/portal"), "{path}: {page}");
        // Whoever only reads is offered nothing but the way out.
        assert_eq!(page.matches("method=\"post\"").count(), 1, "{path}: {page}");
    }
    // By its id it is the same org.
    assert!(operator.page(&format!("/console/orgs/{}/keys", acme.id)).await.contains("nightly import"));
    operator.get("/console/orgs/nobody").await.expect(404);
    operator.get(&format!("{base}/keys/x")).await.expect(404);
}

#[tokio::test]
async fn nothing_that_shows_a_secret_is_done_in_the_console() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (key_id, _) = acme.mint().await;
    acme.make_signing_secret(0).await;
    let operator = Operator::of_all(&app).await;
    let token = operator.form_token().await;
    for path in ["/keys", "/secrets", "/public-keys", "/reports", &format!("/keys/{key_id}")] {
        let page = operator.page(&format!("/console/orgs/acme{path}")).await;
        for words in ["Make a further key", "Rotate", "Register a key", "Ask for a report"] {
            assert!(!page.contains(words), "{path}: {words}");
        }
    }
    for path in ["/keys", "/public-keys", "/reports"] {
        let path = format!("/console/orgs/acme{path}");
        crate::portal::press(&operator.caller, &path, &[("form", &token), ("name", "x")]).await.expect(405);
    }
    for path in [format!("/keys/{key_id}/rotate"), "/secrets/rotate".to_owned(), "/snippets".to_owned()] {
        let path = format!("/console/orgs/acme{path}");
        crate::portal::press(&operator.caller, &path, &[("form", &token)]).await.expect(404);
    }
}

#[tokio::test]
async fn a_suspended_org_is_shown_as_well() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    acme.mint().await;
    app.suspend(&acme).await;
    let operator = Operator::enter(&app, &[PlatformScope::OrgsRead]).await;
    assert!(operator.page("/console/orgs").await.contains("suspended"));
    for path in ["", "/keys", "/audit", "/standing"] {
        assert!(operator.page(&format!("/console/orgs/acme{path}")).await.contains("suspended"), "{path}");
    }
}
