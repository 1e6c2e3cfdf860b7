//! `/v1/admin/org` (contract 10).

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

use crate::support::{TestApp, invalid};

const ORG: &str = "/v1/admin/org";

#[tokio::test]
async fn an_org_sees_itself_and_how_many_users_it_has() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    for org in [&acme, &acme, &zeta] {
        org.post("/v1/users", json!({"user_id": Uuid::new_v4()})).await.expect(201);
    }
    let expected = json!({"data": {
        "id": acme.id, "name": "acme", "key": "acme", "member_count": 2, "created_at": "2026-11-21T08:00:00Z",
        "signature_policy": "optional",
        "sign_responses": false,
        "administration": {"frozen_at": null, "reason": null},
        "allowed_networks": null,
        "network_policy": "enforce",
        "leak_policy": "grace",
        "leak_grace_seconds": 86_400,
    }});
    acme.get(ORG).await.expect_json(200, &expected);
}

#[tokio::test]
async fn it_can_be_renamed_and_nothing_else() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    assert_eq!(
        acme.patch(ORG, json!({"name": "Acme & Söhne"})).await.expect(200).json()["data"]["name"],
        "Acme & Söhne"
    );
    assert_eq!(acme.patch(ORG, json!({})).await.expect(200).json()["data"]["name"], "Acme & Söhne");
    for field in ["id", "key"] {
        let refused = acme.patch(ORG, json!({field: "zeta"})).await;
        refused.expect_json(422, &invalid(&["body", field], "immutable_field", "cannot be changed"));
    }
    for (name, kind) in [
        (json!(""), "string_too_short"),
        (json!("x".repeat(201)), "string_too_long"),
        (json!(null), "value_error"),
        (json!(7), "string_type"),
    ] {
        let refused = acme.patch(ORG, json!({"name": name})).await.expect(422);
        assert_eq!(refused.json()["detail"][0]["type"], kind);
    }
}

#[tokio::test]
async fn a_rename_is_in_the_audit_log_and_no_event() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    acme.patch(ORG, json!({"name": "Acme"})).await.expect(200);
    let mut database = app.database.connect().await;
    let actions: Vec<(i64, String, String)> =
        sqlx::query_as("SELECT seq, action, actor FROM audit_log WHERE org_id = $1 ORDER BY seq")
            .bind(acme.id)
            .fetch_all(&mut database)
            .await
            .unwrap();
    let expected = [(1, "org.created", "operator"), (2, "org.renamed", "gateway")];
    assert_eq!(actions, expected.map(|(seq, action, actor)| (seq, action.to_owned(), actor.to_owned())));
    let events: i64 =
        sqlx::query_scalar("SELECT count(*) FROM events").fetch_one(&mut database).await.unwrap();
    assert_eq!(events, 0);
}

#[tokio::test]
async fn a_suspended_org_is_suspended_since_the_first_time() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let mut database = app.database.connect().await;
    let mut since = async || -> Option<DateTime<Utc>> {
        let since = sqlx::query_scalar("SELECT suspended_at FROM orgs").fetch_one(&mut database).await;
        since.expect("the org is there")
    };
    let first = app.clock.now();
    app.suspend(&acme).await;
    app.clock.advance(TimeDelta::hours(1));
    app.suspend(&acme).await;
    assert_eq!(since().await, Some(first));
    app.resume(&acme).await;
    assert_eq!(since().await, None);
    app.suspend(&acme).await;
    assert_eq!(since().await, Some(first + TimeDelta::hours(1)));
}
