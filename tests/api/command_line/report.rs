//! `report ...`: an operator asks for an org's report and hands it over, and reads nothing of it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use partner_api::background::reports;
use public_keys::jwe::Jwe;
use public_keys::rsa::PrivateKey;
use serde_json::{Value, json};

use crate::support::process::Program;
use crate::support::run::Run;
use crate::support::{Org, TestApp};

fn fixture(name: &str) -> String {
    let path = format!("{}/crates/public-keys/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

async fn register(org: &Org) {
    let body = json!({"OwnerCode": org.key, "Usage": ["Reports"], "Type": "RSA",
                      "PublicKey": fixture("rsa2048.spki.pem"), "ExpirationUtc": "2028-11-21T08:00:00.000Z"});
    org.post("/api/v1/key", body).await.expect(200);
}

#[tokio::test]
async fn a_report_is_made_listed_and_exported_for_the_partner_alone() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    acme.post("/v1/users", json!({"user_id": super::ADA, "first_name": "Ada"})).await.expect(201);
    let program = Program::on(&app.database);
    let make = |kind: &str| program.run(&["report", "make", "--org", "acme", "--type", kind, "--json"]);
    assert_eq!(make("users").refused(), "There is no live public key of yours with the usage Reports.");
    assert_eq!(make("everything").refused(), "--type must be users, audit_log, events or credentials");
    register(&acme).await;

    let made: Value = serde_json::from_str(&make("users").succeeded()).expect("one JSON value");

    let id = made["report_id"].as_str().expect("an id");
    let list = || {
        let listed = program.run(&["report", "list", "--org", "acme", "--json"]).succeeded();
        serde_json::from_str::<Value>(&listed).expect("one JSON value")["reports"][0].clone()
    };
    assert_eq!((&list()["report_id"], &list()["status"]), (&made["report_id"], &json!("queued")));
    let file = Run::get().directory.join(format!("{id}.jose"));
    let out = file.to_str().expect("UTF-8");
    let export =
        |out: &str| program.run(&["report", "export", "--org", "acme", "--id", id, "--out", out, "--json"]);
    let not_yet = "The report has no content yet, or could not be made; see its status.";
    assert_eq!(export(out).refused(), not_yet);
    // The command's clock is the machine's.
    let asked: DateTime<Utc> = list()["created_at"].as_str().expect("a date").parse().expect("a date");
    app.clock.advance((asked - app.clock.now()).max(TimeDelta::zero()));
    assert_eq!(reports::step(&app.state).await.expect("it looks"), 1);
    assert_eq!(list()["status"], "ready");
    assert!(
        program
            .run(&["report", "list", "--org", "acme"])
            .succeeded()
            .contains("100 %  users  ndjson  1 rows")
    );

    let exported: Value = serde_json::from_str(&export(out).succeeded()).expect("one JSON value");

    let content = std::fs::read_to_string(&file).expect("the file");
    assert_eq!(exported["bytes"], json!(content.len()));
    assert!(export(out).refused().contains("File exists"));
    let key: String = fixture("rsa2048.key.pem").lines().filter(|line| !line.starts_with("-----")).collect();
    let key = PrivateKey::from_pkcs8(&BASE64_STANDARD.decode(key).expect("base64")).expect("a key");
    let opened = Jwe::parse(content.trim_end().as_bytes()).expect("a JWE").open(&key).expect("it opens");
    let row: Value = serde_json::from_slice(&opened).expect("a row");
    assert_eq!(row["user_id"], super::ADA);
    let log = acme.get("/v1/admin/org/audit").await.text();
    assert!(
        log.contains(
            "\"actor\":\"operator\",\"key_id\":null,\"actor_id\":null,\"action\":\"report.created\""
        ),
        "{log}"
    );
}
