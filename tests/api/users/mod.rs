//! `/v1/users`: the partners' users (contract 3).

mod bulk;
mod change;
mod create;
mod delete;
mod input;
mod list;
mod show;

use serde_json::{Value, json};

use crate::support::{Org, envelope};

const ADA: &str = "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13";
const GRACE: &str = "0b5e7a52-6c1d-4f0e-9a3b-7d8c6e5f4a21";

/// Creates a user who has nothing but an id.
async fn create(org: &Org, user_id: &str) {
    org.post("/v1/users", json!({"user_id": user_id})).await.expect(201);
}

/// The body of every answer about a user who is not there.
fn no_such_user() -> Value {
    envelope("not_found", "There is no such resource.")
}

fn path(user_id: &str) -> String {
    format!("/v1/users/{user_id}")
}
