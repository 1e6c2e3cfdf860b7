//! Tenant API keys: rotated with a grace window, many at a time (contract 4). Memory is believed by
//! nobody here unless a test listens, so what a key opens is asked of the database each time.

mod concurrency;
mod ends;
mod input;
mod limits;
mod list;
mod networks;
mod phases;
mod restrictions;
mod rotate;
mod superseded;
mod told;
mod update;
mod usage;
mod uses;
mod which;

use serde_json::{Value, json};

use crate::support::{Caller, Org, Reply, TestApp};

const KEYS: &str = "/v1/admin/org/tenant-keys";
const ROTATE: &str = "/v1/auth/tenant-key/rotate";
/// When every test begins.
const START: &str = "2026-11-21T08:00:00Z";

/// A key and who holds it.
struct Holder {
    id: String,
    caller: Caller,
}

/// Mints a key.
async fn holder(app: &TestApp, org: &Org) -> Holder {
    let (id, secret) = org.mint().await;
    Holder { id, caller: app.holder(&secret) }
}

/// Mints a key that ends by itself.
async fn holder_until(app: &TestApp, org: &Org, end: &str) -> Holder {
    let (id, secret) = org.mint_with(json!({"name": "billing", "expires_at": end})).await;
    Holder { id, caller: app.holder(&secret) }
}

/// Rotates the caller's own key; gives its successor.
async fn rotated(app: &TestApp, old: &Holder, grace: u32) -> Holder {
    successor(app, &old.caller.post(ROTATE, json!({"grace_period_seconds": grace})).await.expect(200))
}

/// The successor that a rotation's reply shows.
fn successor(app: &TestApp, reply: &Reply) -> Holder {
    let data = reply.json()["data"].clone();
    let text = |field: &str| data[field].as_str().expect(field).to_owned();
    Holder { id: text("key_id"), caller: app.holder(&text("new_tenant_api_key")) }
}

/// Whether a key opens the service; if not, it is because of the key.
async fn works(holder: &Holder) -> bool {
    let reply = holder.caller.get("/v1/features").await;
    assert!([200, 401].contains(&reply.status), "{}", reply.text());
    reply.status == 200
}

fn path(id: &str) -> String {
    format!("{KEYS}/{id}")
}

/// A key as the list shows it, dead or alive.
async fn shown(org: &Org, id: &str) -> Value {
    let keys = org.get(&format!("{KEYS}?include_revoked=true&limit=100")).await.expect(200).json();
    let keys = keys["data"].as_array().expect("a list").clone();
    keys.into_iter().find(|key| key["id"] == id).expect("the key is listed")
}
