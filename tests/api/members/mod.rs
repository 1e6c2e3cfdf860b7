//! Member tokens and members (contract 0 and 10).

mod issuer;
mod keys;
mod routes;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Caller, Org, TestApp};

/// A user and its token.
struct Member {
    user_id: Uuid,
    token: String,
    caller: Caller,
}

impl Member {
    async fn new(app: &TestApp, org: &Org) -> Self {
        let user_id = Uuid::new_v4();
        org.post("/v1/users", json!({"user_id": user_id})).await.expect(201);
        Self::again(app, org, user_id).await
    }

    /// Another token for a user there is.
    async fn again(app: &TestApp, org: &Org, user_id: Uuid) -> Self {
        let reply = org.post("/v1/auth/token", json!({"user_id": user_id})).await.expect(200);
        let token = reply.json()["data"]["access_token"].as_str().expect("a token").to_owned();
        let caller = app.anyone().with("authorization", format!("Bearer {token}"));
        Self { user_id, token, caller }
    }

    fn path(&self) -> String {
        format!("/v1/users/{}", self.user_id)
    }

    /// Header and claims.
    fn parts(&self) -> (Value, Value) {
        let mut parts = self.token.split('.').map(|part| {
            use base64::Engine as _;
            let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).expect("base64url");
            serde_json::from_slice(&bytes).unwrap_or_default()
        });
        (parts.next().expect("a header"), parts.next().expect("claims"))
    }
}
