//! An org sees and changes its own resources, and cannot tell another's from none (contract 1).

use axum::http::HeaderMap;

use super::{Named, Sweep};
use crate::support::{Org, Reply};

#[tokio::test]
async fn a_resource_of_another_org_is_answered_as_one_that_does_not_exist() {
    let sweep = Sweep::new().await;
    let acme = sweep.app.org("acme").await;
    for (number, operation) in sweep.on_a_resource().iter().enumerate() {
        let zeta = sweep.equipped_org(&format!("zeta-{number}")).await;
        let Named { theirs, nobodys } = sweep.named(&zeta, operation).await;

        let foreign = sweep.example(&acme, operation, &theirs).await;
        let missing = sweep.example(&acme, operation, &nobodys).await;

        assert_eq!(bytes(&foreign), bytes(&missing), "{}", operation.id);
        assert!(foreign.status == 404 || operation.chooses_a_name(), "{}: {}", operation.id, foreign.status);
    }
}

#[tokio::test]
async fn no_operation_changes_anything_of_another_org() {
    let sweep = Sweep::new().await;
    let acme = sweep.app.org("acme").await;
    for (number, operation) in sweep.on_a_resource().iter().enumerate() {
        let zeta = sweep.equipped_org(&format!("zeta-{number}")).await;
        let Named { theirs, .. } = sweep.named(&zeta, operation).await;
        let before = all_of(&sweep, &zeta).await;
        sweep.example(&acme, operation, &theirs).await;
        assert_eq!(all_of(&sweep, &zeta).await, before, "{}", operation.id);
    }
}

/// All that an org can list.
pub(super) async fn all_of(sweep: &Sweep, org: &Org) -> Vec<String> {
    let mut all = Vec::new();
    for operation in sweep.operations() {
        if operation.method == "GET" && operation.path_parameters().is_empty() {
            all.push(org.get(&operation.path).await.text());
        }
    }
    all
}

/// All of an answer.
/// All of a reply but what is left of the quota, which each request lowers.
fn bytes(reply: &Reply) -> (u16, HeaderMap, String) {
    let mut headers = reply.headers.clone();
    headers.remove("ratelimit");
    (reply.status, headers, reply.text())
}
