//! `GET /v1/event-types` and the document's webhooks: what there is to hear of.

use std::collections::BTreeSet;

use partner_api::app;
use partner_api::events::EventType;
use partner_api::events::schemas::{body_schema, data_schema};
use partner_api::openapi::to_json;
use serde_json::{Value, json};

use super::{orders, with_orders};
use crate::support::TestApp;

#[tokio::test]
async fn partners_see_every_stream_its_types_and_their_schemas() {
    let (app, _) = with_orders().await;
    let acme = app.org("acme").await;
    let all = acme.get("/v1/event-types").await.expect(200).json();
    let streams: Vec<_> = all["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|s| s["stream"].as_str().expect("a name"))
        .collect();
    assert_eq!(streams, ["users", "credentials", "orders"]);
    let mut expected = orders()["types"].clone();
    expected[1]["schema"] = Value::Null;
    assert_eq!(all["data"][2]["types"], expected);
    let ours: BTreeSet<_> = all["data"].as_array().expect("a list")[..2]
        .iter()
        .flat_map(|stream| {
            stream["types"]
                .as_array()
                .expect("types")
                .iter()
                .map(|kind| kind["type"].as_str().expect("a type"))
        })
        .collect();
    assert_eq!(ours, EventType::ALL.iter().map(|kind| kind.name()).collect());
    let one = acme.get("/v1/event-types?stream=orders").await.expect(200).json();
    assert_eq!(one["data"], json!([all["data"][2]]));
    let unknown = acme.get("/v1/event-types?stream=invoices").await.expect(422).json();
    assert_eq!(unknown["detail"][0]["loc"], json!(["query", "stream"]));
}

#[test]
fn the_document_has_a_webhook_for_every_type_of_ours() {
    let document: Value = serde_json::from_str(&to_json(&app::document())).expect("JSON");
    let webhooks = document["webhooks"].as_object().expect("webhooks");
    let names: BTreeSet<_> = webhooks.keys().map(String::as_str).collect();
    assert_eq!(names, EventType::ALL.iter().map(|kind| kind.name()).collect());
    for (name, webhook) in webhooks {
        let schema = &webhook["post"]["requestBody"]["content"]["application/json"]["schema"];
        let kind = EventType::of(name).expect("one of ours");
        assert_eq!(*schema, body_schema(name, &data_schema(kind)), "{name}");
    }
}

/// What the other tests make happen is checked here over one life of an org.
#[tokio::test]
async fn the_bodies_of_our_own_events_keep_to_their_schemas() {
    let app = TestApp::with(&[("ALLOW_PRIVATE_TARGETS", "true")]).await;
    let acme = app.org("acme").await;
    let user = json!({"user_id": "5f0e1a52-7c43-4d0a-9a57-0d0f9f2a8b11"});
    acme.post("/v1/users", user).await.expect(201);
    let path = "/v1/users/5f0e1a52-7c43-4d0a-9a57-0d0f9f2a8b11";
    acme.patch(path, json!({"first_name": "Ada"})).await.expect(204);
    acme.delete(path).await.expect(204);
    let (key_id, key) = acme.mint().await;
    acme.patch(&format!("/v1/admin/org/tenant-keys/{key_id}"), json!({"name": "x"})).await.expect(200);
    let rotated = app.holder(&key).post("/v1/auth/tenant-key/rotate", json!({})).await.expect(200).json();
    let successor = rotated["data"]["key_id"].as_str().expect("a key");
    acme.delete(&format!("/v1/admin/org/tenant-keys/{successor}")).await.expect(204);
    acme.make_signing_secret(3_600).await;
    acme.make_signing_secret(3_600).await;
    acme.register_webhook("users", &crate::support::webhook::start().await).await;
    acme.bodyless("POST", "/v1/admin/org/queues/users/pause").await.expect(200);
    acme.delete("/v1/admin/org/queues/users").await.expect(204);
    acme.post("/v1/admin/org/freeze", json!({})).await;
    let rows: Vec<(String, String)> = sqlx::query_as("SELECT type, body FROM events")
        .fetch_all(&mut app.database.connect().await)
        .await
        .expect("they are stored");
    let mut seen = BTreeSet::new();
    for (name, body) in &rows {
        let kind = EventType::of(name).expect("one of ours");
        let schema = body_schema(name, &data_schema(kind));
        let validator = jsonschema::draft202012::options()
            .should_validate_formats(true)
            .build(&schema)
            .expect("a schema");
        let body: Value = serde_json::from_str(body).expect("JSON");
        let errors: Vec<_> = validator.iter_errors(&body).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?} in {body}");
        // Nothing is written that the schema does not describe.
        for field in body["data"].as_object().expect("an object").keys() {
            assert!(!data_schema(kind)["properties"][field].is_null(), "{name} has {field}");
        }
        seen.insert(name.as_str());
    }
    assert!(seen.len() >= 11, "only {seen:?}");
}
