//! Asking for reports, listing and deleting them.

use chrono::TimeDelta;
use serde_json::json;

use super::{REPORTS, ask, make, partner, register, shown};
use crate::support::{TestApp, envelope, invalid};

const NO_KEY: &str = "There is no live public key of yours with the usage Reports.";

#[tokio::test]
async fn a_report_is_asked_for_made_and_shown_with_the_key_it_is_encrypted_to() {
    let app = TestApp::new().await;
    let (acme, key) = partner(&app, "acme", "pgp-curve.asc").await;
    let fingerprint = acme.get(&format!("/api/v1/key/{key}")).await.json()["Fingerprint"].clone();
    let encrypted_to = json!({"UniqueId": key, "Fingerprint": fingerprint});

    let asked = acme.post(REPORTS, json!({"type": "users"})).await.expect(202).json()["data"].clone();

    let id = asked["report_id"].clone();
    assert_eq!(
        asked,
        json!({"report_id": id, "type": "users", "status": "queued", "encrypted_to": encrypted_to})
    );
    let path = format!("{REPORTS}/{}", id.as_str().expect("an id"));
    let mut report = json!({
        "report_id": id, "type": "users", "format": "ndjson", "status": "queued", "rows": 0, "bytes": 0,
        "progress": 0.0, "encrypted_to": encrypted_to, "from": null, "to": null, "reason": null,
        "created_at": "2026-11-21T08:00:00Z", "ready_at": null, "expires_at": null,
    });
    assert_eq!(shown(&acme, &path).await, report);

    app.clock.advance(TimeDelta::seconds(5));
    assert_eq!(make(&app).await, 1);

    let bytes = super::content(&acme, &path).await.body.len();
    report["status"] = json!("ready");
    report["bytes"] = json!(bytes);
    report["progress"] = json!(1.0);
    report["ready_at"] = json!("2026-11-21T08:00:05Z");
    report["expires_at"] = json!("2026-11-28T08:00:05Z");
    assert_eq!(shown(&acme, &path).await, report);
    let listed = acme.get(REPORTS).await.expect(200).json();
    assert_eq!(listed, json!({"data": [report], "pagination": {"limit": 25, "offset": 0, "total": 1}}));
}

#[tokio::test]
async fn asking_and_deleting_are_in_the_audit_log_and_the_outcome_is_an_event() {
    let app = TestApp::new().await;
    let (acme, _) = partner(&app, "acme", "rsa2048.spki.pem").await;
    let path = ask(&acme, json!({"type": "users"})).await;
    make(&app).await;
    acme.delete(&path).await.expect(204);
    let id = path.rsplit('/').next().expect("an id");

    let log = acme.get("/v1/admin/org/audit").await.json()["data"].clone();
    let of_reports: Vec<_> = log
        .as_array()
        .expect("a list")
        .iter()
        .filter(|entry| entry["action"].as_str().is_some_and(|action| action.starts_with("report.")))
        .map(|entry| (entry["action"].clone(), entry["subject"].clone(), entry["actor"].clone()))
        .collect();
    let entry = |action: &str| (json!(action), json!(id), json!("gateway"));
    assert_eq!(of_reports, [entry("report.created"), entry("report.deleted")]);

    let body: String = sqlx::query_scalar("SELECT body FROM events WHERE type = 'report.ready'")
        .fetch_one(&mut app.database.connect().await)
        .await
        .expect("one event");
    let data = json!({"report_id": id, "expires_at": "2026-11-28T08:00:00Z", "occurred_at": "2026-11-21T08:00:00Z",
                      "version": 2});
    let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((&body["type"], &body["data"]), (&json!("report.ready"), &data));
}

#[tokio::test]
async fn without_a_live_key_for_reports_that_the_partner_holds_there_is_no_report() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let refused = async || {
        acme.post(REPORTS, json!({"type": "users"}))
            .await
            .expect_json(409, &envelope("no_report_key", NO_KEY));
    };
    refused().await;
    register(&acme, "pgp-rsa.asc", "CredentialsDownload").await;
    let pair = json!({"OwnerCode": "acme", "Usage": ["Reports"], "Type": "RSA", "Length": 2048,
                      "ExpirationUtc": "2028-11-21T08:00:00.000Z"});
    acme.post("/api/v1/key/generate", pair).await.expect(200);
    refused().await;
    let key = register(&acme, "rsa2048.spki.pem", "Reports").await;
    ask(&acme, json!({"type": "users"})).await;
    acme.delete(&format!("/api/v1/key/{key}")).await.expect(204);
    refused().await;
    register(&acme, "rsa3072.spki.pem", "Reports").await;
    ask(&acme, json!({"type": "users"})).await;
    app.clock.advance(TimeDelta::days(731));
    refused().await;
}

