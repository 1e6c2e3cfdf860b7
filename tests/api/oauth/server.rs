//! What clients find out by themselves (RFC 8414).

use serde_json::{Value, json};

use crate::support::TestApp;

const PATH: &str = "/.well-known/oauth-authorization-server";

fn metadata(issuer: &str, base: &str) -> Value {
    json!({
        "issuer": issuer,
        "token_endpoint": format!("{base}/v1/oauth/token"),
        "jwks_uri": format!("{base}/.well-known/jwks.json"),
        "service_documentation": format!("{base}/docs"),
        "scopes_supported": [
            "partner", "users:read", "users:write", "tokens:write", "org:read", "org:write", "tenant_keys:read",
            "tenant_keys:write", "signing_secrets:read", "signing_secrets:write", "queues:read", "queues:write",
            "events:read", "events:write", "events:consume", "public_keys:read", "public_keys:write", "audit:read",
            "reports:read", "reports:write",
        ],
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS384", "PS256", "PS384", "PS512"],
    })
}

#[tokio::test]
async fn anybody_is_told_where_tokens_are_had_and_how() {
    let app = TestApp::with(&[("PUBLIC_URL", "https://api.example.com")]).await;
    let reply = app.anyone().get(PATH).await.expect(200);
    assert_eq!(reply.header("cache-control"), Some("public, max-age=3600"));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let expected = metadata("https://api.example.com", "https://api.example.com");
    reply.expect_json(200, &expected);
    for other in ["/x", "/v1", "/"] {
        app.anyone().get(&format!("{PATH}{other}")).await.expect(404);
    }
    app.anyone().get(&format!("{PATH}?x=1")).await.expect(422);
}

#[tokio::test]
async fn a_public_url_with_a_path_is_found_in_both_places() {
    let app = TestApp::with(&[("PUBLIC_URL", "https://example.com/partners/v2/")]).await;
    let expected = metadata("https://example.com/partners/v2/", "https://example.com/partners/v2");
    // Behind a gateway that takes the path away, and where RFC 8414 3.1 puts it.
    for path in ["", "/partners/v2", "/partners/v2/"] {
        app.anyone().get(&format!("{PATH}{path}")).await.expect_json(200, &expected);
    }
    for other in ["/partners", "/partners/v2/x", "/other"] {
        app.anyone().get(&format!("{PATH}{other}")).await.expect(404);
    }
}

#[tokio::test]
async fn without_a_public_url_it_is_the_listeners() {
    let app = TestApp::new().await;
    let issuer = "http://127.0.0.1:0";
    app.anyone().get(PATH).await.expect_json(200, &metadata(issuer, issuer));
}
