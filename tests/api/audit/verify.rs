//! `audit verify`: what it finds, and what only a kept head shows.

use partner_api::audit::verify::{ChainProblem, Finding};
use partner_api::changes::{Mandate, OrgState};
use partner_api::crypto::audit_chain::Head;
use partner_api::ids::OrgId;
use partner_api::routes::org;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgConnection};

use super::{AUDIT, log, rename, walk};
use crate::support::process::Program;
use crate::support::{Org, TestApp};

/// An org with a log of five rows.
async fn five_rows(app: &TestApp, key: &str) -> Org {
    let org = app.org(key).await;
    for name in ["two", "three", "four", "five"] {
        rename(&org, name).await;
    }
    org
}

/// A connection of somebody who owns the database, and is not held back by triggers.
async fn owner(app: &TestApp) -> PgConnection {
    app.database.unlock_audit_log().await;
    app.database.connect().await
}

/// Runs a statement; `$org` in it is the org's id.
async fn tamper(database: &mut PgConnection, org: &Org, statement: &str) {
    let statement = statement.replace("$org", &format!("'{}'", org.id));
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(database).await.expect("the owner may");
}

/// Runs `audit verify --json`; gives whether it was content, and what it found.
fn verify(app: &TestApp, arguments: &[&str]) -> (bool, Value) {
    let outcome = Program::on(&app.database).run(&[&["audit", "verify", "--json"], arguments].concat());
    let found = serde_json::from_str(&outcome.out).unwrap_or_else(|_| panic!("one JSON value: {outcome:?}"));
    (outcome.status.success(), found)
}

#[tokio::test]
async fn an_untouched_log_is_found_whole() {
    let app = TestApp::new().await;
    let acme = five_rows(&app, "acme").await;
    app.org("zeta").await;
    let (is_whole, found) = verify(&app, &[]);
    assert_eq!(found, json!({"orgs": 2, "rows": 6, "unchained": 0, "broken": []}));
    assert!(is_whole);

    let head = acme.get(AUDIT).await.expect(200).json()["head"].clone();
    let pinned = format!("{}:{}", head["seq"], head["mac"].as_str().expect("a MAC"));
    let printed = Program::on(&app.database).run(&["audit", "verify", "--org", "acme"]).succeeded();
    assert_eq!(printed, pinned);
    rename(&acme, "six").await;
    let (is_whole, found) = verify(&app, &["--org", "acme", "--head", &pinned]);
    assert_eq!((is_whole, &found["rows"], &found["head"]["seq"]), (true, &json!(6), &json!(6)));
}

