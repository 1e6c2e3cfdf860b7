//! The same `event_id` again: 200, and nothing twice.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{PUBLISH, listed, named, with_orders};

#[tokio::test]
async fn the_same_event_id_again_is_answered_with_the_same_event() {
    let (app, platform) = with_orders().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let first = platform.post(PUBLISH, named("acme", "4711 paid")).await.expect(202).json();
    app.clock.advance(chrono::TimeDelta::hours(1));
    assert_eq!(platform.post(PUBLISH, named("acme", "4711 paid")).await.expect(200).json(), first);
    let mut other = named(&acme.id.to_string(), "4711 paid");
    other["type"] = json!("order.paid");
    other["data"] = json!({"amount": 1});
    assert_eq!(platform.post(PUBLISH, other).await.expect(200).json(), first);
    assert_eq!(listed(&acme).await.len(), 1);
    // Another org's is another event.
    let theirs = platform.post(PUBLISH, named("zeta", "4711 paid")).await.expect(202).json();
    assert_ne!(theirs, first);
    assert_eq!(listed(&zeta).await.len(), 1);
    platform.post(PUBLISH, named("acme", "4711 paid ")).await.expect(202);
}

#[tokio::test]
async fn an_id_of_the_platforms_own_is_the_one_that_partners_see() {
    let (app, platform) = with_orders().await;
    let acme = app.org("acme").await;
    let id = "evt_019aa58690007000800000000000000a";
    let first = platform.post(PUBLISH, named("acme", id)).await.expect(202).json();
    assert_eq!(first["data"]["event_id"], id);
    assert_eq!(platform.post(PUBLISH, named("acme", id)).await.expect(200).json(), first);
    assert_eq!(listed(&acme).await[0]["event_id"], id);
}

#[tokio::test]
async fn however_many_publish_it_at_once_there_is_one() {
    let (app, platform) = with_orders().await;
    let acme = app.org("acme").await;
    let mut sent = JoinSet::new();
    for n in 0..60 {
        let platform = platform.clone();
        let id = if n % 2 == 0 { "same" } else { "evt_019aa58690007000800000000000000b" };
        sent.spawn(async move {
            let mut event = named("acme", id);
            event["data"] = json!({"n": n});
            let reply = platform.post(PUBLISH, event).await;
            (id, reply.status, reply.json()["data"]["event_id"].clone())
        });
    }
    let replies: Vec<(&str, u16, Value)> = sent.join_all().await;
    for id in ["same", "evt_019aa58690007000800000000000000b"] {
        let of: Vec<_> = replies.iter().filter(|reply| reply.0 == id).collect();
        assert_eq!(of.iter().filter(|reply| reply.1 == 202).count(), 1, "{of:?}");
        assert!(of.iter().all(|reply| [200, 202].contains(&reply.1) && reply.2 == of[0].2), "{of:?}");
    }
    assert_eq!(listed(&acme).await.len(), 2);
}
