//! `plan` and `apply`: what a file says becomes true, once.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use sqlx::Row as _;

use crate::support::Database;
use crate::support::process::{Outcome, Program};
use crate::support::raw::{ask, get};

const EXAMPLE: &str = include_str!("../../../docs/examples/platform.yaml");

/// The program, in a directory with the file.
fn program(database: &Database, text: &str) -> Program {
    let program = Program::on(database);
    write(&program, text);
    program
}

fn write(program: &Program, text: &str) {
    fs::write(program.directory.join("platform.yaml"), text).expect("a file");
}

fn plan(program: &Program) -> (Option<i32>, Vec<String>) {
    let outcome = program.run(&["plan", "-f", "platform.yaml", "--json"]);
    (outcome.status.code(), named(&outcome, "changes"))
}

/// The steps in an object, as `make org acme`.
fn named(outcome: &Outcome, list: &str) -> Vec<String> {
    let object: Value =
        serde_json::from_str(&outcome.out).unwrap_or_else(|_| panic!("no object: {outcome:?}"));
    let text = |step: &Value, field: &str| step[field].as_str().expect("a text").to_owned();
    let steps = object[list].as_array().expect("a list").iter();
    steps.map(|it| format!("{} {} {}", text(it, "action"), text(it, "kind"), text(it, "name"))).collect()
}

async fn actors(database: &Database) -> Vec<(String, String)> {
    let rows = sqlx::query("SELECT DISTINCT actor, action FROM audit_log ORDER BY 2, 1");
    let rows = rows.fetch_all(&mut database.connect().await).await.expect("rows");
    rows.iter().map(|row| (row.get("actor"), row.get("action"))).collect()
}

#[tokio::test]
async fn the_example_is_planned_applied_and_then_there_is_nothing_to_do() {
    let database = Database::new().await;
    let program = program(&database, EXAMPLE);
    fs::create_dir(program.directory.join("secrets")).expect("a directory");
    let steps = ["make stream orders", "make org acme", "make queue acme/orders", "make org zeta"];
    assert_eq!(plan(&program), (Some(2), steps.map(str::to_owned).to_vec()));
    let unasked = program.run(&["apply", "-f", "platform.yaml"]);
    assert!(unasked.status.code() == Some(1) && unasked.err.contains("add --yes"), "{unasked:?}");
    assert_eq!(plan(&program).1.len(), 4, "nothing was changed");

    let apply = ["apply", "-f", "platform.yaml", "--yes", "--secrets-to", "secrets", "--json"];
    let applied = program.run(&apply);
    assert_eq!(applied.status.code(), Some(0), "{applied:?}");
    assert_eq!(named(&applied, "applied"), steps);
    assert_eq!(plan(&program), (Some(0), Vec::new()));
    let again = program.run(&apply);
    assert_eq!((again.status.code(), named(&again, "applied")), (Some(0), Vec::new()));

    let file = program.directory.join("secrets/acme.json");
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    let secrets: Value = serde_json::from_str(&fs::read_to_string(file).expect("a text")).expect("JSON");
    let (key, secret) = (secrets["tenant_api_key"].as_str(), secrets["signing_secret"].as_str());
    let (key, secret) = (key.expect("a key"), secret.expect("a secret"));
    assert!(!applied.out.contains(key) && !applied.err.contains(key) && !applied.out.contains(secret));
    let service = program.serve();
    let queues =
        ask(service.public, get("/v1/admin/org/queues", &format!("taih-tenant-key: {key}\r\n"))).await;
    assert_eq!(queues.json()["data"][0]["event_types"], json!(["order.paid"]));
    service.stop();
    let by_operators = actors(&database).await;
    assert!(by_operators.iter().all(|(actor, _)| actor == "operator"), "{by_operators:?}");
    for action in ["org.created", "org.limits_changed", "queue.created"] {
        assert!(by_operators.iter().any(|(_, done)| done == action), "{action}: {by_operators:?}");
    }
}

#[tokio::test]
async fn a_new_org_gets_a_claim_and_its_queues_wait_until_that_was_opened() {
    let database = Database::new().await;
    let program = program(&database, EXAMPLE);
    let applied = program.run(&["apply", "-f", "platform.yaml", "--yes", "--json"]);
    assert_eq!(applied.status.code(), Some(2), "{applied:?}");
    let object: Value = serde_json::from_str(&applied.out).expect("one object");
    assert_eq!(object["left"], json!(["acme/orders"]));
    let claims =
        object["applied"].as_array().expect("a list").iter().filter_map(|it| it["claim_url"].as_str());
    assert_eq!(claims.filter(|url| url.contains("/v1/claims/claim_")).count(), 2, "{object}");
    assert_eq!(plan(&program), (Some(2), vec!["make queue acme/orders".to_owned()]));
}

