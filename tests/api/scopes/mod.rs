//! What a tenant key may do (contract 13.3). Every route is tried in `sweeps::scopes`.

mod freshness;
mod makers;
mod policy;
mod reading;
mod rotation;
mod tokens;

use serde_json::{Value, json};

use crate::support::{Caller, Org, Reply, TestApp};

const KEYS: &str = "/v1/admin/org/tenant-keys";
const ROTATE: &str = "/v1/auth/tenant-key/rotate";

/// A key and who holds it.
struct Holder {
    id: String,
    caller: Caller,
}

/// Mints a key as the org, with these scopes.
async fn holder(app: &TestApp, org: &Org, scopes: &[&str]) -> Holder {
    let (id, secret) = org.mint_with(json!({"name": "narrow", "scopes": scopes})).await;
    Holder { id, caller: app.holder(&secret) }
}

/// The key that a rotation's reply shows.
fn successor(app: &TestApp, reply: &Reply) -> Holder {
    let data = reply.json()["data"].clone();
    let text = |field: &str| data[field].as_str().expect(field).to_owned();
    Holder { id: text("key_id"), caller: app.holder(&text("new_tenant_api_key")) }
}

fn path(id: &str) -> String {
    format!("{KEYS}/{id}")
}

/// A key's scopes and policy, as it is shown.
async fn rights(org: &Org, id: &str) -> (Value, Value) {
    let key = org.get(&path(id)).await.expect(200).json()["data"].clone();
    (key["scopes"].clone(), key["scope_policy"].clone())
}

/// Refused for want of these scopes, which are all that it names.
#[track_caller]
fn lacks(reply: &Reply, scopes: &[&str]) {
    let details: Vec<_> = scopes
        .iter()
        .map(|scope| json!({"field": "scope", "code": "insufficient_scope", "message": scope}))
        .collect();
    let message = "This key or token does not have the scope that this takes; details name it.";
    let error =
        json!({"code": "insufficient_scope", "message": message, "details": details, "request_id": "test"});
    assert_eq!((reply.status, reply.json()), (403, json!({"error": error})));
}
