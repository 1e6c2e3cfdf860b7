//! Keys that partners had before (contract 15), taken over by their hashes.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use chrono::TimeDelta;
use hmac::{Hmac, KeyInit as _, Mac as _};
use partner_api::background::leaks;
use partner_api::crypto::reseal;
use partner_api::crypto::tenant_key::{KeyEnv, TenantKey};
use partner_api::identity::platform::PlatformScope;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::Row as _;

use crate::support::process::Program;
use crate::support::raw::{ask, get};
use crate::support::{Caller, Database, Org, Replica, TestApp, within};

const KEY: &str = "sk_live_4fZq1B7hT0aR9xYvK2mN8pLd3sW6uCjE";
const OTHER: &str = "sk_live_0000000000000000000000000000000z";
const END: &str = "2026-12-21T08:00:00Z";
const SECRET: &str = "an old pepper of the platform's";

async fn platform(app: &TestApp) -> Caller {
    app.platform(&[PlatformScope::OrgsRead, PlatformScope::OrgsWrite]).await.1
}

fn sha256(key: &str) -> Value {
    json!({"algorithm": "sha256", "digest": hex::encode(Sha256::digest(key))})
}

fn hmac(key: &str) -> Value {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length");
    mac.update(key.as_bytes());
    json!({"algorithm": "hmac-sha256", "digest": hex::encode(mac.finalize().into_bytes())})
}

fn entry(hash: Value) -> Value {
    json!({"name": "billing", "hash": hash, "expires_at": END})
}

fn body(keys: &[Value]) -> Value {
    json!({"pattern": {"prefix": "sk_live_", "length": 32, "alphabet": "base62"}, "keys": keys})
}

fn path(org: &Org) -> String {
    format!("/internal/orgs/{}/tenant-keys/import", org.key)
}

async fn import(app: &TestApp, org: &Org, keys: &[Value]) -> Value {
    let reply = platform(app).await.post(&path(org), body(keys)).await;
    reply.expect(201).json()["data"].clone()
}

async fn asked(app: &TestApp, key: &str) -> u16 {
    app.operations().with("taih-tenant-key", key).get("/internal/auth/verify").await.status
}

async fn digest(app: &TestApp) -> Vec<u8> {
    let row = sqlx::query("SELECT digest FROM tenant_keys WHERE origin = 'imported'");
    row.fetch_one(&mut app.database.connect().await).await.expect("a key").get(0)
}

#[tokio::test]
async fn an_imported_key_opens_what_our_own_do_and_strangers_of_its_form_open_nothing() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    assert_eq!(asked(&app, KEY).await, 401);
    let imported = import(&app, &acme, &[entry(sha256(KEY))]).await;
    assert_eq!(imported[0]["origin"], "imported");
    assert_eq!((&imported[0]["prefix"], &imported[0]["expires_at"]), (&json!("sk_live_"), &json!(END)));
    let verified =
        app.operations().with("taih-tenant-key", KEY).get("/internal/auth/verify").await.expect(200);
    assert_eq!(verified.header("orgid"), Some(acme.id.to_string().as_str()));
    assert_eq!(verified.header("x-tenant-key-id"), imported[0]["id"].as_str());
    let org = app.holder(KEY).get("/v1/admin/org").await.expect(200).json();
    assert_eq!(org["data"]["id"], json!(acme.id));
    for stranger in [OTHER, &KEY[..39], &format!("{KEY}0"), "sk_test_4fZq1B7hT0aR9xYvK2mN8pLd3sW6uCjE"] {
        assert_eq!(asked(&app, stranger).await, 401, "{stranger}");
        app.holder(stranger).get("/v1/admin/org").await.expect(401);
    }
}

#[tokio::test]
async fn a_key_under_the_platforms_old_pepper_is_known_by_it_and_the_pepper_lies_sealed() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let platform = platform(&app).await;
    let mut wanted = body(&[entry(hmac(KEY))]);
    platform.post(&path(&acme), wanted.clone()).await.expect(422);
    wanted["hmac_secret"] = SECRET.into();
    platform.post(&path(&acme), wanted).await.expect(201);
    app.holder(KEY).get("/v1/users").await.expect(200);
    let row = sqlx::query("SELECT sealed, row_to_json(p)::text FROM key_patterns p");
    let row = row.fetch_one(&mut app.database.connect().await).await.expect("a form");
    let (sealed, all): (Vec<u8>, String) = (row.get(0), row.get(1));
    assert!(!sealed.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()));
    assert!(!all.contains(SECRET) && !all.contains(&hex::encode(SECRET)));
    let keys = &app.state.keyring.master;
    assert_eq!(reseal::count_left(&app.state.db.pool, keys).await.expect("counted"), 0);
}