#[tokio::test]
async fn drift_is_shown_and_mended_and_what_the_file_does_not_name_is_left_alone() {
    let database = Database::new().await;
    let program = program(&database, EXAMPLE);
    fs::create_dir(program.directory.join("secrets")).expect("a directory");
    let apply = ["apply", "-f", "platform.yaml", "--yes", "--secrets-to", "secrets"];
    program.run(&apply).succeeded();
    program.run(&["org", "create", "--key", "other", "--name", "Other"]).succeeded();
    program.run(&["org", "limit", "--key", "acme", "--rate", "7"]).succeeded();
    let shown = program.run(&["plan", "-f", "platform.yaml"]);
    assert_eq!(shown.status.code(), Some(2), "{shown:?}");
    assert_eq!(
        shown.out,
        "~ org acme\n    limits: {\"burst\":7,\"rate\":7} -> {\"burst\":100,\"rate\":50}\n1 change."
    );
    program.run(&apply).succeeded();
    assert_eq!(plan(&program), (Some(0), Vec::new()));

    write(&program, "version: 1\norgs:\n  - {key: acme, name: Acme Health, queues: []}\n");
    assert_eq!(plan(&program), (Some(0), Vec::new()));
    let pruned = program.run(&["plan", "-f", "platform.yaml", "--prune", "--json"]);
    let gone = ["delete queue acme/orders", "delete org other", "delete org zeta"];
    let mut found = named(&pruned, "changes");
    found[1..].sort();
    assert_eq!(found, gone);
    let prune = ["apply", "-f", "platform.yaml", "--yes", "--prune", "--delete-org", "other"];
    let refused = program.run(&prune);
    assert!(refused.status.code() == Some(1) && refused.err.contains("--delete-org zeta"), "{refused:?}");
    program.run(&[&prune[..], &["--delete-org", "zeta"]].concat()).succeeded();
    let left = program.run(&["org", "list", "--json"]).succeeded();
    assert!(left.contains("\"acme\"") && !left.contains("\"zeta\"") && !left.contains("\"other\""), "{left}");
}

#[tokio::test]
async fn a_credential_comes_from_a_reference_and_another_one_is_drift_and_none_is_shown() {
    let database = Database::new().await;
    let queue = "version: 1\norgs:\n  - key: acme\n    name: Acme\n    queues:\n      - stream: users\n        \
                 type: azure_event_hubs\n        azure_event_hubs: {namespace: acme, event_hub_name: hub, \
                 sas_policy_name: send, sas_key: @}\n";
    let program = program(&database, &queue.replace('@', "s3cr3t-marker"));
    let refused = program.run(&["plan", "-f", "platform.yaml"]).refused();
    assert!(
        refused.contains("sas_key must be env:NAME or file:PATH") && !refused.contains("marker"),
        "{refused}"
    );
    write(&program, &queue.replace('@', "env:HUB_KEY"));
    let unset = program.run(&["plan", "-f", "platform.yaml"]).refused();
    assert!(unset.contains("the variable HUB_KEY, which is not set"), "{unset}");
    let program = program.with("HUB_KEY", "czNjcjN0LW1hcmtlcg==");
    let shown = program.run(&["plan", "-f", "platform.yaml"]);
    assert!(shown.out.contains("+ queue acme/users") && !shown.out.contains("czNjcjN0"), "{shown:?}");
}

#[tokio::test]
async fn what_the_example_shows_in_comments_is_planned_as_well() {
    let database = Database::new().await;
    let shown = |line: &str| line.replace("      # - ", "      - ").replace("      #   ", "        ");
    let text: Vec<_> = EXAMPLE.lines().map(shown).collect();
    assert_ne!(text.join("\n"), EXAMPLE.trim_end());
    let program = program(&database, &text.join("\n"))
        .with("ACME_KAFKA_PASSWORD", "s3cr3t-marker")
        .with("ACME_EVENT_HUBS_KEY", "czNjcjN0LW1hcmtlcg==");
    let planned = program.run(&["plan", "-f", "platform.yaml"]);
    assert_eq!(planned.status.code(), Some(2), "{planned:?}");
    for line in [
        "+ queue acme/users\n    type: \"kafka\"",
        "\"sasl\":{\"mechanism\":\"SCRAM-SHA-512\",\"username\":\"partner-api\"},\"tls\":true,\"topic\":\"partner-events\"}",
        "+ queue acme/credentials\n    type: \"azure_event_hubs\"",
    ] {
        assert!(planned.out.contains(line), "{line}: {}", planned.out);
    }
    assert!(!planned.out.contains("marker") && !planned.out.contains("czNjcjN0"), "{planned:?}");
}

#[tokio::test]
async fn what_is_wrong_with_the_file_is_said_before_a_database_is_touched() {
    let database = Database::empty().await;
    for (text, said) in [
        ("version: 1\norgs:\n  - key: acme\n    nam: Acme\n", "platform.yaml: line 4, column 5"),
        ("version: 2\n", "version must be 1"),
        (
            "version: 1\nstreams: [{name: users, description: x, types: []}, {name: users, description: y, types: []}]\n",
            "more than once",
        ),
    ] {
        let refused = program(&database, text).run(&["plan", "-f", "platform.yaml"]).refused();
        assert!(refused.contains(said), "{said}: {refused}");
    }
    let missing = Program::on(&database).run(&["plan", "-f", "nowhere.yaml"]).refused();
    assert!(missing.starts_with("nowhere.yaml cannot be read"), "{missing}");
}
