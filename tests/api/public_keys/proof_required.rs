//! `REQUIRE_KEY_PROOF` (contract 12.5): a partner's key that is not proven is used for nothing. What it means for
//! signed requests is in `signatures::proven`.

use partner_api::ids::OrgId;
use partner_api::routes::public_keys::delivery::{LiveKey, SecretDelivery, Which};
use partner_api::routes::public_keys::recipient::Recipient;
use partner_api::routes::public_keys::store::Wanted;
use partner_api::routes::public_keys::usage::Usage;
use serde_json::json;

use super::deliver::open;
use super::{KEYS, generation, path, pgp, prove_with, register, rsa};
use crate::support::{Org, TestApp};

const MINT: &str = "/v1/admin/org/tenant-keys";

async fn app() -> TestApp {
    TestApp::with(&[("REQUIRE_KEY_PROOF", "true")]).await
}

/// Mints a key to be delivered; gives to which key it was, or the code of the refusal.
async fn delivered(org: &Org, deliver_to: &str) -> String {
    let reply = org.post(MINT, json!({"name": "x", "deliver_to": deliver_to})).await;
    if reply.status != 201 {
        return reply.code();
    }
    let id = reply.json()["data"]["encrypted_to"]["UniqueId"].clone();
    id.as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn nothing_is_delivered_to_a_key_until_it_is_proven() {
    let app = app().await;
    let acme = app.org("acme").await;
    let first = register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;
    assert_eq!(delivered(&acme, "CredentialsDownload").await, "no_delivery_key");
    assert_eq!(delivered(&acme, &first).await, "no_delivery_key");
    prove_with(&acme, &first, "rsa2048.key.pem").await.expect(200);
    assert_eq!(delivered(&acme, "CredentialsDownload").await, first);
    assert_eq!(delivered(&acme, &first).await, first);

    // One that is registered later takes its place once it is proven.
    let second = register(&acme, pgp(&acme, "pgp-curve.asc")).await;
    assert_eq!(delivered(&acme, "CredentialsDownload").await, first);
    assert_eq!(delivered(&acme, &second).await, "no_delivery_key");
    prove_with(&acme, &second, "pgp-curve.key.asc").await.expect(200);
    assert_eq!(delivered(&acme, "CredentialsDownload").await, second);
}

#[tokio::test]
async fn without_the_requirement_a_proof_changes_nothing_that_is_used() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let first = register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;
    prove_with(&acme, &first, "rsa2048.key.pem").await.expect(200);
    let second = register(&acme, pgp(&acme, "pgp-curve.asc")).await;
    assert_eq!(delivered(&acme, "CredentialsDownload").await, second);
}

#[tokio::test]
async fn every_finder_of_keys_asks_for_the_proof() {
    let app = app().await;
    let acme = app.org("acme").await;
    let org_id = OrgId(acme.id);
    let mut all = rsa(&acme, "rsa2048.spki.pem");
    let usages = [
        Usage::Reports,
        Usage::Authentication,
        Usage::MessageLevelEncryption,
        Usage::CredentialsDownload,
        Usage::ResponseSignature,
    ];
    all["Usage"] = usages.iter().map(|usage| usage.name()).collect();
    let id = register(&acme, all).await;
    let found = async || {
        let mut found = Vec::new();
        for usage in usages {
            for which in [Which::For(usage), Which::Named(id.parse().expect("an id"), usage)] {
                for is_partners in [true, false] {
                    let key = LiveKey::find(&app.state, org_id, which, is_partners).await;
                    found.push(key.expect("it is asked").is_some());
                }
            }
        }
        found
    };
    assert_eq!(found().await, [false; 20]);
    prove_with(&acme, &id, "rsa2048.key.pem").await.expect(200);
    assert_eq!(found().await, [true; 20]);
}

#[tokio::test]
async fn no_reply_is_encrypted_to_a_key_until_it_is_proven() {
    let mut app = app().await;
    // As in service: the keys are remembered, and a proof is heard of.
    app.listen().await;
    let acme = app.org("acme").await;
    let mut key = rsa(&acme, "rsa2048.spki.pem");
    key["Usage"] = json!(["MessageLevelEncryption"]);
    let id = register(&acme, key).await;
    let encrypted = acme.with("accept", "application/jose");
    let named = acme.with("accept", format!("application/jose; kid=\"{id}\""));
    for caller in [&encrypted, &named] {
        assert_eq!(caller.get("/v1/users").await.expect(409).code(), "no_encryption_key");
    }
    prove_with(&acme, &id, "rsa2048.key.pem").await.expect(200);
    for caller in [&encrypted, &named] {
        let reply = caller.get("/v1/users").await.expect(200);
        assert!(open(&reply.text(), "rsa2048.key.pem").starts_with("{\"data\":[]"), "{}", reply.text());
    }
}

#[tokio::test]
async fn no_report_is_made_for_a_key_until_it_is_proven() {
    let app = app().await;
    let acme = app.org("acme").await;
    let mut key = pgp(&acme, "pgp-curve.asc");
    key["Usage"] = json!(["Reports"]);
    let id = register(&acme, key).await;
    let report = async || acme.post("/v1/admin/org/reports", json!({"type": "users"})).await;
    assert_eq!(report().await.expect(409).code(), "no_report_key");
    prove_with(&acme, &id, "pgp-curve.key.asc").await.expect(200);
    assert_eq!(report().await.expect(202).json()["data"]["encrypted_to"]["UniqueId"], json!(id));
}

#[tokio::test]
async fn pairs_that_were_generated_here_need_no_proof() {
    let app = app().await;
    let acme = app.org("acme").await;
    acme.post(&format!("{KEYS}/generate"), generation(&acme, 2048)).await.expect(200);
    let which = Which::For(Usage::MessageLevelEncryption);
    let found = LiveKey::find(&app.state, OrgId(acme.id), which, false).await.expect("it is asked");
    assert!(found.is_some());
}

#[tokio::test]
async fn the_proof_is_looked_at_again_when_the_change_commits() {
    let app = app().await;
    let acme = app.org("acme").await;
    let (org_id, now) = (OrgId(acme.id), app.state.clock.now());
    let id = register(&acme, rsa(&acme, "rsa2048.spki.pem")).await;
    let mut db = app.database.connect().await;
    let wanted = Wanted {
        unique_id: id.parse().ok(),
        usage: Usage::CredentialsDownload,
        is_partners: true,
        is_proof_required: true,
    };
    assert!(Recipient::Key(wanted).require(&mut db, org_id, now).await.is_err());
    prove_with(&acme, &id, "rsa2048.key.pem").await.expect(200);
    let delivery = SecretDelivery::prepare(&app.state, org_id, Some("CredentialsDownload"), "secret").await;
    let recipient = delivery.expect("it is encrypted").recipient();
    assert_eq!(recipient, Recipient::Key(wanted));
    recipient.require(&mut db, org_id, now).await.expect("it is there");
    acme.delete(&path(&id)).await.expect(204);
    assert!(recipient.require(&mut db, org_id, now).await.is_err());
}
