//! A key in its grace window administers nothing (contract 4): tried on every operation that
//! changes something on the administration's paths.

use serde_json::json;

use super::Sweep;
use crate::support::document::Operation;
use crate::support::tenants::rows_of;

/// Where administration happens.
const ADMINISTRATION: &[&str] =
    &["/v1/auth/tenant-key", "/v1/auth/signing-secret", "/v1/auth/token", "/v1/admin", "/api/v1/key"];

/// What a superseded key is answered otherwise, by operation id and status, and why. This list may
/// only shrink; the brake is any live key's (contract 13.4).
const OTHERWISE: &[(&str, u16, &str)] = &[
    ("freeze_administration", 200, "pulls the brake, which is any live key's"),
    ("rotate_tenant_key", 409, "a rotated key is told that it was: `key_already_rotated`"),
    ("test_queue", 202, "sends the owner a test of its own queue, and changes nothing"),
    ("replay_events", 202, "sends the owner its own events again, and changes no credential and no queue"),
    ("acknowledge_messages", 200, "says that the owner's own events were handled"),
];

#[tokio::test]
async fn a_superseded_key_is_refused_by_every_operation_of_the_administration() {
    let sweep = Sweep::new().await;
    let mut tried = 0;
    for (number, operation) in sweep.operations().iter().filter(|o| is_administration(o)).enumerate() {
        let acme = sweep.equipped_org(&format!("acme-{number}")).await;
        let (id, secret) = acme.mint().await;
        let rotation = json!({"key_id": id, "grace_period_seconds": 3600});
        acme.post("/v1/auth/tenant-key/rotate", rotation).await.expect(200);
        let path = sweep.named(&acme, operation).await.theirs;
        let by_gateway = acme.with("x-tenant-key-id", &id);
        for caller in [sweep.app.holder(&secret), by_gateway] {
            let reply = sweep.example(&caller, operation, &path).await;
            let code = match OTHERWISE.iter().find(|(id, ..)| *id == operation.id) {
                Some((_, status, why)) => {
                    assert_eq!(reply.status, *status, "{}: {why}: {}", operation.id, reply.text());
                    continue;
                }
                None if operation.path.starts_with("/api") => {
                    reply.json()["Error"]["Code"].as_str().map(str::to_owned)
                }
                None => Some(reply.code()),
            };
            let expected = (403, Some("key_superseded".to_owned()));
            assert_eq!((reply.status, code), expected, "{}: {}", operation.id, reply.text());
        }
        tried += 1;
    }
    assert!(tried >= 15, "{tried}");
    let known: Vec<_> = sweep.operations().into_iter().filter(is_administration).map(|o| o.id).collect();
    for (id, ..) in OTHERWISE {
        assert!(known.iter().any(|known| known == id), "{id} is no operation of the administration");
    }
}

/// What a key that waits for its confirmation may do all the same, by operation id and status (contract 13.1).
const WHILE_IT_WAITS: &[(&str, u16)] = &[
    ("freeze_administration", 200),
    ("issue_member_token", 200),
    ("test_queue", 202),
    ("replay_events", 202),
    ("acknowledge_messages", 200),
];

#[tokio::test]
async fn a_key_that_waits_for_its_confirmation_is_refused_by_every_operation_of_the_administration() {
    let sweep = Sweep::new().await;
    let mut tried = 0;
    for (number, operation) in sweep.operations().iter().filter(|o| is_administration(o)).enumerate() {
        let org = sweep.equipped_org(&format!("waits-{number}")).await;
        let (id, _) = org.mint().await;
        let rotation = json!({"key_id": id, "activation": "on_confirm"});
        let reply = org.post("/v1/auth/tenant-key/rotate", rotation).await.expect(200).json();
        let holder = sweep.app.holder(reply["data"]["new_tenant_api_key"].as_str().expect("a key"));
        super::examples::prepare(&sweep, &org, operation).await;
        let path = sweep.named(&org, operation).await.theirs;
        let before = rows_of(&sweep.app, &org).await;
        let reply = sweep.example_for(&holder, operation, &path, &org.key).await;
        match WHILE_IT_WAITS.iter().find(|(id, _)| *id == operation.id) {
            Some((_, status)) => assert_eq!(reply.status, *status, "{}: {}", operation.id, reply.text()),
            None => {
                assert_eq!((reply.status, &reply.code()[..]), (403, "key_not_confirmed"), "{}", operation.id);
                assert_eq!(rows_of(&sweep.app, &org).await, before, "{}", operation.id);
            }
        }
        tried += 1;
    }
    assert!(tried >= 15, "{tried}");
}

/// What takes a key for the moment until its end is known everywhere, and why. This list may only
/// shrink.
const FOR_A_MOMENT: &[&str] = &[
    // Change no credential and no queue.
    "acknowledge_messages",
    "test_queue",
    "replay_events",
    // Answered from memory; the token ends with the key.
    "issue_member_token",
];

#[tokio::test]
async fn a_key_that_ended_a_moment_ago_administers_nothing_though_memory_still_knows_it() {
    let sweep = Sweep::new().await;
    let mut tried = 0;
    for (number, operation) in sweep.operations().iter().filter(|o| is_administration(o)).enumerate() {
        if FOR_A_MOMENT.contains(&operation.id.as_str()) {
            continue;
        }
        let acme = sweep.equipped_org(&format!("ended-{number}")).await;
        let path = sweep.named(&acme, operation).await.theirs;
        let (id, secret) = acme.mint().await;
        let holder = sweep.app.holder(&secret);
        holder.get("/v1/features").await.expect(200);
        end_quietly(&sweep, &id).await;
        let before = rows_of(&sweep.app, &acme).await;

        let reply = sweep.example_for(&holder, operation, &path, &acme.key).await;

        assert_eq!(reply.status, 401, "{}: {}", operation.id, reply.text());
        assert_eq!(rows_of(&sweep.app, &acme).await, before, "{}", operation.id);
        tried += 1;
    }
    assert!(tried >= 15, "{tried}");
}

/// Without the news of it, as on a replica that has not heard yet.
async fn end_quietly(sweep: &Sweep, key_id: &str) {
    let key_id: uuid::Uuid = key_id.parse().expect("an id");
    sqlx::query("UPDATE tenant_keys SET revoked_at = created_at WHERE id = $1")
        .bind(key_id)
        .execute(&mut sweep.app.database.connect().await)
        .await
        .expect("the key ends");
}

/// Planned operations answer 503 to everybody.
pub fn is_administration(operation: &Operation) -> bool {
    let is_there = ADMINISTRATION.iter().any(|root| operation.path.starts_with(root));
    is_there && operation.method != "GET" && !operation.is_planned()
}
