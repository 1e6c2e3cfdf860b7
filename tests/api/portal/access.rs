//! Who may have a page: every page of the portal is tried without a session, with one that is over, with one of a lower
//! role, and every form without what proves it to be the session's own.

use std::collections::BTreeSet;

use axum::http::Method;
use chrono::TimeDelta;
use partner_api::identity::portal::Role;
use partner_api::portal::{DeclaredPage, OPEN, declared};

use super::{Browser, press};
use crate::support::TestApp;

/// A path of a page, with ids of what does not exist.
fn path_of(page: &DeclaredPage) -> String {
    let id = "0192f0c1-2345-7abc-8def-0123456789ab";
    let event = "evt_0192f0c123457abc8def0123456789ab";
    let segment = |part: &str| match part {
        "{event_id}" => event.to_owned(),
        "{queue_name}" => "users".to_owned(),
        named if named.starts_with('{') => id.to_owned(),
        plain => plain.to_owned(),
    };
    format!("/portal{}", page.path.split('/').map(segment).collect::<Vec<_>>().join("/"))
}

#[test]
fn the_pages_and_what_they_take_are_these() {
    let listed: Vec<_> = declared()
        .iter()
        .map(|page| format!("{} /portal{} {}", page.method, page.path, page.role.name()))
        .collect();
    let expected = [
        "GET /portal viewer",
        "GET /portal/keys viewer",
        "POST /portal/keys admin",
        "GET /portal/keys/{key_id} viewer",
        "POST /portal/keys/{key_id}/rotate admin",
        "POST /portal/keys/{key_id}/confirm admin",
        "POST /portal/keys/{key_id}/revoke admin",
        "GET /portal/secrets viewer",
        "POST /portal/secrets/rotate admin",
        "POST /portal/secrets/{secret_id}/confirm admin",
        "POST /portal/secrets/{secret_id}/revoke admin",
        "GET /portal/public-keys viewer",
        "POST /portal/public-keys admin",
        "GET /portal/public-keys/{unique_id} viewer",
        "POST /portal/public-keys/{unique_id}/challenge admin",
        "POST /portal/public-keys/{unique_id}/proof admin",
        "POST /portal/public-keys/{unique_id}/expiration admin",
        "POST /portal/public-keys/{unique_id}/delete admin",
        "GET /portal/queues viewer",
        "GET /portal/queues/{queue_name} viewer",
        "POST /portal/queues/{queue_name}/test developer",
        "POST /portal/queues/{queue_name}/pause admin",
        "POST /portal/queues/{queue_name}/resume admin",
        "GET /portal/events viewer",
        "POST /portal/events/replay developer",
        "GET /portal/events/{event_id} viewer",
        "POST /portal/events/{event_id}/replay developer",
        "GET /portal/reports viewer",
        "POST /portal/reports developer",
        "GET /portal/reports/{report_id}/content viewer",
        "POST /portal/reports/{report_id}/delete developer",
        "GET /portal/audit viewer",
        "GET /portal/snippets viewer",
    ];
    assert_eq!(listed, expected);
    assert_eq!(
        OPEN.map(|(method, path)| format!("{method} {}", path.trim_end_matches(char::is_numeric))).len(),
        3
    );
}

#[tokio::test]
async fn no_page_is_had_without_a_session() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (_, key) = acme.mint().await;
    // Nor with what is good elsewhere.
    for caller in [app.anyone(), app.holder(&key), app.anyone().with("orgid", acme.id.to_string())] {
        for page in declared() {
            let reply = caller.bodyless(page.method.as_str(), &path_of(&page)).await;
            assert_eq!(reply.status, 401, "{} {}", page.method, page.path);
            assert!(reply.text().contains("You are not in the portal"), "{}", page.path);
        }
    }
}

#[tokio::test]
async fn no_page_is_had_with_a_session_that_is_over() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let browser = Browser::enter(&app, &acme, "admin").await;
    let token = browser.form_token().await;
    app.clock.advance(TimeDelta::minutes(30));
    for page in declared() {
        let reply = match page.method {
            Method::GET => browser.get(&path_of(&page)).await,
            _ => press(&browser.caller, &path_of(&page), &[("form", &token)]).await,
        };
        assert_eq!(reply.status, 401, "{} {}", page.method, page.path);
    }
}

#[tokio::test]
async fn no_page_is_had_by_a_role_below_its_own() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let mut refused = BTreeSet::new();
    for role in Role::ALL {
        let browser = Browser::enter(&app, &acme, role.name()).await;
        let token = browser.form_token().await;
        for page in declared().iter() {
            let reply = match page.method {
                Method::GET => browser.get(&path_of(page)).await,
                _ => press(&browser.caller, &path_of(page), &[("form", &token)]).await,
            };
            let says_role = reply.text().contains("This takes the role");
            assert_eq!(
                reply.status == 403 && says_role,
                role < page.role,
                "{} {} {}",
                role.name(),
                page.method,
                page.path
            );
            if says_role {
                refused.insert(page.path);
            }
        }
    }
    assert_eq!(
        refused.len(),
        declared().iter().filter(|page| page.role > Role::Viewer).count(),
        "{refused:?}"
    );
}

#[tokio::test]
async fn no_form_is_taken_without_its_token_or_from_another_site() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (browser, other) =
        (Browser::enter(&app, &acme, "admin").await, Browser::enter(&app, &acme, "admin").await);
    let (token, others) = (browser.form_token().await, other.form_token().await);
    assert_ne!(token, others);
    for page in declared().iter().filter(|page| page.method == Method::POST) {
        let path = path_of(page);
        for fields in [&[][..], &[("form", "")], &[("form", &others)], &[("form", &token[1..])]] {
            let reply = press(&browser.caller, &path, fields).await.expect(403);
            assert!(reply.text().contains("not one of your session"), "{path}");
        }
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
        ] {
            let caller = browser.caller.with(name, value);
            let request = crate::support::request("POST", &path).header("content-type", super::FORM);
            caller.send(request, format!("form={token}")).await.expect(403);
        }
    }
    // Nothing of that was done.
    assert!(browser.page("/portal/keys").await.contains("There is no key."));
    browser.get("/portal").await.expect(200);
}

#[tokio::test]
async fn every_answer_is_protected_and_kept_nowhere() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let browser = Browser::enter(&app, &acme, "admin").await;
    let policy = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; \
                  frame-ancestors 'none'";
    let pages = declared().into_iter().filter(|page| page.method == Method::GET).map(|page| path_of(&page));
    let others = ["/portal/nothing", "/portal/open/portal_x", "/portal/"].map(str::to_owned);
    for path in pages.chain(others) {
        let reply = browser.get(&path).await;
        for (name, value) in [
            ("content-security-policy", policy),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(reply.header(name), Some(value), "{name} of {path}");
        }
        assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        let text = reply.text();
        assert!(!text.contains("<script") && !text.contains(" style=") && !text.contains("<style"), "{path}");
        assert!(!text.contains(" onclick") && !text.contains("javascript:"), "{path}");
        assert!(text.len() < 60 * 1024, "{path} has {} bytes", text.len());
    }
}

#[tokio::test]
async fn the_style_is_one_file_that_browsers_keep() {
    let app = TestApp::new().await;
    let (_, path) = OPEN[2];
    let style = app.anyone().get(path).await.expect(200);
    assert_eq!(style.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(style.header("content-type"), Some("text/css; charset=utf-8"));
    assert!(!style.text().contains("url(") && !style.text().contains("@import"));
    assert!(style.body.len() < 20 * 1024, "{}", style.body.len());
}
