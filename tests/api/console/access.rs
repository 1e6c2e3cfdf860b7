//! Who may have a page: every page of the console is tried without a session, with one that is over, with one of a token
//! that lacks the scope, and every form without what proves it to be the session's own.

use axum::http::Method;
use chrono::TimeDelta;
use partner_api::console::{DeclaredPage, OPEN, declared};
use partner_api::identity::platform::PlatformScope;

use super::{LOGIN, Operator};
use crate::portal::{FORM, press};
use crate::support::{TestApp, request};

/// A path of a page, of an org that is there, with ids of what does not exist.
fn path_of(page: &DeclaredPage) -> String {
    let segment = |part: &str| match part {
        "{org}" => "acme".to_owned(),
        "{name}" | "{queue_name}" => "users".to_owned(),
        "{event_id}" => "evt_0192f0c123457abc8def0123456789ab".to_owned(),
        named if named.starts_with('{') => "0192f0c1-2345-7abc-8def-0123456789ab".to_owned(),
        plain => plain.to_owned(),
    };
    page.path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

#[test]
fn the_pages_and_what_they_take_are_these() {
    let scope = |page: &DeclaredPage| page.scope.map_or("-", PlatformScope::name);
    let listed: Vec<_> =
        declared().iter().map(|page| format!("{} {} {}", page.method, page.path, scope(page))).collect();
    let expected = [
        "GET /console -",
        "POST /console/leave -",
        "GET /console/orgs orgs:read",
        "POST /console/orgs orgs:write",
        "GET /console/leaks orgs:read",
        "GET /console/streams events:publish",
        "GET /console/streams/{name} events:publish",
        "GET /console/service -",
        "GET /console/orgs/{org}/standing orgs:read",
        "POST /console/orgs/{org}/suspend orgs:write",
        "POST /console/orgs/{org}/resume orgs:write",
        "POST /console/orgs/{org}/freeze orgs:write",
        "POST /console/orgs/{org}/thaw orgs:write",
        "POST /console/orgs/{org}/limits orgs:write",
        "POST /console/orgs/{org}/link orgs:write",
        "POST /console/orgs/{org}/recover orgs:write",
        "GET /console/orgs/{org} orgs:read",
        "GET /console/orgs/{org}/keys orgs:read",
        "GET /console/orgs/{org}/keys/{key_id} orgs:read",
        "POST /console/orgs/{org}/keys/{key_id}/revoke orgs:write",
        "GET /console/orgs/{org}/secrets orgs:read",
        "POST /console/orgs/{org}/secrets/{secret_id}/revoke orgs:write",
        "GET /console/orgs/{org}/public-keys orgs:read",
        "GET /console/orgs/{org}/public-keys/{unique_id} orgs:read",
        "POST /console/orgs/{org}/public-keys/{unique_id}/delete orgs:write",
        "GET /console/orgs/{org}/queues orgs:read",
        "GET /console/orgs/{org}/queues/{queue_name} orgs:read",
        "POST /console/orgs/{org}/queues/{queue_name}/test orgs:write",
        "POST /console/orgs/{org}/queues/{queue_name}/pause orgs:write",
        "POST /console/orgs/{org}/queues/{queue_name}/resume orgs:write",
        "GET /console/orgs/{org}/events orgs:read",
        "POST /console/orgs/{org}/events/replay orgs:write",
        "GET /console/orgs/{org}/events/{event_id} orgs:read",
        "POST /console/orgs/{org}/events/{event_id}/replay orgs:write",
        "GET /console/orgs/{org}/reports orgs:read",
        "GET /console/orgs/{org}/audit orgs:read",
    ];
    assert_eq!(listed, expected);
    assert_eq!(OPEN[..2], [("GET", LOGIN), ("POST", LOGIN)]);
}

#[tokio::test]
async fn no_page_is_had_without_a_session() {
    let app = TestApp::new().await;
    app.org("acme").await;
    // Nor with what is good elsewhere.
    let (_, service) = app.platform(&PlatformScope::ALL).await;
    for caller in [app.operations(), service] {
        for page in declared() {
            let reply = caller.bodyless(page.method.as_str(), &path_of(&page)).await;
            assert_eq!(reply.status, 401, "{} {}", page.method, page.path);
            assert!(reply.text().contains("You are not signed in"), "{}", page.path);
        }
    }
}

#[tokio::test]
async fn no_page_is_had_with_a_session_that_is_over() {
    let app = TestApp::new().await;
    app.org("acme").await;
    let operator = Operator::of_all(&app).await;
    let token = operator.form_token().await;
    app.clock.advance(TimeDelta::hours(1));
    for page in declared() {
        let reply = match page.method {
            Method::GET => operator.get(&path_of(&page)).await,
            _ => press(&operator.caller, &path_of(&page), &[("form", &token)]).await,
        };
        assert_eq!(reply.status, 401, "{} {}", page.method, page.path);
    }
}

#[tokio::test]
async fn no_page_is_had_by_a_token_without_its_scope() {
    let app = TestApp::new().await;
    app.org("acme").await;
    for scope in PlatformScope::ALL {
        // A form that is refused is shown again, with what it is about.
        let is_write = scope == PlatformScope::OrgsWrite;
        let scopes = if is_write { vec![scope, PlatformScope::OrgsRead] } else { vec![scope] };
        let operator = Operator::enter(&app, &scopes).await;
        let token = operator.form_token().await;
        for page in declared().iter().filter(|page| page.path != "/console/leave") {
            let reply = match page.method {
                Method::GET => operator.get(&path_of(page)).await,
                _ => press(&operator.caller, &path_of(page), &[("form", &token)]).await,
            };
            let lacks = page.scope.is_some_and(|needed| !scopes.contains(&needed));
            let (name, path) = (scope.name(), &page.path);
            assert_eq!(reply.status == 403, lacks, "{name} {} {path}: {}", page.method, reply.status);
            if let Some(needed) = page.scope.filter(|_| lacks) {
                assert!(reply.text().contains(needed.name()), "{name} {path}: {}", reply.text());
            }
        }
    }
}

#[tokio::test]
async fn no_form_is_taken_without_its_token_or_from_another_site() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (operator, other) = (Operator::of_all(&app).await, Operator::of_all(&app).await);
    let (token, others) = (operator.form_token().await, other.form_token().await);
    assert_ne!(token, others);
    for page in declared().iter().filter(|page| page.method == Method::POST) {
        let path = path_of(page);
        for fields in [&[][..], &[("form", "")], &[("form", &others)], &[("form", &token[1..])]] {
            let reply = press(&operator.caller, &path, fields).await.expect(403);
            assert!(reply.text().contains("not one of your session"), "{path}");
        }
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
            // Where the portal is: another place, of other people.
            ("origin", "http://localhost:8080"),
        ] {
            let form = request("POST", &path).header("content-type", FORM);
            operator.caller.with(name, value).send(form, format!("form={token}")).await.expect(403);
        }
    }
    // Nothing of that was done.
    operator.get("/console").await.expect(200);
    acme.get("/v1/admin/org").await.expect(200);
}

