//! `POST /internal/events`: what is published is stored, and delivered byte for byte.

use std::time::Duration;

use partner_api::background::publisher;
use partner_api::identity::platform::PlatformScope;
use partner_api::routes::internal::tokens;
use serde_json::{Value, json};
use sqlx::Row as _;

use super::{PUBLISH, listed, named, noted, with_orders};
use crate::support::webhook::Receiver;
use crate::support::within;

/// An event with this text as its data.
fn with_data(data: &str) -> String {
    format!(r#"{{"org":"acme","stream":"orders","type":"order.noted","data":{data}}}"#)
}

#[tokio::test]
async fn an_event_is_stored_listed_and_delivered_as_ours_are() {
    let (app, platform) = with_orders().await;
    let acme = app.org("acme").await;
    let receiver = Receiver::start().await;
    let (_, secret) = acme.make_signing_secret(0).await;
    acme.register_webhook("orders", &receiver.url).await;
    let event = json!({
        "org": "acme", "stream": "orders", "type": "order.paid", "data": {"amount": 12.5}, "subject": "order 4711",
        "occurred_at": "2026-11-20T10:00:00+02:00",
    });
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let reply = platform.with("traceparent", trace).post(PUBLISH, event).await.expect(202).json();
    let id = reply["data"]["event_id"].as_str().expect("an id");
    let seen = listed(&acme).await;
    assert_eq!(
        (&seen[0]["event_id"], &seen[0]["type"], &seen[0]["status"]),
        (&json!(id), &json!("order.paid"), &json!("pending"))
    );
    let row = sqlx::query("SELECT subject, traceparent FROM events WHERE stream = 'orders'");
    let row = row.fetch_one(&mut app.database.connect().await).await.expect("it is stored");
    assert_eq!(row.get::<Option<String>, _>(0).as_deref(), Some("order 4711"));
    assert!(row.get::<String, _>(1).contains("0af7651916cd43dd8448eb211c80319c"));
    publisher::step(&app.state).await.expect("it looks");
    let arrived = receiver.take();
    assert_eq!(arrived[0].id(), id);
    assert_eq!(
        arrived[0].body,
        format!(
            r#"{{"type":"order.paid","timestamp":"2026-11-20T08:00:00Z","org_id":"{}","data":{{"amount":12.5}}}}"#,
            acme.id
        )
    );
    assert!(arrived[0].signatures().contains(&arrived[0].signature_with(&secret).as_str()));
}

#[tokio::test]
async fn the_datas_bytes_are_kept_as_they_were_sent() {
    let (app, platform) = with_orders().await;
    let acme = app.org("acme").await;
    let receiver = Receiver::start().await;
    let (_, secret) = acme.make_signing_secret(0).await;
    acme.register_webhook("orders", &receiver.url).await;
    for data in [
        "{}",
        r#"{"z":1.0,"a":1e3,"m":-0.0,"big":123456789012345678901234567890,"tiny":1E-10}"#,
        "{ \"b\" : [ 1 ,\n\t2 ] , \"a\" : { } }",
        r#"{"text":"\u00e9\u0000\/\ud83d\ude00 é 😀","data":{"org":"zeta","data":1}}"#,
        r#"{"":"","\"":"}],{[","\\":"\\\""}"#,
    ] {
        platform.raw("POST", PUBLISH, with_data(data)).await.expect(202);
        publisher::step(&app.state).await.expect("it looks");
        let arrived = receiver.take();
        assert!(arrived[0].body.ends_with(&format!(r#","data":{data}}}"#)), "{}", arrived[0].body);
        assert!(arrived[0].signatures().contains(&arrived[0].signature_with(&secret).as_str()), "{data}");
        assert!(arrived[0].json()["data"].is_object());
    }
}

#[tokio::test]
async fn data_that_readers_would_take_differently_is_refused() {
    let (app, platform) = with_orders().await;
    app.org("acme").await;
    for data in [
        r#"{"a":1,"a":2}"#,
        r#"{"a":{"b":1,"\u0062":2}}"#,
        "[1]",
        "1",
        "\"{}\"",
        "null",
        r#"{"a":1e999}"#,
        r#"{"a":"\ud800"}"#,
        r#"{"a":01}"#,
        &format!(r#"{{"a":{}{}}}"#, "[".repeat(200), "]".repeat(200)),
    ] {
        let refused = platform.raw("POST", PUBLISH, with_data(data)).await.expect(422).json();
        assert_eq!(refused["detail"][0]["loc"][0], "body", "{data}: {refused}");
    }
    let of = |bytes: usize| with_data(&format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - 8)));
    platform.raw("POST", PUBLISH, of(192 * 1024)).await.expect(202);
    let refused = platform.raw("POST", PUBLISH, of(192 * 1024 + 1)).await.expect(422).json();
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "data"]));
    platform.raw("POST", PUBLISH, of(300 * 1024)).await.expect(413);
}

