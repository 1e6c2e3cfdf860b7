//! `/v1/admin/org/reports`: asked for, made in the background, fetched and opened by the partner (contract 12.4).

mod asking;
mod content;
mod making;
mod retention;
mod rows;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use partner_api::background::reports;
use pgp::composed::{Deserializable as _, Message, SignedSecretKey};
use public_keys::jwe::Jwe;
use public_keys::rsa::PrivateKey;
use serde_json::{Value, json};

use crate::support::{Org, Reply, TestApp};

const REPORTS: &str = "/v1/admin/org/reports";

/// A committed key, as text.
fn fixture(name: &str) -> String {
    let path = format!("{}/crates/public-keys/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// An org with a key to encrypt reports to; gives the key's id as well.
async fn partner(app: &TestApp, key: &str, file: &str) -> (Org, String) {
    let org = app.org(key).await;
    let id = register(&org, file, "Reports").await;
    (org, id)
}

/// Registers a committed key for a usage.
async fn register(org: &Org, file: &str, usage: &str) -> String {
    let kind = if file.starts_with("pgp") { "PGP" } else { "RSA" };
    let body = json!({"OwnerCode": org.key, "Usage": [usage], "Type": kind, "PublicKey": fixture(file),
                      "ExpirationUtc": "2028-11-21T08:00:00.000Z"});
    let registered = org.post("/api/v1/key", body).await.expect(200).json();
    registered["UniqueId"].as_str().expect("an id").to_owned()
}

/// Asks for a report; gives its path.
async fn ask(org: &Org, body: Value) -> String {
    let asked = org.post(REPORTS, body).await.expect(202).json();
    format!("{REPORTS}/{}", asked["data"]["report_id"].as_str().expect("an id"))
}

/// Makes what was asked for.
async fn make(app: &TestApp) -> usize {
    reports::step(&app.state).await.expect("it looks")
}

async fn shown(org: &Org, report: &str) -> Value {
    org.get(report).await.expect(200).json()["data"].clone()
}

async fn content(org: &Org, report: &str) -> Reply {
    org.get(&format!("{report}/content")).await.expect(200)
}

/// Asks for a report and has it made; gives what the holder of `secret`'s private half reads.
async fn report(app: &TestApp, org: &Org, secret: &str, body: Value) -> String {
    let path = ask(org, body).await;
    assert_eq!(make(app).await, 1);
    open(&content(org, &path).await.body, secret)
}

/// Opens a content with the private half in a file.
fn open(content: &[u8], secret: &str) -> String {
    let opened = if secret.starts_with("pgp") {
        open_pgp(content, secret)
    } else {
        open_lines(content, secret).concat()
    };
    String::from_utf8(opened).expect("text")
}

/// With rPGP, which the service itself never does.
fn open_pgp(content: &[u8], secret: &str) -> Vec<u8> {
    let (secret, _) = SignedSecretKey::from_string(&fixture(secret)).expect("a key");
    let message = Message::from_bytes(content).expect("a message");
    message.decrypt(&"".into(), &secret).expect("it opens").as_data_vec().expect("data")
}

/// The plain text of each line.
fn open_lines(content: &[u8], secret: &str) -> Vec<Vec<u8>> {
    let key: String = fixture(secret).lines().filter(|line| !line.starts_with("-----")).collect();
    let key = PrivateKey::from_pkcs8(&BASE64_STANDARD.decode(key).expect("base64")).expect("a key");
    let lines = std::str::from_utf8(content).expect("text").lines();
    lines
        .map(|line| Jwe::parse(line.as_bytes()).expect("a JWE").open(&key).expect("it opens").to_vec())
        .collect()
}

/// The rows of NDJSON.
fn rows(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

async fn create_user(org: &Org, first_name: &str) -> String {
    let user_id = uuid::Uuid::new_v4().to_string();
    org.post("/v1/users", json!({"user_id": user_id, "first_name": first_name})).await.expect(201);
    user_id
}

/// Puts many users into an org at once, one a microsecond from now on.
async fn populate(app: &TestApp, org: &Org, count: i32) {
    sqlx::query(
        "INSERT INTO users (org_id, user_id, id, first_name, last_name, email, created_at, updated_at)
         SELECT $1, gen_random_uuid(), gen_random_uuid(), 'first ' || n, 'last ' || n, n || '@example.com',
                $2 + n * interval '1 microsecond', $2 FROM generate_series(1, $3) AS n",
    )
    .bind(org.id)
    .bind(app.clock.now())
    .bind(count)
    .execute(&mut app.database.connect().await)
    .await
    .expect("they are there");
}

/// What a query says of the database, in one number.
async fn number(app: &TestApp, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(&mut app.database.connect().await).await.expect("a number")
}
