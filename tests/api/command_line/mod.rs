//! The program as operators run it (contract 11).

mod databases;
mod doctor;
mod embedded;
mod files;
mod json;
mod keys;
mod master;
mod org;
mod platform;
mod report;
mod serve;
mod shells;
mod start;

use std::net::SocketAddr;

use serde_json::json;

use crate::support::raw::{RawReply, ask, get, post};

const ADA: &str = "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13";

/// Creates a user as the printed curl line does.
async fn create_user(address: SocketAddr, org_id: &str, user_id: &str) -> RawReply {
    let body = json!({"user_id": user_id, "first_name": "Ada", "email": "ada@example.com"}).to_string();
    ask(address, post("/v1/users", &format!("orgid: {org_id}\r\n"), &body)).await
}

async fn show_user(address: SocketAddr, org_id: &str, user_id: &str) -> RawReply {
    ask(address, get(&format!("/v1/users/{user_id}"), &format!("orgid: {org_id}\r\n"))).await
}
