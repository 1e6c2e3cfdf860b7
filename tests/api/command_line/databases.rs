//! Databases as others run them: what works, and what is said where it cannot.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{ADA, create_user, show_user};
use crate::support::Database;
use crate::support::database::MASTER_KEYS;
use crate::support::process::Program;
use crate::support::raw::{ask, get, post};

#[tokio::test]
async fn what_is_wrong_with_a_database_is_said_with_its_variable_and_host_and_no_password() {
    let database = Database::empty().await;
    let there = database.url();
    let gone = there.replace(database.name(), "nowhere");
    for (url, said) in [
        ("postgres://someone:s3cr3t@127.0.0.1:1/nowhere", "DATABASE_URL: nothing listens at 127.0.0.1:1"),
        ("postgres://someone:s3cr3t@[::1]:1/nowhere", "DATABASE_URL: nothing listens at [::1]:1"),
        (
            "postgres://u:s3cr3t@no-such-host.invalid/x",
            "DATABASE_URL: cannot connect to no-such-host.invalid:5432",
        ),
        ("postgres://u:s3cr3t@/x?host=/nonexistent", "DATABASE_URL: there is no socket in /nonexistent"),
        ("postgres://u:s3cr3t@a,b/x", "DATABASE_URL: names several hosts"),
        (&gone, "DATABASE_URL: there is no database \"nowhere\" at "),
        (&format!("{there}&pasword=s3cr3t"), "DATABASE_URL: has a parameter that is not known here"),
    ] {
        let program = Program::embedded().with("DATABASE_URL", url).with("MASTER_KEYS", MASTER_KEYS);
        let message = program.run(&["serve"]).refused();
        assert!(message.starts_with(said), "{url}: {message}");
        assert!(!message.contains("s3cr3t"), "{message}");
    }
    let direct = Program::on(&database).with("DATABASE_DIRECT_URL", "postgres://u:s3cr3t@127.0.0.1:1/x");
    assert_eq!(direct.run(&["org", "list"]).refused(), "DATABASE_DIRECT_URL: nothing listens at 127.0.0.1:1");
}

#[tokio::test]
async fn a_database_that_cannot_hold_all_text_is_refused_before_it_is_migrated() {
    for encoding in ["SQL_ASCII", "LATIN1"] {
        let database = Database::encoded(encoding).await;
        let program = Program::on(&database);
        for command in ["serve", "migrate"] {
            let message = program.run(&[command]).refused();
            assert!(message.starts_with("DATABASE_URL: the database "), "{message}");
            assert!(
                message.contains(&format!("has the encoding {encoding}, and the service needs UTF8")),
                "{message}"
            );
        }
        let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
        let count: i64 =
            sqlx::query_scalar(tables).fetch_one(&mut database.connect().await).await.expect("a count");
        assert_eq!(count, 0);
    }
}

#[tokio::test]
async fn tables_of_plain_postgres_stay_where_they_are_and_it_is_said_why() {
    let database = Database::empty().await;
    let program = Program::on(&database);
    let message = program.run(&["distribute"]).refused();
    assert!(message.starts_with("the database has no extension citus: "), "{message}");
    assert_eq!(program.run(&["org", "list"]).succeeded(), "", "it is as good as before");
}

/// Settings that turn conflicts into failures, waits into errors and one table into another.
const DBA: &[(&str, &str)] = &[
    ("default_transaction_isolation", "serializable"),
    ("default_transaction_read_only", "on"),
    ("lock_timeout", "1ms"),
    ("statement_timeout", "50ms"),
    ("idle_in_transaction_session_timeout", "50ms"),
    ("idle_session_timeout", "200ms"),
    ("search_path", "nowhere"),
    ("datestyle", "SQL, DMY"),
    ("timezone", "Asia/Kathmandu"),
    ("standard_conforming_strings", "off"),
    ("row_security", "off"),
    ("transform_null_equals", "on"),
    ("exit_on_error", "on"),
    ("bytea_output", "escape"),
    ("intervalstyle", "iso_8601"),
    ("client_min_messages", "debug5"),
];

