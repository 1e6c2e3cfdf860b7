//! What a partner can say of a queue beside where it leads (contract 14).

use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use super::{EVENTS, QUEUE, REPLAY, create_user, listed, partner, publish, queue, service};
use crate::support::sealed::register;
use crate::support::webhook::Receiver;
use crate::support::{Org, TestApp};

const OPTIONS: [&str; 4] = ["event_types", "ordering", "format", "encrypt_to"];

/// A webhook with options.
fn body(url: &str, options: &Value) -> Value {
    let mut body = json!({"type": "webhook", "webhook": {"url": url}});
    let options = options.as_object().expect("an object").clone();
    body.as_object_mut().expect("an object").extend(options);
    body
}

fn options_of(queue: &Value) -> Value {
    OPTIONS.into_iter().map(|name| (name.to_owned(), queue[name].clone())).collect()
}

async fn put(org: &Org, url: &str, options: Value) -> Value {
    org.json("PUT", QUEUE, body(url, &options)).await.expect(200).json()["data"].clone()
}

#[tokio::test]
async fn a_queue_shows_its_options_and_a_put_without_them_goes_back_to_the_defaults() {
    let app = service().await;
    let (acme, receiver) = (app.org("acme").await, Receiver::start().await);
    acme.make_signing_secret(0).await;
    register(&acme, "Reports").await;
    let all = json!({
        "event_types": ["user.created", "lab.ready"], "ordering": "per_subject", "format": "cloudevents",
        "encrypt_to": "Reports",
    });
    let created = acme.post(QUEUE, body(&receiver.url, &all)).await.expect(201).json();
    assert_eq!(options_of(&created["data"]), all);
    assert_eq!(created["data"], queue(&acme).await);
    assert_eq!(acme.get("/v1/admin/org/queues").await.expect(200).json()["data"][0], created["data"]);

    let defaults = json!({"event_types": null, "ordering": null, "format": "envelope", "encrypt_to": null});
    assert_eq!(options_of(&put(&acme, &receiver.url, json!({})).await), defaults);
    assert_eq!(options_of(&put(&acme, &receiver.url, all.clone()).await), all);
    let nulls = json!({"event_types": null, "ordering": null, "format": null, "encrypt_to": null});
    assert_eq!(options_of(&put(&acme, &receiver.url, nulls).await), defaults);
    // Names are folded; whether there is such a type is not asked, because it may come.
    let twice = json!({"event_types": ["b.c", "user.created", "b.c"]});
    assert_eq!(put(&acme, &receiver.url, twice).await["event_types"], json!(["b.c", "user.created"]));
}

#[tokio::test]
async fn pausing_and_resuming_leaves_the_options() {
    let app = service().await;
    let (acme, receiver) = (app.org("acme").await, Receiver::start().await);
    acme.make_signing_secret(0).await;
    let options =
        json!({"event_types": ["user.created"], "ordering": "per_subject", "format": "cloudevents"});
    let created = acme.post(QUEUE, body(&receiver.url, &options)).await.expect(201).json();
    for step in ["pause", "resume"] {
        let reply = acme.bodyless("POST", &format!("{QUEUE}/{step}")).await.expect(200).json();
        assert_eq!(options_of(&reply["data"]), options_of(&created["data"]), "{step}");
    }
}

#[tokio::test]
async fn options_that_say_nothing_are_refused_each_in_its_place() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let many: Vec<_> = (0..101).map(|n| format!("type.{n}")).collect();
    const ENCRYPT_TO: &str =
        "must be MessageLevelEncryption, Reports, CredentialsDownload, or a key's UniqueId";
    for (options, loc, msg, kind) in [
        (
            json!({"event_types": []}),
            json!(["body", "event_types"]),
            "must have 1 to 100 items",
            "value_error",
        ),
        (
            json!({"event_types": many}),
            json!(["body", "event_types"]),
            "must have 1 to 100 items",
            "value_error",
        ),
        (
            json!({"event_types": "user.created"}),
            json!(["body", "event_types"]),
            "must be a list",
            "value_error",
        ),
        (
            json!({"event_types": ["user.created", "user.*"]}),
            json!(["body", "event_types", 1]),
            "must be the name of a type of events",
            "value_error",
        ),
        (json!({"event_types": [null]}), json!(["body", "event_types", 0]), "is required", "missing"),
        (json!({"ordering": "fifo"}), json!(["body", "ordering"]), "must be per_subject or null", "enum"),
        (
            json!({"format": "CloudEvents"}),
            json!(["body", "format"]),
            "must be envelope or cloudevents",
            "enum",
        ),
        (json!({"format": 1}), json!(["body", "format"]), "must be envelope or cloudevents", "enum"),
        (json!({"encrypt_to": "Authentication"}), json!(["body", "encrypt_to"]), ENCRYPT_TO, "value_error"),
        (json!({"encrypt_to": "Unknown"}), json!(["body", "encrypt_to"]), ENCRYPT_TO, "value_error"),
        (json!({"encrypt_to": 7}), json!(["body", "encrypt_to"]), "must be a string", "string_type"),
    ] {
        let reply = acme.post(QUEUE, body("https://example.com/", &options)).await.expect(422);
        assert_eq!(reply.json(), json!({"detail": [{"loc": loc, "msg": msg, "type": kind}]}), "{options}");
    }
}

