//! Queues that partners fetch from (contract 14): what is handed out, for how long, and what ends it.

use std::time::Duration;

use chrono::TimeDelta;
use hmac::{Hmac, KeyInit as _, Mac as _};
use partner_api::limits::Limit;
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use super::{QUEUE, create_user, listed, publish, queue, replace, service};
use crate::support::{Caller, Org, Reply, TestApp, within};

const MESSAGES: &str = "/v1/admin/org/queues/users/messages";
const ACK: &str = "/v1/admin/org/queues/users/ack";
const SOON: Duration = Duration::from_secs(10);

/// An org that fetches its events about users; its signing secret.
async fn poller(app: &TestApp, key: &str) -> (Org, Vec<u8>) {
    let org = app.org(key).await;
    let (_, secret) = org.make_signing_secret(0).await;
    org.post(QUEUE, json!({"type": "poll", "poll": {}})).await.expect(201);
    (org, secret)
}

/// Fetches at once, at most so many.
async fn fetch(caller: &Caller, limit: u32) -> (Vec<Value>, Value) {
    let reply = caller.get(&format!("{MESSAGES}?limit={limit}")).await.expect(200).json();
    (reply["data"].as_array().expect("a list").clone(), reply["ack_token"].clone())
}

/// Acknowledges; gives how many messages that ended.
async fn acknowledge(caller: &Caller, body: Value) -> Value {
    caller.post(ACK, body).await.expect(200).json()["data"]["acknowledged"].clone()
}

#[track_caller]
fn refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status, reply.code().as_str()), (status, code), "{}", reply.text());
}

fn ids(messages: &[Value]) -> Vec<String> {
    messages.iter().map(|message| message["event_id"].as_str().expect("an id").to_owned()).collect()
}

/// The user that a message is about.
fn user_of(message: &Value) -> Value {
    let body: Value = serde_json::from_str(message["body"].as_str().expect("text")).expect("JSON");
    body["data"]["user_id"].clone()
}

/// Creates users one after the other, which is the order of their events.
async fn create_users(org: &Org, count: usize) -> Vec<Value> {
    let mut users = Vec::new();
    for _ in 0..count {
        users.push(json!(create_user(org).await));
    }
    users
}

#[tokio::test]
async fn messages_come_in_their_order_signed_as_they_are_handed_out() {
    let app = service().await;
    let (acme, secret) = poller(&app, "acme").await;
    let users = create_users(&acme, 3).await;
    app.clock.advance(TimeDelta::seconds(9));
    let (messages, token) = fetch(&acme, 100).await;
    assert_eq!(messages.iter().map(user_of).collect::<Vec<_>>(), users);
    assert_eq!(token.as_str().map(str::len), Some(32));
    let message = &messages[0];
    assert_eq!((&message["stream"], &message["type"]), (&json!("users"), &json!("user.created")));
    assert_eq!(
        (&message["org_id"], &message["signed_at"]),
        (&json!(acme.id), &json!("2026-11-21T08:00:09Z"))
    );
    let header = |name: &str| message["headers"][name].as_str().expect(name).to_owned();
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret).expect("any length");
    let body = message["body"].as_str().expect("text");
    mac.update(format!("{}.{}.{body}", header("webhook-id"), header("webhook-timestamp")).as_bytes());
    let expected =
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, mac.finalize().into_bytes());
    assert!(header("webhook-signature").split(' ').any(|sent| sent == format!("v1,{expected}")));
    assert_eq!(header("webhook-timestamp"), "1795248009");
}

#[tokio::test]
async fn a_queue_to_fetch_from_needs_no_test_and_is_sent_nothing() {
    let app = service().await;
    let (acme, _) = poller(&app, "acme").await;
    let shown = queue(&acme).await;
    assert_eq!(
        (&shown["type"], &shown["poll"], &shown["state"]),
        (&json!("poll"), &json!({}), &json!("active"))
    );
    create_user(&acme).await;
    assert_eq!(publish(&app).await, 0);
    assert_eq!(fetch(&acme, 100).await.0.len(), 1);
    refused(&acme.bodyless("POST", &format!("{QUEUE}/test")).await, 409, "queue_type_mismatch");
}