#[tokio::test]
async fn a_role_with_a_dbas_settings_serves_as_any_other() {
    let database = Database::empty().await;
    let role = format!("dba_{}", Uuid::new_v4().simple());
    let settings: String =
        DBA.iter().map(|(name, value)| format!("ALTER ROLE {role} SET {name} = '{value}';")).collect();
    let name = database.name();
    database
        .execute(&format!("CREATE ROLE {role} LOGIN; ALTER DATABASE {name} OWNER TO {role}; {settings}"))
        .await;
    serves(&database, &database.url_as(&role)).await;
    database
        .execute(&format!(
            "REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}; DROP ROLE {role};"
        ))
        .await;
}

#[tokio::test]
async fn a_database_with_a_dbas_settings_serves_as_any_other() {
    let database = Database::empty().await;
    let name = database.name();
    let settings: String = DBA
        .iter()
        .filter(|(setting, _)| *setting != "default_transaction_read_only")
        .map(|(setting, value)| format!("ALTER DATABASE {name} SET {setting} = '{value}';"))
        .collect();
    let read_only = format!("ALTER DATABASE {name} SET default_transaction_read_only = 'on';");
    database.execute(&format!("{settings}{read_only}")).await;
    serves(&database, &database.url()).await;
}

#[tokio::test]
async fn behind_a_pooler_the_settings_that_the_role_must_have_are_named() {
    let database = Database::new().await;
    let name = database.name();
    database
        .execute(&format!("ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'"))
        .await;
    let outcome =
        Program::on(&database).with("DATABASE_DIRECT_URL", &database.url()).run(&["org", "list", "--json"]);
    assert_eq!(outcome.out, r#"{"orgs":[]}"#);
    assert!(outcome.err.contains("SET default_transaction_isolation = 'read committed';"), "{}", outcome.err);
    assert!(!outcome.err.contains("lock_timeout"), "{}", outcome.err);
}

/// A slice of the API, with conflicts and many at once.
async fn serves(database: &Database, url: &str) {
    let program = Program::on(database).with("DATABASE_URL", url);
    let printed = program.run(&["org", "create", "--key", "acme", "--name", "Acme", "--json"]).succeeded();
    let org: Value = serde_json::from_str(&printed).expect("one JSON value");
    let org_id = org["org_id"].as_str().expect("an id").to_owned();
    let service = program.serve();
    assert_eq!(ask(service.internal, get("/readyz", "")).await.status, 200);

    let at_once = (0..20).map(|_| {
        let (public, org_id) = (service.public, org_id.clone());
        tokio::spawn(async move { create_user(public, &org_id, ADA).await.status })
    });
    let mut statuses = Vec::new();
    for request in at_once.collect::<Vec<_>>() {
        statuses.push(request.await.expect("no panic"));
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![201], vec![409; 19]].concat());

    let rotations = (0..6).map(|_| {
        let (public, org_id) = (service.public, org_id.clone());
        let rotate = post("/v1/auth/tenant-key/rotate", &format!("orgid: {org_id}\r\n"), "{}");
        tokio::spawn(async move { ask(public, rotate).await.status })
    });
    let mut statuses = Vec::new();
    for request in rotations.collect::<Vec<_>>() {
        statuses.push(request.await.expect("no panic"));
    }
    assert!(
        statuses.iter().all(|status| [200, 409].contains(status)) && statuses.contains(&200),
        "{statuses:?}"
    );

    // Longer than any of the DBA's limits.
    tokio::time::sleep(std::time::Duration::from_millis(1_300)).await;
    let shown = show_user(service.public, &org_id, ADA).await;
    let created_at = shown.json()["data"]["created_at"].as_str().expect("an instant").to_owned();
    let age = partner_api::clock::Clock::system().now()
        - created_at.parse::<chrono::DateTime<chrono::Utc>>().expect("RFC 3339");
    assert!(age < chrono::TimeDelta::minutes(2), "{created_at}");
    let audit = ask(service.public, get("/v1/admin/org/audit", &format!("orgid: {org_id}\r\n"))).await;
    assert_eq!(audit.status, 200);
    assert!(service.stop().status.success());
    let verified: Value = serde_json::from_str(&program.run(&["audit", "verify", "--json"]).succeeded())
        .expect("one JSON value");
    assert_eq!(verified["broken"], json!([]));
}
