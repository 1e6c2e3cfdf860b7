//! Keys that were found where others can read them (contract 13.4): who reports them, and what then happens.

mod github;
mod prefix;
mod report;
mod response;

use partner_api::background::leaks;
use serde_json::{Value, json};

use crate::support::{Caller, Org, TestApp};

const LEAKS: &str = "/v1/leaks";
const KEYS: &str = "/v1/admin/org/tenant-keys";
const ROTATE: &str = "/v1/auth/tenant-key/rotate";

/// A key and who holds it.
struct Holder {
    id: String,
    key: String,
    caller: Caller,
}

async fn holder(app: &TestApp, org: &Org) -> Holder {
    let (id, key) = org.mint().await;
    let caller = app.holder(&key);
    Holder { id, key, caller }
}

/// Has anybody report a key, and the service look at it; gives how many were alive.
async fn reported(app: &TestApp, key: &str) -> usize {
    app.anyone().post(LEAKS, json!({"key": key, "url": "https://example.com/a"})).await.expect(202);
    leaks::step(&app.state).await.expect("it looks")
}

/// A key with all that is known of it.
async fn shown(org: &Org, id: &str) -> Value {
    org.get(&format!("{KEYS}/{id}")).await.expect(200).json()["data"].clone()
}

/// What the org was told of leaks: their events' data, oldest first.
async fn told(app: &TestApp) -> Vec<Value> {
    let bodies: Vec<String> =
        sqlx::query_scalar("SELECT body FROM events WHERE type = 'tenant_key.leaked' ORDER BY id")
            .fetch_all(&mut app.database.connect().await)
            .await
            .expect("the outbox answers");
    bodies.iter().map(|body| serde_json::from_str::<Value>(body).expect("JSON")["data"].clone()).collect()
}

/// How many changes are in the audit log.
async fn noted(app: &TestApp, action: &str) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM audit_log WHERE action = $1")
        .bind(action)
        .fetch_one(&mut app.database.connect().await)
        .await
        .expect("the log answers")
}
