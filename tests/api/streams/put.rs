//! `/internal/streams`: the platform puts its streams in place.

use partner_api::background::publisher;
use partner_api::identity::platform::PlatformScope;
use serde_json::{Value, json};

use super::{PUBLISH, noted, orders, with_orders};
use crate::support::webhook::Receiver;
use crate::support::{Caller, Reply};

const ORDERS: &str = "/internal/streams/orders";

async fn put(caller: &Caller, name: &str, body: Value) -> Reply {
    caller.json("PUT", &format!("/internal/streams/{name}"), body).await
}

fn stream(types: &Value) -> Value {
    json!({"description": "x", "types": types})
}

fn one(kind: &str) -> Value {
    stream(&json!([{"type": kind, "description": "x"}]))
}

#[tokio::test]
async fn a_stream_is_put_whole_shown_and_listed() {
    let (app, platform) = with_orders().await;
    let again = put(&platform, "orders", orders()).await.expect(200).json();
    let mut expected = orders();
    expected["types"][1]["schema"] = Value::Null;
    let shown = platform.get(ORDERS).await.expect(200).json();
    assert_eq!(again, shown);
    for field in ["description", "types"] {
        assert_eq!(shown["data"][field], expected[field], "{field}");
    }
    assert_eq!(shown["data"]["name"], "orders");
    app.clock.advance(chrono::TimeDelta::seconds(1));
    put(&platform, "invoices", one("invoice.sent")).await.expect(200);
    put(&platform, "orders", one("order.late")).await.expect(200);
    let shown = platform.get(ORDERS).await.expect(200).json();
    assert_eq!(shown["data"]["types"], json!([{"type": "order.late", "description": "x", "schema": null}]));
    let list = platform.get("/internal/streams?limit=1").await.expect(200).json();
    assert_eq!(
        (&list["data"][0]["name"], &list["data"][0]["types"], &list["pagination"]["total"]),
        (&json!("orders"), &json!(["order.late"]), &json!(2))
    );
    let next = platform.get("/internal/streams?limit=1&offset=1").await.expect(200).json();
    assert_eq!(next["data"][0]["name"], "invoices");
}

#[tokio::test]
async fn a_schema_is_shown_as_it_was_given() {
    let (_app, platform) = with_orders().await;
    let body = r#"{"description":"x","types":[{"type":"a","description":"x","schema":{"type":"object","properties":{"b":{"maximum":1.0},"a":{"minimum":1e2}},"$defs":{}}}]}"#;
    platform.raw("PUT", "/internal/streams/raw", body).await.expect(200);
    let shown = platform.get("/internal/streams/raw").await.expect(200).text();
    let kept =
        r#""schema":{"type":"object","properties":{"b":{"maximum":1.0},"a":{"minimum":100.0}},"$defs":{}}"#;
    assert!(shown.contains(kept), "{shown}");
}

#[tokio::test]
async fn the_services_own_streams_and_types_are_not_the_platforms() {
    let (_app, platform) = with_orders().await;
    for name in ["users", "credentials"] {
        assert_eq!(put(&platform, name, one("order.x")).await.expect(409).code(), "built_in_stream");
        assert_eq!(
            platform.get(&format!("/internal/streams/{name}")).await.expect(404).code(),
            "unknown_stream"
        );
    }
    for kind in ["user.paid", "tenant_key.rotated", "queue.test", "REPORT.ready"] {
        let refused = put(&platform, "invoices", one(kind)).await.expect(422).json();
        assert_eq!(refused["detail"][0]["loc"], json!(["body", "types", 0, "type"]), "{kind}");
    }
    let taken = stream(
        &json!([{"type": "invoice.sent", "description": "x"}, {"type": "order.paid", "description": "x"}]),
    );
    let refused = put(&platform, "invoices", taken).await.expect(422).json();
    assert_eq!(
        refused["detail"],
        json!([{"loc": ["body", "types", 1, "type"], "msg": "is a type of another stream", "type": "value_error"}])
    );
    platform.get("/internal/streams/invoices").await.expect(404);
}

