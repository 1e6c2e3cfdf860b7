//! `POST /v1/users`.

use serde_json::json;
use tokio::task::JoinSet;

use super::{ADA, create, path};
use crate::support::{TestApp, envelope};

#[tokio::test]
async fn a_new_user_is_answered_with_its_id_and_can_be_shown_at_once() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let ada =
        json!({"user_id": ADA, "first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.com"});

    acme.post("/v1/users", ada).await.expect_json(201, &json!({"data": {"user_id": ADA}}));

    let shown = json!({"data": {
        "user_id": ADA,
        "profile": {"first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.com"},
        "created_at": "2026-11-21T08:00:00Z",
        "updated_at": "2026-11-21T08:00:00Z",
    }});
    acme.get(&path(ADA)).await.expect_json(200, &shown);
}

#[tokio::test]
async fn only_the_id_is_required() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;

    acme.post("/v1/users", json!({"user_id": ADA, "email": null})).await.expect(201);

    let profile = acme.get(&path(ADA)).await.expect(200).json()["data"]["profile"].clone();
    assert_eq!(profile, json!({"first_name": null, "last_name": null, "email": null}));
}

#[tokio::test]
async fn an_id_is_taken_in_any_case_and_answered_in_lower_case() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;

    let reply = acme.post("/v1/users", json!({"user_id": ADA.to_uppercase()})).await;

    reply.expect_json(201, &json!({"data": {"user_id": ADA}}));
    acme.get(&path(&ADA.to_uppercase())).await.expect(200);
}

#[tokio::test]
async fn a_second_user_with_the_same_id_is_refused_and_changes_nothing() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    acme.post("/v1/users", json!({"user_id": ADA, "first_name": "Ada"})).await.expect(201);

    let again = acme.post("/v1/users", json!({"user_id": ADA, "first_name": "Eve"})).await;

    again.expect_json(409, &envelope("user_already_exists", "A user with this user_id already exists."));
    assert_eq!(acme.get(&path(ADA)).await.json()["data"]["profile"]["first_name"], "Ada");
}

#[tokio::test]
async fn the_same_id_in_two_orgs_is_two_users() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    acme.post("/v1/users", json!({"user_id": ADA, "first_name": "Ada"})).await.expect(201);
    zeta.post("/v1/users", json!({"user_id": ADA, "first_name": "Adam"})).await.expect(201);

    acme.delete(&path(ADA)).await.expect(204);

    acme.get(&path(ADA)).await.expect(404);
    assert_eq!(zeta.get(&path(ADA)).await.expect(200).json()["data"]["profile"]["first_name"], "Adam");
}

#[tokio::test]
async fn of_fifty_equal_users_at_once_one_is_created() {
    let mut app = TestApp::new().await;
    // Else the look-ups of the org are what fifty at once have to wait for.
    app.listen().await;
    let acme = app.org("acme").await;
    acme.get("/v1/users").await.expect(200);

    let mut posts = JoinSet::new();
    for _ in 0..50 {
        let caller = (*acme).clone();
        posts.spawn(async move { caller.post("/v1/users", json!({"user_id": ADA})).await.status });
    }
    let mut statuses = posts.join_all().await;

    statuses.sort_unstable();
    assert_eq!(statuses, [[201].as_slice(), &[409; 49]].concat());
}

#[tokio::test]
async fn the_internal_id_never_leaves_the_service() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    create(&acme, ADA).await;
    let mut database = app.database.connect().await;
    let id: String = sqlx::query_scalar("SELECT id::text FROM users").fetch_one(&mut database).await.unwrap();

    for path in ["/v1/users", &path(ADA)] {
        assert!(!acme.get(path).await.expect(200).text().contains(&id));
    }
    acme.get(&path(&id)).await.expect(404);
}
