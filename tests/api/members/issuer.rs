//! A token ends with the tenant key that issued it (contract 10, and 4).

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use uuid::Uuid;

use super::Member;
use crate::support::{Caller, Org, Replica, Reply, TestApp, within};

const KEYS: &str = "/v1/admin/org/tenant-keys";
const ROTATE: &str = "/v1/auth/tenant-key/rotate";
const A_SECOND: Duration = Duration::from_secs(1);

/// A token that `issuer` asked for.
async fn issued(app: &TestApp, acme: &Org, issuer: &Caller) -> Member {
    let user_id = Uuid::new_v4();
    acme.post("/v1/users", json!({"user_id": user_id})).await.expect(201);
    let reply = issuer.post("/v1/auth/token", json!({"user_id": user_id})).await.expect(200);
    let token = reply.json()["data"]["access_token"].as_str().expect("a token").to_owned();
    let caller = app.anyone().with("authorization", format!("Bearer {token}"));
    Member { user_id, token, caller }
}

#[tokio::test]
async fn a_token_names_the_key_that_issued_it_and_none_where_the_gateway_named_none() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (id, secret) = acme.mint().await;
    let by_gateway = acme.with("x-tenant-key-id", &id);
    for issuer in [&app.holder(&secret), &by_gateway] {
        assert_eq!(issued(&app, &acme, issuer).await.parts().1["key_id"], json!(id));
    }
    assert!(issued(&app, &acme, &acme).await.parts().1.get("key_id").is_none());
}

#[tokio::test]
async fn a_token_is_dead_within_a_second_of_its_keys_revocation_at_every_replica() {
    let mut app = TestApp::new().await;
    app.listen().await;
    let acme = app.org("acme").await;
    let (id, secret) = acme.mint().await;
    let (theirs, mine) = (issued(&app, &acme, &app.holder(&secret)).await, issued(&app, &acme, &acme).await);
    let replica = Replica::start(&app).await;
    for member in [&theirs, &mine] {
        member.caller.get(&member.path()).await.expect(200);
        ask(&replica, member).await.expect(200);
    }
    acme.delete(&format!("{KEYS}/{id}")).await.expect(204);
    let dead = async || (theirs.caller.get(&theirs.path()).await.status == 401).then_some(());
    within(A_SECOND, "it is dead here", dead).await;
    let dead = async || (ask(&replica, &theirs).await.status == 401).then_some(());
    within(A_SECOND, "it is dead at the other replica", dead).await;
    mine.caller.get(&mine.path()).await.expect(200);
    ask(&replica, &mine).await.expect(200);
}

async fn ask(replica: &Replica, member: &Member) -> Reply {
    let bearer = format!("Bearer {}", member.token);
    replica.anyone().with("authorization", bearer).get(&member.path()).await
}

#[tokio::test]
async fn a_token_lives_on_through_its_keys_grace_window_and_ends_with_it() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (_, secret) = acme.mint().await;
    let key = app.holder(&secret);
    let member = issued(&app, &acme, &key).await;
    key.post(ROTATE, json!({"grace_period_seconds": 600})).await.expect(200);
    let refused = key.post("/v1/auth/token", json!({"user_id": member.user_id})).await.expect(403);
    assert_eq!(refused.code(), "key_superseded");
    app.clock.advance(TimeDelta::microseconds(600_000_000 - 1));
    member.caller.get(&member.path()).await.expect(200);
    app.clock.advance(TimeDelta::microseconds(1));
    member.caller.get(&member.path()).await.expect(401);
}

#[tokio::test]
async fn a_token_ends_when_its_key_ends_by_itself() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let ending = json!({"name": "brief", "expires_at": "2026-11-21T08:30:00Z"});
    let (_, secret) = acme.mint_with(ending).await;
    let member = issued(&app, &acme, &app.holder(&secret)).await;
    app.clock.advance(TimeDelta::minutes(30) - TimeDelta::microseconds(1));
    member.caller.get(&member.path()).await.expect(200);
    app.clock.advance(TimeDelta::microseconds(1));
    member.caller.get(&member.path()).await.expect(401);
}

#[tokio::test]
async fn a_token_asks_the_database_for_its_key_once() {
    let mut app = TestApp::new().await;
    app.listen().await;
    let acme = app.org("acme").await;
    let (_, secret) = acme.mint().await;
    let member = issued(&app, &acme, &app.holder(&secret)).await;
    member.caller.get(&member.path()).await.expect(200);
    let mut database = app.database.connect().await;
    let mut lock = sqlx::Connection::begin(&mut database).await.expect("a transaction");
    sqlx::query("LOCK TABLE tenant_keys, orgs IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *lock)
        .await
        .expect("a lock");
    member.caller.get(&member.path()).await.expect(200);
}

#[tokio::test]
async fn what_a_member_does_is_no_use_of_the_key() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (id, secret) = acme.mint().await;
    let member = issued(&app, &acme, &app.holder(&secret)).await;
    app.clock.advance(TimeDelta::minutes(5));
    member.caller.get(&member.path()).await.expect(200);
    app.state.identity.keys.usage.flush(&app.state.db).await;
    let keys = acme.get(KEYS).await.expect(200).json();
    assert_eq!(
        (&keys["data"][0]["id"], &keys["data"][0]["last_used_at"]),
        (&json!(id), &json!("2026-11-21T08:00:00Z"))
    );
}