/// What is done to a log of five rows, where it is found, and how it is called.
const TAMPERED: &[(&str, &str, i64, &str)] = &[
    (
        "at",
        "UPDATE audit_log SET at = '2026-11-21 08:00:00.000001+00' WHERE org_id = $org AND seq = 3",
        3,
        "wrong_mac",
    ),
    ("actor", "UPDATE audit_log SET actor = 'operator' WHERE org_id = $org AND seq = 3", 3, "wrong_mac"),
    (
        "key",
        "UPDATE audit_log SET actor = 'tenant_key', key_id = org_id WHERE org_id = $org AND seq = 2",
        2,
        "wrong_mac",
    ),
    ("action", "UPDATE audit_log SET action = 'org.resumed' WHERE org_id = $org AND seq = 5", 5, "wrong_mac"),
    ("subject", "UPDATE audit_log SET subject = 'zeta' WHERE org_id = $org AND seq = 1", 1, "wrong_mac"),
    ("request", "UPDATE audit_log SET request_id = NULL WHERE org_id = $org AND seq = 4", 4, "wrong_mac"),
    ("mac", "UPDATE audit_log SET mac = sha256(mac) WHERE org_id = $org AND seq = 4", 4, "wrong_mac"),
    ("unchained", "UPDATE audit_log SET mac = NULL WHERE org_id = $org AND seq = 4", 4, "not_chained"),
    ("first-unchained", "UPDATE audit_log SET mac = NULL WHERE org_id = $org AND seq = 1", 2, "wrong_mac"),
    ("deleted", "DELETE FROM audit_log WHERE org_id = $org AND seq = 3", 3, "missing"),
    ("first-deleted", "DELETE FROM audit_log WHERE org_id = $org AND seq = 1", 1, "missing"),
    (
        "renumbered",
        "DELETE FROM audit_log WHERE org_id = $org AND seq = 2;
      UPDATE audit_log SET seq = seq - 1 WHERE org_id = $org AND seq = 3;
      UPDATE audit_log SET seq = seq - 1 WHERE org_id = $org AND seq = 4;
      UPDATE audit_log SET seq = seq - 1 WHERE org_id = $org AND seq = 5;
      UPDATE orgs SET revision = 4 WHERE id = $org",
        2,
        "wrong_mac",
    ),
    (
        "reordered",
        "UPDATE audit_log SET seq = -3 WHERE org_id = $org AND seq = 3;
      UPDATE audit_log SET seq = 3 WHERE org_id = $org AND seq = 4;
      UPDATE audit_log SET seq = 4 WHERE org_id = $org AND seq = -3",
        3,
        "wrong_mac",
    ),
    (
        "added",
        "INSERT INTO audit_log SELECT org_id, 6, at, actor, key_id, action, subject, request_id, mac
      FROM audit_log WHERE org_id = $org AND seq = 5;
      UPDATE orgs SET revision = 6 WHERE id = $org",
        6,
        "wrong_mac",
    ),
    (
        "added-unchained",
        "INSERT INTO audit_log SELECT org_id, 6, at, actor, key_id, action, subject, request_id
      FROM audit_log WHERE org_id = $org AND seq = 5;
      UPDATE orgs SET revision = 6 WHERE id = $org",
        6,
        "not_chained",
    ),
    (
        "added-before",
        "INSERT INTO audit_log SELECT org_id, 0, at, actor, key_id, action, subject, request_id
      FROM audit_log WHERE org_id = $org AND seq = 5",
        1,
        "missing",
    ),
    ("cut", "DELETE FROM audit_log WHERE org_id = $org AND seq = 5", 5, "missing"),
    (
        "cut-number",
        "DELETE FROM audit_log WHERE org_id = $org AND seq = 5; UPDATE orgs SET revision = 4 WHERE id = $org",
        4,
        "wrong_head",
    ),
    ("head", "UPDATE orgs SET audit_mac = NULL WHERE id = $org", 5, "wrong_head"),
    ("revision", "UPDATE orgs SET revision = 4 WHERE id = $org", 5, "wrong_head"),
    ("org", "DELETE FROM orgs WHERE id = $org", 5, "org_missing"),
    ("all", "DELETE FROM audit_log WHERE org_id = $org", 1, "missing"),
];

#[tokio::test]
async fn the_first_thing_that_is_wrong_with_each_log_is_found() {
    let app = TestApp::new().await;
    let mut expected = Vec::new();
    let mut owner = owner(&app).await;
    for (what, statement, seq, problem) in TAMPERED {
        let org = five_rows(&app, what).await;
        tamper(&mut owner, &org, statement).await;
        expected.push((org.id.to_string(), *seq, *problem, *what));
    }
    five_rows(&app, "untouched").await;
    let (is_whole, found) = verify(&app, &[]);
    assert!(!is_whole);
    assert_eq!(found["orgs"], json!(TAMPERED.len() + 1));
    let broken = found["broken"].as_array().expect("a list");
    for (id, seq, problem, what) in expected {
        let told = broken.iter().find(|broken| broken["org_id"] == json!(id));
        let told = told.unwrap_or_else(|| panic!("{what} is not found"));
        assert_eq!((&told["seq"], &told["problem"]), (&json!(seq), &json!(problem)), "{what}: {told}");
    }
    assert_eq!(broken.len(), TAMPERED.len());
}

#[tokio::test]
async fn a_broken_log_is_told_in_a_line_and_by_the_exit_code() {
    let app = TestApp::new().await;
    let acme = five_rows(&app, "acme").await;
    tamper(&mut owner(&app).await, &acme, "DELETE FROM audit_log WHERE org_id = $org AND seq = 2").await;
    let outcome = Program::on(&app.database).run(&["audit", "verify"]);
    assert_eq!(outcome.status.code(), Some(1));
    assert_eq!(outcome.out, format!("{} (acme): row 2 is missing", acme.id));
    assert!(outcome.err.ends_with("partner-api: the audit log of 1 of 1 orgs is broken"), "{}", outcome.err);
}