#[tokio::test]
async fn the_key_registered_last_is_chosen_when_the_report_is_asked_for() {
    let app = TestApp::new().await;
    let (acme, first) = partner(&app, "acme", "rsa2048.spki.pem").await;
    let path = ask(&acme, json!({"type": "users"})).await;
    app.clock.advance(TimeDelta::seconds(1));
    let second = register(&acme, "pgp-curve.asc", "Reports").await;
    let later = ask(&acme, json!({"type": "users"})).await;
    assert_eq!(make(&app).await, 2);
    assert_eq!(shown(&acme, &path).await["encrypted_to"]["UniqueId"], json!(first));
    assert_eq!(shown(&acme, &later).await["encrypted_to"]["UniqueId"], json!(second));
    super::open(&super::content(&acme, &path).await.body, "rsa2048.key.pem");
    super::open(&super::content(&acme, &later).await.body, "pgp-curve.key.asc");
}

#[tokio::test]
async fn four_reports_may_wait_however_many_ask_at_once() {
    let app = TestApp::new().await;
    let (acme, _) = partner(&app, "acme", "rsa2048.spki.pem").await;
    let asks = (0..8).map(|_| acme.post(REPORTS, json!({"type": "users"})));
    let mut statuses: Vec<_> =
        futures_util::future::join_all(asks).await.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 202, 202, 202, 409, 409, 409, 409]);
    let message = "The organisation has 4 reports that wait or are being made already.";
    let refused = acme.post(REPORTS, json!({"type": "users"})).await;
    refused.expect_json(409, &envelope("too_many_reports", message));
    make(&app).await;
    ask(&acme, json!({"type": "users"})).await;
}

#[tokio::test]
async fn a_hundred_reports_are_kept_until_some_are_deleted_or_expire() {
    let app = TestApp::new().await;
    let (acme, _) = partner(&app, "acme", "rsa2048.spki.pem").await;
    let path = ask(&acme, json!({"type": "users"})).await;
    make(&app).await;
    app.database
        .execute(
            "INSERT INTO reports SELECT (jsonb_populate_record(r, jsonb_build_object('id', gen_random_uuid()))).*
             FROM reports r, generate_series(1, 99)",
        )
        .await;
    let message = "100 reports are kept already; delete some, or wait until they expire.";
    let refused = acme.post(REPORTS, json!({"type": "users"})).await;
    refused.expect_json(409, &envelope("too_many_reports", message));
    acme.delete(&path).await.expect(204);
    ask(&acme, json!({"type": "users"})).await;
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_wish_is_said_at_once() {
    let app = TestApp::new().await;
    let (acme, _) = partner(&app, "acme", "rsa2048.spki.pem").await;
    let problems = acme.post(REPORTS, json!({"format": "xml", "from": "yesterday", "colour": 1})).await;
    let kinds: Vec<_> = problems.expect(422).json()["detail"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|problem| (problem["loc"][1].clone(), problem["type"].clone()))
        .collect();
    let expected = [
        ("type", "missing"),
        ("format", "enum"),
        ("from", "datetime_parsing"),
        ("colour", "extra_forbidden"),
    ];
    assert_eq!(kinds, expected.map(|(field, kind)| (json!(field), json!(kind))));
    let range = json!({"type": "users", "from": "2026-11-21T08:00:00Z", "to": "2026-11-21T08:00:00Z"});
    let reply = acme.post(REPORTS, range).await;
    reply.expect_json(422, &invalid(&["body", "to"], "value_error", "must be later than from"));
}

#[tokio::test]
async fn reports_are_listed_in_pages_and_a_deleted_one_is_not() {
    let app = TestApp::new().await;
    let (acme, _) = partner(&app, "acme", "rsa2048.spki.pem").await;
    let mut paths = Vec::new();
    for _ in 0..4 {
        paths.push(ask(&acme, json!({"type": "users"})).await);
        app.clock.advance(TimeDelta::seconds(1));
    }
    acme.delete(&paths[1]).await.expect(204);
    acme.delete(&paths[1]).await.expect(404);
    acme.get(&paths[1]).await.expect(404);
    let page = acme.get(&format!("{REPORTS}?limit=2&cursor=")).await.expect(200).json();
    let next = page["pagination"]["next_cursor"].as_str().expect("there is more").to_owned();
    let rest = acme.get(&format!("{REPORTS}?limit=2&cursor={next}")).await.expect(200).json();
    assert_eq!((&page["pagination"]["total"], &rest["pagination"]["next_cursor"]), (&json!(3), &json!(null)));
    let listed: Vec<_> = [&page, &rest]
        .into_iter()
        .flat_map(|page| page["data"].as_array().expect("a list"))
        .map(|report| format!("{REPORTS}/{}", report["report_id"].as_str().expect("an id")))
        .collect();
    assert_eq!(listed, [&paths[0], &paths[2], &paths[3]].map(String::clone));
}
