//! `PATCH /v1/users/{user_id}`.

use axum::body::Body;
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{ADA, no_such_user, path};
use crate::support::{Org, TestApp, invalid};

#[tokio::test]
async fn a_field_that_is_sent_is_set_one_that_is_null_is_cleared_and_the_rest_stay() {
    let app = TestApp::new().await;
    let acme = with_ada(&app).await;
    app.clock.advance(TimeDelta::minutes(1));

    let reply = acme.patch(&path(ADA), json!({"last_name": "King", "email": null})).await.expect(204);

    assert_eq!(reply.text(), "");
    let changed = json!({
        "user_id": ADA,
        "profile": {"first_name": "Ada", "last_name": "King", "email": null},
        "created_at": "2026-11-21T08:00:00Z",
        "updated_at": "2026-11-21T08:01:00Z",
    });
    assert_eq!(show(&acme).await, changed);
}

#[tokio::test]
async fn nothing_to_change_is_fine_and_changes_nothing() {
    let app = TestApp::new().await;
    let acme = with_ada(&app).await;
    let before = show(&acme).await;
    app.clock.advance(TimeDelta::minutes(1));

    acme.patch(&path(ADA), json!({})).await.expect(204);
    acme.bodyless("PATCH", &path(ADA)).await.expect(204);
    acme.raw("PATCH", &path(ADA), Body::empty()).await.expect(204);

    assert_eq!(show(&acme).await, before);
}

#[tokio::test]
async fn an_id_cannot_be_changed_not_even_to_itself() {
    let app = TestApp::new().await;
    let acme = with_ada(&app).await;
    let problem = invalid(&["body", "user_id"], "immutable_field", "cannot be changed");
    for user_id in [json!(ADA), json!("another"), json!(null)] {
        acme.patch(&path(ADA), json!({"user_id": user_id})).await.expect_json(422, &problem);
    }
}

#[tokio::test]
async fn one_bad_field_and_nothing_is_changed() {
    let app = TestApp::new().await;
    let acme = with_ada(&app).await;
    let before = show(&acme).await;

    let reply = acme.patch(&path(ADA), json!({"first_name": "Augusta", "email": "nobody"})).await;

    reply.expect_json(422, &invalid(&["body", "email"], "value_error", "must be an e-mail address"));
    assert_eq!(show(&acme).await, before);
}

#[tokio::test]
async fn a_user_that_does_not_exist_cannot_be_changed() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    acme.patch(&path(ADA), json!({"first_name": "Ada"})).await.expect_json(404, &no_such_user());
    acme.patch(&path(ADA), json!({})).await.expect_json(404, &no_such_user());
}

#[tokio::test]
async fn problems_of_the_path_and_of_the_body_are_told_together() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let problems = json!({"detail": [
        {"loc": ["path", "user_id"], "msg": "must be a UUID, written 8-4-4-4-12", "type": "uuid_parsing"},
        {"loc": ["body", "last_name"], "msg": "must have at least 1 characters", "type": "string_too_short"},
        {"loc": ["body", "nickname"], "msg": "is not a field of this request", "type": "extra_forbidden"},
    ]});
    acme.patch(&path("x"), json!({"last_name": "", "nickname": "A"})).await.expect_json(422, &problems);
}

async fn with_ada(app: &TestApp) -> Org {
    let acme = app.org("acme").await;
    let ada =
        json!({"user_id": ADA, "first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.com"});
    acme.post("/v1/users", ada).await.expect(201);
    acme
}

async fn show(org: &Org) -> Value {
    org.get(&path(ADA)).await.expect(200).json()["data"].clone()
}
