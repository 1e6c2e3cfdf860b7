//! What `POST /v1/users` refuses, and how it says so (contract 1).

use serde_json::{Value, json};

use super::{ADA, path};
use crate::support::{TestApp, invalid};

const NOT_JSON: &str = "must be valid JSON in UTF-8";

#[tokio::test]
async fn every_rule_of_every_field_has_its_type_and_message() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (name, address) = ("a".repeat(201), format!("{}@example.com", "a".repeat(250)));
    for (field, value, kind, msg) in [
        ("user_id", json!(null), "missing", "is required"),
        ("user_id", json!(""), "uuid_parsing", "must be a UUID, written 8-4-4-4-12"),
        ("user_id", json!(7), "uuid_parsing", "must be a UUID, written 8-4-4-4-12"),
        ("user_id", json!([ADA]), "uuid_parsing", "must be a UUID, written 8-4-4-4-12"),
        ("user_id", json!(format!("{ADA} ")), "uuid_parsing", "must be a UUID, written 8-4-4-4-12"),
        ("user_id", json!(ADA.replace('-', "")), "uuid_parsing", "must be a UUID, written 8-4-4-4-12"),
        ("user_id", json!(format!("{{{ADA}}}")), "uuid_parsing", "must be a UUID, written 8-4-4-4-12"),
        ("user_id", json!(format!("urn:uuid:{ADA}")), "uuid_parsing", "must be a UUID, written 8-4-4-4-12"),
        ("first_name", json!(""), "string_too_short", "must have at least 1 characters"),
        ("first_name", json!(name), "string_too_long", "must have at most 200 characters"),
        ("first_name", json!(true), "string_type", "must be a string"),
        ("first_name", json!("A\0da"), "value_error", "must not contain a NUL character"),
        ("last_name", json!(""), "string_too_short", "must have at least 1 characters"),
        ("last_name", json!(name), "string_too_long", "must have at most 200 characters"),
        ("last_name", json!({}), "string_type", "must be a string"),
        ("last_name", json!("\0"), "value_error", "must not contain a NUL character"),
        ("email", json!(""), "value_error", "must be an e-mail address"),
        ("email", json!("ada"), "value_error", "must be an e-mail address"),
        ("email", json!("ada@"), "value_error", "must be an e-mail address"),
        ("email", json!("ada@example.com\0"), "value_error", "must not contain a NUL character"),
        ("email", json!(address), "string_too_long", "must have at most 254 characters"),
        ("email", json!(1), "string_type", "must be a string"),
        ("nickname", json!("A"), "extra_forbidden", "is not a field of this request"),
        ("id", json!(ADA), "extra_forbidden", "is not a field of this request"),
        ("org_id", json!(null), "extra_forbidden", "is not a field of this request"),
    ] {
        let mut body = json!({"user_id": ADA});
        body[field] = value;
        acme.post("/v1/users", body).await.expect_json(422, &invalid(&["body", field], kind, msg));
    }
    acme.get(&path(ADA)).await.expect(404);
}

#[tokio::test]
async fn the_longest_names_and_addresses_are_kept_as_they_came() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let labels = ["b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".");
    let body = json!({
        "user_id": ADA,
        "first_name": "é".repeat(200),
        "last_name": "👩\u{200d}🔬 \u{202e}O'Neil; DROP TABLE users --",
        "email": format!("{}@{labels}", "a".repeat(64)),
    });
    assert_eq!(body["email"].as_str().unwrap().len(), 254);

    acme.post("/v1/users", body.clone()).await.expect(201);

    let shown = acme.get(&path(ADA)).await.expect(200).json();
    for field in ["first_name", "last_name", "email"] {
        assert_eq!(shown["data"]["profile"][field], body[field], "{field}");
    }
}

#[tokio::test]
async fn all_problems_are_told_at_once() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let body = json!({"first_name": "", "email": "nobody", "extra": 1});
    let problems = json!({"detail": [
        {"loc": ["body", "user_id"], "msg": "is required", "type": "missing"},
        {"loc": ["body", "first_name"], "msg": "must have at least 1 characters", "type": "string_too_short"},
        {"loc": ["body", "email"], "msg": "must be an e-mail address", "type": "value_error"},
        {"loc": ["body", "extra"], "msg": "is not a field of this request", "type": "extra_forbidden"},
    ]});
    acme.post("/v1/users", body).await.expect_json(422, &problems);
}

#[tokio::test]
async fn a_body_that_is_not_an_object_in_json_is_one_problem() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let deep = "[".repeat(60_000);
    let bodies: &[(&[u8], &str, &str)] = &[
        (b"", "missing", "is required"),
        (b"{", "json_invalid", NOT_JSON),
        (b"{\"user_id\": \"\xff\"}", "json_invalid", NOT_JSON),
        (b"\xef\xbb\xbf{}", "json_invalid", NOT_JSON),
        (b"{} {}", "json_invalid", NOT_JSON),
        (b"{'user_id': 1}", "json_invalid", NOT_JSON),
        (b"{\"first_name\": \"\\ud800\"}", "json_invalid", NOT_JSON),
        (b"{\"first_name\": \"\x00\"}", "json_invalid", NOT_JSON),
        (b"{\"first_name\": 1e999}", "json_invalid", NOT_JSON),
        (b"NaN", "json_invalid", NOT_JSON),
        (deep.as_bytes(), "json_invalid", NOT_JSON),
        (b"[]", "model_attributes_type", "must be a JSON object"),
        (b"null", "model_attributes_type", "must be a JSON object"),
        (b"\"text\"", "model_attributes_type", "must be a JSON object"),
    ];
    for (body, kind, msg) in bodies {
        let reply = acme.raw("POST", "/v1/users", body.to_vec()).await;
        reply.expect_json(422, &invalid(&["body"], kind, msg));
    }
}

#[tokio::test]
async fn a_name_given_twice_is_refused_even_with_the_same_value() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let body = format!(r#"{{"user_id": "{ADA}", "user\u005fid": "{ADA}"}}"#);
    let problem = invalid(&["body", "user_id"], "value_error", "is given more than once");
    acme.raw("POST", "/v1/users", body).await.expect_json(422, &problem);
}

#[tokio::test]
async fn nothing_that_was_sent_comes_back_in_an_error() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let marker = "s3cr3t marker";
    let mut bodies: Vec<String> = ["user_id", "first_name", "last_name", "email", "extra"]
        .iter()
        .flat_map(|field| {
            let nested: [Value; 3] = [json!(marker), json!([marker]), json!({marker: {marker: marker}})];
            nested.map(|value| json!({*field: value, "wrong": 1}).to_string())
        })
        .collect();
    bodies.push(json!({marker: 1}).to_string());
    bodies.push(format!("{{\"user_id\": {marker}}}"));
    bodies.push(format!("{{\"{marker}\": 1, \"{marker}\": 2}}"));
    for body in bodies {
        let reply = acme.raw("POST", "/v1/users", body).await.expect(422);
        assert!(!reply.text().contains("s3cr3t"), "{}", reply.text());
    }
}
