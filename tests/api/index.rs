//! `GET /`: what this is and where to read on.

use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn the_root_names_the_documents_to_anyone_in_json_or_as_a_page() {
    let app = TestApp::new().await;
    let anyone = app.anyone();
    let index = anyone.get("/").await.expect_json(
        200,
        &json!({
            "name": "partner-api",
            "version": env!("CARGO_PKG_VERSION"),
            "links": {
                "docs": "/docs", "errors": "/errors", "jwks": "/.well-known/jwks.json", "live": "/livez",
                "openapi": "/openapi.json", "webhook_keys": "/.well-known/webhook-keys.json",
            },
        }),
    );
    assert_eq!(index.header("content-type"), Some("application/json"));
    assert_eq!(index.header("vary"), Some("accept"));

    let page = anyone.with("accept", "text/html,application/xhtml+xml,*/*;q=0.8").get("/").await.expect(200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(
        page.header("content-security-policy").is_some_and(|policy| policy.starts_with("default-src 'none'"))
    );
    for link in [
        "/docs",
        "/errors",
        "/openapi.json",
        "/livez",
        "/.well-known/jwks.json",
        "/.well-known/webhook-keys.json",
    ] {
        assert!(page.text().contains(&format!("href=\"{link}\"")), "{link}");
        anyone.get(link).await.expect(200);
    }
}

#[tokio::test]
async fn the_root_follows_the_rules_of_every_path() {
    let app = TestApp::new().await;
    let anyone = app.anyone();
    let (get, head) = (anyone.get("/").await, anyone.bodyless("HEAD", "/").await.expect(200));
    assert_eq!((head.body.len(), head.header("content-type")), (0, get.header("content-type")));
    assert_eq!(anyone.bodyless("POST", "/").await.expect(405).header("allow"), Some("GET,HEAD"));
    assert_eq!(app.operations().get("/").await.expect(404).code(), "not_found");
}