#[tokio::test]
async fn a_key_that_nothing_can_be_encrypted_to_is_refused_before_the_test_event() {
    let app = service().await;
    let (acme, other, receiver) = (app.org("acme").await, app.org("other").await, Receiver::start().await);
    let foreign = register(&other, "Reports").await;
    let with = |encrypt_to: &str| body(&receiver.url, &json!({"encrypt_to": encrypt_to}));
    // What else is in the way comes first.
    assert_eq!(acme.post(QUEUE, with("Reports")).await.expect(409).code(), "signing_secret_not_configured");
    acme.make_signing_secret(0).await;
    let message = "encrypt_to names no live public key of yours that something can be encrypted to.";
    let signs = register(&acme, "Authentication").await;
    for encrypt_to in ["Reports", "MessageLevelEncryption", &foreign, &signs] {
        let error = acme.post(QUEUE, with(encrypt_to)).await.expect(409).json()["error"].clone();
        assert_eq!((&error["code"], &error["message"]), (&json!("no_encryption_key"), &json!(message)));
    }
    assert!(receiver.take_all().is_empty());
    acme.get(QUEUE).await.expect(404);
}

#[tokio::test]
async fn encryption_needs_the_feature_of_the_keys() {
    let app = TestApp::with(&[("ALLOW_PRIVATE_TARGETS", "true"), ("DISABLED_FEATURES", "public_keys")]).await;
    let (acme, receiver) = (app.org("acme").await, Receiver::start().await);
    acme.make_signing_secret(0).await;
    let with = body(&receiver.url, &json!({"encrypt_to": "Reports"}));
    let reply = acme.post(QUEUE, with).await.expect(503);
    assert!(reply.text().contains("The feature public_keys is switched off"), "{}", reply.text());
    acme.post(QUEUE, body(&receiver.url, &json!({}))).await.expect(201);
}

#[tokio::test]
async fn skipped_events_are_counted_listed_and_can_be_replayed() {
    let app = service().await;
    let acme = partner(&app, "acme").await;
    let users = [create_user(&acme.org).await, create_user(&acme.org).await];
    let skip = format!(
        "UPDATE events SET state = 'skipped', closed_at = created_at WHERE body LIKE '%{}%'",
        users[0]
    );
    sqlx::query(AssertSqlSafe(skip)).execute(&mut app.database.connect().await).await.expect("it is skipped");
    assert_eq!(queue(&acme.org).await["skipped_events"], 1);
    let skipped = listed(&acme.org, "&status=skipped").await;
    assert_eq!(skipped.len(), 1);
    assert_eq!((&skipped[0]["status"], &skipped[0]["delivered_at"]), (&json!("skipped"), &Value::Null));
    assert_eq!(publish(&app).await, 1);
    acme.receiver.take();
    let replay = json!({"event_ids": [skipped[0]["event_id"]]});
    let replayed = acme.org.post(REPLAY, replay).await.expect(202).json();
    assert_eq!(replayed["data"]["replayed"], 1);
    assert_eq!(publish(&app).await, 1);
    assert_eq!(acme.receiver.take()[0].json()["data"]["user_id"], json!(users[0]));
    assert_eq!(queue(&acme.org).await["skipped_events"], 0);
    acme.org.get(&format!("{EVENTS}?status=other")).await.expect(422);
}
