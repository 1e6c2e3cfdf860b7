//! The platform's own streams, and what it publishes on them (contract 15).

mod again;
mod bulk;
mod catalogue;
mod publish;
mod put;
mod queues;
mod sql;

use partner_api::identity::platform::PlatformScope;
use serde_json::{Value, json};
use sqlx::Row as _;
use uuid::Uuid;

use crate::support::{Caller, Org, TestApp};

const PUBLISH: &str = "/internal/events";

/// Puts a stream of the platform's in place, as another replica would.
async fn put_stream(app: &TestApp, name: &str) {
    sqlx::query(
        "INSERT INTO streams (name, description, revision, created_at, updated_at)
         SELECT $1, '', coalesce(max(revision), 0) + 1, $2, $2 FROM streams",
    )
    .bind(name)
    .bind(app.clock.now())
    .execute(&mut app.database.connect().await)
    .await
    .expect("it is stored");
}

/// Writes an event of the platform's.
async fn write_event(app: &TestApp, org: &Org, stream: &str) -> Uuid {
    let row = sqlx::query(
        "INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at)
         VALUES ($1, $2, $3, 'order.paid', '{}', $4, $4) RETURNING id",
    );
    let row = row.bind(org.id).bind(Uuid::now_v7()).bind(stream).bind(app.clock.now());
    row.fetch_one(&mut app.database.connect().await).await.expect("it is stored").get(0)
}

/// The stream `orders`, with a type that has a schema and one that has none.
fn orders() -> Value {
    json!({"description": "What becomes of orders.", "types": [
        {"type": "order.paid", "description": "An order was paid.", "schema": {
            "type": "object", "required": ["amount"], "properties": {"amount": {"type": "number", "minimum": 0}},
        }},
        {"type": "order.noted", "description": "Somebody noted something."},
    ]})
}

/// A service with the stream `orders`, and a service of the platform's that may publish on it.
async fn with_orders() -> (TestApp, Caller) {
    let app = TestApp::with(&[("ALLOW_PRIVATE_TARGETS", "true")]).await;
    let (_, platform) = app.platform(&[PlatformScope::EventsPublish]).await;
    platform.json("PUT", "/internal/streams/orders", orders()).await.expect(200);
    (app, platform)
}

/// An event without a schema.
fn noted(org: &str) -> Value {
    json!({"org": org, "stream": "orders", "type": "order.noted", "data": {"n": 1}})
}

/// The same with an `event_id`.
fn named(org: &str, event_id: &str) -> Value {
    let mut event = noted(org);
    event["event_id"] = json!(event_id);
    event
}

/// What an org sees of its events on `orders`, oldest first.
async fn listed(org: &Org) -> Vec<Value> {
    let page = org.get("/v1/admin/org/events?stream=orders&limit=100").await.expect(200).json();
    page["data"].as_array().expect("a list").clone()
}
