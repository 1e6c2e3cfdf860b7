//! Features that are not live (contract 2).

use serde_json::{Value, json};

use crate::support::document::Document;
use crate::support::{TestApp, envelope};

/// Routes of the contract's second section, which no one has promised a date for.
const PLANNED: &[(&str, &str, &str)] = &[
    ("GET", "/v1/users/3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13/health-profile", "health_profile"),
    ("GET", "/v1/users/3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13/privacy-settings", "privacy_settings"),
    ("PATCH", "/v1/users/3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13/privacy-settings", "privacy_settings"),
    ("GET", "/v1/users/3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13/devices", "devices"),
    ("GET", "/v1/admin/org/members", "org_members"),
    ("GET", "/v1/admin/org/invites", "org_invites"),
    ("POST", "/v1/admin/org/invites", "org_invites"),
];

#[tokio::test]
async fn a_planned_route_says_which_feature_it_waits_for_and_whom_to_ask() {
    let app = TestApp::with(&[("INTEGRATION_CONTACT", "partners@example.com")]).await;
    let acme = app.org("acme").await;
    for (method, path, feature) in PLANNED {
        let reply = acme.bodyless(method, path).await;
        assert_eq!(reply.header("retry-after"), Some("86400"), "{method} {path}");
        let message = format!(
            "The feature {feature} is not live yet. Please ask your integration contact: partners@example.com."
        );
        reply.expect_json(503, &envelope("service_unavailable", &message));
    }
}

#[tokio::test]
async fn every_operation_that_is_documented_as_not_live_answers_503() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    for operation in Document::generated().operations().iter().filter(|operation| operation.is_planned()) {
        let reply = acme.bodyless(&operation.method, &operation.path_of("x")).await.expect(503);
        assert_eq!(reply.header("retry-after"), Some("86400"), "{}", operation.id);
        assert_eq!(reply.code(), "service_unavailable", "{}", operation.id);
    }
}

#[tokio::test]
async fn the_features_are_listed_with_how_they_stand() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    acme.get("/v1/features").await.expect_json(200, &json!({"data": features()}));
}

#[tokio::test]
async fn a_feature_that_is_switched_off_answers_503_on_all_its_routes() {
    let app = TestApp::with(&[("DISABLED_FEATURES", "users, audit_log")]).await;
    let acme = app.org("acme").await;
    let message =
        "The feature users is switched off at the moment. Please ask your integration contact: support.";
    let users = Document::generated()
        .operations()
        .into_iter()
        // Bulk is a feature of its own.
        .filter(|operation| operation.spec["tags"] == json!(["Users"]) && !operation.path.ends_with("/bulk"));
    for operation in users {
        let reply = acme.bodyless(&operation.method, &operation.path_of("x")).await;
        assert_eq!(reply.header("retry-after"), Some("86400"), "{}", operation.id);
        reply.expect_json(503, &envelope("service_unavailable", message));
    }
}

#[tokio::test]
async fn switching_off_shows_in_the_list_where_there_was_something_to_switch() {
    let app = TestApp::with(&[("DISABLED_FEATURES", "users,audit_log")]).await;
    let acme = app.org("acme").await;
    let mut listed = features();
    for switched_off in [0, 8] {
        listed[switched_off]["status"] = json!("disabled");
    }
    acme.get("/v1/features").await.expect_json(200, &json!({"data": listed}));
}

#[tokio::test]
async fn identity_comes_before_the_feature_and_the_feature_before_the_request() {
    let app = TestApp::with(&[("DISABLED_FEATURES", "users")]).await;
    let acme = app.org("acme").await;
    for (path, wrong_method) in [("/v1/users", 405), ("/v1/admin/org/invites", 405)] {
        app.anyone().bodyless("PUT", path).await.expect(wrong_method);
        app.anyone().raw("POST", path, "nonsense").await.expect(401);
        app.anyone().with("orgid", "nonsense").raw("POST", path, "nonsense").await.expect(400);
        acme.raw("POST", path, "nonsense").await.expect(503);
        acme.raw("POST", path, vec![b'x'; 70_000]).await.expect(503);
    }
}

/// Every feature, in the table's order, and how it stands when nothing is switched off.
fn features() -> Vec<Value> {
    [
        ("users", "live"),
        ("user_bulk", "live"),
        ("tenant_key_rotation", "live"),
        ("tenant_keys", "live"),
        ("signing_secret_rotation", "live"),
        ("event_queues", "live"),
        ("public_keys", "live"),
        ("member_tokens", "live"),
        ("audit_log", "live"),
        ("request_signatures", "live"),
        ("response_signatures", "live"),
        ("message_encryption", "live"),
        ("reports", "live"),
        ("oauth_tokens", "live"),
        ("leak_reports", "live"),
        ("azure_event_hubs", "live"),
        ("kafka", "live"),
        ("health_profile", "planned"),
        ("privacy_settings", "planned"),
        ("devices", "planned"),
        ("org_members", "planned"),
        ("org_invites", "planned"),
        ("portal", "live"),
    ]
    .map(|(feature, status)| json!({"feature": feature, "status": status}))
    .to_vec()
}
