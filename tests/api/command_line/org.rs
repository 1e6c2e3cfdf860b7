//! `openapi`, `migrate`, `org ...`: commands that do something and end.

use std::time::Duration;

use partner_api::{app, openapi};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ADA, create_user, show_user};
use crate::support::process::Program;
use crate::support::{Database, within};

#[tokio::test]
async fn openapi_prints_the_document_and_needs_nothing_else() {
    let program = Program::embedded().with("DATABASE_URL", "nonsense").with("LISTEN_ADDR", "nonsense");
    let printed = program.run(&["openapi"]).succeeded();
    assert_eq!(printed, openapi::to_json(&app::document()).trim_end());
}

#[tokio::test]
async fn migrate_brings_an_empty_database_up_to_date() {
    let database = Database::empty().await;
    let program = Program::on(&database);
    for _ in 0..2 {
        assert_eq!(program.run(&["migrate"]).succeeded(), "");
        assert_eq!(database.db().pending_migrations().await.unwrap(), 0);
    }
}

#[tokio::test]
async fn org_create_prints_one_json_object_and_nothing_else() {
    let database = Database::empty().await;
    let program = Program::on(&database);

    let printed = program.run(&["org", "create", "--key", "acme", "--name", "Acme", "--json"]).succeeded();

    let org: Value = serde_json::from_str(&printed).expect("one JSON value");
    assert_eq!(org["key"], "acme");
    let (id, name): (Uuid, String) = sqlx::query_as("SELECT id, name FROM orgs WHERE key = 'acme'")
        .fetch_one(&mut database.connect().await)
        .await
        .unwrap();
    assert_eq!((org["org_id"].clone(), name.as_str()), (json!(id), "Acme"));
}

#[tokio::test]
async fn an_org_that_cannot_be_made_is_refused_with_a_reason() {
    let database = Database::new().await;
    let program = Program::on(&database);
    let create =
        |key: &str, name: &str| program.run(&["org", "create", "--key", key, "--name", name, "--json"]);
    create("acme", "Acme").succeeded();
    assert_eq!(create("acme", "Again").refused(), "there is an org with the key \"acme\" already");
    let format = "--key must have 2 to 63 lower-case letters, digits and hyphens, and start with no hyphen";
    for key in ["a", "Acme", "a_b", ""] {
        assert_eq!(create(key, "Acme").refused(), format, "{key:?}");
    }
    assert_eq!(create("zeta", "").refused(), "--name must have at least 1 characters");
    assert_eq!(
        program.run(&["org", "suspend", "--key", "zeta"]).refused(),
        "there is no org with the key \"zeta\""
    );
}

#[tokio::test]
async fn suspending_and_resuming_reaches_a_running_service_within_a_second() {
    let database = Database::new().await;
    let program = Program::on(&database);
    let org_id = create_org(&program);
    let service = program.serve();
    assert_eq!(create_user(service.public, &org_id, ADA).await.status, 201);
    for (command, status) in [("suspend", 403), ("resume", 200), ("suspend", 403)] {
        assert_eq!(program.run(&["org", command, "--key", "acme"]).succeeded(), "");
        let noticed = async || (show_user(service.public, &org_id, ADA).await.status == status).then_some(());
        within(Duration::from_secs(1), command, noticed).await;
    }
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_a_usage_error() {
    let program = Program::embedded();
    for arguments in [&["nonsense"][..], &["org"], &["org", "create"], &["serve", "--fast"]] {
        let outcome = program.run(arguments);
        assert_eq!((outcome.status.code(), outcome.out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(outcome.err.contains("Usage:"), "{}", outcome.err);
    }
}

fn create_org(program: &Program) -> String {
    let printed = program.run(&["org", "create", "--key", "acme", "--name", "Acme", "--json"]).succeeded();
    let org: Value = serde_json::from_str(&printed).expect("one JSON value");
    org["org_id"].as_str().expect("an id").to_owned()
}