#[tokio::test]
async fn what_was_handed_out_comes_again_after_a_minute_and_not_before() {
    let app = service().await;
    let (acme, _) = poller(&app, "acme").await;
    create_users(&acme, 2).await;
    let (first, _) = fetch(&acme, 100).await;
    assert_eq!(fetch(&acme, 100).await, (vec![], Value::Null));
    app.clock.advance(TimeDelta::milliseconds(59_999));
    assert_eq!(fetch(&acme, 100).await.0.len(), 0);
    app.clock.advance(TimeDelta::milliseconds(1));
    let (again, _) = fetch(&acme, 100).await;
    assert_eq!(ids(&again), ids(&first));
    assert_ne!(again[0]["headers"]["webhook-timestamp"], first[0]["headers"]["webhook-timestamp"]);
    let event = &listed(&acme, "").await[0];
    assert_eq!((&event["status"], &event["attempts"]), (&json!("pending"), &json!(2)));
}

#[tokio::test]
async fn what_is_acknowledged_by_its_token_does_not_come_again() {
    let app = service().await;
    let (acme, _) = poller(&app, "acme").await;
    create_users(&acme, 3).await;
    let (_, token) = fetch(&acme, 2).await;
    assert_eq!(acknowledge(&acme, json!({"ack_token": token})).await, 2);
    assert_eq!(acknowledge(&acme, json!({"ack_token": token})).await, 0, "twice changes nothing");
    let (rest, _) = fetch(&acme, 100).await;
    assert_eq!(rest.len(), 1);
    app.clock.advance(TimeDelta::minutes(2));
    assert_eq!(ids(&fetch(&acme, 100).await.0), ids(&rest));
    let delivered = listed(&acme, "&status=delivered").await;
    assert_eq!(delivered.len(), 2);
    assert_eq!(delivered[0]["delivered_at"], "2026-11-21T08:00:00Z");
    assert_eq!(listed(&acme, "&status=pending").await[0]["event_id"], rest[0]["event_id"]);
}

#[tokio::test]
async fn single_messages_are_acknowledged_by_their_ids() {
    let app = service().await;
    let (acme, _) = poller(&app, "acme").await;
    create_users(&acme, 3).await;
    let (messages, _) = fetch(&acme, 2).await;
    let handed = ids(&messages);
    let all = listed(&acme, "").await;
    let waiting = ids(&all).into_iter().find(|id| !handed.contains(id)).expect("one waits");
    let named =
        json!({"event_ids": [messages[1]["event_id"], waiting, "evt_00000000000000000000000000000001"]});
    assert_eq!(acknowledge(&acme, named).await, 1, "what was never handed out is not acknowledged");
    app.clock.advance(TimeDelta::minutes(1));
    let left = ids(&fetch(&acme, 100).await.0);
    assert_eq!(left, [handed[0].clone(), waiting]);
}

#[tokio::test]
async fn a_late_token_holds_until_somebody_else_has_the_messages() {
    let app = service().await;
    let (acme, _) = poller(&app, "acme").await;
    create_users(&acme, 1).await;
    let (_, late) = fetch(&acme, 100).await;
    app.clock.advance(TimeDelta::minutes(5));
    assert_eq!(acknowledge(&acme, json!({"ack_token": late})).await, 1);

    create_users(&acme, 1).await;
    let (_, lost) = fetch(&acme, 100).await;
    app.clock.advance(TimeDelta::minutes(5));
    let (_, held) = fetch(&acme, 100).await;
    assert_eq!(acknowledge(&acme, json!({"ack_token": lost})).await, 0);
    assert_eq!(acknowledge(&acme, json!({"ack_token": held})).await, 1);
}

#[tokio::test]
async fn many_who_fetch_at_once_never_share_a_message() {
    let app = service().await;
    let (acme, _) = poller(&app, "acme").await;
    let lines: String = (0..400).map(|_| format!("{{\"user_id\":\"{}\"}}\n", Uuid::new_v4())).collect();
    let head =
        crate::support::request("POST", "/v1/users/bulk").header("content-type", "application/x-ndjson");
    acme.send(head, lines).await.expect(200);
    let fetches = (0..8).map(|_| async {
        let mut mine = Vec::new();
        loop {
            let (messages, _) = fetch(&acme, 20).await;
            if messages.is_empty() {
                return mine;
            }
            mine.extend(ids(&messages));
        }
    });
    let mut all: Vec<_> = futures_util::future::join_all(fetches).await.concat();
    // A row that another one had in hand at that moment is passed over, until the next whole look.
    let rest = async || (fetch(&acme, 100).await.0.is_empty()).then_some(());
    within(SOON, "nothing is left", rest).await;
    let fetched = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), fetched, "nobody got what another had");
}

