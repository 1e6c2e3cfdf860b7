//! `DELETE /v1/users/{user_id}`.

use chrono::TimeDelta;
use serde_json::json;

use super::{ADA, create, no_such_user, path};
use crate::support::TestApp;

#[tokio::test]
async fn a_deleted_user_is_purged_not_flagged() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    create(&acme, ADA).await;

    let reply = acme.delete(&path(ADA)).await.expect(204);

    assert_eq!(reply.text(), "");
    acme.get(&path(ADA)).await.expect_json(404, &no_such_user());
    let mut database = app.database.connect().await;
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&mut database).await.unwrap();
    assert_eq!(rows, 0);
}

#[tokio::test]
async fn a_user_can_be_deleted_once() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    create(&acme, ADA).await;
    acme.delete(&path(ADA)).await.expect(204);
    acme.delete(&path(ADA)).await.expect_json(404, &no_such_user());
}

#[tokio::test]
async fn a_user_created_again_inherits_nothing() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    acme.post("/v1/users", json!({"user_id": ADA, "first_name": "Ada"})).await.expect(201);
    acme.delete(&path(ADA)).await.expect(204);
    app.clock.advance(TimeDelta::hours(1));

    create(&acme, ADA).await;

    let fresh = json!({"data": {
        "user_id": ADA,
        "profile": {"first_name": null, "last_name": null, "email": null},
        "created_at": "2026-11-21T09:00:00Z",
        "updated_at": "2026-11-21T09:00:00Z",
    }});
    acme.get(&path(ADA)).await.expect_json(200, &fresh);
}
