//! `/metrics`: what an operator watches moves when it should, and names nobody
//! (docs/observability.md).

mod credentials;
mod documents;
mod outbox;
mod service;

use serde_json::json;

use crate::support::exposition::Exposition;
use crate::support::{Org, TestApp, webhook};

/// What `/metrics` says now.
async fn scrape(app: &TestApp) -> Exposition {
    Exposition::parse(&app.operations().get("/metrics").await.expect(200).text())
}

/// What one series shows now.
async fn value(app: &TestApp, name: &str, labels: &[(&str, &str)]) -> f64 {
    scrape(app).await.value(name, labels)
}

/// An org with a queue for its users' events.
async fn with_queue(app: &TestApp) -> Org {
    let acme = app.org("acme").await;
    acme.post("/v1/auth/signing-secret/rotate", json!({})).await.expect(200);
    let queue = json!({"type": "webhook", "webhook": {"url": webhook::start().await}});
    acme.post("/v1/admin/org/queues/users", queue).await.expect(201);
    acme
}

async fn create_users(org: &Org, how_many: usize) {
    for _ in 0..how_many {
        org.post("/v1/users", json!({"user_id": uuid::Uuid::new_v4()})).await.expect(201);
    }
}
