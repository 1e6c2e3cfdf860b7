//! How scopes are written, and shown.

use serde_json::{Value, json};

use super::{KEYS, holder, path, rights};
use crate::support::{TestApp, invalid};

#[tokio::test]
async fn a_key_may_do_everything_unless_it_is_said_otherwise() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (id, _) = acme.mint().await;
    assert_eq!(rights(&acme, &id).await, (json!(["*"]), json!("enforce")));
    for body in
        [json!({"name": "a", "scopes": ["*"]}), json!({"name": "b", "scopes": null, "scope_policy": null})]
    {
        let (id, _) = acme.mint_with(body).await;
        assert_eq!(rights(&acme, &id).await, (json!(["*"]), json!("enforce")));
    }
}

#[tokio::test]
async fn scopes_are_shown_where_the_key_is_in_the_order_of_the_list() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let body = json!({"name": "a", "scopes": ["users:write", "users:read"], "scope_policy": "report"});
    let minted = acme.post(KEYS, body).await.expect(201).json()["data"].clone();
    let shown = (json!(["users:read", "users:write"]), json!("report"));
    let of = |key: &Value| (key["scopes"].clone(), key["scope_policy"].clone());
    assert_eq!(of(&minted), shown);
    assert_eq!(rights(&acme, minted["id"].as_str().expect("an id")).await, shown);
    assert_eq!(of(&acme.get(KEYS).await.expect(200).json()["data"][0]), shown);
}

#[tokio::test]
async fn scopes_and_policy_are_changed_one_without_the_other() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let key = holder(&app, &acme, &["users:read"]).await;
    for (body, scopes, policy) in [
        (json!({"scope_policy": "report"}), json!(["users:read"]), "report"),
        (json!({"scopes": ["events:read", "org:read"]}), json!(["org:read", "events:read"]), "report"),
        (json!({"scope_policy": "enforce"}), json!(["org:read", "events:read"]), "enforce"),
        (json!({"scopes": ["*"]}), json!(["*"]), "enforce"),
        (json!({"name": "another"}), json!(["*"]), "enforce"),
    ] {
        let changed = acme.patch(&path(&key.id), body).await.expect(200).json()["data"].clone();
        assert_eq!((&changed["scopes"], &changed["scope_policy"]), (&scopes, &json!(policy)));
        assert_eq!(rights(&acme, &key.id).await, (scopes, json!(policy)));
    }
}

#[tokio::test]
async fn what_is_no_set_of_scopes_is_refused_wherever_it_is_sent() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let key = holder(&app, &acme, &["users:read"]).await;
    let list = |msg: &'static str| (&["body", "scopes"][..], "value_error", msg);
    for (scopes, (loc, kind, msg)) in [
        (json!([]), list("must have 1 to 19 items")),
        (json!("users:read"), list("must be a list")),
        (json!(["users:read", "users:read"]), list("must have each scope once")),
        (json!(["*", "users:read"]), list("must have * alone, or scopes without it")),
    ] {
        let refusal = invalid(loc, kind, msg);
        acme.post(KEYS, json!({"name": "x", "scopes": scopes})).await.expect_json(422, &refusal);
        acme.patch(&path(&key.id), json!({"scopes": scopes})).await.expect_json(422, &refusal);
        let rotate = json!({"key_id": key.id, "scopes": scopes});
        acme.post(super::ROTATE, rotate).await.expect_json(422, &refusal);
    }
    for scope in ["users", "users:", "Users:read", "users:read ", "users:read events:read", "", "**"] {
        let reply =
            acme.post(KEYS, json!({"name": "x", "scopes": ["org:read", scope]})).await.expect(422).json();
        let problem = &reply["detail"][0];
        assert_eq!(
            (&problem["loc"], &problem["type"]),
            (&json!(["body", "scopes", 1]), &json!("enum")),
            "{scope}"
        );
    }
    for body in [json!({"scopes": null}), json!({"scope_policy": null}), json!({"scope_policy": "warn"})] {
        acme.patch(&path(&key.id), body).await.expect(422);
    }
    assert_eq!(rights(&acme, &key.id).await, (json!(["users:read"]), json!("enforce")));
}

#[tokio::test]
async fn a_change_of_scopes_is_told_as_any_change_of_a_key_is() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let key = holder(&app, &acme, &["users:read"]).await;
    acme.patch(&path(&key.id), json!({"scopes": ["org:read"]})).await.expect(200);
    let log = acme.get("/v1/admin/org/audit").await.expect(200).json();
    let row = log["data"].as_array().expect("rows").last().expect("a row").clone();
    assert_eq!((&row["action"], &row["subject"]), (&json!("tenant_key.updated"), &json!(key.id)));
    let events = acme.get("/v1/admin/org/events").await.expect(200).json();
    let is_told = |event: &Value| event["type"] == "tenant_key.updated";
    assert!(events["data"].as_array().expect("events").iter().any(is_told));
}
