//! Who reads it, and how.

use serde_json::{Value, json};

use super::{AUDIT, log, rename};
use crate::support::TestApp;

#[tokio::test]
async fn a_page_shows_entries_and_the_head_to_keep() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    rename(&acme, "Acme").await;
    rename(&acme, "Acme again").await;
    let all = log(&acme).await;
    let page = acme.get(&format!("{AUDIT}?limit=1&offset=1")).await.expect(200);
    let expected = json!({
        "data": [{
            "seq": 2, "at": "2026-11-21T08:00:00Z", "actor": "gateway", "key_id": null, "actor_id": null, "action": "org.renamed",
            "subject": "acme", "request_id": "test", "client_address": null, "mac": all[1]["mac"],
        }],
        "pagination": {"limit": 1, "offset": 1, "total": 3},
        "head": {"seq": 3, "mac": all[2]["mac"]},
    });
    page.expect_json(200, &expected);
}

#[tokio::test]
async fn an_org_reads_its_own_log_and_no_other() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    rename(&acme, "Acme").await;
    let before = zeta.get(AUDIT).await.expect(200).text();
    rename(&acme, "Acme again").await;
    assert_eq!(zeta.get(AUDIT).await.expect(200).text(), before);
    assert_eq!(log(&zeta).await.len(), 1);
    // Equal rows of two orgs are not equally chained.
    assert_ne!(log(&acme).await[0]["mac"], log(&zeta).await[0]["mac"]);

    // Another org's cursor is a place in one's own log.
    let next = acme.get(&format!("{AUDIT}?limit=1&cursor=")).await.expect(200).json();
    let cursor = next["pagination"]["next_cursor"].as_str().expect("there is more").to_owned();
    let page = zeta.get(&format!("{AUDIT}?cursor={cursor}")).await.expect(200).json();
    assert_eq!((&page["data"], &page["pagination"]["next_cursor"]), (&json!([]), &Value::Null));
}

#[tokio::test]
async fn it_can_be_switched_off_and_is_written_all_the_same() {
    let app = TestApp::with(&[("DISABLED_FEATURES", "audit_log")]).await;
    let acme = app.org("acme").await;
    assert_eq!(acme.get(AUDIT).await.expect(503).code(), "service_unavailable");
    rename(&acme, "Acme").await;
    assert_eq!(super::walk(&app, &acme).await.rows, 2);
}

#[tokio::test]
async fn the_cursor_of_another_list_is_no_way_into_this_one() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    for _ in 0..2 {
        acme.post("/v1/users", json!({"user_id": uuid::Uuid::new_v4()})).await.expect(201);
    }
    let users = acme.get("/v1/users?limit=1&cursor=").await.expect(200).json();
    let cursor = users["pagination"]["next_cursor"].as_str().expect("there is more").to_owned();
    let page = acme.get(&format!("{AUDIT}?cursor={cursor}")).await.expect(200).json();
    assert_eq!(page["data"], json!([]));
}
