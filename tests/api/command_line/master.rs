//! The master key is there, and the right one, before anything is touched.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use sqlx::Connection as _;

use crate::support::Database;
use crate::support::process::Program;

const OTHER: &str = "base64:YW5vdGhlciBtYXN0ZXIga2V5LCBhbHNvIDMyIGxvbmc=";

async fn tables(database: &Database) -> i64 {
    let mut connection = database.connect().await;
    let count =
        sqlx::query_scalar("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
            .fetch_one(&mut connection)
            .await
            .expect("the database answers");
    connection.close().await.expect("it closes");
    count
}

#[tokio::test]
async fn without_a_master_key_an_operators_database_is_not_touched() {
    let database = Database::empty().await;
    let program = Program::embedded().with("DATABASE_URL", &database.url());
    for command in [&["serve"][..], &["org", "list"], &["org", "create", "--key", "acme", "--name", "Acme"]] {
        let message = program.run(command).refused();
        assert!(
            message.starts_with("MASTER_KEYS or MASTER_PASSPHRASE_FILE must be set beside DATABASE_URL"),
            "{message}"
        );
    }
    assert_eq!(tables(&database).await, 0);
    // A DBA who only migrates needs none.
    program.run(&["migrate"]).succeeded();
    assert!(tables(&database).await > 10);
}

#[tokio::test]
async fn another_master_key_is_refused_before_the_schema_is_changed() {
    let database = Database::new().await;
    database
        .execute("DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)")
        .await;
    let program = Program::on(&database).with("MASTER_KEYS", OTHER);
    for command in [&["serve"][..], &["org", "list"], &["migrate"], &["reseal", "--check"]] {
        let message = program.run(command).refused();
        assert!(message.starts_with("the master key does not open what this database holds"), "{message}");
    }
    assert_eq!(database.db().pending_migrations().await.expect("it answers"), 1);
}

#[tokio::test]
async fn keys_that_anybody_could_guess_are_refused() {
    let database = Database::empty().await;
    let zeros = "base64:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let message = Program::on(&database).with("MASTER_KEYS", zeros).run(&["serve"]).refused();
    assert!(message.starts_with("MASTER_KEYS: a key is too regular"), "{message}");
    assert_eq!(tables(&database).await, 0);
}

#[tokio::test]
async fn a_cluster_whose_master_key_is_lost_is_not_touched() {
    let program = Program::embedded();
    program.run(&["migrate"]).succeeded();
    let key = program.directory.join(".data/master.key");
    let kept = program.directory.join("kept");
    assert_eq!(fs::metadata(&key).expect("it is made").permissions().mode() & 0o777, 0o600);
    fs::rename(&key, &kept).expect("moves");
    for command in [&["serve"][..], &["org", "list"], &["migrate"]] {
        let message = program.run(command).refused();
        assert!(message.contains(".data/master.key is missing") && message.contains("backup"), "{message}");
        assert!(!key.exists(), "no other key is made");
    }

    fs::copy(&kept, &key).expect("copies");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("may");
    let message = program.run(&["org", "list"]).refused();
    assert!(message.contains("master.key can be read by everybody (mode 0644)"), "{message}");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("may");
    assert_eq!(program.run(&["org", "list", "--json"]).succeeded(), r#"{"orgs":[]}"#);
}