#[tokio::test]
async fn who_waits_hears_of_a_new_event_at_once() {
    let app = service().await;
    let (acme, _) = poller(&app, "acme").await;
    let caller = (*acme).clone();
    let waiting = tokio::spawn(async move { caller.get(&format!("{MESSAGES}?wait_seconds=20")).await });
    let waits = async || (app.state.limits.permits(Limit::Poll).available_permits() == 127).then_some(());
    within(SOON, "it waits", waits).await;
    let idle = async || (app.state.db.pool.usage().in_use == 0).then_some(());
    within(SOON, "no connection is held meanwhile", idle).await;
    let began = std::time::Instant::now();
    create_user(&acme).await;
    let reply = waiting.await.expect("an answer").expect(200).json();
    assert_eq!(reply["data"].as_array().map(Vec::len), Some(1));
    assert!(began.elapsed() < Duration::from_millis(700), "woken, and not found by the look of each second");
}

#[tokio::test]
async fn a_client_that_hangs_up_loses_nothing() {
    let app = service().await;
    let (acme, _) = poller(&app, "acme").await;
    create_users(&acme, 1).await;
    // The answer is made and never seen.
    drop(acme.open(MESSAGES).await);
    app.clock.advance(TimeDelta::minutes(1));
    assert_eq!(fetch(&acme, 100).await.0.len(), 1);
    // One that waits leaves nothing behind.
    let path = format!("{MESSAGES}?wait_seconds=20");
    let waits = acme.get(&path);
    assert!(tokio::time::timeout(Duration::from_millis(200), waits).await.is_err());
    create_user(&acme).await;
    assert_eq!(fetch(&acme, 100).await.0.len(), 1);
}

#[tokio::test]
async fn the_head_alone_hands_nothing_out() {
    let app = service().await;
    let (acme, _) = poller(&app, "acme").await;
    create_users(&acme, 1).await;
    acme.bodyless("HEAD", MESSAGES).await.expect(200);
    assert_eq!(listed(&acme, "").await[0]["attempts"], 0);
    assert_eq!(fetch(&acme, 100).await.0.len(), 1);
}

#[tokio::test]
async fn other_queues_and_streams_are_told_apart() {
    let app = service().await;
    let acme = super::partner(&app, "acme").await.org;
    let token = json!({"ack_token": "AZLwwSNFerwBI0VniavN7wAGYMn1yAAA"});
    refused(&acme.get(MESSAGES).await, 409, "queue_type_mismatch");
    refused(&acme.post(ACK, token.clone()).await, 409, "queue_type_mismatch");
    let other = |path: &str| path.replace("users", "credentials");
    refused(&acme.get(&other(MESSAGES)).await, 404, "queue_not_configured");
    refused(&acme.post(&other(ACK), token.clone()).await, 404, "queue_not_configured");
    let none = |path: &str| path.replace("users", "nothing");
    refused(&acme.get(&none(MESSAGES)).await, 404, "unknown_stream");
    refused(&acme.post(&none(ACK), token).await, 404, "unknown_stream");
}

#[tokio::test]
async fn an_orgs_messages_are_nobody_elses() {
    let app = service().await;
    let (acme, _) = poller(&app, "acme").await;
    let (zeta, _) = poller(&app, "zeta").await;
    create_users(&acme, 1).await;
    let (messages, token) = fetch(&acme, 100).await;
    assert_eq!(fetch(&zeta, 100).await.0.len(), 0);
    assert_eq!(acknowledge(&zeta, json!({"ack_token": token})).await, 0);
    assert_eq!(acknowledge(&zeta, json!({"event_ids": ids(&messages)})).await, 0);
    assert_eq!(acknowledge(&acme, json!({"ack_token": token})).await, 1);
}

