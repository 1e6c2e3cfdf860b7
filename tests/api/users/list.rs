//! `GET /v1/users`.

use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ADA, GRACE, create};
use crate::support::{Org, TestApp, invalid};

#[tokio::test]
async fn an_org_without_users_has_an_empty_list() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    create(&zeta, ADA).await;
    let empty = json!({"data": [], "pagination": {"limit": 25, "offset": 0, "total": 0}});
    acme.get("/v1/users").await.expect_json(200, &empty);
}

#[tokio::test]
async fn users_are_listed_oldest_first_and_ties_by_id() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    create(&acme, ADA).await;
    create(&acme, GRACE).await;
    app.clock.advance(TimeDelta::seconds(-1));
    create(&acme, "ffffffff-ffff-4fff-bfff-ffffffffffff").await;

    let list = json!({
        "data": [
            {"user_id": "ffffffff-ffff-4fff-bfff-ffffffffffff", "created_at": "2026-11-21T07:59:59Z"},
            {"user_id": GRACE, "created_at": "2026-11-21T08:00:00Z"},
            {"user_id": ADA, "created_at": "2026-11-21T08:00:00Z"},
        ],
        "pagination": {"limit": 25, "offset": 0, "total": 3},
    });
    acme.get("/v1/users").await.expect_json(200, &list);
}

#[tokio::test]
async fn pages_follow_one_another_without_gap_or_repetition() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    insert_users(&app, &acme, 7).await;

    let mut seen = Vec::new();
    for (offset, size) in [(0, 3), (3, 3), (6, 1), (9, 0)] {
        let page = acme.get(&format!("/v1/users?limit=3&offset={offset}")).await.expect(200).json();
        assert_eq!(page["pagination"], json!({"limit": 3, "offset": offset, "total": 7}));
        let ids = ids(&page);
        assert_eq!(ids.len(), size);
        seen.extend(ids);
    }
    assert_eq!(seen, ids(&acme.get("/v1/users").await.json()));
}

#[tokio::test]
async fn a_page_has_twenty_five_entries_unless_told_otherwise_and_a_hundred_at_most() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    insert_users(&app, &acme, 101).await;
    for (query, size) in
        [("", 25), ("?limit=1", 1), ("?limit=100", 100), ("?offset=100", 1), ("?offset=10000", 0)]
    {
        assert_eq!(
            ids(&acme.get(&format!("/v1/users{query}")).await.expect(200).json()).len(),
            size,
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_total_is_exact_up_to_ten_thousand() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    insert_users(&app, &acme, 9_999).await;
    create(&acme, ADA).await;
    assert_eq!(total(&acme).await, 10_000);
}

#[tokio::test]
async fn a_total_above_ten_thousand_may_be_the_count_of_a_minute_ago() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    insert_users(&app, &acme, 10_002).await;
    assert_eq!(total(&acme).await, 10_002);
    create(&acme, ADA).await;
    assert!([10_002, 10_003].contains(&total(&acme).await));
}

#[tokio::test]
async fn limits_and_offsets_out_of_bounds_are_refused() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    for (query, field, kind, msg) in [
        ("limit=0", "limit", "greater_than_equal", "must be at least 1"),
        ("limit=101", "limit", "less_than_equal", "must be at most 100"),
        ("limit=99999999999999999999", "limit", "less_than_equal", "must be at most 100"),
        ("limit=", "limit", "int_parsing", "must be a whole number"),
        ("limit=1.0", "limit", "int_parsing", "must be a whole number"),
        ("limit=%2B1", "limit", "int_parsing", "must be a whole number"),
        ("limit=1%00", "limit", "int_parsing", "must be a whole number"),
        ("limit=%ff", "limit", "int_parsing", "must be a whole number"),
        ("limit=1&limit=1", "limit", "value_error", "is given more than once"),
        ("offset=-1", "offset", "greater_than_equal", "must be at least 0"),
        ("offset=10001", "offset", "less_than_equal", "must be at most 10000"),
        ("offset=-99999999999999999999", "offset", "greater_than_equal", "must be at least 0"),
    ] {
        let reply = acme.get(&format!("/v1/users?{query}")).await;
        reply.expect_json(422, &invalid(&["query", field], kind, msg));
    }
}

#[tokio::test]
async fn two_wrong_parameters_are_told_together() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let problems = json!({"detail": [
        {"loc": ["query", "limit"], "msg": "must be a whole number", "type": "int_parsing"},
        {"loc": ["query", "offset"], "msg": "must be at least 0", "type": "greater_than_equal"},
    ]});
    acme.get("/v1/users?limit=many&offset=-1").await.expect_json(422, &problems);
}

/// Many users at once, one second after the other.
async fn insert_users(app: &TestApp, org: &Org, count: i32) {
    sqlx::query(
        "INSERT INTO users (org_id, user_id, id, created_at, updated_at)
         SELECT $1, gen_random_uuid(), gen_random_uuid(), $2 + n * interval '1 second', $2
         FROM generate_series(1, $3) AS n",
    )
    .bind(org.id)
    .bind(app.clock.now())
    .bind(count)
    .execute(&mut app.database.connect().await)
    .await
    .expect("users are inserted");
}

async fn total(org: &Org) -> i64 {
    org.get("/v1/users?limit=1").await.expect(200).json()["pagination"]["total"].as_i64().expect("a number")
}

fn ids(page: &Value) -> Vec<Uuid> {
    let entries = page["data"].as_array().expect("a list");
    entries.iter().map(|entry| entry["user_id"].as_str().expect("an id").parse().expect("a UUID")).collect()
}
