//! What one org asks about another's things never changes what the other is answered: neither what
//! was found nor what was not found is remembered across orgs.

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use crate::support::{Org, TestApp, within};

const FEATURES: &str = "/v1/features";

async fn two_orgs() -> (TestApp, Org, Org) {
    let mut app = TestApp::new().await;
    app.listen().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    for org in [&acme, &zeta] {
        org.get(FEATURES).await.expect(200);
    }
    (app, acme, zeta)
}

#[tokio::test]
async fn an_org_that_names_anothers_key_first_is_refused_and_the_owner_is_served() {
    let (_app, acme, zeta) = two_orgs().await;
    for _ in 0..3 {
        let (id, _) = zeta.mint().await;
        acme.with("x-tenant-key-id", &id).get(FEATURES).await.expect(401);
        zeta.with("x-tenant-key-id", &id).get(FEATURES).await.expect(200);
        // And the other way round: what the owner was answered opens nothing to the other.
        acme.with("x-tenant-key-id", &id).get(FEATURES).await.expect(401);
        zeta.with("x-tenant-key-id", &id).get(FEATURES).await.expect(200);
    }
}

#[tokio::test]
async fn without_memory_a_key_of_another_org_opens_nothing_either() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let (id, _) = zeta.mint().await;
    acme.with("x-tenant-key-id", &id).get(FEATURES).await.expect(401);
    zeta.with("x-tenant-key-id", &id).get(FEATURES).await.expect(200);
}

#[tokio::test]
async fn a_revocation_reaches_a_key_that_others_asked_about() {
    let (_app, acme, zeta) = two_orgs().await;
    let (id, _) = zeta.mint().await;
    let (theirs, own) = (acme.with("x-tenant-key-id", &id), zeta.with("x-tenant-key-id", &id));
    theirs.get(FEATURES).await.expect(401);
    own.get(FEATURES).await.expect(200);
    zeta.delete(&format!("/v1/admin/org/tenant-keys/{id}")).await.expect(204);
    let refused = async || (own.get(FEATURES).await.status == 401).then_some(());
    within(Duration::from_secs(1), "the key is refused", refused).await;
}

#[tokio::test]
async fn a_key_sent_beside_another_orgs_id_is_refused_and_goes_on_working() {
    let (app, acme, zeta) = two_orgs().await;
    let (_, secret) = zeta.mint().await;
    let key = app.holder(&secret);
    for _ in 0..3 {
        key.with("orgid", acme.id.to_string()).get(FEATURES).await.expect(401);
        key.get(FEATURES).await.expect(200);
        key.with("orgid", zeta.id.to_string()).get(FEATURES).await.expect(200);
    }
}

#[tokio::test]
async fn users_and_tokens_of_one_id_in_two_orgs_are_two() {
    let (app, acme, zeta) = two_orgs().await;
    let user = json!({"user_id": Uuid::new_v4()});
    let path = format!("/v1/users/{}", user["user_id"].as_str().expect("an id"));
    acme.get(&path).await.expect(404);
    acme.post("/v1/auth/token", user.clone()).await.expect(404);
    zeta.post("/v1/users", user.clone()).await.expect(201);
    for _ in 0..2 {
        acme.get(&path).await.expect(404);
        acme.post("/v1/auth/token", user.clone()).await.expect(404);
        zeta.get(&path).await.expect(200);
    }
    let token = zeta.post("/v1/auth/token", user.clone()).await.expect(200).json();
    let token = token["data"]["access_token"].as_str().expect("a token").to_owned();
    acme.post("/v1/users", user).await.expect(201);
    acme.patch(&path, json!({"first_name": "Acme's"})).await.expect(204);
    let shown =
        app.anyone().with("authorization", format!("Bearer {token}")).get(&path).await.expect(200).json();
    assert_eq!(shown["data"]["profile"]["first_name"], json!(null), "the token is for the other org's user");
}

#[tokio::test]
async fn one_orgs_count_is_not_anothers() {
    let (_app, acme, zeta) = two_orgs().await;
    for _ in 0..3 {
        acme.post("/v1/users", json!({"user_id": Uuid::new_v4()})).await.expect(201);
    }
    for (org, total) in [(&acme, 3), (&zeta, 0), (&acme, 3)] {
        assert_eq!(org.get("/v1/users").await.expect(200).json()["pagination"]["total"], total);
        assert_eq!(org.get("/v1/admin/org").await.expect(200).json()["data"]["member_count"], total);
    }
}
