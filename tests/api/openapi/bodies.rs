//! What the document says of bodies is what the service takes: no tool that follows it sends what is
//! always refused, and no example can do harm.

use serde_json::{Value, json};

use crate::support::document::Document;
use crate::support::{TestApp, webhook};

#[test]
fn every_example_keeps_the_rules_of_its_schema() {
    let document = Document::generated();
    for operation in document.operations() {
        for example in document.examples(&operation) {
            let errors = document.body_errors(&operation, &example);
            assert!(errors.is_empty(), "{}: {example}: {errors:?}", operation.id);
        }
    }
}

#[test]
fn no_example_is_a_secret_or_a_key_that_somebody_could_send_unedited() {
    let document = Document::generated();
    let mut examples = Vec::new();
    collect_examples(document.json(), &mut examples);
    assert!(examples.len() > 100, "the document has lost its examples: {}", examples.len());
    for text in examples {
        let is_armored = text.contains("BEGIN") && !text.contains('<');
        let is_key = ["whsec_", "eyJ", "sig="].iter().any(|mark| text.contains(mark));
        // Zeros alone are nobody's: the checksum is wrong.
        let is_secret = |word: &str| word.len() >= 43 && word.bytes().any(|byte| byte != b'0');
        let is_long = text.split(|c: char| !c.is_ascii_alphanumeric()).any(is_secret);
        assert!(!is_armored && !is_key && !is_long, "{text}");
    }
}

#[test]
fn bodies_are_closed_to_unknown_fields_all_the_way_down() {
    let document = Document::generated();
    for operation in document.operations().iter().filter(|operation| operation.has_body()) {
        let schema = &operation.body_content().expect("it takes a body")["schema"];
        closed(&document, schema, &operation.id);
    }
}

/// Bodies of the right fields that no service would take: the schema says so as well.
#[tokio::test]
async fn what_only_several_fields_show_is_refused_by_the_schema_as_by_the_service() {
    let app = TestApp::with(&[("ALLOW_PRIVATE_TARGETS", "true")]).await;
    let (demo, target) = (app.org("demo").await, webhook::start().await);
    demo.make_signing_secret(0).await;
    let document = Document::generated();
    let operations = document.operations();
    let key = json!({"OwnerCode": "demo", "Type": "RSA", "Usage": ["Reports"], "Length": 2048,
                     "PublicKey": "x", "ExpirationUtc": "2028-11-21T08:00:00Z"});
    let with = |changes: Value, without: &str| {
        let mut body = key.clone();
        body.as_object_mut().expect("an object").remove(without);
        body.as_object_mut().expect("an object").extend(changes.as_object().expect("an object").clone());
        body
    };
    let sqs = json!({"queue_url": "https://sqs.eu-central-1.amazonaws.com/123456789012/a", "region": "eu-central-1"});
    let event = "evt_0192f0c123457abc8def0123456789ab";
    for (id, path, body) in [
        ("create_queue", "/v1/admin/org/queues/users", json!({"type": "webhook"})),
        ("create_queue", "/v1/admin/org/queues/users", json!({"webhook": {"url": target}})),
        (
            "create_queue",
            "/v1/admin/org/queues/users",
            json!({"type": "aws_sqs", "webhook": {"url": target}}),
        ),
        (
            "create_queue",
            "/v1/admin/org/queues/users",
            json!({"type": "webhook", "webhook": {"url": target}, "aws_sqs": sqs}),
        ),
        (
            "create_queue",
            "/v1/admin/org/queues/users",
            json!({"type": "webhook", "webhook": {"url": target, "x": 1}}),
        ),
        ("create_queue", "/v1/admin/org/queues/users", json!({"type": "aws_sqs", "aws_sqs": sqs})),
        (
            "create_queue",
            "/v1/admin/org/queues/users",
            json!({"type": "azure_storage_queue", "azure_storage_queue": {"account_name": "abc", "queue_name": "a--b", "sas_token": "x"}}),
        ),
        ("replay_events", "/v1/admin/org/events/replay", json!({})),
        ("replay_events", "/v1/admin/org/events/replay", json!({"event_ids": []})),
        ("replay_events", "/v1/admin/org/events/replay", json!({"event_ids": ["x"]})),
        (
            "replay_events",
            "/v1/admin/org/events/replay",
            json!({"event_ids": [event], "from": "2026-11-21T08:00:00Z"}),
        ),
        (
            "replay_events",
            "/v1/admin/org/events/replay",
            json!({"stream": "users", "from": "2026-11-21T08:00:00Z"}),
        ),
        ("update_org", "/v1/admin/org", json!({"name": null})),
        ("rotate_signing_secret", "/v1/auth/signing-secret/rotate", json!({"secret": "whsec_c2hvcnQ="})),
        ("rotate_signing_secret", "/v1/auth/signing-secret/rotate", json!({"deliver_to": ""})),
        ("create_tenant_key", "/v1/admin/org/tenant-keys", json!({"name": ""})),
        ("register_public_key", "/api/v1/key", with(json!({"Usage": ["Unknown", "Reports"]}), "Length")),
        ("register_public_key", "/api/v1/key", with(json!({"Usage": []}), "Length")),
        (
            "register_public_key",
            "/api/v1/key",
            with(json!({"Type": "PGP", "Usage": ["Authentication"]}), "Length"),
        ),
        ("register_public_key", "/api/v1/key", with(json!({"Type": "PGP", "Usage": ["Unknown"]}), "Length")),
        ("generate_key_pair", "/api/v1/key/generate", with(json!({"Type": "PGP"}), "PublicKey")),
        ("generate_key_pair", "/api/v1/key/generate", with(json!({"Length": 1024}), "PublicKey")),
        (
            "generate_key_pair",
            "/api/v1/key/generate",
            with(json!({"Usage": ["Reports", "Unknown"]}), "PublicKey"),
        ),
    ] {
        let operation = operations.iter().find(|operation| operation.id == id).expect("it is there");
        let reply = demo.json(&operation.method, path, body.clone()).await;
        assert!(matches!(reply.status, 400 | 422), "{id} takes {body}: {}", reply.text());
        assert!(!document.body_errors(operation, &body).is_empty(), "by the document, {id} takes {body}");
    }
}

fn closed(document: &Document, schema: &Value, id: &str) {
    let schema = document.followed(schema);
    if schema["type"] == "object" {
        assert_eq!(schema["additionalProperties"], json!(false), "{id}: {schema}");
    }
    let inner = schema["properties"].as_object().into_iter().flat_map(|fields| fields.values());
    let either =
        ["oneOf", "anyOf"].into_iter().flat_map(|keyword| schema[keyword].as_array().into_iter().flatten());
    inner.chain(either).chain(schema.get("items")).for_each(|inner| closed(document, inner, id));
}

/// Every text that stands in an example.
fn collect_examples(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (keyword, value) in object {
                match keyword.as_str() {
                    "example" | "examples" => collect_texts(value, into),
                    _ => collect_examples(value, into),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|value| collect_examples(value, into)),
        _ => {}
    }
}

fn collect_texts(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Object(object) => object.values().for_each(|value| collect_texts(value, into)),
        Value::Array(items) => items.iter().for_each(|value| collect_texts(value, into)),
        _ => {}
    }
}
