//! Events from the outbox to a partner's webhook (contract 6): a step of the publisher at a time,
//! on a clock that the test moves.

mod alerts;
mod delivery;
mod detail;
mod forms;
mod health;
mod isolation;
mod kafka;
mod leases;
mod list;
mod loss;
mod notices;
mod options;
mod order;
mod pauses;
mod poll;
mod refusals;
mod replay;
mod retries;
mod search;
mod signatures;
mod wakes;

use chrono::{DateTime, TimeDelta, Utc};
use partner_api::background::publisher;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::webhook::Receiver;
use crate::support::{Caller, Org, TestApp};

const EVENTS: &str = "/v1/admin/org/events";
const REPLAY: &str = "/v1/admin/org/events/replay";
const QUEUE: &str = "/v1/admin/org/queues/users";

/// An org whose events about users go to a webhook.
struct Partner {
    org: Org,
    receiver: Receiver,
}

/// The service, as it may reach the tests' receivers.
async fn service() -> TestApp {
    TestApp::with(&[("ALLOW_PRIVATE_TARGETS", "true")]).await
}

/// An org with a signing secret and a webhook.
async fn partner(app: &TestApp, key: &str) -> Partner {
    let partner = Partner { org: app.org(key).await, receiver: Receiver::start().await };
    partner.org.make_signing_secret(0).await;
    partner.org.register_webhook("users", &partner.receiver.url).await;
    partner
}

/// Writes one event.
async fn create_user(org: &Caller) -> Uuid {
    let user_id = Uuid::new_v4();
    org.post("/v1/users", json!({"user_id": user_id})).await.expect(201);
    user_id
}

/// Delivers what is due; gives how many events were tried.
async fn publish(app: &TestApp) -> usize {
    publisher::step(&app.state).await.expect("it looks")
}

/// The org's events about users as it sees them, oldest first.
async fn listed(org: &Org, query: &str) -> Vec<Value> {
    let events = org.get(&format!("{EVENTS}?stream=users&limit=100{query}")).await.expect(200).json();
    events["data"].as_array().expect("a list").clone()
}

/// The queue as its org sees it.
async fn queue(org: &Org) -> Value {
    org.get(QUEUE).await.expect(200).json()["data"].clone()
}

/// Replaces the queue by one of the same kind.
async fn replace(org: &Org, stream: &str, url: &str) {
    let body = json!({"type": "webhook", "webhook": {"url": url}});
    org.json("PUT", &format!("/v1/admin/org/queues/{stream}"), body).await.expect(200);
}

/// The only event there is.
async fn the_event(org: &Org) -> Value {
    let events = listed(org, "").await;
    assert_eq!(events.len(), 1);
    events[0].clone()
}

/// How long from now until an event is tried again.
fn waits(app: &TestApp, event: &Value) -> TimeDelta {
    let at: DateTime<Utc> =
        event["next_attempt_at"].as_str().and_then(|at| at.parse().ok()).expect("an instant");
    at - app.clock.now()
}
