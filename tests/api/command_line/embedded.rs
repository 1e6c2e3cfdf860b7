//! `serve` with nothing configured: a Postgres of its own under `DATA_DIR`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::{ADA, create_user, show_user};
use crate::support::process::Program;
use crate::support::run::processes_in;
use crate::support::within;

#[tokio::test]
async fn a_newcomer_has_a_service_with_an_org_and_can_manage_it_while_it_runs() {
    let program = Program::embedded();
    let service = program.serve();
    let demo = demo_org(&program);
    assert_eq!(create_user(service.public, &demo, ADA).await.status, 201);

    // A second service on the same data does not get in the way of the first.
    let message = program.run(&["serve"]).refused();
    assert!(
        message.contains("already uses the data directory") && message.contains("set DATA_DIR"),
        "{message}"
    );

    // Other commands use the cluster that runs.
    let printed = program.run(&["org", "create", "--key", "acme", "--name", "Acme", "--json"]).succeeded();
    let acme: Value = serde_json::from_str(&printed).expect("one JSON value");
    let acme = acme["org_id"].as_str().expect("an id");
    assert_eq!(create_user(service.public, acme, ADA).await.status, 201);

    let outcome = service.stop();
    assert!(outcome.status.success(), "{outcome:?}");
    assert!(outcome.err.contains(&format!("-H 'OrgId: {demo}'")), "{}", outcome.err);
    nothing_runs(&program).await;

    // And one of their own when none does.
    assert_eq!(program.run(&["org", "suspend", "--key", "acme"]).succeeded(), "");
    nothing_runs(&program).await;
}

#[tokio::test]
async fn what_is_printed_works_on_every_start() {
    let program = Program::embedded();
    for _ in 0..2 {
        let (service, printed) = program.serve_and_read("All routes");
        let lines = curl_lines(&printed);
        assert_eq!(lines.len(), 3, "{printed}");
        // Pasted twice, and in another directory.
        for (line, status) in
            lines.iter().zip(["201", "200", "200"]).chain(lines.iter().zip(["201", "200", "200"]))
        {
            assert_eq!(pasted(line), status, "{line}");
        }
        assert!(service.stop().status.success());
    }

    // With a gateway's secret, OrgId alone is refused: only the key's line is left.
    let guarded = program.with("GATEWAY_SECRETS", "current-0123456789012345678901234567");
    let (service, printed) = guarded.serve_and_read("All routes");
    let lines = curl_lines(&printed);
    assert_eq!(lines.iter().map(|line| pasted(line)).collect::<Vec<_>>(), ["200"], "{printed}");
    service.stop();

    // Nor is a line printed with a key that has ended.
    let keys = guarded.run(&["key", "list", "--org", "demo", "--json"]).succeeded();
    let keys: Value = serde_json::from_str(&keys).expect("one JSON value");
    let id = keys["keys"][0]["id"].as_str().expect("an id").to_owned();
    guarded.run(&["key", "revoke", "--org", "demo", "--id", &id]).succeeded();
    let (service, printed) = guarded.serve_and_read("All routes");
    assert!(curl_lines(&printed).is_empty(), "{printed}");
    assert!(printed.contains("partner-api key create --org demo"), "{printed}");
    service.stop();
}

#[tokio::test]
async fn a_demo_org_that_was_deleted_does_not_come_back() {
    let program = Program::embedded();
    let (service, _) = program.serve_and_read("All routes");
    program.run(&["org", "delete", "--key", "demo", "--yes"]).succeeded();
    service.stop();
    let (service, printed) = program.serve_and_read("All routes");
    assert!(curl_lines(&printed).is_empty() && printed.contains("partner-api org create"), "{printed}");
    assert_eq!(program.run(&["org", "list", "--json"]).succeeded(), r#"{"orgs":[]}"#);
    service.stop();
}

#[tokio::test]
async fn a_directory_that_the_clusters_user_cannot_enter_is_told_at_once() {
    let program = Program::embedded();
    fs::set_permissions(&program.directory, fs::Permissions::from_mode(0o700)).expect("its owner may");
    if !rustix::process::geteuid().is_root() {
        return println!("SKIPPED: only root hands the cluster to another user");
    }
    let message = program.run(&["serve"]).refused();
    assert!(message.contains("cannot enter") && message.contains("set DATA_DIR"), "{message}");
    assert!(!program.directory.join(".data").exists(), "nothing is made");
}

/// The printed lines to paste, each whole.
fn curl_lines(printed: &str) -> Vec<String> {
    let printed = printed.replace("\\\n", " ");
    printed.lines().filter(|line| line.contains("curl ")).map(str::to_owned).collect()
}

/// The status that a pasted line shows.
fn pasted(line: &str) -> String {
    let line = line.replace("curl -i", "curl -s -o /dev/null -w '%{http_code}'");
    let done = Command::new("sh").args(["-c", &line]).current_dir("/").output().expect("a shell");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

#[tokio::test]
async fn a_service_that_was_killed_starts_again_with_all_it_acknowledged() {
    let program = Program::embedded();
    let service = program.serve();
    let demo = demo_org(&program);
    let users: Vec<_> = (0..20).map(|_| uuid::Uuid::new_v4().to_string()).collect();
    for user_id in &users {
        assert_eq!(create_user(service.public, &demo, user_id).await.status, 201);
    }

    service.kill();

    let service = program.serve();
    for user_id in &users {
        assert_eq!(show_user(service.public, &demo, user_id).await.status, 200);
    }
    service.kill();
    nothing_runs(&program).await;
}

#[tokio::test]
async fn without_binaries_of_postgres_the_error_says_what_to_do() {
    let program = Program::embedded().with("PG_BIN", "/nonexistent");
    let message = program.run(&["serve"]).refused();
    assert!(message.contains("PG_BIN") && message.contains("/nonexistent"), "{message}");
}

/// The id of the org that the first start makes, from the file that only its owner can read.
fn demo_org(program: &Program) -> String {
    let data = program.directory.join(".data");
    for private in ["demo.env", "master.key"] {
        let mode = fs::metadata(data.join(private)).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{private}");
    }
    let text = fs::read_to_string(data.join("demo.env")).expect("it is there");
    let line = text.lines().find_map(|line| line.strip_prefix("ORG_ID="));
    line.expect("it names the org").to_owned()
}

/// Postgres goes with the service, however that went.
async fn nothing_runs(program: &Program) {
    let gone = async || processes_in(&program.directory).is_empty().then_some(());
    within(Duration::from_secs(10), "no process is left", gone).await;
}
