//! A cluster from its making to its end, as its owner and others see it.

use std::path::{Path, PathBuf};

use embedded_postgres::{Embedded, EmbeddedError, Settings, has_cluster, running};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};

#[tokio::test]
async fn a_cluster_belongs_to_one_owner_is_found_by_others_and_keeps_what_was_written() {
    let scratch = Scratch::new();
    let settings = scratch.settings();
    assert!(!has_cluster(&settings.data_dir));
    assert!(running(&settings).is_none());

    let owner = Embedded::start(&settings).await.expect("starts");
    assert!(has_cluster(&settings.data_dir));
    let found = running(&settings).expect("others find it");
    execute(&found, "CREATE TABLE kept AS SELECT 4711 AS number").await;
    let refused = Embedded::start(&settings).await.expect_err("it has an owner");
    assert!(
        matches!(refused, EmbeddedError::InUse { pid: Some(pid), .. } if pid == std::process::id()),
        "{refused}"
    );

    let died = owner.died();
    owner.stop().await;
    assert!(died.await.success());
    assert!(running(&settings).is_none());
    assert!(!sockets(&found).exists());

    let owner = Embedded::start(&settings).await.expect("starts again");
    let mut connection = PgConnection::connect_with(&owner.connect_options()).await.expect("connects");
    let kept: i32 =
        sqlx::query_scalar("SELECT number FROM kept").fetch_one(&mut connection).await.expect("kept");
    assert_eq!(kept, 4711);
    owner.stop().await;
}

#[tokio::test]
async fn an_ephemeral_cluster_leaves_nothing() {
    let owner = Embedded::start_ephemeral("acme", None).await.expect("starts");
    let mut connection = PgConnection::connect_with(&owner.connect_options()).await.expect("connects");
    let directory: String = sqlx::query_scalar("SHOW data_directory")
        .fetch_one(&mut connection)
        .await
        .expect("it says where it is");
    assert!(Path::new(&directory).is_dir());
    let sockets = sockets(&owner.connect_options());
    owner.stop().await;
    assert!(!sockets.exists());
    let data_dir = Path::new(&directory).parent().expect("it lies in a directory");
    assert!(!data_dir.exists());
}

#[tokio::test]
async fn a_name_that_is_a_word_of_sql_is_a_name() {
    let owner = Embedded::start_ephemeral("select", None).await.expect("starts");
    execute(&owner.connect_options(), "SELECT 1").await;
    owner.stop().await;
}

#[tokio::test]
async fn what_cannot_be_started_makes_nothing() {
    let scratch = Scratch::new();
    let unnamed = Settings { name: "no name".to_owned(), ..scratch.settings() };
    let refused = Embedded::start(&unnamed).await.expect_err("no name");
    assert!(matches!(refused, EmbeddedError::InvalidName { .. }), "{refused}");
    assert!(!scratch.0.exists());

    let without = Settings { pg_bin: Some("/nonexistent".into()), ..scratch.settings() };
    let refused = Embedded::start(&without).await.expect_err("no binaries");
    assert!(refused.to_string().contains("looked in: /nonexistent"), "{refused}");
    assert!(!has_cluster(&without.data_dir));
}

async fn execute(options: &PgConnectOptions, statement: &'static str) {
    let mut connection = PgConnection::connect_with(options).await.expect("connects");
    sqlx::raw_sql(statement).execute(&mut connection).await.expect("does as told");
    connection.close().await.expect("closes");
}

fn sockets(options: &PgConnectOptions) -> PathBuf {
    options.get_socket().expect("it listens on a socket").clone()
}

/// A data directory that goes away with its test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("embedded-postgres-test-{:016x}", rand::random::<u64>())))
    }

    fn settings(&self) -> Settings {
        Settings { name: "acme".to_owned(), data_dir: self.0.clone(), pg_bin: None }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
