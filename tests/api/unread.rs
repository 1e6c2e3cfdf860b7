//! Answers that nobody takes: they hold their places, and not for ever (docs/operations.md,
//! "Memory").

use std::time::Duration;

use partner_api::limits::Limit;
use serde_json::json;

use crate::support::raw::{Connection, ask, get};
use crate::support::{TestApp, within};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn an_answer_holds_its_place_until_it_is_taken_or_the_client_is_gone() {
    let app = TestApp::with(&[("MAX_IN_FLIGHT", "1")]).await;
    let acme = app.org("acme").await;
    let answer = acme.open("/v1/features").await;
    assert_eq!(acme.get("/v1/features").await.expect(503).header("retry-after"), Some("1"));
    for path in ["/livez", "/docs"] {
        // Probes take no place, whatever else is held.
        let expected = if path == "/livez" { 200 } else { 503 };
        app.anyone().get(path).await.expect(expected);
    }
    drop(answer);
    acme.get("/v1/features").await.expect(200);
    // A head without a body holds nothing.
    let _heads = [acme.bodyless("HEAD", "/v1/features").await, acme.bodyless("HEAD", "/docs").await];
    acme.post("/v1/users", json!({"user_id": uuid::Uuid::new_v4()})).await.expect(201);
}

#[tokio::test]
async fn a_client_that_takes_nothing_for_half_a_minute_is_given_up() {
    let app = TestApp::with(&[("MAX_IN_FLIGHT", "1")]).await;
    let server = app.serve().await;
    let mut deaf = Connection::open(server.public).await;
    // More than the sockets between the two hold: 1.4 MB each.
    deaf.send(get("/docs/swagger-ui-bundle.js", "").repeat(20)).await;
    let room = app.state.limits.permits(Limit::Public);
    let mut full = 0;
    let stuck = async || {
        full = if room.available_permits() == 0 { full + 1 } else { 0 };
        (full == 10).then_some(())
    };
    within(SOON, "the client is waited for", stuck).await;
    assert_eq!(ask(server.public, get("/v1/features", "")).await.status, 503);

    pass(Duration::from_secs(31)).await;
    let free = async || (room.available_permits() == 1).then_some(());
    within(SOON, "there is room again", free).await;
    let counted = "partner_api_connections_given_up_total{listener=\"public\"} 1\n";
    let metrics = ask(server.internal, get("/metrics", "")).await.body;
    assert!(metrics.contains(counted), "{metrics}");
    server.stop().await;
}

/// Lets time pass for the server's timers without waiting for it.
async fn pass(duration: Duration) {
    tokio::time::pause();
    tokio::time::advance(duration).await;
    tokio::time::resume();
}