#[tokio::test]
async fn its_hash_is_stored_under_our_pepper_and_dies_with_its_first_use() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    import(&app, &acme, &[entry(sha256(KEY))]).await;
    let before = digest(&app).await;
    assert_ne!(before, Sha256::digest(KEY).to_vec());
    app.state.identity.flush().await;
    assert_eq!(digest(&app).await, before, "it was not used yet");
    app.holder(KEY).get("/v1/users").await.expect(200);
    app.state.identity.flush().await;
    let after = digest(&app).await;
    assert_ne!(after, before);
    let key = app.state.identity.key_patterns.key(KEY.as_bytes()).await.expect("an answer").expect("a key");
    let ours = app.state.keyring.hash(&key);
    assert_eq!(after, ours.digest.to_vec());
    app.holder(KEY).get("/v1/users").await.expect(200);
}

#[tokio::test]
async fn it_ends_when_it_was_said_to_or_sooner() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let imported = import(&app, &acme, &[entry(sha256(KEY))]).await;
    let own = format!("/v1/admin/org/tenant-keys/{}", imported[0]["id"].as_str().expect("an id"));
    for later in [json!(null), json!("2026-12-21T08:00:01Z")] {
        acme.patch(&own, json!({"expires_at": later})).await.expect(422);
    }
    acme.patch(&own, json!({"expires_at": "2026-12-01T08:00:00Z"})).await.expect(200);
    app.clock.advance(TimeDelta::days(10) - TimeDelta::seconds(1));
    app.holder(KEY).get("/v1/users").await.expect(200);
    app.clock.advance(TimeDelta::seconds(1));
    app.holder(KEY).get("/v1/users").await.expect(401);
    assert_eq!(asked(&app, KEY).await, 401);
}

#[tokio::test]
async fn it_is_rotated_to_one_of_ours_and_revoked_and_reported_as_ours_are() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let imported = import(&app, &acme, &[entry(sha256(KEY)), entry(sha256(OTHER))]).await;
    let ids: Vec<_> = imported.as_array().expect("keys").iter().map(|key| key["id"].clone()).collect();
    let rotate = json!({"grace_period_seconds": 60});
    let rotated = app.holder(KEY).post("/v1/auth/tenant-key/rotate", rotate).await.expect(200).json();
    let successor = rotated["data"]["new_tenant_api_key"].as_str().expect("a key").to_owned();
    assert!(successor.starts_with("tk_test_"));
    assert_eq!(rotated["data"]["previous_key_id"], ids[0]);
    let listed = app.holder(&successor).get("/v1/admin/org/tenant-keys").await.expect(200).json();
    let origins: Vec<_> =
        listed["data"].as_array().expect("keys").iter().map(|key| key["origin"].clone()).collect();
    assert_eq!(origins.iter().filter(|origin| *origin == "imported").count(), 2);
    assert_eq!(origins.iter().filter(|origin| *origin == "made").count(), 1);

    app.anyone().post("/v1/leaks", json!({"key": OTHER})).await.expect(202);
    assert_eq!(leaks::step(&app.state).await.expect("looked at"), 1);
    let leaked = acme.get(&format!("/v1/admin/org/tenant-keys/{}", ids[1].as_str().expect("an id"))).await;
    assert!(leaked.expect(200).json()["data"]["leaked_at"].is_string());
    app.anyone().post("/v1/leaks", json!({"key": "no key of anybody's"})).await.expect(422);
    app.anyone().post("/v1/leaks", json!({"key": "of-no-form-that-is-known"})).await.expect(422);

    acme.delete(&format!("/v1/admin/org/tenant-keys/{}", ids[1].as_str().expect("an id"))).await.expect(204);
    app.holder(OTHER).get("/v1/users").await.expect(401);
}

#[tokio::test]
async fn all_are_taken_over_or_none_and_ten_are_the_most() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    acme.mint().await;
    let key = |n: u32| entry(sha256(&format!("sk_live_{n:032}")));
    let ten: Vec<_> = (0..10).map(key).collect();
    let platform = platform(&app).await;
    let refused = platform.post(&path(&acme), body(&ten)).await.expect(409).json();
    assert_eq!(refused["error"]["code"], "too_many_live_keys");
    app.holder(&format!("sk_live_{:032}", 0)).get("/v1/users").await.expect(401);
    platform.post(&path(&acme), body(&ten[..9])).await.expect(201);
    app.holder(&format!("sk_live_{:032}", 0)).get("/v1/users").await.expect(200);
}

#[tokio::test]
async fn a_hash_is_one_keys_over_all_orgs() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    import(&app, &acme, &[entry(sha256(KEY))]).await;
    let refused =
        platform(&app).await.post(&path(&zeta), body(&[entry(sha256(OTHER)), entry(sha256(KEY))])).await;
    let refused = refused.expect(422).json();
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "keys", 1, "hash", "digest"]));
    app.holder(OTHER).get("/v1/users").await.expect(401);
}

