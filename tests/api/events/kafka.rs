//! Queues of the type `kafka` (contract 14): what is taken and shown, and what a cluster gets.

use chrono::TimeDelta;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{EVENTS, QUEUE, create_user, listed, publish, queue, service};
use crate::support::kafka::{Arrived, Broker};
use crate::support::{Org, TestApp};

const PASSWORD: &str = "correct horse battery staple";

/// An org with a signing secret whose events about users go to a topic, and that secret.
async fn partner(app: &TestApp, broker: &Broker, options: Value) -> (Org, Vec<u8>) {
    let org = app.org("acme").await;
    let (_, secret) = org.make_signing_secret(0).await;
    broker.state().login = Some(("writer", PASSWORD));
    org.post(QUEUE, registration(broker, options)).await.expect(201);
    let [test] = <[Arrived; 1]>::try_from(broker.take()).expect("the test event");
    assert_eq!(body(&test)["type"], "queue.test");
    (org, secret)
}

fn registration(broker: &Broker, options: Value) -> Value {
    let mut body = json!({
        "type": "kafka",
        "kafka": {
            "bootstrap_servers": [broker.address.to_string()],
            "topic": "partner-events",
            "tls": false,
            "sasl": {"mechanism": "PLAIN", "username": "writer", "password": PASSWORD},
        },
    });
    let fields = body.as_object_mut().expect("an object");
    fields.extend(options.as_object().expect("an object").clone());
    body
}

fn body(arrived: &Arrived) -> Value {
    serde_json::from_str(&arrived.value).expect("JSON")
}

#[tokio::test]
async fn an_event_arrives_as_a_record_that_verifies() {
    let (app, broker) = (service().await, Broker::start().await);
    let (acme, secret) = partner(&app, &broker, json!({})).await;
    let user_id = create_user(&acme).await;
    assert_eq!(publish(&app).await, 1);
    let [arrived] = <[Arrived; 1]>::try_from(broker.take()).expect("one record");
    assert_eq!((arrived.topic.as_str(), &arrived.key), ("partner-events", &acme.id.to_string()));
    assert!((0..crate::support::kafka::PARTITIONS).contains(&arrived.partition));
    assert_eq!(body(&arrived)["data"]["user_id"], json!(user_id));
    let header = |name: &str| arrived.headers[name].as_str();
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret).expect("any length");
    mac.update(format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).as_bytes());
    mac.update(arrived.value.as_bytes());
    let signature =
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, mac.finalize().into_bytes());
    assert!(header("webhook-signature").split(' ').any(|sent| sent == format!("v1,{signature}")));
    assert!(header("webhook-signature").contains(" v1a,"));
    assert_eq!(header("content-type"), "application/json");
    let event = &listed(&acme, "").await[0];
    assert_eq!((&event["status"], &event["event_id"]), (&json!("delivered"), &json!(header("webhook-id"))));
}

#[tokio::test]
async fn the_password_is_sealed_and_never_shown() {
    let (app, broker) = (service().await, Broker::start().await);
    let (acme, _) = partner(&app, &broker, json!({})).await;
    let shown = queue(&acme).await;
    assert_eq!(
        shown["kafka"],
        json!({
            "bootstrap_servers": [broker.address.to_string()],
            "topic": "partner-events",
            "tls": false,
            "ca_certificate": null,
            "sasl": {"mechanism": "PLAIN", "username": "writer"},
        })
    );
    assert_eq!((&shown["type"], &shown["state"]), (&json!("kafka"), &json!("active")));
    let row = sqlx::query_as::<_, (String, Vec<u8>)>(
        "SELECT event_queues::text, sealed FROM event_queues WHERE stream = 'users'",
    )
    .fetch_one(&mut app.database.connect().await)
    .await
    .expect("a row");
    assert!(!row.0.contains(PASSWORD) && !row.1.windows(7).any(|window| window == b"correct"));
    // A test uses what is stored.
    acme.bodyless("POST", &format!("{QUEUE}/test")).await.expect(202);
    assert_eq!(broker.take().len(), 1);
}

