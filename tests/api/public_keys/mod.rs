//! `/api/v1/key`: partners' public keys, and what is encrypted to them (contract 9).

mod concurrency;
mod deliver;
mod events;
mod expiration;
mod generate;
mod input;
mod pages;
mod proof;
mod proof_required;
mod refusals;
mod register;
mod selection;
mod show;
mod standing;

pub use self::deliver::open;
use serde_json::{Value, json};

use crate::support::{Caller, Org, Reply};

const KEYS: &str = "/api/v1/key";
/// Two years after the tests begin.
const END: &str = "2028-11-21T08:00:00.000Z";

/// A committed key, as text.
fn fixture(name: &str) -> String {
    let path = format!("{}/crates/public-keys/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The base64 between the lines of a block.
fn body_of(block: &str) -> String {
    block.lines().filter(|line| !line.starts_with("-----") && !line.contains(':')).collect()
}

/// A registration that is wrong in nothing.
pub fn rsa(org: &Org, file: &str) -> Value {
    registration(org, "RSA", &fixture(file))
}

pub fn pgp(org: &Org, file: &str) -> Value {
    registration(org, "PGP", &fixture(file))
}

fn registration(org: &Org, kind: &str, key: &str) -> Value {
    json!({"OwnerCode": org.key, "Usage": ["CredentialsDownload"], "Type": kind, "PublicKey": key, "ExpirationUtc": END})
}

fn generation(org: &Org, length: u32) -> Value {
    json!({"OwnerCode": org.key, "Usage": ["MessageLevelEncryption"], "Type": "RSA", "Length": length,
           "ExpirationUtc": END})
}

/// Registers a key; gives its id.
pub async fn register(org: &Org, registration: Value) -> String {
    unique_id(&org.post(KEYS, registration).await.expect(200))
}

fn unique_id(reply: &Reply) -> String {
    reply.json()["UniqueId"].as_str().expect("an id").to_owned()
}

fn path(unique_id: &str) -> String {
    format!("{KEYS}/{unique_id}")
}

/// Asks for a challenge of a key; gives it.
async fn challenge(caller: &Caller, unique_id: &str) -> String {
    let reply = caller.bodyless("POST", &format!("{}/challenge", path(unique_id))).await.expect(200).json();
    reply["Challenge"].as_str().expect("a challenge").to_owned()
}

/// Answers it.
async fn prove(caller: &Caller, unique_id: &str, response: &str) -> Reply {
    caller.post(&format!("{}/proof", path(unique_id)), json!({"Response": response})).await
}

/// Proves that a key to which something is encrypted works; gives the proof.
async fn prove_with(org: &Org, unique_id: &str, private: &str) -> Reply {
    let answer = deliver::open(&challenge(org, unique_id).await, private);
    prove(org, unique_id, &answer).await
}

fn expiration_path(unique_id: &str) -> String {
    format!("{KEYS}/{unique_id}/set-expiration")
}

async fn set_expiration(org: &Org, unique_id: &str, end: &str) -> Reply {
    org.json("PUT", &expiration_path(unique_id), json!({"ExpirationUtc": end})).await
}

/// The ids of a list, in its order.
async fn listed(org: &Org, query: &str) -> Vec<String> {
    let reply = org.get(&format!("{KEYS}/list/{}{query}", org.key)).await.expect(200).json();
    let ids = reply["Items"].as_array().expect("items").iter().map(|item| item["UniqueId"].as_str());
    ids.map(|id| id.expect("an id").to_owned()).collect()
}

/// The body of an error under the request id that callers send.
fn traced(code: &str, message: &str, extra: Value) -> Value {
    json!({"TraceId": "test", "Error": {
        "Code": code, "Message": message, "AdditionalInfo": "", "ExtraData": extra,
    }})
}

fn no_such_key() -> Value {
    traced("not_found", "There is no such resource.", json!({}))
}

fn not_valid(extra: Value) -> Value {
    traced("invalid_request", "The request has fields that are not valid; see ExtraData.", extra)
}
