//! A token ends with its public key: its own signature is not enough.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;

use super::{Assertion, app, bearer, part, token, unauthorized};
use crate::signatures::{ALICE, MALLORY, Request, register};
use crate::support::{Caller, Org, Replica, Reply, TestApp, within};

const A_SECOND: Duration = Duration::from_secs(1);
const USER: &str = "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13";

#[tokio::test]
async fn a_token_is_dead_within_a_second_of_its_keys_end_at_every_replica() {
    let mut app = app().await;
    app.listen().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let other = register(&acme, &MALLORY, "Authentication").await;
    let replica = Replica::start(&app).await;
    let get = async |assertion: Assertion<'_>| token(&assertion.ask(&app.anyone()).await.expect(200));
    let (ending, living) =
        (get(Assertion::new(&ALICE, &keyid)).await, get(Assertion::new(&MALLORY, &other)).await);
    let here = async |token: &str| bearer(&app, token).get("/v1/users").await;
    let there = async |token: &str| {
        replica.anyone().with("authorization", format!("Bearer {token}")).get("/v1/users").await
    };
    for token in [&ending, &living] {
        here(token).await.expect(200);
        there(token).await.expect(200);
    }
    acme.delete(&format!("/api/v1/key/{keyid}")).await.expect(204);
    within(A_SECOND, "it is dead here", async || (here(&ending).await.status == 401).then_some(())).await;
    within(A_SECOND, "it is dead there", async || (there(&ending).await.status == 401).then_some(())).await;
    unauthorized(&here(&ending).await);
    here(&living).await.expect(200);
    there(&living).await.expect(200);
}

#[tokio::test]
async fn a_token_ends_when_its_key_ends_by_itself() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let soon = json!({"ExpirationUtc": "2026-11-21T08:10:00Z"});
    acme.json("PUT", &format!("/api/v1/key/{keyid}/set-expiration"), soon).await.expect(200);
    let caller = Assertion::new(&ALICE, &keyid).bearer(&app).await;
    app.clock.advance(TimeDelta::minutes(10) - TimeDelta::microseconds(1));
    caller.get("/v1/users").await.expect(200);
    app.clock.advance(TimeDelta::microseconds(1));
    unauthorized(&caller.get("/v1/users").await);
}

#[tokio::test]
async fn a_token_rests_while_its_org_is_suspended_and_ends_with_it() {
    let app = app().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let caller = Assertion::new(&ALICE, &keyid).bearer(&app).await;
    app.suspend(&acme).await;
    assert_eq!(caller.get("/v1/users").await.expect(403).code(), "forbidden");
    app.resume(&acme).await;
    caller.get("/v1/users").await.expect(200);
    app.delete(&acme).await;
    unauthorized(&caller.get("/v1/users").await);
}

#[tokio::test]
async fn a_token_asks_the_database_for_its_key_once() {
    let mut app = app().await;
    app.listen().await;
    let acme = app.org("acme").await;
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let caller = Assertion::new(&ALICE, &keyid).bearer(&app).await;
    caller.get("/v1/features").await.expect(200);
    let mut database = app.database.connect().await;
    let mut lock = sqlx::Connection::begin(&mut database).await.expect("a transaction");
    sqlx::query("LOCK TABLE public_keys, orgs IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *lock)
        .await
        .expect("a lock");
    caller.get("/v1/features").await.expect(200);
}

/// The reply to a partner who asks for a member's token.
async fn member(reply: Reply, app: &TestApp) -> (serde_json::Value, Caller) {
    let reply = reply.expect(200).json();
    let token = reply["data"]["access_token"].as_str().expect("a token");
    (part(token, 1), bearer(app, token))
}

async fn works(member: &Caller) -> u16 {
    member.get(&format!("/v1/users/{USER}")).await.status
}

async fn end(acme: &Org, keyid: &str) {
    acme.delete(&format!("/api/v1/key/{keyid}")).await.expect(204);
}

#[tokio::test]
async fn a_members_token_ends_with_the_public_key_under_which_it_was_issued() {
    let app = app().await;
    let acme = app.org("acme").await;
    acme.post("/v1/users", json!({"user_id": USER})).await.expect(201);
    let wanted = json!({"user_id": USER});
    let keyid = register(&acme, &ALICE, "Authentication").await;
    let (key_id, secret) = acme.mint().await;
    let sign = || Request::new("POST", "/v1/auth/token", &ALICE, &keyid).with_body(wanted.clone());
    let by_token = Assertion::new(&ALICE, &keyid).bearer(&app).await;
    let by_token = member(by_token.post("/v1/auth/token", wanted.clone()).await, &app).await;
    let by_signature = member(sign().send(&app.anyone()).await, &app).await;
    let by_both = member(sign().send(&app.holder(&secret)).await, &app).await;
    let by_key = member(app.holder(&secret).post("/v1/auth/token", wanted.clone()).await, &app).await;
    for (claims, _) in [&by_token, &by_signature, &by_both] {
        assert_eq!(claims["key"], json!(keyid));
    }
    assert_eq!((&by_both.0["key_id"], by_key.0.get("key")), (&json!(key_id), None));
    for (_, member) in [&by_token, &by_signature, &by_both, &by_key] {
        assert_eq!(works(member).await, 200);
    }
    end(&acme, &keyid).await;
    for (_, member) in [&by_token, &by_signature, &by_both] {
        assert_eq!(works(member).await, 401);
    }
    assert_eq!(works(&by_key.1).await, 200);
}