#[tokio::test]
async fn a_cluster_that_refuses_the_test_event_is_not_registered() {
    let (app, broker) = (service().await, Broker::start().await);
    let acme = app.org("acme").await;
    acme.make_signing_secret(0).await;
    broker.state().login = Some(("writer", "another password"));
    let reply = acme.post(QUEUE, registration(&broker, json!({}))).await.expect(400);
    let text = reply.text();
    assert!(text.contains("SASL_AUTHENTICATION_FAILED: no such user"), "{text}");
    assert!(!text.contains(PASSWORD) && !text.contains("127.0.0.1"), "{text}");
    broker.state().login = Some(("writer", PASSWORD));
    broker.state().topic_code = 3;
    let reply = acme.post(QUEUE, registration(&broker, json!({}))).await.expect(400);
    assert!(reply.text().contains("UNKNOWN_TOPIC_OR_PARTITION"), "{}", reply.text());
    acme.get(QUEUE).await.expect(404);
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_told_with_their_place() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    acme.make_signing_secret(0).await;
    let good = json!({
        "bootstrap_servers": ["b-1.example:9093"], "topic": "t",
        "sasl": {"mechanism": "SCRAM-SHA-512", "username": "u", "password": "p"},
    });
    for (pointer, value, loc) in [
        ("/topic", json!("a b"), json!(["body", "kafka", "topic"])),
        ("/topic", Value::Null, json!(["body", "kafka", "topic"])),
        ("/tls", json!(false), json!(["body", "kafka", "tls"])),
        ("/bootstrap_servers", json!([]), json!(["body", "kafka", "bootstrap_servers"])),
        ("/bootstrap_servers", json!(["b.example"]), json!(["body", "kafka", "bootstrap_servers"])),
        ("/bootstrap_servers", json!(["10.0.0.7:9092"]), json!(["body", "kafka", "bootstrap_servers"])),
        ("/bootstrap_servers", json!(["b.example:22"]), json!(["body", "kafka", "bootstrap_servers"])),
        ("/ca_certificate", json!("text"), json!(["body", "kafka", "ca_certificate"])),
        ("/sasl/mechanism", json!("GSSAPI"), json!(["body", "kafka", "sasl", "mechanism"])),
        ("/sasl/password", Value::Null, json!(["body", "kafka", "sasl", "password"])),
        ("/sasl/password", json!("ü"), json!(["body", "kafka", "sasl"])),
        ("/sasl/more", json!(1), json!(["body", "kafka", "sasl", "more"])),
        ("/more", json!(1), json!(["body", "kafka", "more"])),
    ] {
        let mut settings = good.clone();
        let (object, name) = pointer.rsplit_once('/').expect("a pointer");
        settings.pointer_mut(object).expect("it is there")[name] = value;
        let reply = acme.post(QUEUE, json!({"type": "kafka", "kafka": settings})).await.expect(422);
        let told: Vec<_> =
            reply.json()["detail"].as_array().expect("a list").iter().map(|one| one["loc"].clone()).collect();
        assert_eq!(told, [loc], "{pointer}");
    }
}

#[tokio::test]
async fn switched_off_no_topic_is_registered() {
    let app = TestApp::with(&[("ALLOW_PRIVATE_TARGETS", "true"), ("DISABLED_FEATURES", "kafka")]).await;
    let (acme, broker) = (app.org("acme").await, Broker::start().await);
    acme.make_signing_secret(0).await;
    let reply = acme.post(QUEUE, registration(&broker, json!({}))).await.expect(503);
    assert!(reply.text().contains("The feature kafka is switched off at the moment."), "{}", reply.text());
    assert_eq!(broker.connections(), (0, 0));
}

#[tokio::test]
async fn what_waits_goes_in_few_requests_in_its_order() {
    let (app, broker) = (service().await, Broker::start().await);
    let (acme, _) = partner(&app, &broker, json!({})).await;
    let mut users = Vec::new();
    for _ in 0..30 {
        users.push(json!(create_user(&acme).await));
    }
    broker.state().asked.clear();
    assert_eq!(publish(&app).await, 30);
    let asked = broker.asked().into_iter().filter(|asked| *asked == "produce").count();
    assert!(asked <= 2, "{asked} requests");
    let told: Vec<_> = broker.take().iter().map(|arrived| body(arrived)["data"]["user_id"].clone()).collect();
    assert_eq!(told, users, "all have the key of the org, and so one partition");
}