#[tokio::test]
async fn only_a_kept_head_shows_that_the_newest_rows_are_gone() {
    let app = TestApp::new().await;
    let acme = five_rows(&app, "acme").await;
    let log = log(&acme).await;
    let head = |number: usize| format!("{}:{}", number, log[number - 1]["mac"].as_str().expect("a MAC"));
    let third = log[2]["mac"].as_str().expect("a MAC");
    let cut = format!(
        "DELETE FROM audit_log WHERE org_id = $org AND seq > 3;
         UPDATE orgs SET revision = 3, audit_mac = decode('{third}', 'hex') WHERE id = $org"
    );
    tamper(&mut owner(&app).await, &acme, &cut).await;
    assert!(verify(&app, &[]).0);
    assert!(verify(&app, &["--org", "acme", "--head", &head(3)]).0);
    let (is_whole, found) = verify(&app, &["--org", "acme", "--head", &head(5)]);
    assert!(!is_whole);
    assert_eq!((&found["broken"][0]["seq"], &found["broken"][0]["problem"]), (&json!(4), &json!("missing")));

    // The log goes on from there, and is another one.
    app.clock.advance(chrono::TimeDelta::microseconds(1));
    rename(&acme, "another four").await;
    rename(&acme, "another five").await;
    assert!(verify(&app, &["--org", "acme"]).0);
    let (is_whole, found) = verify(&app, &["--org", "acme", "--head", &head(5)]);
    assert!(!is_whole);
    assert_eq!(
        (&found["broken"][0]["seq"], &found["broken"][0]["problem"]),
        (&json!(5), &json!("not_as_pinned"))
    );
}

#[tokio::test]
async fn rows_from_before_chaining_began_are_counted_and_the_chain_starts_after_them() {
    let app = TestApp::new().await;
    let acme = five_rows(&app, "acme").await;
    let forget = "UPDATE audit_log SET mac = NULL WHERE org_id = $org; UPDATE orgs SET audit_mac = NULL WHERE id = $org";
    tamper(&mut owner(&app).await, &acme, forget).await;
    assert_eq!(acme.get(AUDIT).await.expect(200).json()["head"], json!({"seq": 5, "mac": null}));
    rename(&acme, "six").await;
    rename(&acme, "seven").await;
    let (is_whole, found) = verify(&app, &[]);
    assert_eq!(found, json!({"orgs": 1, "rows": 7, "unchained": 5, "broken": []}));
    assert!(is_whole);
    let macs: Vec<_> = log(&acme).await.iter().map(|entry| entry["mac"].is_string()).collect();
    assert_eq!(macs, [false, false, false, false, false, true, true]);
}

#[tokio::test]
async fn the_log_of_a_deleted_org_is_verified_too() {
    let app = TestApp::new().await;
    let (acme, zeta) = (five_rows(&app, "acme").await, five_rows(&app, "zeta").await);
    app.delete(&acme).await;
    assert!(verify(&app, &[]).0);
    let id = acme.id.to_string();
    let (is_whole, found) = verify(&app, &["--org", &id]);
    assert_eq!((is_whole, &found["rows"]), (true, &json!(6)));
    tamper(&mut owner(&app).await, &acme, "DELETE FROM audit_log WHERE org_id = $org AND seq = 6").await;
    let (_, found) = verify(&app, &[]);
    let expected = json!({
        "org_id": acme.id, "org": null, "seq": 5, "problem": "org_missing", "rows": 5, "unchained": 0,
        "head": found["broken"][0]["head"],
    });
    assert_eq!(found["broken"], json!([expected]));
    assert_eq!(log(&zeta).await.len(), 5);
}

