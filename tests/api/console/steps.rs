//! What is done in the console: as the platform's own services do it, with the token in the audit log.

use partner_api::identity::platform::PlatformScope;
use serde_json::json;
use uuid::Uuid;

use super::Operator;
use crate::portal::{press, shown_secret};
use crate::support::{Org, TestApp, webhook};

const STANDING: &str = "/console/orgs/acme/standing";

/// The audit log's rows of the platform, by action, each with the token.
async fn logged(app: &TestApp, org: &Org, operator: &Operator) -> Vec<String> {
    let rows: Vec<(String, Option<Uuid>)> = sqlx::query_as(
        "SELECT action, key_id FROM audit_log WHERE org_id = $1 AND actor = 'platform' ORDER BY seq",
    )
    .bind(org.id)
    .fetch_all(&mut app.database.connect().await)
    .await
    .unwrap();
    assert!(rows.iter().all(|(_, token)| *token == Some(operator.token_id)), "{rows:?}");
    rows.into_iter().map(|(action, _)| action).collect()
}

#[tokio::test]
async fn an_org_is_frozen_suspended_and_let_go_again() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let operator = Operator::of_all(&app).await;
    let to = |what: &str| format!("/console/orgs/acme/{what}");
    let follow = async |what: &str, fields: &[(&str, &str)]| {
        let done = operator.submit(STANDING, &to(what), fields).await.expect(303);
        operator.page(done.header("location").unwrap()).await
    };
    let page = follow("freeze", &[("reason", "a key is on the loose")]).await;
    assert!(
        page.contains("Its administration is frozen") && page.contains("a key is on the loose"),
        "{page}"
    );
    let refused = acme.post("/v1/admin/org/tenant-keys", json!({"name": "x"})).await.expect(403);
    assert_eq!(refused.code(), "administration_frozen");

    let page = follow("suspend", &[]).await;
    assert!(page.contains("It is suspended"), "{page}");
    acme.get("/v1/admin/org").await.expect(403);
    assert!(follow("resume", &[]).await.contains("It is served again."));
    assert!(follow("thaw", &[]).await.contains("It may be changed again."));
    acme.post("/v1/admin/org/tenant-keys", json!({"name": "x"})).await.expect(201);
    assert_eq!(
        logged(&app, &acme, &operator).await,
        ["org.administration_frozen", "org.suspended", "org.resumed", "org.administration_thawed"]
    );
}

#[tokio::test]
async fn the_button_beside_the_other_one_suspends() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let operator = Operator::of_all(&app).await;
    let page = operator.page(STANDING).await;
    assert!(page.contains("formaction=\"/console/orgs/acme/suspend\""), "{page}");
    let fields = operator.filled(STANDING, "/console/orgs/acme/freeze", &[("reason", "unpaid")]).await;
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    press(&operator.caller, "/console/orgs/acme/suspend", &fields).await.expect(303);
    assert_eq!(logged(&app, &acme, &operator).await, ["org.suspended"]);
}

#[tokio::test]
async fn a_limit_is_set_told_to_be_wrong_and_lifted() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let operator = Operator::of_all(&app).await;
    let to = "/console/orgs/acme/limits";
    let set = async |fields: &[(&str, &str)]| operator.submit(STANDING, to, fields).await;
    set(&[("limits", "own"), ("rate", "5"), ("burst", "7")]).await.expect(303);
    assert!(operator.page(STANDING).await.contains("5 a second, 7 at once"));
    assert!(acme.get("/v1/admin/org").await.expect(200).header("ratelimit-policy").is_some());
    let refused = set(&[("limits", "own"), ("rate", "many")]).await.expect(422).text();
    assert!(refused.contains("That was not done.") && refused.contains("value=\"many\""), "{refused}");
    set(&[("limits", "none")]).await.expect(303);
    assert!(operator.page(STANDING).await.contains("any number"));
    set(&[("limits", "default")]).await.expect(303);
    assert!(operator.page(STANDING).await.contains("as many as all may make"));
    assert_eq!(logged(&app, &acme, &operator).await, ["org.limits_changed"; 3]);
}

#[tokio::test]
async fn a_key_is_revoked_though_the_org_is_frozen_and_suspended() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (key_id, key) = acme.mint().await;
    let operator = Operator::of_all(&app).await;
    for what in ["freeze", "suspend"] {
        operator.submit(STANDING, &format!("/console/orgs/acme/{what}"), &[]).await.expect(303);
    }
    let page = format!("/console/orgs/acme/keys/{key_id}");
    let done = operator.submit(&page, &format!("{page}/revoke"), &[]).await.expect(303);
    assert!(operator.page(done.header("location").unwrap()).await.contains("The key has ended."));
    for what in ["thaw", "resume"] {
        operator.submit(STANDING, &format!("/console/orgs/acme/{what}"), &[]).await.expect(303);
    }
    app.holder(&key).get("/v1/users").await.expect(401);
    assert!(logged(&app, &acme, &operator).await.contains(&"tenant_key.revoked".to_owned()));
}

