//! `POST /v1/users/bulk` (contract 3).

use std::io;
use std::time::Duration;

use axum::body::Body;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Caller, Reply, TestApp, request};

const BULK: &str = "/v1/users/bulk";

async fn send(caller: &Caller, body: impl Into<Body>) -> Reply {
    caller.send(request("POST", BULK).header("content-type", "application/x-ndjson"), body).await
}

fn lines(reply: &Reply) -> Vec<Value> {
    reply.text().lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

#[tokio::test]
async fn each_line_has_its_result_in_order_and_a_broken_one_costs_no_other() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let ids: Vec<_> = (0..3).map(|_| Uuid::new_v4()).collect();
    acme.post("/v1/users", json!({"user_id": ids[0]})).await.expect(201);
    let body = format!(
        "{}\r\n\n{}\n{{broken\n{}\n{}\n{}",
        json!({"user_id": ids[0]}),
        json!({"user_id": ids[1], "email": "ada@example.com"}),
        json!({"user_id": ids[2], "email": "nonsense", "more": 1}),
        json!({"user_id": ids[1]}),
        json!({"user_id": ids[2]}),
    );
    let reply = send(&acme, body).await.expect(200);
    assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
    let results = lines(&reply);
    let short: Vec<_> =
        results.iter().map(|r| (r["user_id"].clone(), r["status"].as_str().unwrap())).collect();
    let expected = [
        (json!(ids[0]), "exists"),
        (json!(ids[1]), "created"),
        (Value::Null, "invalid"),
        (json!(ids[2]), "invalid"),
        (json!(ids[1]), "exists"),
        (json!(ids[2]), "created"),
    ];
    assert_eq!(short, expected);
    assert_eq!(results[1]["detail"], json!([]));
    assert_eq!(
        results[2]["detail"],
        json!([{"loc": ["body"], "msg": "must be valid JSON in UTF-8", "type": "json_invalid"}])
    );
    let kinds: Vec<_> = results[3]["detail"].as_array().unwrap().iter().map(|p| p["type"].clone()).collect();
    assert_eq!(kinds, ["value_error", "extra_forbidden"]);
    let shown = acme.get(&format!("/v1/users/{}", ids[1])).await.json();
    assert_eq!(shown["data"]["profile"]["email"], "ada@example.com");
}

#[tokio::test]
async fn ten_thousand_lines_are_taken_with_their_events_and_one_more_is_too_many() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let body: String = (0..10_000).map(|_| format!("{}\n", json!({"user_id": Uuid::new_v4()}))).collect();
    let results = lines(&send(&acme, body.clone()).await.expect(200));
    assert_eq!(results.len(), 10_000);
    assert!(results.iter().all(|result| result["status"] == "created"));
    assert_eq!(acme.get("/v1/users").await.json()["pagination"]["total"], 10_000);
    assert_eq!(acme.get("/v1/admin/org/events").await.json()["pagination"]["total"], 10_000);
    let again = lines(&send(&acme, body.clone()).await.expect(200));
    assert!(again.iter().all(|result| result["status"] == "exists"));
    let refused = send(&acme, body + &json!({"user_id": Uuid::new_v4()}).to_string()).await.expect(413);
    assert_eq!(refused.code(), "payload_too_large");
}

#[tokio::test]
async fn bodies_and_lines_over_their_limits_are_refused() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let padded = |length: usize| {
        let line = json!({"user_id": Uuid::new_v4()}).to_string();
        format!("{line}{}\n", " ".repeat(length - line.len()))
    };
    assert_eq!(lines(&send(&acme, padded(16 * 1024)).await.expect(200))[0]["status"], "created");
    send(&acme, padded(16 * 1024 + 2)).await.expect(413);
    send(&acme, "\n".repeat(10 * 1024 * 1024 + 1)).await.expect(413);
    assert_eq!(send(&acme, "\n".repeat(10 * 1024 * 1024)).await.expect(200).text(), "");
    acme.raw("POST", BULK, "{}").await.expect(415);
}

#[tokio::test]
async fn a_body_that_pauses_for_ten_seconds_is_given_up() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    acme.get("/v1/users").await.expect(200);
    let line = format!("{}\n", json!({"user_id": Uuid::new_v4()}));
    let chunks = stream::once(async move { Ok::<_, io::Error>(line) }).chain(stream::once(async {
        // From here on time passes as soon as everybody waits.
        tokio::time::pause();
        std::future::pending().await
    }));
    let began = tokio::time::Instant::now();
    let refused = send(&acme, Body::from_stream(chunks)).await.expect(400);
    assert_eq!(refused.code(), "invalid_request");
    assert!(began.elapsed() >= Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn of_a_body_that_breaks_off_whole_slices_are_stored_and_can_be_sent_again() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let body: String = (0..1_500).map(|_| format!("{}\n", json!({"user_id": Uuid::new_v4()}))).collect();
    let broken = stream::iter([Ok(body.clone()), Err(io::Error::from(io::ErrorKind::ConnectionReset))]);
    assert_eq!(send(&acme, Body::from_stream(broken)).await.expect(400).code(), "invalid_request");
    let again = lines(&send(&acme, body).await.expect(200));
    let created = again.iter().filter(|result| result["status"] == "created").count();
    let exists = again.iter().filter(|result| result["status"] == "exists").count();
    assert_eq!((exists, created), (1_000, 500));
}

#[tokio::test]
async fn of_a_bad_line_five_problems_are_told_and_of_many_thousands_the_first() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let unknown: String = (0..10).map(|n| format!(r#","{}{n}":0"#, "n".repeat(39))).collect();
    let body = format!("{{\"first_name\":\"\"{unknown}}}\n").repeat(9_900);
    let reply = send(&acme, body).await.expect(200);
    assert!(reply.body.len() < 3 * 1024 * 1024, "{}", reply.body.len());
    let results = lines(&reply);
    let told = |result: &Value| result["detail"].as_array().expect("problems").len();
    assert_eq!((results.len(), told(&results[0]), told(&results[9_899])), (9_900, 5, 1));
    let kinds: Vec<_> = results[0]["detail"].as_array().unwrap().iter().map(|p| p["type"].clone()).collect();
    let extra = "extra_forbidden";
    assert_eq!(kinds, ["missing", "string_too_short", extra, extra, extra]);
    assert!(results.iter().all(|result| result["status"] == "invalid" && told(result) > 0));
}
