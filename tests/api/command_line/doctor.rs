//! `doctor`: what it says of an installation, and that it changes nothing.

use std::net::TcpListener;

use serde_json::Value;

use crate::support::Database;
use crate::support::database::MASTER_KEYS;
use crate::support::process::{Outcome, Program};

const SECRET: &str = "4f1d9c07a2b8e3655d0f7a91c2e4b6d8";

/// What it found, as `level check: seen`.
fn found(outcome: &Outcome) -> Vec<String> {
    let report: Value =
        serde_json::from_str(&outcome.out).unwrap_or_else(|_| panic!("no object: {outcome:?}"));
    let text = |finding: &Value, field: &str| finding[field].as_str().unwrap_or_default().to_owned();
    let findings = report["findings"].as_array().expect("a list").iter();
    let findings = findings.inspect(|finding| {
        let needs_advice = finding["level"] != "ok";
        assert_eq!(finding["advice"].is_string(), needs_advice, "{finding}");
    });
    findings.map(|it| format!("{} {}: {}", text(it, "level"), text(it, "check"), text(it, "seen"))).collect()
}

#[track_caller]
fn has(found: &[String], start: &str) {
    assert!(found.iter().any(|line| line.starts_with(start)), "no {start:?} in {found:#?}");
}

#[tokio::test]
async fn an_installation_that_is_as_it_should_be_exits_with_0_even_strictly() {
    let database = Database::new().await;
    let program =
        Program::on(&database).with("GATEWAY_SECRETS", SECRET).with("DATABASE_MAX_CONNECTIONS", "2");
    let made = program.run(&["org", "create", "--key", "acme", "--name", "Acme"]);
    made.succeeded();
    let outcome = program.run(&["doctor", "--json"]);
    let found = found(&outcome);
    for start in [
        "ok configuration: every variable can be read",
        "ok gateway proof: one secret",
        "ok listeners: LISTEN_ADDR=127.0.0.1:0 is free",
        "ok database: Postgres ",
        "ok migrations: all ",
        "ok clock: ",
        "ok master key: it opens what is stored; everything is under the first one",
        "ok keys: 1 orgs; no key ends within 7 days",
        "ok queues: 0 queues, none failing or paused",
        "ok outbound: ",
    ] {
        has(&found, start);
    }
    let only_the_tests_role = found.iter().filter(|line| !line.starts_with("ok ")).collect::<Vec<_>>();
    assert!(only_the_tests_role.iter().all(|line| line.starts_with("warn role: a superuser")), "{found:#?}");
    assert_eq!(outcome.status.code(), Some(0));
    let strictly = program.run(&["doctor", "--strict"]);
    assert_eq!(strictly.status.code(), Some(i32::from(!only_the_tests_role.is_empty())), "{strictly:?}");
}

#[tokio::test]
async fn a_database_that_is_down_is_said_and_the_rest_is_looked_at() {
    let program = Program::embedded()
        .with("DATABASE_URL", "postgres://someone:s3cr3t-marker@127.0.0.1:1/nowhere")
        .with("MASTER_KEYS", MASTER_KEYS)
        .with("GATEWAY_SECRETS", SECRET);
    let outcome = program.run(&["doctor", "--json"]);
    assert_eq!(outcome.status.code(), Some(2), "{outcome:?}");
    let found = found(&outcome);
    has(&found, "fail database: DATABASE_URL: nothing listens at 127.0.0.1:1");
    has(&found, "ok listeners: LISTEN_ADDR");
    has(&found, "ok outbound: ");
    for secret in ["s3cr3t-marker", SECRET, MASTER_KEYS] {
        assert!(!outcome.out.contains(secret) && !outcome.err.contains(secret), "{outcome:?}");
    }
}

#[tokio::test]
async fn every_variable_that_is_wrong_is_named_and_the_rest_is_looked_at() {
    let program = Program::embedded()
        .with("DATABASE_URL", "nonsense://s3cr3t-marker")
        .with("KEY_ENV", "staging")
        .with("RATE_LIMIT", "0");
    let outcome = program.run(&["doctor", "--json"]);
    assert_eq!(outcome.status.code(), Some(2), "{outcome:?}");
    let found = found(&outcome);
    for variable in ["DATABASE_URL", "KEY_ENV", "RATE_LIMIT"] {
        has(&found, &format!("fail configuration: {variable}: "));
    }
    has(&found, "ok listeners: LISTEN_ADDR");
    assert!(!outcome.out.contains("s3cr3t-marker"), "{outcome:?}");
    assert!(!found.iter().any(|line| line.contains("data directory")), "not asked for: {found:#?}");
}

#[tokio::test]
async fn a_schema_that_is_behind_and_a_master_key_of_another_database_are_failures_and_nothing_is_changed() {
    let empty = Database::empty().await;
    let program = Program::on(&empty).with("MIGRATE_ON_START", "false");
    let outcome = program.run(&["doctor", "--json"]);
    assert_eq!(outcome.status.code(), Some(2), "{outcome:?}");
    let behind = found(&outcome);
    assert!(
        behind
            .iter()
            .any(|line| line.starts_with("fail migrations: ")
                && line.ends_with("of this build's are not applied")),
        "{behind:#?}"
    );
    has(&found(&program.run(&["doctor", "--json"])), "fail migrations: ");

    let database = Database::new().await;
    Program::on(&database).run(&["org", "create", "--key", "acme", "--name", "Acme"]).succeeded();
    let other = "base64:o6Ojo6Ojo6Ojo6Ojo6Ojo6Ojo6Ojo6Ojo6Ojo6Ojo6Q=";
    let outcome = Program::on(&database).with("MASTER_KEYS", other).run(&["doctor", "--json"]);
    has(&found(&outcome), "fail master key: the master key does not open what this database holds");
}

#[tokio::test]
async fn a_running_service_is_known_and_another_program_is_not() {
    let database = Database::new().await;
    let service = Program::on(&database).serve();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let program = Program::on(&database)
        .with("LISTEN_ADDR", &taken.local_addr().expect("an address").to_string())
        .with("INTERNAL_LISTEN_ADDR", &service.internal.to_string())
        .with("PUBLIC_URL", &format!("http://{}", service.public))
        .with("HTTPS_PROXY", "http://user:s3cr3t-marker@proxy:3128");
    std::thread::spawn(move || {
        while let Ok((stranger, _)) = taken.accept() {
            drop(stranger)
        }
    });
    let outcome = program.run(&["doctor", "--json"]);
    let found = found(&outcome);
    has(
        &found,
        &format!(
            "ok listeners: INTERNAL_LISTEN_ADDR={}: a running service, which is ready",
            service.internal
        ),
    );
    assert!(found.iter().any(|line| line.ends_with("is taken by another program")), "{found:#?}");
    has(&found, &format!("ok public URL: http://{} answers", service.public));
    has(&found, "warn outbound: HTTPS_PROXY is set, and not used");
    assert!(!outcome.out.contains("s3cr3t-marker"));
    service.stop();
}

#[test]
fn the_embedded_default_is_not_started_and_no_key_is_made() {
    let program = Program::embedded();
    let outcome = program.run(&["doctor", "--json"]);
    let found = found(&outcome);
    has(&found, "ok database: the embedded Postgres does not run");
    has(&found, "ok data directory: ./.data; Postgres from ");
    assert!(!program.directory.join(".data").exists(), "{found:#?}");
}
