//! Who may change public keys: a key in its grace window administers nothing (contract 4).

use serde_json::json;

use super::{END, KEYS, generation, path, register, rsa};
use crate::support::TestApp;

#[tokio::test]
async fn a_superseded_key_reads_and_changes_nothing() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let id = register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;
    let (_, secret) = acme.mint().await;
    let old = app.anyone().with("taih-tenant-key", &secret);
    old.post("/v1/auth/tenant-key/rotate", json!({})).await.expect(200);

    let end = json!({"ExpirationUtc": END});
    let nobody = uuid::Uuid::new_v4().to_string();
    for reply in [
        old.post(KEYS, rsa(&acme, "rsa3072.spki.pem")).await,
        old.post(&format!("{KEYS}/generate"), generation(&acme, 2048)).await,
        old.delete(&path(&id)).await,
        old.delete(&path(&nobody)).await,
        old.bodyless("POST", &format!("{}/challenge", path(&id))).await,
        super::prove(&old, &id, "anything").await,
        super::prove(&old, &nobody, "anything").await,
        old.json("PUT", &super::expiration_path(&id), end.clone()).await,
        old.json("PUT", &super::expiration_path(&nobody), end).await,
    ] {
        assert_eq!(reply.expect(403).code(), "key_superseded");
    }
    old.post(KEYS, json!({})).await.expect(400);
    old.get(&path(&id)).await.expect(200);
    old.get(&format!("{KEYS}/list/acme")).await.expect(200);
}