#[tokio::test]
async fn what_the_queue_does_not_take_is_skipped_however_much_it_is() {
    let app = service().await;
    let (acme, _) = poller(&app, "acme").await;
    let users = create_users(&acme, 3).await;
    let body = json!({"type": "poll", "poll": {}, "event_types": ["user.deleted"]});
    acme.json("PUT", QUEUE, body).await.expect(200);
    let path = format!("/v1/users/{}", users[1].as_str().expect("an id"));
    acme.delete(&path).await.expect(204);
    let (messages, _) = fetch(&acme, 1).await;
    assert_eq!(messages.len(), 1);
    assert_eq!((&messages[0]["type"], user_of(&messages[0])), (&json!("user.deleted"), users[1].clone()));
    assert_eq!(listed(&acme, "&status=skipped").await.len(), 3);
}

#[tokio::test]
async fn a_paused_queue_hands_nothing_out() {
    let app = service().await;
    let (acme, _) = poller(&app, "acme").await;
    create_users(&acme, 1).await;
    acme.bodyless("POST", &format!("{QUEUE}/pause")).await.expect(200);
    assert_eq!(fetch(&acme, 100).await, (vec![], Value::Null));
    acme.bodyless("POST", &format!("{QUEUE}/resume")).await.expect(200);
    assert_eq!(fetch(&acme, 100).await.0.len(), 1);
}

#[tokio::test]
async fn replayed_events_are_fetched_again_and_a_queue_of_another_type_takes_over() {
    let app = service().await;
    let (acme, _) = poller(&app, "acme").await;
    create_users(&acme, 2).await;
    let (messages, token) = fetch(&acme, 100).await;
    acknowledge(&acme, json!({"ack_token": token})).await;
    acme.post(super::REPLAY, json!({"event_ids": [messages[0]["event_id"]]})).await.expect(202);
    let replayed = async || (ids(&fetch(&acme, 100).await.0) == ids(&messages[..1])).then_some(());
    within(SOON, "it comes again", replayed).await;

    let receiver = crate::support::webhook::Receiver::start().await;
    replace(&acme, "users", &receiver.url).await;
    refused(&acme.get(MESSAGES).await, 409, "queue_type_mismatch");
    app.clock.advance(TimeDelta::minutes(2));
    publish(&app).await;
    assert_eq!(receiver.take().len(), 1, "what was handed out and not acknowledged");
}

/// What is shown of the attempts of the only event: number, beginning, duration and error.
async fn deliveries(org: &Org) -> Vec<Value> {
    let event_id = super::the_event(org).await["event_id"].as_str().expect("an id").to_owned();
    let shown = org.get(&format!("{}/{event_id}", super::EVENTS)).await.expect(200).json();
    let deliveries = shown["data"]["deliveries"].as_array().expect("a list");
    deliveries.iter().map(|it| json!([it["attempt"], it["at"], it["duration_ms"], it["error"]])).collect()
}

#[tokio::test]
async fn each_hand_out_is_shown_with_when_it_was_and_the_time_until_its_acknowledgement() {
    let app = service().await;
    let (acme, _) = poller(&app, "acme").await;
    create_users(&acme, 1).await;
    fetch(&acme, 100).await;
    app.clock.advance(TimeDelta::minutes(2));
    let (_, token) = fetch(&acme, 100).await;
    let first = json!([1, "2026-11-21T08:00:00Z", 0, "not acknowledged"]);
    assert_eq!(
        deliveries(&acme).await,
        [first.clone(), json!([2, "2026-11-21T08:02:00Z", 0, "not acknowledged"])]
    );
    app.clock.advance(TimeDelta::milliseconds(12_345));
    assert_eq!(acknowledge(&acme, json!({"ack_token": token})).await, 1);
    assert_eq!(deliveries(&acme).await, [first, json!([2, "2026-11-21T08:02:00Z", 12_345, null])]);
}

#[tokio::test]
async fn of_many_hand_outs_the_last_twenty_are_shown() {
    let app = service().await;
    let (acme, _) = poller(&app, "acme").await;
    create_users(&acme, 1).await;
    for _ in 0..22 {
        assert_eq!(fetch(&acme, 100).await.0.len(), 1);
        app.clock.advance(TimeDelta::minutes(2));
    }
    let shown = deliveries(&acme).await;
    assert_eq!((shown.len(), &shown[0][0], &shown[19][0]), (20, &json!(3), &json!(22)));
}

