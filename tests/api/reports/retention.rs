//! What becomes of reports.

use chrono::TimeDelta;
use partner_api::background::retention;
use serde_json::json;

use super::{REPORTS, ask, make, number, partner, shown};
use crate::support::TestApp;

const CHUNKS: &str = "SELECT count(*) FROM report_chunks";

#[tokio::test]
async fn a_content_goes_after_seven_days_and_the_entry_after_thirty() {
    let app = TestApp::new().await;
    let (acme, _) = partner(&app, "acme", "rsa2048.spki.pem").await;
    let path = ask(&acme, json!({"type": "users"})).await;
    make(&app).await;
    app.clock.advance(TimeDelta::days(7) - TimeDelta::microseconds(1));
    retention::step(&app.state).await.expect("it deletes");
    super::content(&acme, &path).await;
    app.clock.advance(TimeDelta::microseconds(1));

    // Before anybody has cleared anything away, too.
    for chunks in [1, 0] {
        assert_eq!(number(&app, CHUNKS).await, chunks);
        acme.get(&format!("{path}/content")).await.expect(404);
        let report = shown(&acme, &path).await;
        assert_eq!((&report["status"], &report["progress"]), (&json!("expired"), &json!(1.0)));
        retention::step(&app.state).await.expect("it deletes");
    }

    app.clock.advance(TimeDelta::days(23) + TimeDelta::microseconds(1));
    retention::step(&app.state).await.expect("it deletes");
    acme.get(&path).await.expect(404);
    assert_eq!(acme.get(REPORTS).await.json()["data"], json!([]));
}

#[tokio::test]
async fn what_was_deleted_leaves_nothing_behind() {
    let app = TestApp::new().await;
    let (acme, _) = partner(&app, "acme", "rsa2048.spki.pem").await;
    let made = ask(&acme, json!({"type": "users"})).await;
    make(&app).await;
    let waiting = ask(&acme, json!({"type": "users"})).await;
    acme.delete(&made).await.expect(204);
    acme.delete(&waiting).await.expect(204);
    assert_eq!(make(&app).await, 0);
    retention::step(&app.state).await.expect("it deletes");
    assert_eq!((number(&app, CHUNKS).await, number(&app, "SELECT count(*) FROM reports").await), (0, 0));
}

#[tokio::test]
async fn what_waits_and_what_is_stored_is_measured() {
    let app = TestApp::new().await;
    let (acme, _) = partner(&app, "acme", "rsa2048.spki.pem").await;
    let path = ask(&acme, json!({"type": "users"})).await;
    make(&app).await;
    ask(&acme, json!({"type": "events"})).await;
    retention::step(&app.state).await.expect("it measures");
    let length = super::content(&acme, &path).await.body.len();
    let metrics = app.operations().get("/metrics").await.expect(200).text();
    for line in [
        "partner_api_reports_waiting 1\n".to_owned(),
        format!("partner_api_reports_stored_bytes {length}\n"),
        "partner_api_reports_total{type=\"users\",result=\"ready\"} 1\n".to_owned(),
        "partner_api_reports_total{type=\"events\",result=\"ready\"} 0\n".to_owned(),
        "partner_api_reports_making 0\n".to_owned(),
    ] {
        assert!(metrics.contains(&line), "{line}");
    }
}
