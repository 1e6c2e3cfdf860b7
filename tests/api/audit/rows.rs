//! What is written.

use std::fs;
use std::path::Path;

use chrono::TimeDelta;
use partner_api::background::expiry;
use serde_json::{Value, json};

use super::{AUDIT, QUEUE, ROTATE_SECRET, log, service, webhook_queue};
use crate::support::{Caller, Org, TestApp};

const KEYS: &str = "/v1/admin/org/tenant-keys";
const END: &str = "2028-11-21T08:00:00.000Z";

/// Whatever can be changed in an org, each once, and each with a request id of its own. Gives what
/// the log must say of it, and every secret and address that was given or shown.
async fn change_everything(app: &TestApp, acme: &Org) -> (Vec<Value>, Vec<String>) {
    let (mut told, mut secrets) = (Vec::new(), Vec::new());
    let mut tell = |action: &str, actor: &str, key_id: Value, subject: &str, request_id: Value| {
        told.push(
            json!({"actor": actor, "key_id": key_id, "actor_id": null, "action": action, "subject": subject,
                         "request_id": request_id}),
        );
    };
    let by_gateway = |request_id: &str| acme.named(request_id);
    tell("org.created", "operator", Value::Null, "acme", Value::Null);

    let made = by_gateway("r-mint").post(KEYS, json!({"name": "nightly"})).await.expect(201).json();
    let (first, secret) = (text(&made, "/data/id"), text(&made, "/data/secret"));
    tell("tenant_key.created", "gateway", Value::Null, &first, json!("r-mint"));
    let by_key = |request_id: &str| app.anyone().named(request_id).with("taih-tenant-key", &secret);
    let key_path = format!("{KEYS}/{first}");
    by_key("r-name").patch(&key_path, json!({"name": "daily"})).await.expect(200);
    tell("tenant_key.updated", "tenant_key", json!(first), &first, json!("r-name"));

    let path = "/v1/auth/tenant-key/rotate";
    let rotated = by_gateway("r-rotate").post(path, json!({"key_id": first})).await.expect(200).json();
    let second = text(&rotated, "/data/key_id");
    tell("tenant_key.rotated", "gateway", Value::Null, &second, json!("r-rotate"));
    secrets.extend([secret.clone(), text(&rotated, "/data/new_tenant_api_key")]);
    let by_key = {
        let successor = text(&rotated, "/data/new_tenant_api_key");
        let app = app.anyone();
        move |request_id: &str| app.named(request_id).with("taih-tenant-key", &successor)
    };
    by_key("r-revoke").delete(&key_path).await.expect(204);
    tell("tenant_key.revoked", "tenant_key", json!(second), &first, json!("r-revoke"));

    for (request_id, path) in [("r-secret", ROTATE_SECRET), ("r-secret-2", ROTATE_SECRET)] {
        let made = by_key(request_id).post(path, json!({})).await.expect(200).json();
        tell(
            "signing_secret.rotated",
            "tenant_key",
            json!(second),
            &text(&made, "/data/secret_id"),
            json!(request_id),
        );
        secrets.push(text(&made, "/data/new_signing_secret"));
    }
    let listed = acme.get("/v1/auth/signing-secret").await.expect(200).json();
    let previous = text(&listed, "/data/previous/0/id");
    by_key("r-end").delete(&format!("/v1/auth/signing-secret/{previous}")).await.expect(204);
    tell("signing_secret.revoked", "tenant_key", json!(second), &previous, json!("r-end"));

    for (request_id, action) in
        [("r-register", "registered"), ("r-expire", "updated"), ("r-delete", "deleted")]
    {
        let unique_id = public_key(&by_key(request_id), acme, action).await;
        tell(&format!("public_key.{action}"), "tenant_key", json!(second), &unique_id, json!(request_id));
    }

    let mut queue = webhook_queue().await;
    let url = format!("{}?token=hunter2", queue["webhook"]["url"].as_str().expect("a URL"));
    queue["webhook"]["url"] = json!(url);
    secrets.extend([url, "hunter2".to_owned()]);
    by_key("r-queue").post(QUEUE, queue.clone()).await.expect(201);
    tell("queue.created", "tenant_key", json!(second), "users", json!("r-queue"));
    by_key("r-queue-2").json("PUT", QUEUE, queue).await.expect(200);
    tell("queue.replaced", "tenant_key", json!(second), "users", json!("r-queue-2"));
    by_key("r-queue-3").delete(QUEUE).await.expect(204);
    tell("queue.deleted", "tenant_key", json!(second), "users", json!("r-queue-3"));

    by_gateway("r-org").patch("/v1/admin/org", json!({"name": "Acme & Söhne"})).await.expect(200);
    tell("org.renamed", "gateway", Value::Null, "acme", json!("r-org"));
    app.suspend(acme).await;
    tell("org.suspended", "operator", Value::Null, "acme", Value::Null);
    app.resume(acme).await;
    tell("org.resumed", "operator", Value::Null, "acme", Value::Null);
    (told, secrets)
}