#[tokio::test]
async fn hand_outs_use_up_no_retry_and_no_time_of_a_queue_that_takes_over() {
    let app = service().await;
    let (acme, _) = poller(&app, "acme").await;
    create_users(&acme, 1).await;
    for _ in 0..10 {
        assert_eq!(fetch(&acme, 100).await.0.len(), 1);
        app.clock.advance(TimeDelta::hours(6));
    }
    let receiver = crate::support::webhook::Receiver::start().await;
    replace(&acme, "users", &receiver.url).await;
    receiver.answers("500 Internal Server Error");
    publish(&app).await;
    let event = super::the_event(&acme).await;
    assert_eq!((&event["status"], &event["attempts"]), (&json!("pending"), &json!(11)));
    receiver.answers("200 OK");
    app.clock.advance(TimeDelta::seconds(67));
    publish(&app).await;
    assert_eq!(super::the_event(&acme).await["status"], "delivered");
}

#[tokio::test]
async fn ids_acknowledge_nothing_that_only_another_queue_tried() {
    let app = service().await;
    let acme = super::partner(&app, "acme").await;
    acme.receiver.answers("500 Internal Server Error");
    create_users(&acme.org, 1).await;
    publish(&app).await;
    acme.org.json("PUT", QUEUE, json!({"type": "poll", "poll": {}})).await.expect(200);
    let event_ids = json!({"event_ids": [super::the_event(&acme.org).await["event_id"]]});
    assert_eq!(acknowledge(&acme.org, event_ids.clone()).await, 0);
    app.clock.advance(TimeDelta::minutes(2));
    assert_eq!(fetch(&acme.org, 100).await.0.len(), 1);
    assert_eq!(acknowledge(&acme.org, event_ids).await, 1);
}

#[tokio::test]
async fn input_is_judged_as_a_whole() {
    let app = service().await;
    let (acme, _) = poller(&app, "acme").await;
    for (query, field) in [("limit=0", "limit"), ("limit=101", "limit"), ("wait_seconds=21", "wait_seconds")]
    {
        let reply = acme.get(&format!("{MESSAGES}?{query}")).await.expect(422);
        assert_eq!(reply.json()["detail"][0]["loc"], json!(["query", field]));
    }
    for (body, field) in [
        (json!({}), "ack_token"),
        (json!({"ack_token": "nonsense"}), "ack_token"),
        (json!({"event_ids": []}), "event_ids"),
        (json!({"event_ids": ["evt_00000000000000000000000000000001"], "ack_token": "x"}), "ack_token"),
    ] {
        let reply: Reply = acme.post(ACK, body).await.expect(422);
        assert_eq!(reply.json()["detail"][0]["loc"], json!(["body", field]), "{}", reply.text());
    }
    let ordered = json!({"type": "poll", "poll": {}, "ordering": "per_subject"});
    let reply = acme.json("PUT", QUEUE, ordered).await.expect(422);
    assert_eq!(reply.json()["detail"][0]["loc"], json!(["body", "ordering"]));
}

#[tokio::test]
async fn a_key_that_only_fetches_can_do_nothing_else_and_a_frozen_org_goes_on_fetching() {
    let app = service().await;
    let (acme, _) = poller(&app, "acme").await;
    let (_, key) = acme.mint_with(json!({"name": "worker", "scopes": ["events:consume"]})).await;
    let worker = app.holder(&key);
    create_users(&acme, 1).await;
    refused(&worker.get(QUEUE).await, 403, "insufficient_scope");
    acme.bodyless("POST", "/v1/admin/org/freeze").await.expect(200);
    let (messages, token) = fetch(&worker, 100).await;
    assert_eq!((messages.len(), acknowledge(&worker, json!({"ack_token": token})).await), (1, json!(1)));
}

#[tokio::test]
async fn an_event_that_commits_late_is_found_by_the_next_whole_look() {
    let app = service().await;
    let (acme, _) = poller(&app, "acme").await;
    create_users(&acme, 3).await;
    let (messages, _) = fetch(&acme, 2).await;
    // The number of a transaction that took it early and commits late.
    sqlx::query(
        "UPDATE events SET seq = (SELECT min(seq) FROM events WHERE org_id = $1) WHERE org_id = $1 AND attempts = 0",
    )
    .bind(acme.id)
    .execute(&mut app.database.connect().await)
    .await
    .expect("it is changed");
    let found = async || fetch(&acme, 1).await.0.pop();
    let late = within(SOON, "it is found", found).await;
    assert!(!messages.contains(&late));
}
