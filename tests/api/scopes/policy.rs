//! `report`: what the scopes do not allow is served and counted.

use serde_json::json;

use super::{KEYS, ROTATE, holder, lacks, path};
use crate::support::TestApp;
use crate::support::exposition::Exposition;

const COUNTED: &str = "partner_api_requests_beyond_scopes_total";

#[tokio::test]
async fn what_is_beyond_a_watched_keys_scopes_is_served_and_counted() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let watched = json!({"name": "x", "scopes": ["users:read"], "scope_policy": "report"});
    let (_, secret) = acme.mint_with(watched).await;
    let watched = app.holder(&secret);
    watched.get("/v1/users").await.expect(200);
    watched.get("/v1/admin/org").await.expect(200);
    watched.post(KEYS, json!({"name": "made while it is only watched"})).await.expect(201);
    let strict = holder(&app, &acme, &["users:read"]).await.caller;
    lacks(&strict.get("/v1/admin/org").await, &["org:read"]);
    let counted = Exposition::parse(&app.operations().get("/metrics").await.expect(200).text());
    for (policy, times) in [("report", 2.0), ("enforce", 1.0)] {
        assert_eq!(counted.value(COUNTED, &[("policy", policy)]), times, "{policy}");
    }
}

#[tokio::test]
async fn requests_are_counted_for_the_scope_that_they_need() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let watched = json!({"name": "x", "scopes": ["users:read"], "scope_policy": "report"});
    let (id, secret) = acme.mint_with(watched).await;
    let (other, _) = acme.mint().await;
    let caller = app.holder(&secret);
    caller.get("/v1/users").await.expect(200);
    caller.bodyless("HEAD", "/v1/users").await.expect(200);
    caller.get("/v1/admin/org").await.expect(200);
    caller.delete(&path(&other)).await.expect(204);
    acme.patch(&path(&id), json!({"scope_policy": "enforce"})).await.expect(200);
    caller.get("/v1/admin/org").await.expect(403);
    // What it does about itself needs no scope.
    caller.post(ROTATE, json!({})).await.expect(200);
    caller.delete(&path(&id)).await.expect(403);
    app.state.identity.keys.usage.flush(&app.state.db).await;
    let counted: Vec<(String, i64, i64, i64)> = sqlx::query_as(
        "SELECT scope, requests, reported, refused FROM tenant_key_scopes WHERE key_id = $1 ORDER BY scope",
    )
    .bind(id.parse::<uuid::Uuid>().expect("an id"))
    .fetch_all(&mut app.database.connect().await)
    .await
    .expect("the counts");
    let expected = [("org:read", 2, 1, 1), ("tenant_keys:write", 1, 1, 0), ("users:read", 2, 0, 0)];
    assert_eq!(
        counted,
        expected.map(|(scope, all, reported, refused)| (scope.to_owned(), all, reported, refused))
    );
}