/// Does one thing to the org's one public key; gives its id.
async fn public_key(caller: &Caller, acme: &Org, action: &str) -> String {
    let file = format!("{}/crates/public-keys/tests/fixtures/rsa2048.spki.pem", env!("CARGO_MANIFEST_DIR"));
    if action == "registered" {
        let key = fs::read_to_string(file).expect("the fixture is there");
        let body = json!({"OwnerCode": "acme", "Usage": ["CredentialsDownload"], "Type": "RSA", "PublicKey": key,
                          "ExpirationUtc": END});
        return text(&caller.post("/api/v1/key", body).await.expect(200).json(), "/UniqueId");
    }
    let unique_id = text(&acme.get("/api/v1/key/list/acme").await.expect(200).json(), "/Items/0/UniqueId");
    let path = format!("/api/v1/key/{unique_id}");
    if action == "updated" {
        let body = json!({"ExpirationUtc": "2027-06-01T00:00:00Z"});
        caller.json("PUT", &format!("{path}/set-expiration"), body).await.expect(200);
    } else {
        caller.delete(&path).await.expect(204);
    }
    unique_id
}

fn text(json: &Value, pointer: &str) -> String {
    json.pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no {pointer} in {json}"))
        .to_owned()
}

#[tokio::test]
async fn every_kind_of_change_leaves_one_row_that_says_who_did_it_by_which_request() {
    let app = service().await;
    let acme = app.org("acme").await;
    let (told, _) = change_everything(&app, &acme).await;
    let log = log(&acme).await;
    assert_eq!(log.len(), told.len());
    for (number, (mut entry, expected)) in log.into_iter().zip(told).enumerate() {
        let fields = entry.as_object_mut().expect("an object");
        assert_eq!(fields.remove("seq"), Some(json!(number + 1)));
        assert_eq!(fields.remove("at"), Some(json!("2026-11-21T08:00:00Z")));
        assert_eq!(fields.remove("client_address"), Some(Value::Null));
        assert_eq!(fields.remove("mac").and_then(|mac| mac.as_str().map(str::len)), Some(64));
        assert_eq!(entry, expected);
    }
}

#[tokio::test]
async fn what_was_refused_or_changed_nothing_is_not_in_the_log() {
    let app = service().await;
    let acme = app.org("acme").await;
    acme.post(QUEUE, webhook_queue().await).await.expect(409);
    acme.json("PUT", QUEUE, webhook_queue().await).await.expect(404);
    acme.delete(QUEUE).await.expect(404);
    acme.delete("/v1/admin/org/queues/nonsense").await.expect(404);
    acme.patch("/v1/admin/org", json!({})).await.expect(200);
    acme.patch("/v1/admin/org", json!({"name": ""})).await.expect(422);
    acme.post(KEYS, json!({"name": ""})).await.expect(422);
    assert_eq!(log(&acme).await.len(), 1);
}

#[tokio::test]
async fn a_request_that_is_answered_again_is_one_change() {
    let app = service().await;
    let acme = app.org("acme").await;
    let caller = acme.with("idempotency-key", "a-key-of-twenty-characters");
    for request_id in ["r-first", "r-again"] {
        caller.named(request_id).post(ROTATE_SECRET, json!({})).await.expect(200);
    }
    let log = log(&acme).await;
    assert_eq!((log.len(), &log[1]["request_id"]), (2, &json!("r-first")));
    assert_eq!(super::walk(&app, &acme).await.broken, None);
}

#[tokio::test]
async fn no_secret_and_no_address_is_in_the_log() {
    let app = service().await;
    let acme = app.org("acme").await;
    let (_, secrets) = change_everything(&app, &acme).await;
    let told = acme.get(&format!("{AUDIT}?limit=100")).await.expect(200).text();
    assert!(secrets.len() >= 6);
    for secret in secrets {
        assert!(!told.contains(&secret), "{secret}");
    }
    for private in ["Söhne", "127.0.0.1", "tk_test_", "whsec_", "BEGIN"] {
        assert!(!told.contains(private), "{private}");
    }
}

