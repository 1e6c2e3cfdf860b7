//! Whatever is sent, the answer is a documented one, never a failure of ours, and never repeats
//! what was sent.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

use super::{Sweep, json_request};
use crate::support::document::Operation;
use crate::support::{Org, Reply};

const SOME_ID: &str = "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13";
/// Put into every value that is sent; no error may hold it. A reply may: a key has the name it was given.
const MARKER: &str = "s3cr3t";

#[tokio::test]
async fn hostile_bodies_are_answered_as_documented_and_not_repeated() {
    let sweep = Sweep::new().await;
    let acme = sweep.app.org("acme").await;
    for operation in sweep.operations() {
        for body in hostile_bodies(&sweep, &operation) {
            let head = json_request(&operation, &operation.path_of(SOME_ID));
            harmless(&operation, &sweep.send(&acme, &operation, head, body).await);
        }
    }
}

#[tokio::test]
async fn hostile_headers_are_answered_as_documented_and_not_repeated() {
    let sweep = Sweep::new().await;
    let acme = sweep.app.org("acme").await;
    for operation in sweep.operations() {
        for name in [
            "orgid",
            "taih-tenant-key",
            "x-tenant-key-id",
            "x-gateway-auth",
            "authorization",
            "traceparent",
            "idempotency-key",
            "content-type",
            "content-encoding",
            "content-length",
            "accept",
            "host",
            "expect",
        ] {
            for value in ["", MARKER, "\u{e9}\u{fffd}s3cr3t", "Bearer s3cr3t", "18446744073709551616", "-1"] {
                let path = operation.path_of(SOME_ID);
                harmless(&operation, &sweep.example(&acme.with(name, value), &operation, &path).await);
            }
        }
    }
}

#[tokio::test]
async fn hostile_paths_and_queries_are_answered_as_documented_and_not_repeated() {
    let sweep = Sweep::new().await;
    let acme = sweep.app.org("acme").await;
    let long = MARKER.repeat(1_000);
    let ids = [
        MARKER,
        "%00",
        "%ff",
        "%c3%28",
        "..",
        "%2e%2e%2fs3cr3t",
        "%2F",
        "'%20OR%201=1--",
        "%F0%9F%92%A9",
        &long,
    ];
    let queries = [
        "limit=s3cr3t",
        "limit=%00",
        "offset=%ff",
        "limit=1&limit=s3cr3t",
        "limit[]=1",
        "&&&=&%=%zz",
        "limit=1;DROP",
        "limit=9223372036854775808",
        "offset=-0",
        "offset=00000000000000000000001",
        &long,
    ];
    for operation in sweep.operations() {
        let ids = ids.iter().map(|id| operation.path_of(id));
        let queries = queries.iter().map(|query| format!("{}?{query}", operation.path_of(SOME_ID)));
        for path in ids.chain(queries) {
            harmless(&operation, &sweep.example(&acme, &operation, &path).await);
        }
    }
}

#[test]
fn any_json_in_a_body_is_answered_as_documented() {
    let fuzz = Fuzz::new();
    for operation in fuzz.taking_bodies() {
        let names: Vec<_> = fuzz.sweep.document.fields(&operation).into_iter().collect();
        let name = prop_oneof![4 => prop::sample::select(names), 1 => any::<String>()];
        let body = vec((name, any_json()), 0..6)
            .prop_map(|fields| Value::Object(Map::from_iter(fields)).to_string());
        fuzz.run(&operation, &body.prop_map(String::into_bytes));
    }
}

#[test]
fn any_bytes_in_a_body_are_answered_as_documented() {
    let fuzz = Fuzz::new();
    for operation in fuzz.taking_bodies() {
        let example = fuzz.sweep.document.example_body(&operation).expect("it takes a body").to_string();
        let noise = vec(any::<u8>(), 0..200);
        // A good body with a few bytes changed gets further than noise does.
        let damaged = vec((0..example.len(), any::<u8>()), 1..4).prop_map(move |damage| {
            let mut bytes = example.clone().into_bytes();
            damage.into_iter().for_each(|(at, byte)| bytes[at] = byte);
            bytes
        });
        fuzz.run(&operation, &prop_oneof![noise, damaged]);
    }
}