#[tokio::test]
async fn a_stolen_org_goes_back_by_a_claim_that_is_shown_once() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (_, stolen) = acme.mint().await;
    let operator = Operator::of_all(&app).await;
    let to = "/console/orgs/acme/recover";
    let fields = operator.filled(STANDING, to, &[]).await;
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let recovered = press(&operator.caller, to, &fields).await.expect(200).text();
    let claim = shown_secret(&recovered);
    app.holder(&stolen).get("/v1/users").await.expect(401);
    // Loading the page again recovers nothing again.
    let again = press(&operator.caller, to, &fields).await.expect(200).text();
    assert!(again.contains("That was done already") && !again.contains(&claim), "{again}");
    let path = &claim[claim.find("/v1/claims/").unwrap()..];
    let opened = app.anyone().bodyless("POST", path).await.expect(200).json();
    let key = opened["data"]["tenant_api_key"].as_str().unwrap();
    app.holder(key).get("/v1/users").await.expect(200);
    let actions = logged(&app, &acme, &operator).await;
    assert_eq!(actions.iter().filter(|action| *action == "org.recovered").count(), 1, "{actions:?}");
}

#[tokio::test]
async fn a_recovery_that_is_refused_does_nothing_and_may_be_tried_again() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let operator = Operator::of_all(&app).await;
    let keep = "0192f0c1-2345-7abc-8def-0123456789ab";
    let recover = async |keep: &str| {
        operator.submit(STANDING, "/console/orgs/acme/recover", &[("keep_key_id", keep)]).await
    };
    recover(keep).await.expect(404);
    let refused = recover("x").await.expect(422).text();
    assert!(refused.contains("href=\"#f-keep-key-id\"") && refused.contains("value=\"x\""), "{refused}");
    assert_eq!(logged(&app, &acme, &operator).await, [""; 0]);
    let (key_id, key) = acme.mint().await;
    let kept = recover(&key_id).await.expect(200).text();
    assert!(!kept.contains("<output"), "{kept}");
    app.holder(&key).get("/v1/users").await.expect(200);
}

#[tokio::test]
async fn a_link_leads_into_the_orgs_portal() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let operator = Operator::of_all(&app).await;
    let to = "/console/orgs/acme/link";
    let refused =
        operator.submit(STANDING, to, &[("actor", "ada@example.com"), ("role", "viewer")]).await.expect(422);
    assert!(refused.text().contains("be no e-mail address"), "{}", refused.text());
    let made =
        operator.submit(STANDING, to, &[("actor", "support:ada"), ("role", "viewer")]).await.expect(200);
    let url = shown_secret(&made.text());
    let browser = crate::portal::Browser::open(&app, &url[url.find("/portal").unwrap()..]).await;
    assert!(browser.page("/portal").await.contains("support:ada"));
    assert_eq!(logged(&app, &acme, &operator).await, ["portal_session.created"]);
}

#[tokio::test]
async fn an_org_is_made_and_its_credentials_are_its_owners() {
    let app = TestApp::new().await;
    let operator = Operator::of_all(&app).await;
    let orgs = "/console/orgs";
    let refused =
        operator.submit(orgs, orgs, &[("key", "New Org"), ("name", "New")]).await.expect(422).text();
    assert!(refused.contains("href=\"#f-key\"") && refused.contains("value=\"New Org\""), "{refused}");
    let made = operator.submit(orgs, orgs, &[("key", "new-org"), ("name", "New")]).await.expect(200).text();
    let claim = shown_secret(&made);
    let path = &claim[claim.find("/v1/claims/").unwrap()..];
    app.anyone().bodyless("POST", path).await.expect(200);
    assert!(operator.page("/console/orgs/new-org/keys").await.contains("badge good\">live<"));
    let taken = operator.submit(orgs, orgs, &[("key", "new-org"), ("name", "New")]).await.expect(422).text();
    assert!(taken.contains("There is an organisation with this key already."), "{taken}");
}

#[tokio::test]
async fn a_queue_is_paused_and_its_events_are_sent_again_in_the_platforms_name() {
    let app = TestApp::with(&[("ALLOW_PRIVATE_TARGETS", "true")]).await;
    let acme = app.org("acme").await;
    acme.make_signing_secret(0).await;
    acme.register_webhook("credentials", &webhook::start().await).await;
    let operator = Operator::enter(&app, &[PlatformScope::OrgsRead, PlatformScope::OrgsWrite]).await;
    let queue = "/console/orgs/acme/queues/credentials";
    let paused = operator.submit(queue, &format!("{queue}/pause"), &[]).await.expect(303);
    assert!(operator.page(paused.header("location").unwrap()).await.contains("The queue stands still."));
    operator.submit(queue, &format!("{queue}/resume"), &[]).await.expect(303);
    let event = acme.get("/v1/admin/org/events").await.expect(200).json()["data"][0]["event_id"].clone();
    sqlx::query("UPDATE events SET state = 'failed', closed_at = created_at")
        .execute(&mut app.database.connect().await)
        .await
        .unwrap();
    let page = format!("/console/orgs/acme/events/{}", event.as_str().unwrap());
    let sent = operator.submit(&page, &format!("{page}/replay"), &[]).await.expect(303);
    assert!(operator.page(sent.header("location").unwrap()).await.contains("1 event is sent again"));
    let actions = logged(&app, &acme, &operator).await;
    assert_eq!(actions[..2], ["queue.paused", "queue.resumed"], "{actions:?}");
}
