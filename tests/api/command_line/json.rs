//! `--json`: exactly one JSON object on standard output, whatever the command.

use serde_json::{Value, json};

use crate::support::Database;
use crate::support::process::{Outcome, Program};

fn object(outcome: Outcome) -> Value {
    let printed = outcome.succeeded();
    let value: Value = serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
    assert!(value.is_object(), "{printed}");
    value
}

#[tokio::test]
async fn every_command_prints_one_object() {
    let database = Database::new().await;
    let program = Program::on(&database);
    let run = |arguments: &[&str]| object(program.run(&[arguments, &["--json"]].concat()));

    let made = run(&["org", "create", "--key", "acme", "--name", "Acme"]);
    let mut names: Vec<_> = made.as_object().expect("an object").keys().cloned().collect();
    names.sort();
    assert_eq!(names, ["key", "org_id", "signing_secret", "tenant_api_key"]);
    assert_eq!(run(&["migrate"]), json!({"pending_migrations": 0}));
    assert_eq!(run(&["org", "list"])["orgs"][0]["key"], "acme");
    assert_eq!(run(&["org", "queues", "--key", "acme"]), json!({"queues": []}));
    for (command, done) in [("suspend", "suspended"), ("resume", "resumed")] {
        let object = run(&["org", command, "--key", "acme"]);
        assert_eq!(object, json!({"org_id": made["org_id"], "key": "acme", "done": done}));
    }
    let key = run(&["key", "create", "--org", "acme"]);
    let id = key["key_id"].as_str().expect("an id").to_owned();
    assert_eq!(run(&["key", "revoke", "--org", "acme", "--id", &id]), json!({"revoked": id}));
    assert_eq!(run(&["key", "list", "--org", "acme"])["keys"].as_array().expect("a list").len(), 2);
    let rotated = run(&["key", "rotate", "--org", "acme"]);
    assert!(rotated["new_tenant_api_key"].as_str().is_some_and(|key| key.starts_with("tk_test_")));
    assert!(run(&["secret", "rotate", "--org", "acme"])["new_signing_secret"].is_string());
    assert!(run(&["event", "list", "--org", "acme"])["events"].is_array());
    let no_event = "evt_0192f0c123457abc8def0123456789ab";
    assert_eq!(run(&["event", "replay", "--org", "acme", no_event]), json!({"replayed": 0}));
    assert_eq!(run(&["audit", "verify"])["broken"], json!([]));
    assert_eq!(run(&["reseal", "--check"]), json!({"resealed": 0, "left": 0}));
    assert!(run(&["openapi"])["paths"].is_object());
    assert_eq!(run(&["org", "delete", "--key", "acme", "--yes"])["done"], "deleted");
}

#[tokio::test]
async fn a_health_check_says_it_in_an_object_both_ways() {
    let database = Database::new().await;
    let service = Program::on(&database).serve();
    let program = Program::on(&database).with("INTERNAL_LISTEN_ADDR", &service.internal.to_string());
    assert_eq!(object(program.run(&["healthcheck", "--json"])), json!({"ready": true, "problem": null}));
    service.stop();
    let outcome = program.run(&["--json", "healthcheck"]);
    assert_eq!(outcome.status.code(), Some(1));
    let value: Value = serde_json::from_str(&outcome.out).expect("one JSON value");
    assert_eq!(value["ready"], false);
}

#[tokio::test]
async fn serve_has_a_log_and_no_object() {
    let outcome = Program::embedded().run(&["serve", "--json"]);
    assert_eq!((outcome.status.code(), outcome.out.as_str()), (Some(2), ""));
    assert!(outcome.err.contains("LOG_FORMAT=json"), "{}", outcome.err);
}
