//! `/livez`, `/readyz` and `/metrics` (contract 11).

use std::sync::atomic::Ordering;

use partner_api::background::probe;
use serde_json::json;

use crate::support::{TestApp, envelope};

#[tokio::test]
async fn the_process_says_that_it_lives_on_both_listeners() {
    let app = TestApp::new().await;
    for caller in [app.anyone(), app.operations()] {
        assert_eq!(caller.get("/livez").await.expect(200).text(), "ok\n");
    }
}

#[tokio::test]
async fn it_is_ready_once_the_database_was_seen_and_until_it_drains() {
    let app = TestApp::new().await;
    for caller in [app.anyone(), app.operations()] {
        let reply = caller.get("/readyz").await.expect(503);
        assert_eq!((reply.text().as_str(), reply.header("retry-after")), ("starting\n", Some("1")));
    }
    probe::probe(&app.state, 0).await;
    for caller in [app.anyone(), app.operations()] {
        assert_eq!(caller.get("/readyz").await.expect(200).text(), "ok\n");
    }
    app.state.draining.store(true, Ordering::Release);
    assert_eq!(app.anyone().get("/readyz").await.expect(503).text(), "draining\n");
}

#[tokio::test]
async fn it_is_not_ready_while_something_is_wrong_and_says_what() {
    let app = TestApp::new().await;
    let reason = async || app.operations().get("/readyz").await.expect(503).text();
    probe::probe(&app.state, 5_001).await;
    assert_eq!(reason().await, "clock differs from the database's\n");

    let undo = "DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)";
    sqlx::query(undo).execute(&mut app.database.connect().await).await.unwrap();
    probe::probe(&app.state, 0).await;
    assert_eq!(reason().await, "migrations pending\n");

    app.state.db.close().await;
    probe::probe(&app.state, 0).await;
    assert_eq!(reason().await, "database away\n");
}

#[tokio::test]
async fn metrics_are_on_the_internal_listener_only() {
    let app = TestApp::new().await;
    let not_found = envelope("not_found", "There is no such resource.");
    for path in ["/metrics", "/internal/auth/verify"] {
        app.anyone().get(path).await.expect_json(404, &not_found);
    }
    for path in ["/v1/users", "/docs", "/openapi.json"] {
        app.operations().get(path).await.expect_json(404, &not_found);
    }
}

#[tokio::test]
async fn metrics_count_requests_by_route_and_name_nobody() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let user_id = "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13";
    acme.post("/v1/users", json!({"user_id": user_id, "email": "ada@example.com"})).await.expect(201);
    acme.get(&format!("/v1/users/{user_id}")).await.expect(200);
    acme.bodyless("PURGE", "/v1/users").await.expect(405);
    acme.get("/s3cr3t").await.expect(404);

    let reply = app.operations().get("/metrics").await.expect(200);

    assert_eq!(
        reply.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    let text = reply.text();
    for line in [
        r#"partner_api_http_requests_total{method="POST",route="/v1/users",status="201"} 1"#,
        r#"partner_api_http_requests_total{method="GET",route="/v1/users/{user_id}",status="200"} 1"#,
        r#"partner_api_http_requests_total{method="OTHER",route="/v1/users",status="405"} 1"#,
        r#"partner_api_http_requests_total{method="GET",route="none",status="404"} 1"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    for private in [user_id, "ada@example.com", "s3cr3t", &acme.id.to_string()] {
        assert!(!text.contains(private), "{private}");
    }
}
