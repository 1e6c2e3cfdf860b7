//! The keys: a new one every 30 days, published a day ahead, the old one until its tokens died.

use chrono::TimeDelta;
use futures_util::future::join_all;
use partner_api::app::{self, Door};
use partner_api::crypto::keyring::Keyring;
use partner_api::state::App;
use partner_api::telemetry::AccessLog;
use serde_json::json;

use super::Member;
use crate::support::TestApp;

async fn kids(app: &TestApp) -> Vec<String> {
    let keys = app.anyone().get("/.well-known/jwks.json").await.expect(200).json();
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_keys_are_public_and_may_be_remembered_for_less_than_they_are_published_ahead() {
    let app = TestApp::new().await;
    let reply = app.anyone().get("/.well-known/jwks.json").await.expect(200);
    assert_eq!(reply.header("cache-control"), Some("public, max-age=3600"));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let key = &reply.json()["keys"][0];
    for (name, value) in [("kty", "OKP"), ("crv", "Ed25519"), ("alg", "EdDSA"), ("use", "sig")] {
        assert_eq!(key[name], value);
    }
    assert_eq!(key.as_object().unwrap().len(), 6, "nothing private: {key}");
}

#[tokio::test]
async fn a_new_key_is_published_a_day_before_it_signs_and_an_old_one_until_its_tokens_died() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let first = Member::new(&app, &acme).await;
    let kid = first.parts().0["kid"].as_str().unwrap().to_owned();
    let mut seen = kids(&app).await;
    // To the moment the next key signs, an hour at a time.
    for _ in 0..24 * 31 {
        let before = kids(&app).await;
        app.clock.advance(TimeDelta::hours(1));
        let member = Member::again(&app, &acme, first.user_id).await;
        let signer = member.parts().0["kid"].as_str().unwrap().to_owned();
        assert!(before.contains(&signer), "it was published before it signed");
        assert!(kids(&app).await.contains(&kid) || signer != kid);
        member.caller.get(&member.path()).await.expect(200);
        seen.extend(kids(&app).await);
        if signer != kid {
            break;
        }
    }
    seen.dedup();
    assert!(kids(&app).await.len() <= 2);
    app.clock.advance(TimeDelta::hours(2));
    assert!(!kids(&app).await.contains(&kid), "its tokens are dead");
}

#[tokio::test]
async fn many_replicas_that_start_at_once_share_one_key() {
    let app = TestApp::new().await;
    let mut replicas = Vec::new();
    for _ in 0..8 {
        replicas.push(replica(&app).await);
    }
    let mut published = join_all(replicas.into_iter().map(published_by)).await;
    published.dedup();
    assert_eq!(published.len(), 1);
}

/// Another process over the same database. It is built before any is asked: building takes longer than a look-up may.
async fn replica(app: &TestApp) -> Door {
    let (config, clock, db) = (app.state.config.clone(), app.clock.clone(), app.database.db());
    let master = config.master.keys.clone().expect("it is configured");
    let keyring = Keyring::open(&db.pool, master).await.expect("it opens");
    app::public(&App::new(config, clock, db, keyring, AccessLog::off()))
}

async fn published_by(replica: Door) -> String {
    let request = crate::support::request("GET", "/.well-known/jwks.json").header("host", "localhost");
    let request = request.body(axum::body::Body::empty()).unwrap();
    let reply = replica.answer(None, request).await.unwrap();
    crate::support::Reply::read(reply).await.expect(200).text()
}

#[tokio::test]
async fn a_token_ends_after_an_hour_and_30_seconds() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let member = Member::new(&app, &acme).await;
    app.clock.advance(TimeDelta::seconds(3_629));
    member.caller.get(&member.path()).await.expect(200);
    app.clock.advance(TimeDelta::seconds(1));
    member.caller.get(&member.path()).await.expect(401);
}

#[tokio::test]
async fn a_token_says_what_the_contract_says() {
    let app = TestApp::with(&[("PUBLIC_URL", "https://api.example.com")]).await;
    let acme = app.org("acme").await;
    let member = Member::new(&app, &acme).await;
    let (header, mut claims) = member.parts();
    assert_eq!((&header["alg"], &header["typ"]), (&json!("EdDSA"), &json!("at+jwt")));
    assert!(claims["jti"].take().is_string());
    let expected = json!({
        "iss": "https://api.example.com", "aud": acme.id, "sub": member.user_id, "scope": "member",
        "client_id": acme.id, "iat": 1_795_248_000, "exp": 1_795_251_600, "jti": null,
        "user_created_at": 1_795_248_000_000_000_i64,
    });
    assert_eq!(claims, expected);
}
