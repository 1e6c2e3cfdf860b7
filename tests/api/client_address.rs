//! Where a request came from (contract 11), in the access line and in the audit log.

use serde_json::{Value, json};

use crate::support::process::Program;
use crate::support::raw::{ask, get};
use crate::support::{Caller, Database, Org, TestApp};

const SECRET: &str = "current-0123456789012345678901234567";

/// The addresses in the org's log, without that of its creation.
async fn noted(org: &Caller) -> Vec<Value> {
    let log = org.get("/v1/admin/org/audit").await.expect(200).json();
    let log = log["data"].as_array().expect("a list").clone();
    log.into_iter().skip(1).map(|mut entry| entry["client_address"].take()).collect()
}

async fn rename(caller: &Caller, forwarded: &[&[u8]]) {
    let lines = forwarded.iter();
    let caller = lines.fold(caller.clone(), |caller, line| caller.with("x-forwarded-for", line));
    caller.patch("/v1/admin/org", json!({"name": "Acme"})).await.expect(200);
}

#[tokio::test]
async fn behind_a_gateway_that_proves_itself_the_audit_log_names_the_client() {
    let app =
        TestApp::with(&[("GATEWAY_SECRETS", SECRET), ("TRUSTED_PROXIES", "10.0.0.0/8,2001:db8:1::/48")])
            .await;
    let acme: Org = app.org("acme").await;
    let gateway = acme.with("x-gateway-auth", SECRET);
    rename(&gateway, &[b"203.0.113.9, 198.51.100.7"]).await;
    rename(&gateway, &[b"203.0.113.9", b"[2001:DB8::7]:443, 10.1.2.3"]).await;
    rename(&gateway, &[b"203.0.113.9, ::ffff:198.51.100.8:1, 10.0.0.1"]).await;
    rename(&gateway, &["a".repeat(10_240).as_bytes()]).await;
    rename(&gateway, &[]).await;
    let expected = [json!("198.51.100.7"), json!("2001:db8::7"), json!("10.0.0.1"), Value::Null, Value::Null];
    assert_eq!(noted(&gateway).await, expected);
    // A key that comes past the gateway, with a header of its own making.
    let minted =
        gateway.post("/v1/admin/org/tenant-keys", json!({"name": "direct"})).await.expect(201).json();
    let direct = app.holder(minted["data"]["secret"].as_str().expect("a key"));
    rename(&direct, &[b"198.51.100.66"]).await;
    assert_eq!(noted(&gateway).await.last(), Some(&Value::Null));
    Program::on(&app.database).run(&["audit", "verify"]).succeeded();
}

#[tokio::test]
async fn an_address_that_is_changed_added_or_removed_in_the_log_is_found() {
    let app = TestApp::with(&[("GATEWAY_SECRETS", SECRET)]).await;
    for (key, statement) in [
        ("changed", "UPDATE audit_log SET client_address = '198.51.100.8' WHERE org_id = $1 AND seq = 2"),
        ("removed", "UPDATE audit_log SET client_address = NULL WHERE org_id = $1 AND seq = 2"),
        ("added", "UPDATE audit_log SET client_address = '198.51.100.7' WHERE org_id = $1 AND seq = 3"),
    ] {
        let org = app.org(key).await;
        let gateway = org.with("x-gateway-auth", SECRET);
        rename(&gateway, &[b"198.51.100.7"]).await;
        rename(&gateway, &[]).await;
        assert_eq!(noted(&gateway).await, [json!("198.51.100.7"), Value::Null]);
        Program::on(&app.database).run(&["audit", "verify", "--org", key]).succeeded();
        app.database.unlock_audit_log().await;
        let mut owner = app.database.connect().await;
        sqlx::query(statement).bind(org.id).execute(&mut owner).await.expect("the owner may");
        let outcome = Program::on(&app.database).run(&["audit", "verify", "--org", key, "--json"]);
        assert_eq!(outcome.status.code(), Some(1), "{key}");
        let found: Value = serde_json::from_str(&outcome.out).expect("one JSON value");
        assert_eq!(found["broken"][0]["problem"], "wrong_mac", "{key}");
    }
}

#[tokio::test]
async fn the_access_line_names_the_connections_address_or_what_a_trusted_proxy_says() {
    let header = "x-forwarded-for: 203.0.113.9, 198.51.100.7\r\n";
    for (proxies, expected) in
        [("", "127.0.0.1"), ("127.0.0.0/8", "198.51.100.7"), ("192.0.2.0/24", "127.0.0.1")]
    {
        let database = Database::new().await;
        let service = Program::on(&database).with("TRUSTED_PROXIES", proxies).serve();
        // Also where nobody knows who calls.
        ask(service.public, get("/v1/features", header)).await;
        let log = service.stop().out;
        let line =
            log.lines().find(|line| line.contains("\"route\":\"/v1/features\"")).expect("an access line");
        let line: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!((&line["status"], &line["client_address"]), (&json!(401), &json!(expected)));
        assert!(!log.contains("203.0.113.9"), "what nobody vouches for is not repeated");
    }
}

#[tokio::test]
async fn over_a_socket_the_audit_log_names_the_connections_address() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let serving = app.serve().await;
    let body = r#"{"name": "Acme"}"#;
    let request = format!(
        "PATCH /v1/admin/org HTTP/1.1\r\nhost: localhost\r\norgid: {}\r\ncontent-type: application/json\r\n\
         x-forwarded-for: 198.51.100.7\r\ncontent-length: {}\r\n\r\n{body}",
        acme.id,
        body.len()
    );
    assert_eq!(ask(serving.public, request).await.status, 200);
    assert_eq!(noted(&acme).await, [json!("127.0.0.1")]);
    serving.stop().await;
}
