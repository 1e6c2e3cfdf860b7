//! The platform's own side (contract 15), on the internal listener.

mod claims;
mod key_import;
mod orgs;
mod recovery;
mod tokens;

use partner_api::app;
use partner_api::identity::platform::PlatformScope;
use partner_api::openapi::to_json;
use serde_json::json;

use crate::support::document::Document;
use crate::support::{Caller, Reply, TestApp, request};

const COMMITTED: &str = include_str!("../../../openapi/internal.json");

#[test]
fn the_committed_document_is_the_one_that_the_code_makes() {
    assert!(
        COMMITTED == to_json(&app::internal_document()),
        "openapi/internal.json is stale: cargo run -- openapi --internal > openapi/internal.json"
    );
}

#[tokio::test]
async fn the_internal_listener_alone_serves_its_document_and_its_routes() {
    let app = TestApp::new().await;
    let reply = app.operations().get("/internal/openapi.json").await.expect(200);
    assert_eq!(
        (reply.header("content-type"), reply.text()),
        (Some("application/json"), COMMITTED.to_owned())
    );
    for path in ["/internal/openapi.json", "/internal/orgs"] {
        app.anyone().get(path).await.expect(404);
    }
}

/// Sends an operation for an org that is there, or that this names.
async fn send(caller: &Caller, operation: &crate::support::document::Operation, org: &str) -> Reply {
    let path = operation.path.replace("{org}", org);
    let path = if operation.method == "DELETE" { format!("{path}?confirm=x") } else { path };
    let body = match operation.path.as_str() {
        "/internal/orgs" if operation.method == "POST" => json!({"key": "new", "name": "New"}).to_string(),
        "/internal/orgs/{org}/portal-sessions" => {
            json!({"actor": {"id": "ada"}, "role": "viewer"}).to_string()
        }
        path if path.ends_with("/tenant-keys/import") => json!({
            "pattern": {"prefix": "sk_", "length": 32, "alphabet": "hex"},
            "keys": [{"name": "x", "hash": {"algorithm": "sha256", "digest": "00".repeat(32)}, "expires_at": "2099-01-01T00:00:00Z"}],
        })
        .to_string(),
        _ => "{}".to_owned(),
    };
    if operation.takes_lines() {
        let head = request(&operation.method, &path).header("content-type", "application/x-ndjson");
        return caller.send(head, body).await;
    }
    let is_bodyless = matches!(operation.method.as_str(), "GET" | "DELETE");
    if is_bodyless {
        caller.send(request(&operation.method, &path), "").await
    } else {
        caller.raw(&operation.method, &path, body).await
    }
}

#[tokio::test]
async fn every_operation_takes_a_token_with_the_scope_that_its_documentation_names() {
    let app = TestApp::new().await;
    app.org("acme").await;
    let operations = Document::internal().operations();
    assert!(operations.len() >= 8, "only {} operations", operations.len());
    for operation in operations {
        let named = operation.spec["x-required-scope"].as_str().expect("a scope");
        let scope = PlatformScope::parse(named).expect("one of the closed set");
        let others: Vec<_> = PlatformScope::ALL.into_iter().filter(|other| *other != scope).collect();
        let (_, lacking) = app.platform(&others).await;
        let refused = send(&lacking, &operation, "acme").await.expect(403).json();
        assert_eq!(refused["error"]["code"], "insufficient_scope", "{}", operation.id);
        assert_eq!(refused["error"]["details"][0]["message"], named, "{}", operation.id);

        let unknown = send(&app.operations(), &operation, "acme").await.expect(401);
        assert_eq!(unknown.header("www-authenticate"), Some("Bearer realm=\"partner-api\""));
        let (_, holder) = app.platform(&[scope]).await;
        if operation.path.contains("{org}") {
            for org in ["zeta", "0192f0c1-2345-7abc-8def-0123456789ab", "%ff"] {
                let missing = send(&holder, &operation, org).await.expect(404).json();
                assert_eq!(missing["error"]["code"], "not_found", "{}", operation.id);
            }
        }
        let taken = send(&holder, &operation, "acme").await;
        assert!(taken.status < 300 || taken.status == 422, "{}: {}", operation.id, taken.status);
        assert_eq!(taken.header("cache-control"), Some("no-store"), "{}", operation.id);
    }
}
