//! What a key may do (contract 13.3): every operation declares the one scope that it asks for, refuses a key that has
//! every other, and takes one that has no other.

use partner_api::identity::key_scopes::KeyScope;
use serde_json::{Value, json};

use super::{Sweep, examples};
use crate::support::document::Operation;
use crate::support::{Caller, Org, Reply};

/// What every key may do whatever its scopes, by operation id, and why. This list may only shrink.
const WITHOUT_IT: &[(&str, &str)] = &[
    ("rotate_tenant_key", "it rotates itself"),
    ("freeze_administration", "it pulls the brake, which is any live key's"),
];

/// What the one scope alone does not allow, by operation id: the key that is made or changed may do more. They say that.
const NO_MORE_THAN_ONESELF: &[&str] = &[
    "create_tenant_key",
    "update_tenant_key",
    "revoke_tenant_key",
    "confirm_tenant_key_rotation",
    "create_portal_session",
];

/// The scope that an operation declares.
fn declared(operation: &Operation) -> &str {
    let scope = operation.spec["x-required-scope"].as_str().unwrap_or_default();
    assert!(KeyScope::parse(scope).is_some(), "{} declares {scope:?}", operation.id);
    scope
}

/// A new key of the org's, with these scopes.
async fn with_scopes(sweep: &Sweep, org: &Org, scopes: &[&str]) -> Caller {
    sweep.app.holder(&org.mint_with(json!({"name": "narrow", "scopes": scopes})).await.1)
}

/// What a refusal says is missing; none if it is another answer.
fn missing(operation: &Operation, reply: &Reply) -> Option<Vec<String>> {
    let body = (reply.status == 403).then(|| reply.json())?;
    if operation.path.starts_with("/api") {
        assert_eq!(body["Error"]["Code"], "insufficient_scope", "{}", operation.id);
        return Some(vec![body["Error"]["ExtraData"]["scope"].as_str().expect("it is named").to_owned()]);
    }
    assert_eq!(body["error"]["code"], "insufficient_scope", "{}: {}", operation.id, reply.text());
    let details = body["error"]["details"].as_array().expect("details").iter();
    let named = |detail: &Value| {
        assert_eq!((&detail["field"], &detail["code"]), (&json!("scope"), &json!("insufficient_scope")));
        detail["message"].as_str().expect("a scope").to_owned()
    };
    Some(details.map(named).collect())
}

#[tokio::test]
async fn every_operation_declares_one_scope_and_refuses_a_key_without_it() {
    let sweep = Sweep::new().await;
    let mut tried = 0;
    for (number, operation) in sweep.operations().iter().enumerate() {
        let scope = declared(operation);
        let others: Vec<_> =
            KeyScope::ALL.iter().map(|other| other.name()).filter(|other| *other != scope).collect();
        if operation.is_planned() {
            continue;
        }
        let acme = sweep.equipped_org(&format!("acme-{number}")).await;
        let path = sweep.named(&acme, operation).await.theirs;
        let holder = with_scopes(&sweep, &acme, &others).await;
        examples::prepare(&sweep, &acme, operation).await;
        let reply = sweep.example_for(&holder, operation, &path, &acme.key).await;
        match WITHOUT_IT.iter().find(|(id, _)| *id == operation.id) {
            Some((_, why)) => assert!(reply.status < 300, "{}: {why}: {}", operation.id, reply.text()),
            None => assert_eq!(missing(operation, &reply), Some(vec![scope.to_owned()]), "{}", operation.id),
        }
        tried += 1;
    }
    assert!(tried >= 40, "{tried}");
}

#[tokio::test]
async fn every_operation_takes_a_key_that_has_its_scope_alone() {
    let sweep = Sweep::new().await;
    for (number, operation) in sweep.operations().iter().filter(|o| !o.is_planned()).enumerate() {
        let acme = sweep.equipped_org(&format!("acme-{number}")).await;
        let path = sweep.named(&acme, operation).await.theirs;
        let holder = with_scopes(&sweep, &acme, &[declared(operation)]).await;
        examples::prepare(&sweep, &acme, operation).await;
        let reply = sweep.example_for(&holder, operation, &path, &acme.key).await;
        if NO_MORE_THAN_ONESELF.contains(&operation.id.as_str()) {
            let missing = missing(operation, &reply).expect("it is refused");
            assert!(!missing.is_empty() && !missing.contains(&declared(operation).to_owned()), "{missing:?}");
        } else {
            assert!(reply.status < 300, "{}: {} {}", operation.id, reply.status, reply.text());
        }
    }
}

#[tokio::test]
async fn what_is_open_to_anybody_asks_for_no_scope() {
    let sweep = Sweep::new().await;
    let open: Vec<_> = sweep.document.operations().into_iter().filter(|o| !o.is_guarded()).collect();
    assert!(open.len() >= 3);
    assert!(open.iter().all(|operation| operation.spec["x-required-scope"].is_null()));
}