#[tokio::test]
async fn an_org_is_named_by_id_or_key_and_must_be_there() {
    let (app, platform) = with_orders().await;
    let acme = app.org("acme").await;
    for org in [acme.id.to_string(), acme.id.to_string().to_uppercase(), "acme".to_owned()] {
        platform.post(PUBLISH, noted(&org)).await.expect(202);
    }
    assert_eq!(listed(&acme).await.len(), 3);
    for org in ["zeta", "ACME", "0192f0c1-2345-7abc-8def-0123456789ab", &"a".repeat(100)] {
        assert_eq!(platform.post(PUBLISH, noted(org)).await.expect(404).code(), "not_found", "{org}");
    }
    // Suspension closes an org's calls, not its events.
    app.suspend(&acme).await;
    platform.post(PUBLISH, noted("acme")).await.expect(202);
    // Who has its name next is another.
    app.delete(&acme).await;
    platform.post(PUBLISH, noted("acme")).await.expect(404);
    let other = app.org("acme").await;
    platform.post(PUBLISH, noted("acme")).await.expect(202);
    assert_eq!(listed(&other).await.len(), 1);
}

#[tokio::test]
async fn the_orgs_names_are_remembered_only_while_they_are_theirs() {
    let (mut app, platform) = with_orders().await;
    let acme = app.org("acme").await;
    app.listen().await;
    platform.post(PUBLISH, noted("acme")).await.expect(202);
    app.delete(&acme).await;
    let other = app.org("acme").await;
    let arrives = async || {
        platform.post(PUBLISH, noted("acme")).await;
        (!listed(&other).await.is_empty()).then_some(())
    };
    within(Duration::from_secs(5), "the event is the new org's", arrives).await;
}

#[tokio::test]
async fn stream_type_and_schema_are_asked_before_the_org_is() {
    let (app, platform) = with_orders().await;
    app.org("acme").await;
    let event = |stream: &str, kind: &str, data: Value| json!({"org": "nobody", "stream": stream, "type": kind, "data": data});
    for (body, place, kind) in [
        (event("invoices", "order.noted", json!({})), json!(["body", "stream"]), "enum"),
        (event("users", "user.created", json!({})), json!(["body", "stream"]), "enum"),
        (event("orders", "order.late", json!({})), json!(["body", "type"]), "enum"),
        (
            event("orders", "order.paid", json!({"amount": -1})),
            json!(["body", "data", "amount"]),
            "value_error",
        ),
        (
            event("orders", "order.paid", json!({"amount": "secret"})),
            json!(["body", "data", "amount"]),
            "value_error",
        ),
        (event("orders", "order.paid", json!({})), json!(["body", "data", "amount"]), "missing"),
    ] {
        let refused = platform.post(PUBLISH, body).await.expect(422);
        let json = refused.json();
        assert_eq!((&json["detail"][0]["loc"], &json["detail"][0]["type"]), (&place, &json!(kind)), "{json}");
        assert!(!refused.text().contains("secret"));
    }
    let wrong = json!({"org": 1, "stream": "orders", "data": {}, "subject": "", "event_id": "evt_1", "occurred_at": "now", "more": 1});
    let refused = platform.post(PUBLISH, wrong).await.expect(422).json();
    let places: Vec<_> =
        refused["detail"].as_array().expect("a list").iter().map(|p| p["loc"][1].clone()).collect();
    assert_eq!(places, ["org", "type", "subject", "event_id", "occurred_at", "more"]);
    platform
        .send(crate::support::request("POST", PUBLISH).header("content-type", "text/plain"), "{}")
        .await
        .expect(415);
}

#[tokio::test]
async fn a_token_answers_from_memory_and_its_end_is_heard() {
    let (mut app, _) = with_orders().await;
    app.org("acme").await;
    let (id, token) = app.platform(&[PlatformScope::EventsPublish]).await;
    app.listen().await;
    token.post(PUBLISH, named("acme", "1")).await.expect(202);
    // As nobody does who ends a token: it is remembered, so this is not heard.
    app.database.execute("UPDATE platform_tokens SET revoked_at = now()").await;
    token.post(PUBLISH, named("acme", "2")).await.expect(202);
    assert!(tokens::revoke(&app.state.db.pool, id, app.clock.now()).await.expect("it is revoked"));
    let refused = async || (token.post(PUBLISH, named("acme", "3")).await.status == 401).then_some(());
    within(Duration::from_secs(5), "its end is heard", refused).await;
}