#[tokio::test]
async fn what_breaks_a_rule_is_told_where_it_stands() {
    let (app, platform) = with_orders().await;
    for (types, place) in [
        (json!([{"type": "a b", "description": "x"}]), json!(["body", "types", 0, "type"])),
        (
            json!([{"type": "a", "description": "x"}, {"type": "a", "description": "x"}]),
            json!(["body", "types", 1, "type"]),
        ),
        (json!([{"type": "a"}]), json!(["body", "types", 0, "description"])),
        (json!([{"type": "a", "description": "x", "schema": []}]), json!(["body", "types", 0, "schema"])),
        (
            json!([{"type": "a", "description": "x", "schema": {"properties": {"p": {"$ref": "https://example.com/x"}}}}]),
            json!(["body", "types", 0, "schema", "properties", "p", "$ref"]),
        ),
        (
            json!([{"type": "a", "description": "x", "schema": {"properties": {"p": {"type": "strng"}}}}]),
            json!(["body", "types", 0, "schema", "properties", "p", "type"]),
        ),
        (
            json!([{"type": "a", "description": "x", "schema": {"description": "x".repeat(32 * 1024)}}]),
            json!(["body", "types", 0, "schema"]),
        ),
        (
            Value::Array((0..201).map(|n| json!({"type": format!("t{n}"), "description": "x"})).collect()),
            json!(["body", "types"]),
        ),
    ] {
        let refused = put(&platform, "bad", stream(&types)).await.expect(422).json();
        assert_eq!(refused["detail"][0]["loc"], place, "{refused}");
    }
    for name in ["Orders", "1a", "a.b", &"a".repeat(64)] {
        let refused = put(&platform, name, stream(&json!([]))).await.expect(422).json();
        assert_eq!(refused["detail"][0]["loc"], json!(["path", "name"]), "{name}");
    }
    let twice = r#"{"description":"x","types":[{"type":"a","description":"x","schema":{"type":"object","type":"string"}}]}"#;
    platform.raw("PUT", "/internal/streams/bad", twice).await.expect(422);
    let large = format!(r#"{{"description":"{}","types":[]}}"#, "x".repeat(1024 * 1024));
    platform.raw("PUT", "/internal/streams/bad", large).await.expect(413);
    let (_, reader) = app.platform(&[PlatformScope::OrgsRead, PlatformScope::OrgsWrite]).await;
    put(&reader, "bad", stream(&json!([]))).await.expect(403);
}

#[tokio::test]
async fn there_are_at_most_100_streams() {
    let (app, platform) = with_orders().await;
    app.database
        .execute(
            "INSERT INTO streams (name, description, revision, created_at, updated_at)
             SELECT 's' || n, '', n, now(), now() FROM generate_series(2, 99) AS n",
        )
        .await;
    put(&platform, "last", stream(&json!([]))).await.expect(200);
    assert_eq!(put(&platform, "more", stream(&json!([]))).await.expect(409).code(), "too_many_streams");
    put(&platform, "orders", orders()).await.expect(200);
}

#[tokio::test]
async fn events_of_a_type_that_is_gone_are_still_delivered() {
    let (app, platform) = with_orders().await;
    let acme = app.org("acme").await;
    platform.post(PUBLISH, noted("acme")).await.expect(202);
    put(&platform, "orders", one("order.late")).await.expect(200);
    platform.post(PUBLISH, noted("acme")).await.expect(422);
    let receiver = Receiver::start().await;
    acme.make_signing_secret(0).await;
    acme.register_webhook("orders", &receiver.url).await;
    publisher::step(&app.state).await.expect("it looks");
    let arrived = receiver.take();
    assert_eq!(
        arrived.iter().map(crate::support::webhook::Arrived::kind).collect::<Vec<_>>(),
        ["order.noted"]
    );
}
