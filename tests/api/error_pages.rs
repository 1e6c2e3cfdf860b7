//! Every error is explained: `docs/errors.md` and `GET /errors` have an entry for each code there is, and error replies
//! lead to theirs (contract 1).

use std::collections::HashSet;

use partner_api::error::help::{OAUTH, VALIDATION};
use partner_api::error::{Code, ProblemKind};
use partner_api::routes::errors::markdown;
use serde_json::json;

use crate::support::{Reply, TestApp};

const COMMITTED: &str = include_str!("../../docs/errors.md");

#[test]
fn the_committed_page_is_what_the_code_says() {
    assert!(markdown() == COMMITTED, "docs/errors.md is stale: cargo run -- errors > docs/errors.md");
}

#[tokio::test]
async fn the_document_and_the_page_have_an_entry_for_each_code_type_and_word() {
    let app = TestApp::new().await;
    let page = app.anyone().get("/errors").await.expect(200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let of_oauth = Code::OAUTH_NAMES.map(|name| format!("{OAUTH}{name}"));
    let own = Code::ALL.iter().filter(|code| !code.is_of_token_endpoint()).map(|code| code.name().to_owned());
    let wanted: HashSet<_> = own.chain(of_oauth).chain([VALIDATION.to_owned()]).collect();
    assert!(wanted.len() > 60, "the codes are lost");
    for fragment in &wanted {
        assert_eq!(page.text().matches(&format!(" id=\"{fragment}\"")).count(), 1, "{fragment}");
    }
    for kind in ProblemKind::ALL {
        assert!(page.text().contains(&format!("<li><code>{}</code>: ", kind.name())), "{kind:?}");
        assert!(COMMITTED.contains(&format!("\n- `{}`: ", kind.name())), "{kind:?}");
    }
    let headings = COMMITTED.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(' '));
    let fragments: HashSet<_> =
        headings.map(|heading| heading.to_lowercase().replace(['`', ':'], "").replace(' ', "-")).collect();
    let lost: Vec<_> = wanted.difference(&fragments).collect();
    assert!(lost.is_empty(), "no heading of docs/errors.md has these fragments: {lost:?}");
}

#[test]
fn every_entry_says_what_happened_what_to_do_and_whether_to_send_it_again() {
    let mut remedies = HashSet::new();
    for code in Code::ALL {
        let help = code.help();
        for told in [help.happened, help.remedy, help.retry.said()] {
            assert!(told.ends_with('.') && told.matches('`').count() % 2 == 0, "{code:?}: {told}");
        }
        assert!(remedies.insert(help.remedy), "{code:?} is told like another one");
    }
}

#[tokio::test]
async fn the_page_loads_and_runs_nothing_and_is_small() {
    let page = TestApp::new().await.anyone().get("/errors").await.expect(200);
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    for absent in ["<script", "src=", "style=", "http:", "https:", "@import", "url("] {
        assert!(!page.text().contains(absent), "{absent}");
    }
    assert!(page.body.len() < 60 * 1024, "{} bytes", page.body.len());
}

#[tokio::test]
async fn where_the_service_knows_its_address_an_error_reply_leads_to_its_entry() {
    let app = TestApp::with(&[("PUBLIC_URL", "https://api.example.com/partners/")]).await;
    let acme = app.org("acme").await;
    let anyone = app.anyone();
    let replies = [
        (anyone.get("/v1/users").await.expect(401), "unauthorized"),
        (anyone.get("/v1/nothing").await.expect(404), "not_found"),
        (acme.post("/v1/users", json!({"user_id": 7})).await.expect(422), "validation"),
        (acme.get("/api/v1/key/nothing").await.expect(404), "not_found"),
        (acme.post("/api/v1/key", json!({})).await.expect(400), "invalid_request"),
        (anyone.post("/v1/oauth/token", json!({})).await.expect(400), "oauth-invalid_request"),
        (acme.get("/v1/admin/org/members").await.expect(503), "service_unavailable"),
        (app.operations().get("/internal/auth/verify").await.expect(401), "unauthorized"),
        (app.operations().get("/internal/orgs").await.expect(401), "unauthorized"),
    ];
    for (reply, fragment) in replies {
        let link = format!("<https://api.example.com/partners/errors#{fragment}>; rel=\"help\"");
        assert_eq!(reply.header("link"), Some(link.as_str()));
    }
    let is_without = |reply: Reply| assert_eq!(reply.header("link"), None);
    is_without(acme.get("/v1/users").await.expect(200));
    is_without(anyone.get("/errors").await.expect(200));
}

#[tokio::test]
async fn where_it_does_not_an_error_reply_is_as_it_always_was() {
    let app = TestApp::new().await;
    for path in ["/v1/users", "/v1/nothing", "/api/v1/key/nothing"] {
        assert_eq!(app.anyone().get(path).await.header("link"), None, "{path}");
    }
}
