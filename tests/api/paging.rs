//! Cursors: the same on every list (contract 1).

use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Org, TestApp};

const LISTS: [&str; 5] = [
    "/v1/users",
    "/v1/admin/org/tenant-keys",
    "/v1/admin/org/events",
    "/v1/admin/org/queues",
    "/v1/admin/org/audit",
];

/// Users, keys and the events of both; some at the same instant, so that ties are met.
async fn filled(app: &TestApp) -> Org {
    let acme = app.org("acme").await;
    for number in 0..7 {
        acme.post("/v1/users", json!({"user_id": Uuid::new_v4()})).await.expect(201);
        acme.post("/v1/admin/org/tenant-keys", json!({"name": "key"})).await.expect(201);
        if number % 3 == 2 {
            app.clock.advance(TimeDelta::milliseconds(1));
        }
    }
    acme
}

#[tokio::test]
async fn pages_by_cursor_are_the_list_and_end_with_null() {
    let app = TestApp::new().await;
    let acme = filled(&app).await;
    for list in LISTS {
        let all = acme.get(&format!("{list}?limit=100")).await.expect(200).json();
        assert!(all["pagination"].get("next_cursor").is_none(), "{list}");
        for limit in 1..=8 {
            let (mut cursor, mut seen) = (String::new(), Vec::new());
            loop {
                let page =
                    acme.get(&format!("{list}?limit={limit}&cursor={cursor}")).await.expect(200).json();
                seen.extend(page["data"].as_array().unwrap().iter().cloned());
                assert_eq!(page["pagination"]["total"], all["pagination"]["total"]);
                match &page["pagination"]["next_cursor"] {
                    Value::String(next) => cursor.clone_from(next),
                    end => break assert!(end.is_null() && page["pagination"].get("next_cursor").is_some()),
                }
            }
            assert_eq!(Value::Array(seen), all["data"], "{list} by {limit}");
        }
    }
}

#[tokio::test]
async fn what_is_created_meanwhile_comes_later_and_what_is_deleted_costs_no_other() {
    let app = TestApp::new().await;
    let acme = filled(&app).await;
    let first = acme.get("/v1/users?limit=3&cursor=").await.json();
    let gone = first["data"][2]["user_id"].as_str().unwrap();
    acme.delete(&format!("/v1/users/{gone}")).await.expect(204);
    app.clock.advance(TimeDelta::seconds(1));
    let new = Uuid::new_v4();
    acme.post("/v1/users", json!({"user_id": new})).await.expect(201);
    let next = first["pagination"]["next_cursor"].as_str().unwrap();
    let rest = acme.get(&format!("/v1/users?limit=100&cursor={next}")).await.json();
    assert_eq!(rest["data"].as_array().unwrap().len(), 5);
    assert_eq!(rest["data"][4]["user_id"], json!(new));
}

#[tokio::test]
async fn a_cursor_that_is_not_ours_is_refused_and_so_is_an_offset_beside_one() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    for list in LISTS {
        for bad in ["x", "%00", "AA", "____________________________________", "%20", "null"] {
            let refused = acme.get(&format!("{list}?cursor={bad}")).await.expect(422).json();
            assert_eq!(refused["detail"][0]["loc"], json!(["query", "cursor"]), "{list} {bad}");
            assert_eq!(refused["detail"][0]["type"], "value_error");
        }
        let both = acme.get(&format!("{list}?cursor=&offset=1")).await.expect(422).json();
        assert_eq!(both["detail"][0]["loc"], json!(["query", "offset"]));
        acme.get(&format!("{list}?cursor=&cursor=")).await.expect(422);
        // Clients that send every default can page all the same.
        acme.get(&format!("{list}?cursor=&offset=0&limit=25")).await.expect(200);
        acme.get(&format!("{list}?cursor=&offset=0&offset=0")).await.expect(422);
    }
}
