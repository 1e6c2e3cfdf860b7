//! Queues, lists and replays take the platform's streams by name.

use partner_api::background::{outbox_depth, publisher};
use partner_api::events::wire_id;
use serde_json::{Value, json};

use super::{put_stream, write_event};
use crate::support::webhook::{Arrived, Receiver};
use crate::support::{Org, TestApp};

const EVENTS: &str = "/v1/admin/org/events";
const REPLAY: &str = "/v1/admin/org/events/replay";
const QUEUE: &str = "/v1/admin/org/queues/orders";

async fn service() -> (TestApp, Org) {
    let app = TestApp::with(&[("ALLOW_PRIVATE_TARGETS", "true")]).await;
    let acme = app.org("acme").await;
    acme.make_signing_secret(0).await;
    (app, acme)
}

async fn listed(org: &Org, query: &str) -> Vec<Value> {
    let page = org.get(&format!("{EVENTS}?{query}")).await.expect(200).json();
    page["data"].as_array().expect("a list").clone()
}

fn kinds(arrived: &[Arrived]) -> Vec<String> {
    arrived.iter().map(Arrived::kind).collect()
}

#[tokio::test]
async fn a_stream_of_the_platforms_has_a_queue_of_its_own_as_soon_as_it_is_there() {
    let (app, acme) = service().await;
    let receiver = Receiver::start().await;
    let body = json!({"type": "webhook", "webhook": {"url": receiver.url}});
    assert_eq!(acme.post(QUEUE, body.clone()).await.expect(404).code(), "unknown_stream");
    put_stream(&app, "orders").await;
    let made = acme.post(QUEUE, body).await.expect(201).json();
    assert_eq!(made["data"]["queue_name"], "orders");
    receiver.take();

    write_event(&app, &acme, "orders").await;
    assert_eq!(publisher::step(&app.state).await.expect("it looks"), 1);
    assert_eq!(receiver.take_all().len(), 1);
    let queues = acme.get("/v1/admin/org/queues").await.expect(200).json();
    assert_eq!(queues["data"][0]["queue_name"], "orders");
}

#[tokio::test]
async fn what_happens_to_its_queue_is_told_on_credentials() {
    let (app, acme) = service().await;
    let (receiver, owner) = (Receiver::start().await, Receiver::start().await);
    put_stream(&app, "orders").await;
    acme.register_webhook("orders", &receiver.url).await;
    acme.register_webhook("credentials", &owner.url).await;
    publisher::step(&app.state).await.expect("it looks");
    owner.take_all();

    acme.bodyless("POST", &format!("{QUEUE}/pause")).await.expect(200);
    publisher::step(&app.state).await.expect("it looks");
    let told = owner.take_all();
    assert_eq!(kinds(&told), ["queue.paused"]);
    assert_eq!(told[0].json()["data"]["queue_name"], "orders");
    acme.bodyless("POST", &format!("{QUEUE}/resume")).await.expect(200);
    receiver.answers("410 Gone");
    write_event(&app, &acme, "orders").await;
    publisher::step(&app.state).await.expect("it looks");
    publisher::step(&app.state).await.expect("it looks");
    assert_eq!(kinds(&owner.take_all()), ["queue.paused"]);
    acme.delete(QUEUE).await.expect(204);
    publisher::step(&app.state).await.expect("it looks");
    assert_eq!(kinds(&owner.take_all()), ["queue.deleted"]);
}

#[tokio::test]
async fn its_events_are_listed_and_replayed_by_its_name() {
    let (app, acme) = service().await;
    put_stream(&app, "orders").await;
    let id = wire_id(write_event(&app, &acme, "orders").await);
    for query in ["limit=100", "stream=orders&limit=100"] {
        let found = listed(&acme, query).await;
        assert_eq!(found.iter().filter(|event| event["event_id"] == id).count(), 1, "{query}");
    }
    assert_eq!(listed(&acme, "stream=users").await, [Value::Null; 0]);
    let range =
        |stream| json!({"stream": stream, "from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"});
    let replayed = acme.post(REPLAY, range("orders")).await.expect(202).json();
    assert_eq!(replayed["data"]["replayed"], 1);
    let unknown = acme.post(REPLAY, range("invoices")).await.expect(422).json();
    assert_eq!(
        (&unknown["detail"][0]["loc"], &unknown["detail"][0]["type"]),
        (&json!(["body", "stream"]), &json!("enum"))
    );
    for name in ["invoices", "Orders", ""] {
        let unknown = acme.get(&format!("{EVENTS}?stream={name}")).await.expect(422).json();
        assert_eq!(unknown["detail"][0]["loc"], json!(["query", "stream"]), "{name}");
    }
}

#[tokio::test]
async fn the_depth_of_the_platforms_streams_is_measured_as_one() {
    let (app, acme) = service().await;
    for stream in ["orders", "invoices"] {
        put_stream(&app, stream).await;
        write_event(&app, &acme, stream).await;
    }
    outbox_depth::measure(&app.state).await.expect("it measures");
    let metrics = app.operations().get("/metrics").await.expect(200).text();
    assert!(metrics.contains("outbox_events{stream=\"platform\",state=\"pending\"} 2"), "{metrics}");
    assert!(!metrics.contains("invoices"), "names from outside are no labels");
}
