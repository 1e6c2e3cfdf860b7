//! Orgs, as the platform makes, reads, changes and ends them.

use partner_api::identity::platform::PlatformScope;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Caller, TestApp, invalid};

const ORGS: &str = "/internal/orgs";

async fn platform(app: &TestApp) -> (Uuid, Caller) {
    app.platform(&[PlatformScope::OrgsRead, PlatformScope::OrgsWrite]).await
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

#[tokio::test]
async fn a_new_orgs_key_and_secret_work_and_are_shown_once() {
    let app = TestApp::new().await;
    let (token_id, platform) = platform(&app).await;
    let body = json!({"key": "acme", "name": "Acme", "contact_emails": ["ops@acme.example"]});
    let made = platform.post(ORGS, body.clone()).await.expect(201).json()["data"].clone();
    let mut names: Vec<_> = made.as_object().expect("an object").keys().cloned().collect();
    names.sort();
    assert_eq!(names, ["id", "key", "name", "signing_secret", "tenant_api_key"]);
    assert!(text(&made["signing_secret"]).starts_with("whsec_"));
    let owner = app.holder(&text(&made["tenant_api_key"]));
    assert_eq!(owner.get("/v1/admin/org").await.expect(200).json()["data"]["id"], made["id"]);
    owner.get("/v1/auth/signing-secret").await.expect(200);
    let again = platform.post(ORGS, body).await.expect(409).json();
    assert_eq!(again["error"]["code"], "org_already_exists");

    let log = owner.get("/v1/admin/org/audit").await.expect(200).json();
    let authors: Vec<_> = log["data"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|entry| (&entry["action"], &entry["actor"], &entry["key_id"]))
        .collect();
    let by = |action: &str| (json!(action), json!("platform"), json!(token_id));
    let expected = [by("org.created"), by("tenant_key.created"), by("signing_secret.rotated")];
    assert_eq!(authors, expected.iter().map(|(a, b, c)| (a, b, c)).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_org_is_found_by_its_id_and_by_its_key_and_shows_what_it_has() {
    let app = TestApp::new().await;
    let (_, platform) = platform(&app).await;
    let acme = app.org("acme").await;
    acme.post("/v1/users", json!({"user_id": Uuid::new_v4()})).await.expect(201);
    acme.mint().await;
    for named in ["acme", &acme.id.to_string()] {
        let org = platform.get(&format!("{ORGS}/{named}")).await.expect(200).json()["data"].clone();
        assert_eq!(
            (&org["id"], &org["key"], &org["state"]),
            (&json!(acme.id), &json!("acme"), &json!("active"))
        );
        assert_eq!(org["member_count"], 1);
        assert_eq!(org["counts"], json!({"users": 1, "tenant_keys": 1, "public_keys": 0, "queues": 0}));
        assert_eq!((&org["contact_emails"], &org["suspended_at"]), (&json!([]), &json!(null)));
    }
}

#[tokio::test]
async fn orgs_are_listed_oldest_first_page_by_page() {
    let app = TestApp::new().await;
    let (_, platform) = platform(&app).await;
    for key in ["alpha", "beta", "gamma"] {
        app.org(key).await;
        app.clock.advance(chrono::TimeDelta::seconds(1));
    }
    let keys = |page: &Value| -> Vec<String> {
        page["data"].as_array().expect("orgs").iter().map(|org| text(&org["key"])).collect()
    };
    let first = platform.get(&format!("{ORGS}?limit=2&cursor=")).await.expect(200).json();
    assert_eq!(
        (keys(&first), &first["pagination"]["total"]),
        (vec!["alpha".to_owned(), "beta".to_owned()], &json!(3))
    );
    let next = text(&first["pagination"]["next_cursor"]);
    let last = platform.get(&format!("{ORGS}?limit=2&cursor={next}")).await.expect(200).json();
    assert_eq!((keys(&last), &last["pagination"]["next_cursor"]), (vec!["gamma".to_owned()], &json!(null)));
    let beyond = platform.get(&format!("{ORGS}?offset=7")).await.expect(200).json();
    assert_eq!((keys(&beyond).len(), &beyond["pagination"]["total"]), (0, &json!(3)));
}

#[tokio::test]
async fn a_search_finds_by_a_part_of_name_or_key_and_by_the_id_and_pages_in_what_it_found() {
    let app = TestApp::new().await;
    let (_, platform) = platform(&app).await;
    let acme = app.org("acme").await;
    app.org("acme-labs").await;
    app.org("zeta").await;
    platform.patch("/internal/orgs/zeta", json!({"name": "The ACME of Z"})).await.expect(200);
    let found = async |query: &str| {
        let list = platform.get(&format!("{ORGS}?{query}")).await.expect(200).json();
        let keys = list["data"].as_array().unwrap().iter().map(|org| text(&org["key"]));
        (
            keys.collect::<Vec<_>>(),
            list["pagination"]["total"].clone(),
            list["pagination"]["next_cursor"].clone(),
        )
    };
    let expected = ["acme", "acme-labs", "zeta"].map(str::to_owned).to_vec();
    assert_eq!(found("search=aCmE").await, (expected, json!(3), Value::Null));
    assert_eq!(found(&format!("search={}", acme.id)).await.0, ["acme"]);
    assert_eq!(found("search=labs").await.0, ["acme-labs"]);
    // Neither is a pattern.
    assert_eq!((found("search=%25").await.0.len(), found("search=a_me").await.0.len()), (0, 0));
    let (first, total, cursor) = found("search=acme&limit=2&cursor=").await;
    assert_eq!((first, total), (vec!["acme".to_owned(), "acme-labs".to_owned()], json!(3)));
    assert_eq!(found(&format!("search=acme&limit=2&cursor={}", text(&cursor))).await.0, ["zeta"]);
    let long = "a".repeat(201);
    for bad in ["", "%00", &long] {
        platform.get(&format!("{ORGS}?search={bad}")).await.expect(422);
    }
}

#[tokio::test]
async fn it_is_changed_and_the_partner_sees_what_is_its_own() {
    let app = TestApp::new().await;
    let (_, platform) = platform(&app).await;
    let acme = app.org("acme").await;
    let change = json!({"name": "Acme & Co", "contact_emails": ["a@acme.example", "b@acme.example"]});
    let org = platform.patch(&format!("{ORGS}/acme"), change).await.expect(200).json()["data"].clone();
    assert_eq!(
        (&org["name"], &org["contact_emails"]),
        (&json!("Acme & Co"), &json!(["a@acme.example", "b@acme.example"]))
    );
    let seen = acme.get("/v1/admin/org").await.expect(200).json()["data"].clone();
    assert_eq!((&seen["name"], &seen["contact_emails"]), (&json!("Acme & Co"), &json!(null)));
    let refused = platform.patch(&format!("{ORGS}/acme"), json!({"key": "zeta"})).await;
    refused.expect_json(422, &invalid(&["body", "key"], "immutable_field", "cannot be changed"));
    let refused = platform.patch(&format!("{ORGS}/acme"), json!({"contact_emails": ["nobody"]})).await;
    refused.expect_json(422, &json!({"detail": [{"loc": ["body", "contact_emails", 0], "type": "value_error", "msg": "must be an e-mail address"}]}));
}

#[tokio::test]
async fn its_limit_is_set_lifted_and_given_back() {
    let app = TestApp::new().await;
    let (_, platform) = platform(&app).await;
    let acme = app.org("acme").await;
    let set = async |limits: Value| -> Value {
        let changed =
            platform.patch(&format!("{ORGS}/acme"), json!({"limits": limits})).await.expect(200).json();
        changed["data"]["limits"].clone()
    };
    assert_eq!(set(json!({"rate": 1, "burst": 2})).await, json!({"rate": 1, "burst": 2}));
    for status in [200, 200, 429] {
        acme.get("/v1/users").await.expect(status);
    }
    assert_eq!(set(json!({"rate": 50})).await, json!({"rate": 50, "burst": 50}));
    assert_eq!(set(json!({"rate": 0})).await, json!({"rate": 0, "burst": null}));
    assert_eq!(set(json!(null)).await, json!(null));
    for wrong in [json!({"rate": -1}), json!({"burst": 5}), json!({"rate": 1, "burst": 0}), json!(7)] {
        platform.patch(&format!("{ORGS}/acme"), json!({"limits": wrong})).await.expect(422);
    }
}

#[tokio::test]
async fn a_suspended_org_is_refused_until_it_is_resumed() {
    let app = TestApp::new().await;
    let (_, platform) = platform(&app).await;
    let acme = app.org("acme").await;
    let suspended =
        platform.post(&format!("{ORGS}/acme/suspend"), json!({"reason": "unpaid"})).await.expect(200).json();
    assert_eq!(
        (&suspended["data"]["state"], &suspended["data"]["suspend_reason"]),
        (&json!("suspended"), &json!("unpaid"))
    );
    acme.get("/v1/users").await.expect(403);
    let again =
        platform.post(&format!("{ORGS}/acme/suspend"), json!({"reason": "worse"})).await.expect(200).json();
    assert_eq!(again["data"]["suspend_reason"], "unpaid");
    let resumed = platform.post(&format!("{ORGS}/acme/resume"), json!({})).await.expect(200).json();
    assert_eq!(
        (&resumed["data"]["state"], &resumed["data"]["suspend_reason"]),
        (&json!("active"), &json!(null))
    );
    acme.get("/v1/users").await.expect(200);
}

#[tokio::test]
async fn a_frozen_org_goes_on_but_changes_nothing_until_it_is_thawed() {
    let app = TestApp::new().await;
    let (_, platform) = platform(&app).await;
    let acme = app.org("acme").await;
    let frozen =
        platform.post(&format!("{ORGS}/acme/freeze"), json!({"reason": "odd keys"})).await.expect(200).json();
    assert_eq!(
        frozen["data"]["administration"],
        json!({"frozen_at": "2026-11-21T08:00:00Z", "reason": "odd keys"})
    );
    acme.get("/v1/users").await.expect(200);
    let refused = acme.post("/v1/admin/org/tenant-keys", json!({"name": "x"})).await.expect(403).json();
    assert_eq!(refused["error"]["code"], "administration_frozen");
    let thawed = platform.post(&format!("{ORGS}/acme/thaw"), json!({})).await.expect(200).json();
    assert_eq!(thawed["data"]["administration"], json!({"frozen_at": null, "reason": null}));
    acme.mint().await;
}

#[tokio::test]
async fn it_is_deleted_only_by_who_says_its_key_again() {
    let app = TestApp::new().await;
    let (_, platform) = platform(&app).await;
    let acme = app.org("acme").await;
    let path = format!("{ORGS}/{}", acme.id);
    for wrong in [
        path.clone(),
        format!("{path}?confirm="),
        format!("{path}?confirm=zeta"),
        format!("{path}?confirm={}", acme.id),
    ] {
        platform.delete(&wrong).await.expect(422);
    }
    acme.get("/v1/users").await.expect(200);
    platform.delete(&format!("{path}?confirm=acme")).await.expect(204);
    acme.get("/v1/users").await.expect(403);
    platform.get(&path).await.expect(404);
}
