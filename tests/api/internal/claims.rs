//! Claims: a link that hands an org its credentials, once.

use chrono::TimeDelta;
use partner_api::identity::platform::PlatformScope;
use serde_json::{Value, json};

use crate::support::TestApp;

/// Has an org made with a claim; gives the path of its link.
async fn claimed(app: &TestApp) -> String {
    let (_, platform) = app.platform(&[PlatformScope::OrgsWrite]).await;
    let body = json!({"key": "acme", "name": "Acme", "claim": true});
    let made = platform.post("/internal/orgs", body).await.expect(201).json()["data"].clone();
    assert!(made.get("tenant_api_key").is_none() && made.get("signing_secret").is_none(), "{made}");
    let url = made["claim_url"].as_str().expect("a link");
    url[url.find("/v1/claims/").expect("the path of claims")..].to_owned()
}

#[tokio::test]
async fn it_makes_the_credentials_for_whoever_comes_first() {
    let app = TestApp::new().await;
    let path = claimed(&app).await;
    let opened = app.anyone().bodyless("POST", &path).await.expect(200).json()["data"].clone();
    assert_eq!((&opened["key"], &opened["name"]), (&json!("acme"), &json!("Acme")));
    assert!(opened["signing_secret"].as_str().is_some_and(|secret| secret.starts_with("whsec_")));
    let owner = app.holder(opened["tenant_api_key"].as_str().expect("a key"));
    assert_eq!(owner.get("/v1/admin/org").await.expect(200).json()["data"]["id"], opened["org_id"]);
    let keys = owner.get("/v1/admin/org/tenant-keys").await.expect(200).json();
    assert_eq!(
        (keys["data"][0]["id"].clone(), keys["pagination"]["total"].clone()),
        (opened["key_id"].clone(), json!(1))
    );
    let log = owner.get("/v1/admin/org/audit").await.expect(200).json();
    assert_eq!(log["data"][1]["actor"], "claim");
}

#[tokio::test]
async fn the_second_is_refused_and_the_org_hears_of_it_once() {
    let app = TestApp::new().await;
    let path = claimed(&app).await;
    let opened = app.anyone().bodyless("POST", &path).await.expect(200).json();
    for _ in 0..3 {
        let gone = app.anyone().bodyless("POST", &path).await.expect(410).json();
        assert_eq!(gone["error"]["code"], "claim_gone");
    }
    let owner = app.holder(opened["data"]["tenant_api_key"].as_str().expect("a key"));
    let events = owner.get("/v1/admin/org/events").await.expect(200).json();
    let told: Vec<&Value> = events["data"]
        .as_array()
        .expect("events")
        .iter()
        .filter(|event| event["type"] == "claim.reopened")
        .collect();
    assert_eq!(told.len(), 1, "{events}");
    let log = owner.get("/v1/admin/org/audit").await.expect(200).json();
    let last = log["data"].as_array().and_then(|log| log.last()).expect("an entry");
    assert_eq!((&last["action"], &last["actor"]), (&json!("claim.reopened"), &json!("claim")));
}

#[tokio::test]
async fn of_many_at_once_one_gets_credentials() {
    let app = TestApp::new().await;
    let path = claimed(&app).await;
    let openers = (0..20).map(|_| async { app.anyone().bodyless("POST", &path).await.status });
    let statuses = futures_util::future::join_all(openers).await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 410).count(), 19, "{statuses:?}");
}

#[tokio::test]
async fn it_is_good_for_72_hours_and_for_nothing_else() {
    let app = TestApp::new().await;
    let path = claimed(&app).await;
    app.anyone().get(&path).await.expect(405);
    app.anyone().bodyless("POST", &path[..path.len() - 1]).await.expect(404);
    app.anyone().bodyless("POST", "/v1/claims/x").await.expect(404);
    app.clock.advance(TimeDelta::hours(72));
    assert_eq!(app.anyone().bodyless("POST", &path).await.expect(410).json()["error"]["code"], "claim_gone");
}

#[tokio::test]
async fn a_suspended_orgs_claim_stays_closed() {
    let app = TestApp::new().await;
    let path = claimed(&app).await;
    let (_, platform) = app.platform(&[PlatformScope::OrgsWrite]).await;
    platform.post("/internal/orgs/acme/suspend", json!({})).await.expect(200);
    app.anyone().bodyless("POST", &path).await.expect(403);
    platform.post("/internal/orgs/acme/resume", json!({})).await.expect(200);
    app.anyone().bodyless("POST", &path).await.expect(200);
}
