//! Every operation signs its answers, opens its bodies and encrypts its replies (contract 12.2, 12.3), and answers else as
//! it does in clear.

use axum::body::Body;

use super::{Sweep, json_request};
use crate::support::document::Operation;
use crate::support::sealed::{Pair, generate, opened, register};
use crate::support::{Org, Reply, request};

/// An org that has all keys that messages can have.
struct Correspondent {
    org: Org,
    signing: Pair,
    decrypting: Pair,
    kid: String,
}

impl Correspondent {
    async fn new(sweep: &Sweep, key: &str) -> Self {
        let org = sweep.equipped_org(key).await;
        let signing = generate(&org, "ResponseSignature").await;
        let decrypting = generate(&org, "MessageLevelEncryption").await;
        let kid = register(&org, "MessageLevelEncryption").await;
        Self { org, signing, decrypting, kid }
    }

    /// Sends the document's example encrypted, and asks for everything that there is to ask for.
    async fn send(&self, sweep: &Sweep, operation: &Operation) -> Reply {
        let path = sweep.named(&self.org, operation).await.theirs;
        let caller = self.org.with("accept", "application/jose").with("accept-signature", "sig=()");
        let reply = match sweep.example_body(operation, &self.org.key) {
            Some(body) => {
                let head = request(&operation.method, &path).header("content-type", "application/jose");
                caller.send(head, self.decrypting.encrypt(&body.to_string())).await
            }
            None if operation.takes_lines() => {
                let head = request(&operation.method, &path).header("content-type", "application/x-ndjson");
                caller.send(head, Body::empty()).await
            }
            None => caller.bodyless(&operation.method, &path).await,
        };
        self.signing.signed(&reply, &operation.method, &format!("http://localhost{path}"), None);
        reply
    }
}

#[tokio::test]
async fn every_operation_takes_and_gives_sealed_messages() {
    let sweep = Sweep::new().await;
    let (mut tried, mut encrypted) = (0, 0);
    for operation in sweep.operations() {
        let plain = sweep.equipped_org(&format!("plain-{tried}")).await;
        let path = sweep.named(&plain, &operation).await.theirs;
        let clear = match sweep.example_body(&operation, &plain.key) {
            Some(body) => plain.send(json_request(&operation, &path), body.to_string()).await,
            None => sweep.example_for(&plain, &operation, &path, &plain.key).await,
        };
        let correspondent = Correspondent::new(&sweep, &format!("sealed-{tried}")).await;
        let sealed = correspondent.send(&sweep, &operation).await;
        assert_eq!(sealed.status, clear.status, "{}: {}", operation.id, sealed.text());
        let is_json = clear.header("content-type") == Some("application/json");
        if is_json && (200..300).contains(&clear.status) {
            let reply = opened(&sealed, &correspondent.kid);
            let objections = sweep.document.objections(&operation, &reply);
            assert!(objections.is_empty(), "{}: {objections:?}", operation.id);
            encrypted += 1;
        } else {
            assert_eq!(sealed.header("content-type"), clear.header("content-type"), "{}", operation.id);
        }
        tried += 1;
    }
    assert!(tried >= 40 && encrypted >= 25, "{tried} tried, {encrypted} encrypted");
}
