//! What members may do: everything with their own user, and nothing else.

use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Member;
use crate::support::{TestApp, envelope};

#[tokio::test]
async fn a_token_is_issued_to_users_there_are() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let member = Member::new(&app, &acme).await;
    for (org, user_id) in [(&acme, Uuid::new_v4()), (&zeta, member.user_id)] {
        let refused = org.post("/v1/auth/token", json!({"user_id": user_id})).await.expect(404);
        assert_eq!(refused.code(), "user_not_found");
    }
}

#[tokio::test]
async fn a_member_reads_changes_and_deletes_its_own_user() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let member = Member::new(&app, &acme).await;
    member.caller.patch(&member.path(), json!({"first_name": "Ada"})).await.expect(204);
    let shown = member.caller.get(&member.path()).await.expect(200);
    assert_eq!(shown.json(), acme.get(&member.path()).await.json());
    member.caller.delete(&member.path()).await.expect(204);
    acme.get(&member.path()).await.expect(404);
}

#[tokio::test]
async fn another_user_is_answered_as_one_who_does_not_exist() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (member, other) = (Member::new(&app, &acme).await, Member::new(&app, &acme).await);
    for method in ["GET", "PATCH", "DELETE"] {
        let foreign = member.caller.raw(method, &other.path(), "{}").await.expect(404);
        let missing =
            member.caller.raw(method, &format!("/v1/users/{}", Uuid::new_v4()), "{}").await.expect(404);
        assert_eq!((&foreign.headers, &foreign.body), (&missing.headers, &missing.body));
    }
    other.caller.get(&other.path()).await.expect(200);
}

#[tokio::test]
async fn a_deleted_or_recreated_users_token_is_dead_on_every_path() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (member, other) = (Member::new(&app, &acme).await, Member::new(&app, &acme).await);
    acme.delete(&member.path()).await.expect(204);
    let dead = async |path: &str| {
        for method in ["GET", "PATCH", "DELETE"] {
            let refused = member.caller.json(method, path, json!({"first_name": "Eve"})).await;
            let body = envelope("unauthorized", "Credentials are missing or not valid.");
            refused.expect_json(401, &body);
        }
    };
    dead(&member.path()).await;
    dead(&other.path()).await;
    app.clock.advance(TimeDelta::microseconds(1));
    acme.post("/v1/users", json!({"user_id": member.user_id})).await.expect(201);
    dead(&member.path()).await;
    let again = Member::again(&app, &acme, member.user_id).await;
    // What was refused has changed nothing either.
    let user = again.caller.get(&again.path()).await.expect(200).json()["data"].clone();
    assert_eq!((&user["profile"]["first_name"], &user["updated_at"]), (&Value::Null, &user["created_at"]));
}

#[tokio::test]
async fn a_suspended_orgs_members_are_forbidden_and_a_deleted_orgs_unknown() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let member = Member::new(&app, &acme).await;
    app.suspend(&acme).await;
    assert_eq!(member.caller.get(&member.path()).await.expect(403).code(), "forbidden");
    app.delete(&acme).await;
    member.caller.get(&member.path()).await.expect(401);
}

#[tokio::test]
async fn members_are_unauthorized_on_every_other_route() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let member = Member::new(&app, &acme).await;
    for path in ["/v1/users", "/v1/features", "/v1/admin/org", "/v1/admin/org/events"] {
        member.caller.get(path).await.expect(401);
    }
    member.caller.get(&format!("{}/devices", member.path())).await.expect(401);
}

#[tokio::test]
async fn a_token_is_sent_once_and_alone() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let member = Member::new(&app, &acme).await;
    let twice = member.caller.with("authorization", format!("Bearer {}", member.token));
    twice.get(&member.path()).await.expect(401);
    member.caller.with("authorization", "Basic eDp5").get(&member.path()).await.expect(401);
    let both = member.caller.with("orgid", acme.id.to_string()).get(&member.path()).await.expect(400);
    assert_eq!(both.code(), "conflicting_credentials");
    acme.with("authorization", "Basic eDp5").get(&member.path()).await.expect(200);
}

#[tokio::test]
async fn tokens_live_on_when_issuing_is_switched_off() {
    let app = TestApp::with(&[("DISABLED_FEATURES", "member_tokens")]).await;
    let acme = app.org("acme").await;
    acme.post("/v1/auth/token", json!({"user_id": Uuid::new_v4()})).await.expect(503);
    app.anyone().get("/.well-known/jwks.json").await.expect(200);
}
