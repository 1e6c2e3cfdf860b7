//! `POST /api/v1/key/generate`.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use partner_api::ids::OrgId;
use serde_json::json;
use tokio::task::JoinSet;

use super::{END, KEYS, generation, path, unique_id};
use crate::support::{TestApp, within};

fn route() -> String {
    format!("{KEYS}/generate")
}

#[tokio::test]
async fn the_public_half_is_shown_and_the_private_half_stays_sealed() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    for length in [2048, 3072] {
        let made = acme.post(&route(), generation(&acme, length)).await.expect(200);
        let (id, body) = (unique_id(&made), made.json());
        assert_eq!(body["ExpirationUtc"], END);
        assert_eq!(body["Algorithm"], format!("RSA-{length}"));
        assert!(!made.text().contains("PRIVATE"));

        let shown = acme.get(&path(&id)).await.expect(200).json();
        assert_eq!(shown["HasPrivateKey"], true);
        assert_eq!(shown["PublicKey"], body["Key"]);
        assert_eq!(shown["Usage"], json!(["MessageLevelEncryption"]));
        let again = acme.post(KEYS, super::registration(&acme, "RSA", body["Key"].as_str().unwrap())).await;
        assert_eq!(again.expect(400).code(), "duplicate_key");
    }
    let mut database = app.database.connect().await;
    let sealed: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT sealed FROM public_keys").fetch_all(&mut database).await.unwrap();
    let header = app.state.keyring.master.current_header();
    assert!(sealed.len() == 2 && sealed.iter().all(|sealed| sealed.starts_with(&header)));
}

#[tokio::test]
async fn a_burst_is_turned_away_and_everybody_else_is_served() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let mut burst = JoinSet::new();
    for _ in 0..24 {
        let (caller, body) = ((*acme).clone(), generation(&acme, 4096));
        burst.spawn(async move { caller.post(&route(), body).await });
    }
    let serves = async || acme.get(&format!("{KEYS}/list/acme")).await.expect(200);
    serves().await;
    super::register(&acme, super::rsa(&acme, "rsa2048.spki.pem")).await;

    let replies = burst.join_all().await;

    let (made, refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 200);
    assert!(!made.is_empty() && refused.len() >= 10, "{} made", made.len());
    for reply in refused {
        assert_eq!(reply.header("retry-after"), Some("2"));
        let message = "Too many key pairs are being generated; try again in a moment.";
        reply.expect_json(429, &super::traced("rate_limited", message, json!({})));
    }
    let again = async || (acme.post(&route(), generation(&acme, 2048)).await.status == 200).then_some(());
    within(Duration::from_secs(60), "there is room again", again).await;
}

#[tokio::test]
async fn one_org_has_two_places_and_leaves_the_others_to_others() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let waiting = async |count| {
        let [_, pairs, _] = app.state.workers.load();
        (pairs.running + pairs.waiting == count).then_some(())
    };
    let (finish, told) = mpsc::channel::<()>();
    let (told, patience) = (Arc::new(Mutex::new(told)), Duration::from_secs(5));
    for _ in 0..2 {
        let (state, id, told) = (app.state.clone(), OrgId(acme.id), told.clone());
        let lasts = move || told.lock().is_ok_and(|told| told.recv().is_ok());
        tokio::spawn(async move { state.workers.make_pair(id, lasts).await });
    }
    within(patience, "acme has two in the making", async || waiting(2).await).await;
    acme.post(&route(), generation(&acme, 2048)).await.expect(429);

    let (caller, body) = ((*zeta).clone(), generation(&zeta, 2048));
    let others = tokio::spawn(async move { caller.post(&route(), body).await.status });
    within(patience, "zeta's waits beside them", async || waiting(3).await).await;
    drop(finish);
    assert_eq!(others.await.unwrap(), 200);
}
