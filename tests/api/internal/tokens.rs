//! Platform tokens: who holds one is let in, and nobody else.

use chrono::TimeDelta;
use partner_api::crypto::platform_token::PlatformToken;
use partner_api::crypto::tenant_key::KeyEnv;
use partner_api::identity::platform::PlatformScope;
use partner_api::routes::internal::tokens;
use serde_json::json;

use crate::support::process::Program;
use crate::support::{Database, TestApp};

const ORGS: &str = "/internal/orgs";

#[tokio::test]
async fn a_token_that_is_revoked_is_refused_at_once() {
    let app = TestApp::new().await;
    let (id, reader) = app.platform(&[PlatformScope::OrgsRead]).await;
    reader.get(ORGS).await.expect(200);
    assert!(tokens::revoke(&app.state.db.pool, id, app.clock.now()).await.unwrap());
    reader.get(ORGS).await.expect(401);
    assert!(!tokens::revoke(&app.state.db.pool, uuid::Uuid::nil(), app.clock.now()).await.unwrap());
}

#[tokio::test]
async fn nothing_else_is_a_platform_token() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (_, key) = acme.mint().await;
    let unknown = PlatformToken::generate(KeyEnv::Live);
    for authorization in [
        format!("Bearer {key}"),
        format!("Bearer {}", unknown.expose()),
        "Bearer pt_live_".to_owned(),
        "Basic eA==".to_owned(),
    ] {
        app.operations().with("authorization", &authorization).get(ORGS).await.expect(401);
    }
    app.operations().with("taih-tenant-key", &key).get(ORGS).await.expect(401);
    app.operations().with("orgid", acme.id.to_string()).get(ORGS).await.expect(401);
    // Nor is a platform token a partner's.
    let (_, token) = app.platform_token(&PlatformScope::ALL).await;
    app.anyone().with("authorization", format!("Bearer {token}")).get("/v1/users").await.expect(401);
    app.holder(&token).get("/v1/users").await.expect(401);
}

#[tokio::test]
async fn uses_are_written_down_once_a_minute() {
    let app = TestApp::new().await;
    let (id, reader) = app.platform(&[PlatformScope::OrgsRead]).await;
    let used = async || {
        let all = tokens::list(&app.state.db.pool).await.unwrap();
        all.iter().find(|token| token.id == id).expect("it is listed").last_used_at
    };
    assert_eq!(used().await, None);
    let first = app.clock.now();
    reader.get(ORGS).await.expect(200);
    app.clock.advance(TimeDelta::seconds(59));
    reader.get(ORGS).await.expect(200);
    assert_eq!(used().await, Some(first));
    app.clock.advance(TimeDelta::seconds(1));
    reader.get(ORGS).await.expect(200);
    assert_eq!(used().await, Some(first + TimeDelta::seconds(60)));
}

#[tokio::test]
async fn operators_make_list_and_revoke_them_at_the_command_line() {
    let database = Database::new().await;
    let program = Program::on(&database);
    let run = |arguments: &[&str]| {
        let printed = program.run(&[arguments, &["--json"]].concat()).succeeded();
        serde_json::from_str::<serde_json::Value>(&printed).expect("one object")
    };
    let made = run(&["token", "create", "--name", "billing", "--scopes", "orgs:read,events:publish"]);
    let (id, token) =
        (made["id"].as_str().expect("an id"), made["platform_token"].as_str().expect("a token"));
    assert!(PlatformToken::parse(token.as_bytes()).is_some() && token.starts_with("pt_test_"));
    assert_eq!(
        (&made["name"], &made["scopes"]),
        (&json!("billing"), &json!(["orgs:read", "events:publish"]))
    );
    let listed = run(&["token", "list"]);
    assert_eq!(listed["tokens"][0]["prefix"], token[..14]);
    assert!(!listed.to_string().contains(token));
    assert_eq!(run(&["token", "revoke", "--id", id]), json!({"revoked": id}));
    assert!(run(&["token", "list"])["tokens"][0]["revoked_at"].is_string());
    for wrong in [
        &["token", "create", "--name", "x", "--scopes", "orgs:delete"][..],
        &["token", "create", "--name", "x"],
    ] {
        assert!(!program.run(wrong).status.success());
    }
}