#[tokio::test]
async fn a_form_that_could_be_guessed_is_refused_and_so_is_what_has_no_end() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let platform = platform(&app).await;
    let mut endless = entry(sha256(KEY));
    endless.as_object_mut().expect("an object").remove("expires_at");
    for (field, value) in [
        ("pattern", json!({"prefix": "sk_", "length": 21, "alphabet": "base62"})),
        ("pattern", json!({"prefix": "sk_", "length": 31, "alphabet": "hex"})),
        ("pattern", json!({"prefix": "pt_", "length": 40, "alphabet": "base62"})),
        ("pattern", json!({"prefix": ".*", "length": 40, "alphabet": "base62"})),
        ("pattern", json!({"prefix": "sk_", "length": 40, "alphabet": "[a-z]+"})),
        ("keys", json!([])),
        ("keys", json!([endless])),
        ("keys", json!([{"name": "x", "hash": {"algorithm": "md5", "digest": "00"}, "expires_at": END}])),
        ("hmac_secret", json!("a secret that nothing needs")),
    ] {
        let mut wanted = body(&[entry(sha256(KEY))]);
        wanted[field] = value.clone();
        platform.post(&path(&acme), wanted).await.expect(422);
    }
}

#[tokio::test]
async fn where_nothing_was_imported_a_text_of_another_form_costs_no_look_up() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    for _ in 0..3 {
        app.holder(KEY).get("/v1/users").await.expect(401);
    }
    let lookups = async || {
        let text = app.operations().get("/metrics").await.expect(200).text();
        let lines = text
            .lines()
            .filter(|line| line.starts_with("tenant_keys_refused") || line.contains("key_lookups"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let before = lookups().await;
    assert!(!before.is_empty());
    app.holder(KEY).get("/v1/users").await.expect(401);
    assert_eq!(lookups().await, before);
    import(&app, &acme, &[entry(sha256(KEY))]).await;
    app.holder(KEY).get("/v1/users").await.expect(200);
}

#[tokio::test]
async fn keys_of_another_installation_of_this_service_have_our_own_form_and_are_taken_over_too() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let theirs = TenantKey::generate(KeyEnv::Live).expose().to_owned();
    let wanted = json!({
        "pattern": {"prefix": "tk_live_", "length": 49, "alphabet": "base62"}, "keys": [entry(sha256(&theirs))],
    });
    app.holder(&theirs).get("/v1/users").await.expect(401);
    platform(&app).await.post(&path(&acme), wanted).await.expect(201);
    app.holder(&theirs).get("/v1/users").await.expect(200);
    let (_, ours) = acme.mint().await;
    app.holder(&ours).get("/v1/users").await.expect(200);
}

#[tokio::test]
async fn a_replica_that_was_told_of_nothing_reads_the_forms_by_itself() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let replica = Replica::start(&app).await;
    import(&app, &acme, &[entry(sha256(KEY))]).await;
    replica.anyone().with("taih-tenant-key", KEY).get("/v1/users").await.expect(200);
}

#[tokio::test]
async fn a_running_service_hears_of_an_import_at_the_command_line() {
    let database = Database::new().await;
    let program = Program::on(&database);
    program.run(&["org", "create", "--key", "acme", "--name", "Acme"]).succeeded();
    let service = program.serve();
    let sent = format!("taih-tenant-key: {KEY}\r\n");
    assert_eq!(ask(service.public, get("/v1/users", &sent)).await.status, 401);
    let mut wanted = body(&[entry(hmac(KEY))]);
    wanted["keys"][0]["expires_at"] = "2099-01-01T00:00:00Z".into();
    let write = |name: &str, text: &str, mode: u32| {
        let path = program.directory.join(name);
        std::fs::write(&path, text).expect("a file");
        std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("its mode");
    };
    write("keys.json", &wanted.to_string(), 0o644);
    write("pepper.txt", &format!("{SECRET}\n"), 0o644);
    let import =
        ["key", "import", "--org", "acme", "--file", "keys.json", "--hmac-secret-file", "pepper.txt"];
    let readable = program.run(&import).refused();
    assert!(readable.starts_with("pepper.txt"), "{readable}");
    write("pepper.txt", &format!("{SECRET}\n"), 0o600);
    let listed = program.run(&import).succeeded();
    assert!(listed.contains("  billing  (imported)") && !listed.contains(SECRET), "{listed}");
    let opens = async || (ask(service.public, get("/v1/users", &sent)).await.status == 200).then_some(());
    within(Duration::from_secs(10), "the key is known", opens).await;
    service.stop();

    let twice = wanted.to_string().replacen("{", "{\"keys\":[],", 1);
    write("keys.json", &twice, 0o644);
    let refused = program.run(&import[..6]).refused();
    assert!(refused.starts_with("keys.json: "), "{refused}");
}
