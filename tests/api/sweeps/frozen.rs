//! A frozen org's administration stands still (contract 13.4): tried on every operation.

use super::Sweep;
use super::superseded::is_administration;
use crate::support::tenants::rows_of;

/// The brake itself, and what works on nobody's administration.
const GO_ON: &[&str] =
    &["freeze_administration", "thaw_administration", "issue_member_token", "acknowledge_messages"];

#[tokio::test]
async fn while_it_is_frozen_every_operation_of_the_administration_is_refused_and_changes_nothing() {
    let sweep = Sweep::new().await;
    let acme = sweep.equipped_org("acme").await;
    let operations = sweep.operations();
    let (mut tried, mut paths) = (0, Vec::new());
    for operation in &operations {
        let org = sweep.equipped_org(&format!("org-{}", paths.len())).await;
        paths.push(sweep.named(&org, operation).await.theirs);
    }
    acme.bodyless("POST", "/v1/admin/org/freeze").await.expect(200);
    let before = rows_of(&sweep.app, &acme).await;
    for (operation, path) in operations.iter().zip(paths) {
        let is_refused = is_administration(operation) && !GO_ON.contains(&operation.id.as_str());
        if !is_refused && operation.method != "GET" {
            continue;
        }
        let reply = sweep.example_for(&acme, operation, &path, &acme.key).await;
        if is_refused {
            assert_eq!((reply.status, &reply.code()[..]), (403, "administration_frozen"), "{}", operation.id);
            tried += 1;
        } else {
            assert_ne!(reply.status, 403, "{}: {}", operation.id, reply.text());
        }
    }
    assert!(tried >= 15, "{tried}");
    assert_eq!(rows_of(&sweep.app, &acme).await, before);
}
