//! One dead target delays nobody else, and no org sees another's events.

use std::time::Duration;

use partner_api::events::publisher;
use serde_json::json;
use tokio::sync::watch;

use super::{EVENTS, REPLAY, create_user, listed, partner, publish, service};
use crate::support::webhook::Receiver;
use crate::support::within;

#[tokio::test]
async fn a_target_that_hangs_delays_no_other_org_and_no_other_stream() {
    let app = service().await;
    let (hung, well) = (partner(&app, "hung").await, partner(&app, "well").await);
    let other_stream = Receiver::start().await;
    hung.org.register_webhook("credentials", &other_stream.url).await;
    let _hangs = hung.receiver.answers_later("200 OK");
    // More than one queue may have in flight.
    let lines: String =
        (0..200).map(|_| format!("{{\"user_id\": \"{}\"}}\n", uuid::Uuid::new_v4())).collect();
    let head =
        crate::support::request("POST", "/v1/users/bulk").header("content-type", "application/x-ndjson");
    hung.org.send(head, lines).await.expect(200);

    let (stop, stopped) = watch::channel(false);
    let publisher = tokio::spawn(publisher::run(app.state.clone(), stopped));
    let arrived = async || (hung.receiver.take().len() > 1).then_some(());
    within(Duration::from_secs(5), "the hanging target is busy", arrived).await;
    for _ in 0..3 {
        create_user(&well.org).await;
        hung.org.mint().await;
        let delivered = async || {
            let (theirs, credentials) = (well.receiver.take().len(), other_stream.take().len());
            (theirs > 0 || credentials > 0).then_some(())
        };
        within(Duration::from_secs(2), "the others' events arrive", delivered).await;
    }
    let all = async || {
        let pending = [listed(&well.org, "&status=pending").await, stream_pending(&hung.org).await];
        pending.iter().all(Vec::is_empty).then_some(())
    };
    within(Duration::from_secs(3), "nothing of theirs waits", all).await;
    assert!(!listed(&hung.org, "&status=pending").await.is_empty());
    publisher.abort();
    drop(stop);
}

async fn stream_pending(org: &crate::support::Org) -> Vec<serde_json::Value> {
    let path = format!("{EVENTS}?stream=credentials&status=pending");
    org.get(&path).await.expect(200).json()["data"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn no_org_sees_replays_or_receives_anothers_events() {
    let app = service().await;
    let (acme, zeta) = (partner(&app, "acme").await, partner(&app, "zeta").await);
    create_user(&acme.org).await;
    create_user(&zeta.org).await;
    create_user(&zeta.org).await;
    assert_eq!(publish(&app).await, 3);
    for (partner, count) in [(&acme, 1), (&zeta, 2)] {
        let arrived = partner.receiver.take();
        assert_eq!(arrived.len(), count);
        assert!(arrived.iter().all(|event| event.json()["org_id"] == json!(partner.org.id)));
        assert_eq!(listed(&partner.org, "").await.len(), count);
    }
    let theirs = listed(&zeta.org, "").await[0]["event_id"].clone();
    let replayed = acme.org.post(REPLAY, json!({"event_ids": [theirs]})).await.expect(202);
    assert_eq!(replayed.json(), json!({"data": {"replayed": 0}}));
    let range = json!({"stream": "users", "from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z"});
    assert_eq!(acme.org.post(REPLAY, range).await.expect(202).json()["data"]["replayed"], 1);
    assert_eq!(publish(&app).await, 1);
    assert!(zeta.receiver.take().is_empty());
    // Neither does a queue that takes another's place.
    acme.org.delete(super::QUEUE).await.expect(204);
    create_user(&acme.org).await;
    assert_eq!(publish(&app).await, 0);
    assert!(zeta.receiver.take().is_empty());
}