#[tokio::test]
async fn every_answer_is_protected_and_kept_nowhere() {
    let app = TestApp::new().await;
    app.org("acme").await;
    let operator = Operator::of_all(&app).await;
    let policy = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; \
                  frame-ancestors 'none'";
    let pages = declared().into_iter().filter(|page| page.method == Method::GET).map(|page| path_of(&page));
    let others = ["/console/nothing", "/console/orgs/nobody", "/console/", LOGIN].map(str::to_owned);
    for path in pages.chain(others) {
        let reply = operator.get(&path).await;
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
        let text = reply.text();
        assert!(!text.contains("<script") && !text.contains(" style=") && !text.contains("<style"), "{path}");
        assert!(!text.contains("/portal"), "{path} leads to the portal: {text}");
        assert!(text.len() < 60 * 1024, "{path} has {} bytes", text.len());
    }
    let form = app.operations().get(LOGIN).await.expect(200);
    assert_eq!(form.header("content-security-policy"), Some(policy));
}

#[tokio::test]
async fn the_public_listener_has_no_console() {
    let app = TestApp::new().await;
    let operator = Operator::of_all(&app).await;
    for path in ["/console", LOGIN, "/console/orgs", OPEN[2].1] {
        let reply = app.anyone().with("cookie", &operator.cookie).get(path).await.expect(404);
        assert_eq!(reply.code(), "not_found", "{path}");
    }
    app.operations().get("/portal").await.expect(404);
    let style = app.operations().get(OPEN[2].1).await.expect(200);
    assert_eq!(style.header("cache-control"), Some("public, max-age=31536000, immutable"));
}
