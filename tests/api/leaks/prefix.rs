//! `KEY_PREFIX`: how new keys begin, while old ones stay good.

use serde_json::Value;

use crate::support::TestApp;

#[tokio::test]
async fn new_keys_have_the_prefix_and_the_document_says_so() {
    let app = TestApp::with(&[("KEY_PREFIX", "acme2"), ("KEY_ENV", "live")]).await;
    let org = app.org("acme").await;
    let made = org.post(super::KEYS, serde_json::json!({"name": "new"})).await.expect(201).json();
    let key = made["data"]["secret"].as_str().expect("a key");
    assert!(key.starts_with("acme2_live_"));
    assert_eq!(made["data"]["prefix"], key[..17]);
    app.holder(key).get("/v1/features").await.expect(200);
    let document: Value = app.anyone().get("/openapi.json").await.expect(200).json();
    let text = document.to_string();
    assert_eq!(text.matches("^acme2_(live|test)_[0-9A-Za-z]{49}$").count(), 2);
    assert!(!text.contains("^tk_(live|test)_"));
}

#[tokio::test]
async fn a_key_from_before_the_prefix_changed_still_works() {
    let before = TestApp::new().await;
    let org = before.org("acme").await;
    let (_, key) = org.mint().await;
    let form = "acme".parse().expect("a prefix");
    let other = partner_api::crypto::tenant_key::KeyForm {
        prefix: form,
        env: partner_api::crypto::tenant_key::KeyEnv::Test,
    };
    // Keys of any prefix are looked up; these two are told apart by what the database knows.
    before.holder(&key).get("/v1/features").await.expect(200);
    let unknown = partner_api::crypto::tenant_key::TenantKey::generate(other);
    before.holder(unknown.expose()).get("/v1/features").await.expect(401);
}
