//! `GET /v1/users/{user_id}`.

use serde_json::json;

use super::{ADA, create, no_such_user, path};
use crate::support::{TestApp, invalid};

#[tokio::test]
async fn a_user_that_does_not_exist_is_not_found() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    acme.get(&path(ADA)).await.expect_json(404, &no_such_user());
}

#[tokio::test]
async fn a_user_of_another_org_is_answered_as_one_that_does_not_exist() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let missing = acme.get(&path(ADA)).await;
    create(&zeta, ADA).await;

    let foreign = acme.get(&path(ADA)).await;

    assert_eq!((foreign.status, &foreign.headers, &foreign.body), (404, &missing.headers, &missing.body));
    acme.patch(&path(ADA), json!({"first_name": "Eve"})).await.expect_json(404, &no_such_user());
    acme.delete(&path(ADA)).await.expect_json(404, &no_such_user());
    zeta.get(&path(ADA)).await.expect(200);
}

#[tokio::test]
async fn an_id_in_the_path_is_a_uuid_in_its_usual_form() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let problem = invalid(&["path", "user_id"], "uuid_parsing", "must be a UUID, written 8-4-4-4-12");
    for bad in
        ["x", "3f2b8c1e9d4a4c6b8f1e2a7d5c9b0e13", "%00", "%ff", "%7B3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13%7D"]
    {
        acme.get(&path(bad)).await.expect_json(422, &problem);
        acme.delete(&path(bad)).await.expect_json(422, &problem);
    }
}

#[tokio::test]
async fn moments_have_microseconds_where_there_are_any() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    app.clock.advance(chrono::TimeDelta::microseconds(1_500_042));
    create(&acme, ADA).await;
    assert_eq!(acme.get(&path(ADA)).await.json()["data"]["created_at"], "2026-11-21T08:00:01.500042Z");
}
