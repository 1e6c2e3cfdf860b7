//! `POST /internal/events/bulk`: many events, one a line.

use partner_api::background::publisher;
use serde_json::{Value, json};

use super::{listed, named, noted, with_orders};
use crate::support::webhook::Receiver;
use crate::support::{Caller, Reply, request};

async fn send(caller: &Caller, body: String) -> Reply {
    let head = request("POST", "/internal/events/bulk").header("content-type", "application/x-ndjson");
    caller.send(head, body).await
}

fn lines(reply: &Reply) -> Vec<Value> {
    reply.text().lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

#[tokio::test]
async fn each_line_has_its_result_in_order_and_a_broken_one_costs_no_other() {
    let (app, platform) = with_orders().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let mut wrong = noted("acme");
    wrong["type"] = json!("order.paid");
    let body = format!(
        "{}\r\n\n{}\n{{broken\n{wrong}\n{}\n{}\n{}",
        named("acme", "a"),
        named("zeta", "a"),
        noted("nobody"),
        named("acme", "a"),
        noted("acme"),
    );
    let reply = send(&platform, body).await.expect(200);
    assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
    let results = lines(&reply);
    let status: Vec<_> = results.iter().map(|result| result["status"].as_str().expect("a status")).collect();
    assert_eq!(status, ["published", "published", "invalid", "invalid", "invalid", "exists", "published"]);
    assert_eq!(results[0]["event_id"], results[5]["event_id"]);
    assert_eq!(results[3]["detail"][0]["loc"], json!(["body", "data", "amount"]));
    assert_eq!(
        results[4]["detail"],
        json!([{"loc": ["body", "org"], "msg": "there is no such org", "type": "value_error"}])
    );
    assert_eq!((listed(&acme).await.len(), listed(&zeta).await.len()), (2, 1));
    let again =
        lines(&send(&platform, format!("{}\n{}", named("acme", "a"), named("zeta", "a"))).await.expect(200));
    assert!(again.iter().all(|result| result["status"] == "exists"), "{again:?}");
}

#[tokio::test]
async fn the_events_of_a_body_are_numbered_in_its_order() {
    let (app, platform) = with_orders().await;
    let acme = app.org("acme").await;
    let body: Vec<_> = (0..2_500)
        .map(|n| {
            // Names whose order is not that of the lines.
            let mut event = named("acme", &format!("{}-{n}", n * 7_919 % 2_500));
            event["data"] = json!({"n": n});
            event.to_string()
        })
        .collect();
    let results = lines(&send(&platform, body.join("\n")).await.expect(200));
    assert_eq!(results.iter().filter(|result| result["status"] == "published").count(), 2_500);
    let rows: Vec<(String,)> = sqlx::query_as("SELECT body FROM events WHERE stream = 'orders' ORDER BY seq")
        .fetch_all(&mut app.database.connect().await)
        .await
        .expect("they are stored");
    let numbers =
        rows.iter().map(|(body,)| serde_json::from_str::<Value>(body).expect("JSON")["data"]["n"].as_i64());
    assert!(numbers.eq((0..2_500).map(Some)));
    let receiver = Receiver::start().await;
    acme.make_signing_secret(0).await;
    acme.register_webhook("orders", &receiver.url).await;
    assert_eq!(publisher::step(&app.state).await.expect("it looks"), 2_500);
}

#[tokio::test]
async fn a_body_beyond_its_limits_is_refused_and_what_came_before_is_published() {
    let (app, platform) = with_orders().await;
    let acme = app.org("acme").await;
    let long = format!(
        r#"{{"org":"acme","stream":"orders","type":"order.noted","data":{{"a":"{}"}}}}"#,
        "x".repeat(230 * 1024)
    );
    send(&platform, format!("{}\n{long}", noted("acme"))).await.expect(413);
    send(&platform, "x\n".repeat(10_001)).await.expect(413);
    send(&platform, " ".repeat(10 * 1024 * 1024 + 1)).await.expect(413);
    platform.raw("POST", "/internal/events/bulk", "{}").await.expect(415);
    send(&platform, String::new()).await.expect(200);
    assert!(listed(&acme).await.len() <= 1);
}