#[tokio::test]
async fn on_a_queue_that_is_ordered_the_subject_is_the_key() {
    let (app, broker) = (service().await, Broker::start().await);
    let (acme, _) = partner(&app, &broker, json!({"ordering": "per_subject"})).await;
    let (first, second) = (create_user(&acme).await, create_user(&acme).await);
    acme.patch(&format!("/v1/users/{first}"), json!({"first_name": "Ada"})).await.expect(204);
    while publish(&app).await > 0 {}
    let arrived = broker.take();
    let of = |key: &str| -> Vec<_> {
        arrived
            .iter()
            .filter(|arrived| arrived.key == key)
            .map(|arrived| body(arrived)["type"].clone())
            .collect()
    };
    assert_eq!(of(&first.to_string()), ["user.created", "user.updated"]);
    assert_eq!(of(&second.to_string()), ["user.created"]);
}

#[tokio::test]
async fn a_cloudevent_is_the_value_and_says_so() {
    let (app, broker) = (service().await, Broker::start().await);
    let org = app.org("acme").await;
    org.make_signing_secret(0).await;
    broker.state().login = Some(("writer", PASSWORD));
    org.post(QUEUE, registration(&broker, json!({"format": "cloudevents"}))).await.expect(201);
    broker.take();
    let user_id = create_user(&org).await;
    publish(&app).await;
    let [arrived] = <[Arrived; 1]>::try_from(broker.take()).expect("one record");
    assert_eq!(arrived.headers["content-type"], "application/cloudevents+json");
    let event = body(&arrived);
    assert_eq!((&event["specversion"], &event["data"]["user_id"]), (&json!("1.0"), &json!(user_id)));
}

#[tokio::test]
async fn what_the_cluster_refuses_is_tried_again_and_shown() {
    let (app, broker) = (service().await, Broker::start().await);
    let (acme, _) = partner(&app, &broker, json!({})).await;
    create_user(&acme).await;
    broker.state().codes.push_back(19);
    publish(&app).await;
    let event = &listed(&acme, "").await[0];
    assert_eq!((&event["status"], &event["last_error"]), (&json!("pending"), &json!("NOT_ENOUGH_REPLICAS")));
    assert_eq!(queue(&acme).await["state"], "failing");
    app.clock.advance(TimeDelta::minutes(5));
    publish(&app).await;
    let path = format!("{EVENTS}/{}", event["event_id"].as_str().expect("an id"));
    let event = acme.get(&path).await.expect(200).json()["data"].clone();
    let deliveries = event["deliveries"].as_array().expect("a list");
    let shown: Vec<_> = deliveries.iter().map(|one| (one["status"].clone(), one["error"].clone())).collect();
    assert_eq!(shown, [(Value::Null, json!("NOT_ENOUGH_REPLICAS")), (Value::Null, Value::Null)]);
    assert_eq!(queue(&acme).await["state"], "active");
}

#[tokio::test]
async fn a_cluster_that_throttles_is_left_alone_and_uses_up_no_retry() {
    let (app, broker) = (service().await, Broker::start().await);
    let (acme, _) = partner(&app, &broker, json!({})).await;
    create_user(&acme).await;
    broker.state().codes.push_back(89);
    broker.state().throttle_ms = 30_000;
    publish(&app).await;
    let shown = queue(&acme).await;
    assert_eq!(
        (&shown["state"], &shown["paused_until"], &shown["consecutive_failures"]),
        (&json!("paused"), &json!("2026-11-21T08:00:30Z"), &json!(0))
    );
    broker.state().throttle_ms = 0;
    assert_eq!(publish(&app).await, 0);
    app.clock.advance(TimeDelta::seconds(30));
    assert_eq!(publish(&app).await, 1);
    assert_eq!(broker.take().len(), 1);
}
