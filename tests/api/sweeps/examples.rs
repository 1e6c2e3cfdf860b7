//! Every example of a body in the document works as it stands, for the org `demo` that a fresh service
//! has (contract 11): "Try it" and generated clients send it unedited.

use axum::body::Body;
use serde_json::Value;

use super::{Named, Sweep, json_request};
use crate::support::document::Operation;
use crate::support::{Org, Reply, request};

/// What an example cannot know because it is the partner's own. Unedited it is refused, and harms
/// nobody; this list may only shrink.
const PARTNERS_OWN: &[(&str, &str)] = &[
    ("/webhook/url", "the partner's endpoint"),
    ("/aws_sqs/queue_url", "the partner's queue, and a role that it grants"),
    ("/azure_storage_queue/sas_token", "a right that the partner grants; an example would be a secret"),
    ("/azure_event_hubs/sas_key", "the key of the partner's policy; an example would be a secret"),
    ("/kafka/sasl/password", "the password of the partner's cluster; an example would be a secret"),
    ("/PublicKey", "the partner's key; whoever registered an example would have secrets sent to a stranger"),
];

#[tokio::test]
async fn every_example_of_a_body_works_as_it_stands() {
    let sweep = Sweep::new().await;
    let (mut tried, mut excused) = (0, 0);
    for operation in sweep.operations().iter().filter(|operation| !operation.is_planned()) {
        let examples = sweep.document.examples(operation);
        let bodies = if examples.is_empty() { vec![None] } else { examples.into_iter().map(Some).collect() };
        for body in bodies {
            let demo = sweep.equipped_org("demo").await;
            let Named { theirs, .. } = sweep.named(&demo, operation).await;
            prepare(&sweep, &demo, operation).await;
            let has = |field: &str| body.as_ref().is_some_and(|body| body.pointer(field).is_some());
            let excuse = PARTNERS_OWN.iter().find(|(field, _)| has(field));
            match (excuse, body) {
                (None, body) => {
                    succeeds(operation, &send(&sweep, &demo, operation, &theirs, body.as_ref()).await)
                }
                (Some((field, reason)), Some(mut body)) => {
                    let reply = send(&sweep, &demo, operation, &theirs, Some(&body)).await;
                    assert!(matches!(reply.status, 400 | 422), "{field}, {reason}: {}", reply.text());
                    if sweep.edit(&mut body) {
                        succeeds(operation, &send(&sweep, &demo, operation, &theirs, Some(&body)).await);
                    }
                    excused += 1;
                }
                (Some(_), None) => unreachable!("no body, no field"),
            }
            sweep.app.delete(&demo).await;
            tried += 1;
        }
    }
    assert!(tried >= 30 && excused <= 12, "{tried} tried, {excused} excused");
}

/// What an example builds on: the user that another example makes.
pub async fn prepare(sweep: &Sweep, demo: &Org, operation: &Operation) {
    if operation.id == "issue_member_token" {
        let operations = sweep.operations();
        let create = operations.iter().find(|o| o.id == "create_user").expect("it is there");
        let body = sweep.document.example_body(create).expect("it has an example");
        demo.post("/v1/users", body).await.expect(201);
    }
}

async fn send(sweep: &Sweep, demo: &Org, operation: &Operation, path: &str, body: Option<&Value>) -> Reply {
    match body {
        None => sweep.send(demo, operation, request(&operation.method, path), Body::empty()).await,
        Some(lines) if operation.takes_lines() => {
            let head = request(&operation.method, path).header("content-type", "application/x-ndjson");
            let reply = sweep.send(demo, operation, head, lines.as_str().expect("lines").to_owned()).await;
            let results = reply.text();
            assert!(results.lines().all(|line| line.contains("\"created\"")), "{results}");
            reply
        }
        Some(body) => sweep.send(demo, operation, json_request(operation, path), body.to_string()).await,
    }
}

#[track_caller]
fn succeeds(operation: &Operation, reply: &Reply) {
    assert!((200..300).contains(&reply.status), "{}: {} {}", operation.id, reply.status, reply.text());
}