#[test]
fn any_path_and_query_is_answered_as_documented() {
    let fuzz = Fuzz::new();
    let text = || {
        vec(any::<u8>(), 1..40)
            .prop_map(|bytes| bytes.iter().map(|b| format!("%{b:02x}")).collect::<String>())
    };
    let query = (prop_oneof![Just("limit".to_owned()), Just("offset".to_owned()), text()], text());
    for operation in fuzz.sweep.operations().iter().filter(|operation| !operation.is_planned()) {
        fuzz.runner()
            .run(&(text(), query.clone()), |(id, (name, value))| {
                let path = format!("{}?{name}={value}", operation.path_of(&id));
                harmless(operation, &fuzz.runtime.block_on(fuzz.sweep.example(&fuzz.acme, operation, &path)));
                Ok(())
            })
            .unwrap();
    }
}

/// Sends what proptest makes up; the same in every run.
struct Fuzz {
    runtime: Runtime,
    sweep: Sweep,
    acme: Org,
}

impl Fuzz {
    fn new() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let sweep = runtime.block_on(Sweep::new());
        let acme = runtime.block_on(sweep.app.org("acme"));
        Self { runtime, sweep, acme }
    }

    fn taking_bodies(&self) -> Vec<Operation> {
        self.sweep.operations().into_iter().filter(|operation| operation.has_body()).collect()
    }

    fn runner(&self) -> TestRunner {
        let config = Config { cases: 100, failure_persistence: None, ..Config::default() };
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
    }

    fn run(&self, operation: &Operation, body: &impl Strategy<Value = Vec<u8>>) {
        let send = |body: Vec<u8>| {
            let head = json_request(operation, &operation.path_of(SOME_ID));
            harmless(operation, &self.runtime.block_on(self.sweep.send(&self.acme, operation, head, body)));
            Ok(())
        };
        self.runner().run(body, send).unwrap();
    }
}

#[track_caller]
fn harmless(operation: &Operation, reply: &Reply) {
    let is_ours = reply.status >= 500 && !(reply.status == 503 && operation.is_planned());
    assert!(!is_ours, "{}: {} {}", operation.id, reply.status, reply.text());
    let repeats = reply.text().contains(MARKER)
        || reply.headers.values().any(|value| String::from_utf8_lossy(value.as_bytes()).contains(MARKER));
    assert!(reply.status < 400 || !repeats, "{} repeats what was sent: {}", operation.id, reply.text());
}

/// Bodies that are wrong as a whole, and the example with one field wrong.
fn hostile_bodies(sweep: &Sweep, operation: &Operation) -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = [
        &b""[..],
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"null",
        b"[]",
        b"\"s3cr3t\"",
        b"s3cr3t",
        b"1e999",
        b"{\"\":\"s3cr3t\"}",
        b"{\"s3cr3t s3cr3t\":1}",
        b"{\"__proto__\":{\"s3cr3t\":1}}",
        b"{\"a\":1,\"a\":2}",
        b"{\"a\":1}s3cr3t",
    ]
    .map(<[u8]>::to_vec)
    .into();
    bodies.extend(["[", "{\"a\":", "\"", " "].map(|opening| opening.repeat(20_000).into_bytes()));
    let example = sweep.document.example_body(operation).unwrap_or(json!({}));
    for field in sweep.document.fields(operation) {
        for value in hostile_values() {
            let mut body = example.clone();
            body[&field] = value;
            bodies.push(body.to_string().into_bytes());
        }
    }
    bodies
}

fn hostile_values() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(60.0),
        json!(1e300),
        json!(u64::MAX),
        json!(""),
        json!(MARKER),
        json!("\0s3cr3t"),
        json!("s3cr3t\u{202e}\u{feff}\u{10ffff}"),
        json!(format!("{MARKER}{}", "x".repeat(10_000))),
        json!("'; DROP TABLE users; -- s3cr3t"),
        json!("2026-02-30T25:61:61Z s3cr3t"),
        json!([MARKER, [MARKER]]),
        // A plain name would be repeated in `loc`, as it should.
        json!({"s3cr3t name": {"s3cr3t name": [MARKER]}}),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!(SOME_ID)),
        Just(json!("ada@example.com")),
    ];
    leaf.prop_recursive(3, 20, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((any::<String>(), inner), 0..5).prop_map(|fields| Value::Object(Map::from_iter(fields))),
        ]
    })
}
