//! Many at once.

use partner_api::audit::Author;
use partner_api::crypto::audit_chain::Head;
use partner_api::crypto::keyring::Keyring;
use partner_api::crypto::master::MasterKeys;
use partner_api::ids::OrgId;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{QUEUE, ROTATE_SECRET, log, rotate_secret, service, walk, webhook_queue};
use crate::support::Database;
use crate::support::database::MASTER_KEYS;

#[tokio::test]
async fn replicas_that_start_at_once_chain_with_one_key() {
    let database = Database::empty().await;
    let db = database.db();
    db.migrate().await.expect("an empty database takes the schema");
    let mut replicas = JoinSet::new();
    for _ in 0..8 {
        let db = database.db();
        replicas.spawn(async move {
            let master = MasterKeys::parse(MASTER_KEYS).expect("a master key");
            let keyring = Keyring::open(&db.pool, master).await.expect("the keys are made, or were");
            let org_id = OrgId(uuid::Uuid::from_u128(1));
            let at = chrono::DateTime::UNIX_EPOCH;
            Author::operator(&keyring).entry(org_id, Head::default(), at, "org.created", "acme").mac
        });
    }
    let mut macs = replicas.join_all().await;
    macs.dedup();
    assert_eq!(macs.len(), 1);
}

#[tokio::test]
async fn fifty_changes_at_once_leave_fifty_rows_without_gaps_in_one_chain() {
    let mut app = service().await;
    app.listen().await;
    let acme = app.org("acme").await;
    rotate_secret(&acme).await;
    let queue = webhook_queue().await;
    acme.post(QUEUE, queue.clone()).await.expect(201);

    let mut changes = JoinSet::new();
    for number in 0..50 {
        let (caller, queue) = (acme.named(&format!("r-{number}")), queue.clone());
        changes.spawn(async move {
            let reply = match number % 3 {
                0 => caller.patch("/v1/admin/org", json!({"name": format!("Acme {number}")})).await,
                1 => caller.post(ROTATE_SECRET, json!({"grace_period_seconds": 0})).await,
                _ => caller.json("PUT", QUEUE, queue).await,
            };
            reply.expect(200);
        });
    }
    changes.join_all().await;

    let log = log(&acme).await;
    let numbers: Vec<_> = log.iter().filter_map(|entry| entry["seq"].as_i64()).collect();
    assert_eq!(numbers, (1..=53).collect::<Vec<_>>());
    let mut told: Vec<_> = log[3..].iter().map(|entry| entry["request_id"].clone()).collect();
    told.sort_by_key(|id| id.as_str().and_then(|id| id[2..].parse::<u32>().ok()));
    assert_eq!(told, (0..50).map(|number| json!(format!("r-{number}"))).collect::<Vec<Value>>());
    let found = walk(&app, &acme).await;
    assert_eq!((found.rows, found.unchained, found.broken), (53, 0, None));
}

#[tokio::test]
async fn of_queues_that_are_registered_at_once_one_is_stored() {
    let mut app = service().await;
    app.listen().await;
    let acme = app.org("acme").await;
    rotate_secret(&acme).await;
    let queue = webhook_queue().await;
    let mut posts = JoinSet::new();
    for _ in 0..8 {
        let (caller, queue) = ((*acme).clone(), queue.clone());
        posts.spawn(async move {
            let reply = caller.post(QUEUE, queue).await;
            if reply.status == 201 { "stored".to_owned() } else { reply.code() }
        });
    }
    let mut outcomes = posts.join_all().await;
    outcomes.sort_unstable();
    assert_eq!(outcomes, [["queue_already_configured"; 7].as_slice(), &["stored"]].concat());
    assert_eq!(log(&acme).await.len(), 3);
}
