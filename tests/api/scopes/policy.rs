//! `report`: what the scopes do not allow is served and counted.

use serde_json::json;

use super::{KEYS, holder, lacks};
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
