//! The audit log: what is written, who reads it, and what its chain proves.

mod concurrency;
mod read;
mod rows;
mod verify;

use partner_api::audit::verify::Finding;
use partner_api::ids::OrgId;
use serde_json::{Value, json};

use crate::support::{Org, TestApp, webhook};

const AUDIT: &str = "/v1/admin/org/audit";
const QUEUE: &str = "/v1/admin/org/queues/users";
const ROTATE_SECRET: &str = "/v1/auth/signing-secret/rotate";

/// A service that may send events to the test.
async fn service() -> TestApp {
    TestApp::with(&[("ALLOW_PRIVATE_TARGETS", "true")]).await
}

/// The org's log as it reads it.
async fn log(org: &Org) -> Vec<Value> {
    let page = org.get(&format!("{AUDIT}?limit=100")).await.expect(200).json();
    page["data"].as_array().expect("a list").clone()
}

async fn rename(org: &Org, name: &str) {
    org.patch("/v1/admin/org", json!({"name": name})).await.expect(200);
}

async fn rotate_secret(org: &Org) {
    org.post(ROTATE_SECRET, json!({"grace_period_seconds": 0})).await.expect(200);
}

/// A queue at an endpoint of the test's own.
async fn webhook_queue() -> Value {
    json!({"type": "webhook", "webhook": {"url": webhook::start().await}})
}

/// What a walk along the org's chain finds.
async fn walk(app: &TestApp, org: &Org) -> Finding {
    let (pool, chain) = (&app.state.db.pool, &app.state.keyring.audit());
    partner_api::audit::verify::verify(pool, chain, OrgId(org.id), None).await.expect("the log can be read")
}