#[tokio::test]
async fn a_credential_that_is_about_to_end_is_noted_by_the_service_once_a_step() {
    let app = service().await;
    let acme = app.org("acme").await;
    let mut database = app.database.connect().await;
    sqlx::query(
        "INSERT INTO event_queues (org_id, stream, type, settings, expires_at, created_at, updated_at)
         VALUES ($1, 'users', 'azure_storage_queue', '{}', $2, $3, $3)",
    )
    .bind(acme.id)
    .bind(app.clock.now() + TimeDelta::hours(30))
    .bind(app.clock.now())
    .execute(&mut database)
    .await
    .expect("a queue whose credential ends");
    for _ in 0..2 {
        expiry::step(&app.state).await.expect("it looks");
    }
    app.clock.advance(TimeDelta::hours(30));
    expiry::step(&app.state).await.expect("it looks");
    let told: Vec<_> =
        log(&acme).await.iter().map(|e| [text(e, "/actor"), text(e, "/action")].join(" ")).collect();
    let expected =
        ["operator org.created", "service queue.credential_expiring", "service queue.credential_expired"];
    assert_eq!(told, expected);
    assert_eq!(super::walk(&app, &acme).await.broken, None);
}

#[tokio::test]
async fn a_queue_that_was_replaced_has_its_next_credentials_end_noted_anew() {
    let app = service().await;
    let acme = app.org("acme").await;
    acme.make_signing_secret(0).await;
    let mut database = app.database.connect().await;
    sqlx::query(
        "INSERT INTO event_queues (org_id, stream, type, settings, expires_at, expiry_told, created_at, updated_at)
         VALUES ($1, 'users', 'azure_storage_queue', '{}', $2, 0, $2, $2)",
    )
    .bind(acme.id)
    .bind(app.clock.now())
    .execute(&mut database)
    .await
    .expect("a queue whose credential has ended, as was told");
    acme.json("PUT", QUEUE, webhook_queue().await).await.expect(200);
    sqlx::query("UPDATE event_queues SET expires_at = $2 WHERE org_id = $1")
        .bind(acme.id)
        .bind(app.clock.now() + TimeDelta::hours(30))
        .execute(&mut database)
        .await
        .expect("its new credential ends as well");

    expiry::step(&app.state).await.expect("it looks");

    let last = log(&acme).await.pop().expect("rows");
    assert_eq!(text(&last, "/action"), "queue.credential_expiring");
}

#[tokio::test]
async fn the_database_refuses_to_change_or_remove_rows() {
    let app = TestApp::new().await;
    app.org("acme").await;
    let mut database = app.database.connect().await;
    for statement in ["UPDATE audit_log SET actor = 'gateway'", "DELETE FROM audit_log", "TRUNCATE audit_log"]
    {
        let refused = sqlx::query(statement).execute(&mut database).await.expect_err(statement);
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
}

/// A change that raised the revision or wrote a row by itself would be outside the chain.
#[test]
fn there_is_one_place_that_writes_the_log() {
    let mut writers = Vec::new();
    look(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut writers);
    writers.sort_unstable();
    assert_eq!(writers, ["changes/statement.rs: INSERT INTO audit_log"]);
}

/// Finds the files that write rows, or raise the revision without the MAC.
fn look(directory: &Path, writers: &mut Vec<String>) {
    for entry in fs::read_dir(directory).expect("the sources are there").flatten() {
        if entry.path().is_dir() {
            look(&entry.path(), writers);
            continue;
        }
        let source = fs::read_to_string(entry.path()).unwrap_or_default();
        let whole = source.split_whitespace().collect::<Vec<_>>().join(" ");
        let path = entry.path();
        let name = path.to_str().and_then(|path| path.split_once("/src/")).expect("below src").1.to_owned();
        for forbidden in ["INSERT INTO audit_log", "revision = revision"] {
            if whole.contains(forbidden) {
                writers.push(format!("{name}: {forbidden}"));
            }
        }
        let chained = whole.matches("SET revision = given.seq, audit_mac = given.mac").count();
        if whole.matches("SET revision").count() != chained {
            writers.push(format!("{name}: SET revision"));
        }
    }
}
