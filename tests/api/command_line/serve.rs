//! `serve` on a database of the operator's, and `healthcheck`.

use std::time::Duration;

use serde_json::Value;
use sqlx::Connection as _;
use tokio::net::TcpStream;

use super::{ADA, create_user, show_user};
use crate::support::process::{Program, Service};
use crate::support::raw::{ask, get};
use crate::support::{Database, within};

#[tokio::test]
async fn it_serves_until_sigterm_and_then_exits_with_success() {
    let (database, org_id) = with_org().await;
    let program = Program::on(&database);
    let service = program.serve();
    assert_eq!(create_user(service.public, &org_id, ADA).await.status, 201);
    assert_eq!(ask(service.internal, get("/readyz", "")).await.status, 200);
    assert_eq!(ask(service.internal, get("/metrics", "")).await.status, 200);

    let outcome = service.stop();

    assert!(outcome.status.success(), "{outcome:?}");
    let again = program.serve();
    assert_eq!(show_user(again.public, &org_id, ADA).await.status, 200);
}

#[tokio::test]
async fn healthcheck_exits_with_success_only_while_the_service_is_ready() {
    let (database, _) = with_org().await;
    let service = Program::on(&database).serve();
    let program = Program::on(&database).with("INTERNAL_LISTEN_ADDR", &service.internal.to_string());
    assert_eq!(program.run(&["healthcheck"]).succeeded(), "");

    let undo = "DELETE FROM _sqlx_migrations";
    sqlx::query(undo).execute(&mut database.connect().await).await.unwrap();
    let failed = async || {
        let outcome = program.run(&["healthcheck"]);
        (!outcome.status.success()).then(|| outcome.refused())
    };
    let message = within(Duration::from_secs(5), "it is not ready", failed).await;
    assert_eq!(message, "not ready: migrations pending");

    let address = service.internal;
    service.stop();
    let message = program.run(&["healthcheck"]).refused();
    assert!(message.starts_with(&format!("no answer from {address}: ")), "{message}");
}

#[tokio::test]
async fn sigterm_lets_a_running_request_finish() {
    let (database, org_id) = with_org().await;
    let service = Program::on(&database).serve();
    let mut connection = database.connect().await;
    let mut lock = connection.begin().await.unwrap();
    sqlx::query("LOCK TABLE users IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    let (public, id) = (service.public, org_id.clone());
    let running = tokio::spawn(async move { create_user(public, &id, ADA).await.status });
    waits_for_a_lock(&database).await;

    service.terminate();
    let refused = async || TcpStream::connect(public).await.is_err().then_some(());
    within(Duration::from_secs(5), "it takes nothing new", refused).await;
    lock.rollback().await.unwrap();

    assert_eq!(running.await.unwrap(), 201);
    assert!(service.ended().status.success());
}

#[tokio::test]
async fn the_log_is_json_with_one_line_a_request_and_names_no_person() {
    let (database, org_id) = with_org().await;
    let service = Program::on(&database).serve();
    assert_eq!(create_user(service.public, &org_id, ADA).await.status, 201);
    assert_eq!(create_user(service.public, &org_id, ADA).await.status, 409);
    assert_eq!(ask(service.public, get("/s3cr3t?s3cr3t", "")).await.status, 404);

    let log = finished(service);

    for private in [ADA, "ada@example.com", "Ada", "s3cr3t"] {
        assert!(!log.contains(private), "{private} is in the log: {log}");
    }
    let lines = log.lines().map(|line| serde_json::from_str(line).expect("every line is JSON"));
    let access: Vec<Value> = lines.filter(|line: &Value| line["target"] == "access").collect();
    let seen: Vec<_> = access.iter().map(|line| (line["route"].as_str(), line["status"].as_u64())).collect();
    let expected =
        [(Some("/v1/users"), Some(201)), (Some("/v1/users"), Some(409)), (Some("none"), Some(404))];
    assert_eq!(seen, expected);
    assert_eq!((&access[0]["method"], &access[0]["org_id"]), (&"POST".into(), &org_id.into()));
    assert_eq!(access[1]["code"], "user_already_exists");
}

/// A database with one org in it.
async fn with_org() -> (Database, String) {
    let database = Database::new().await;
    let program = Program::on(&database);
    let printed = program.run(&["org", "create", "--key", "acme", "--name", "Acme", "--json"]).succeeded();
    let org: Value = serde_json::from_str(&printed).expect("one JSON value");
    (database, org["org_id"].as_str().expect("an id").to_owned())
}

async fn waits_for_a_lock(database: &Database) {
    let mut connection = database.connect().await;
    let waiting = async || {
        let waiting: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM pg_stat_activity
                            WHERE datname = current_database() AND wait_event_type = 'Lock')",
        )
        .fetch_one(&mut connection)
        .await
        .expect("the database answers");
        waiting.then_some(())
    };
    within(Duration::from_secs(5), "a request waits for the lock", waiting).await;
}

/// Stops the service; gives its log.
fn finished(service: Service) -> String {
    service.stop().succeeded().trim_end().to_owned()
}
