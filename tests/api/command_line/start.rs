//! What keeps `serve` from starting: one message that names the variable, soon.

use std::net::TcpListener;

use crate::support::Database;
use crate::support::database::MASTER_KEYS;
use crate::support::process::Program;

#[tokio::test]
async fn an_occupied_port_is_named_with_its_variable() {
    let database = Database::new().await;
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    for variable in ["LISTEN_ADDR", "INTERNAL_LISTEN_ADDR"] {
        let message = Program::on(&database).with(variable, &address).run(&["serve"]).refused();
        let expected =
            format!("{variable}: {address} is in use by another program; stop it or choose another port");
        assert_eq!(message, expected);
    }
}

#[tokio::test]
async fn org_ids_are_not_believed_from_other_machines_without_proof() {
    let program = Program::embedded().with("LISTEN_ADDR", "0.0.0.0:0");
    let message = program.run(&["serve"]).refused();
    assert!(message.starts_with("LISTEN_ADDR: 0.0.0.0:0 can be reached from other machines"), "{message}");
    assert!(message.contains("GATEWAY_SECRETS") && message.contains("TRUST_ORG_ID"), "{message}");
    assert!(!program.directory.join(".data").exists(), "nothing is made before the configuration is checked");
}

#[tokio::test]
async fn a_wrong_variable_is_named_and_its_value_kept_to_itself() {
    for (variable, value) in [
        ("LISTEN_ADDR", "s3cr3t"),
        ("DATABASE_URL", "s3cr3t://s3cr3t"),
        ("GATEWAY_SECRETS", "s3cr3t"),
        ("MASTER_KEYS", "base64:s3cr3t"),
        ("MAX_IN_FLIGHT", "0"),
        ("LOG_FORMAT", "s3cr3t"),
        ("MASTER_KEYS_FILE", "/nonexistent"),
        ("MASTER_PASSPHRASE_FILE", "/nonexistent"),
        ("GATEWAY_SECRETS_FILE", "/nonexistent"),
    ] {
        let message = Program::embedded().with(variable, value).run(&["serve"]).refused();
        assert!(message.starts_with(&format!("{variable}: ")), "{message}");
        assert!(!message.contains("s3cr3t"), "{message}");
    }
}

#[tokio::test]
async fn an_unknown_feature_cannot_be_switched_off() {
    let program = Program::embedded().with("DISABLED_FEATURES", "users,nonsense");
    let message = program.run(&["serve"]).refused();
    assert_eq!(message, "DISABLED_FEATURES: \"nonsense\" is not a feature that can be switched off");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_an_error_and_not_a_wait() {
    let url = "postgres://someone:s3cr3t@127.0.0.1:1/nowhere";
    let program = Program::embedded().with("DATABASE_URL", url).with("MASTER_KEYS", MASTER_KEYS);
    let message = program.run(&["serve"]).refused();
    assert_eq!(message, "DATABASE_URL: nothing listens at 127.0.0.1:1");
}

#[tokio::test]
async fn a_filter_that_would_log_nothing_or_something_else_stops_the_start() {
    for (filter, named) in [("warning", "`warning`"), ("a=b=c", "`a=b=c`"), ("info,,x=warn", "``")] {
        let message = Program::embedded().with("LOG", filter).run(&["serve"]).refused();
        assert!(message.starts_with(&format!("LOG: {named} is neither a level")), "{message}");
    }
}