/// Appends rows to an org's log, as so many changes would.
async fn grow(app: &TestApp, org: &Org, until: i64) {
    let mandate = Mandate::operator(OrgId(org.id), &app.state.keyring);
    let loaded = mandate.snapshot(&app.state.db, &app.state.clock, &org::store::OrgRow).await.unwrap();
    let mut head = loaded.org.head;
    let mut macs = Vec::new();
    while head.seq < until {
        let entry = mandate.entry(OrgState::new(head, app.clock.now()), "org.renamed", &org.key);
        head = Head { seq: entry.row.seq, mac: Some(entry.mac) };
        macs.push(entry.mac.0.to_vec());
    }
    let last = macs.last().cloned();
    let rows = "INSERT INTO audit_log (org_id, seq, at, actor, action, subject, mac)
                SELECT $1, $2 - cardinality($3) + n, $4, 'operator', 'org.renamed', $5, mac
                FROM unnest($3::bytea[]) WITH ORDINALITY AS m (mac, n)";
    let rows = sqlx::query(rows).bind(org.id).bind(until).bind(macs).bind(app.clock.now()).bind(&org.key);
    rows.execute(&app.state.db.pool).await.expect("the rows fit");
    let head = sqlx::query("UPDATE orgs SET revision = $2, audit_mac = $3 WHERE id = $1");
    let head = head.bind(org.id).bind(until).bind(last);
    head.execute(&app.state.db.pool).await.expect("and the head");
}

/// It is read a thousand rows at a time.
#[tokio::test]
async fn a_log_of_many_pages_is_followed_across_them() {
    let app = TestApp::new().await;
    let mut owner = owner(&app).await;
    for length in [999, 1_000, 1_001, 2_000] {
        let acme = five_rows(&app, &format!("acme-{length}")).await;
        grow(&app, &acme, length).await;
        let found = walk(&app, &acme).await;
        assert_eq!((found.rows, found.broken), (length, None));
    }
    let acme = five_rows(&app, "acme").await;
    grow(&app, &acme, 1_999).await;
    app.delete(&acme).await;
    let found = walk(&app, &acme).await;
    assert_eq!((found.rows, found.broken), (2_000, None));
    tamper(&mut owner, &acme, "DELETE FROM audit_log WHERE org_id = $org AND seq = 2000").await;
    assert_eq!(problem(&walk(&app, &acme).await), (1_999, ChainProblem::OrgMissing));
    for seq in [1_001, 1_000] {
        let delete = format!("DELETE FROM audit_log WHERE org_id = $org AND seq = {seq}");
        tamper(&mut owner, &acme, &delete).await;
        assert_eq!(problem(&walk(&app, &acme).await), (seq, ChainProblem::Missing));
    }
}

fn problem(found: &Finding) -> (i64, ChainProblem) {
    let broken = found.broken.as_ref().expect("it is broken");
    (broken.seq, broken.problem)
}

#[tokio::test]
async fn the_chain_goes_on_after_the_master_key_was_rolled() {
    let app = TestApp::new().await;
    let acme = five_rows(&app, "acme").await;
    let new = "base64:YW5vdGhlciBtYXN0ZXIga2V5LCBhbHNvIDMyIGxvbmc=";
    let both = format!("{new},{}", crate::support::database::MASTER_KEYS);
    Program::on(&app.database).with("MASTER_KEYS", &both).run(&["reseal"]).succeeded();
    let program = Program::on(&app.database).with("MASTER_KEYS", new);
    program.run(&["org", "suspend", "--key", "acme"]).succeeded();
    program.run(&["audit", "verify"]).succeeded();
    assert_eq!(walk(&app, &acme).await.rows, 6);
}

#[tokio::test]
async fn what_cannot_be_verified_is_refused_with_a_reason() {
    let app = TestApp::new().await;
    let program = Program::on(&app.database);
    let refused = program.run(&["audit", "verify", "--org", "nobody"]).refused();
    assert_eq!(refused, "there is no org with the key \"nobody\"");
    for head in ["5", "0:00", "5:xyz", &format!("5:{}", "0".repeat(63))] {
        let outcome = program.run(&["audit", "verify", "--org", "acme", "--head", head]);
        assert_eq!(outcome.status.code(), Some(2), "{head}");
    }
    assert_eq!(program.run(&["audit", "verify", "--head", "5:00"]).status.code(), Some(2));
}
