//! `keys renew`: the service's own keys made anew while it runs, for when database and master key
//! were stolen together.

use std::time::Duration;

use chrono::TimeDelta;
use partner_api::cli::keys::{self, Renewed};
use partner_api::crypto::access_token::{Claims, MemberClaims, TokenKey};
use partner_api::crypto::keyring::Keyring;
use partner_api::routes::org::{self, OrgChange};
use serde_json::{Value, json};
use sqlx::Row as _;
use uuid::Uuid;

use crate::support::process::Program;
use crate::support::raw::{ask, get};
use crate::support::{Caller, Org, TestApp, within};

const FEATURES: &str = "/v1/features";
const KEYS: &str = "/v1/admin/org/tenant-keys";
const A_SECOND: Duration = Duration::from_secs(1);
/// The token key of the month in which the tests begin.
const TOKEN_KEY: &str = "member_token_000692";

async fn renew(app: &TestApp) -> Renewed {
    let renewed = keys::renew(&app.state.db, &app.clock, &app.state.keyring, Duration::ZERO).await;
    renewed.expect("the keys are renewed")
}

/// What a thief of the database and the master key has.
async fn stolen(app: &TestApp) -> Keyring {
    let master = app.state.config.master.keys.clone().expect("it is configured");
    Keyring::open(&app.state.db.pool, master).await.expect("it opens")
}

async fn move_keys(app: &TestApp) {
    app.state.identity.keys.rehashes.write(&app.state.db, &app.state.keyring, app.clock.now()).await;
}

/// The pepper and the digest of a key's row.
async fn row(app: &TestApp, id: &str) -> (i16, Vec<u8>) {
    let row = sqlx::query("SELECT pepper, digest FROM tenant_keys WHERE id::text = $1").bind(id);
    let row = row.fetch_one(&mut app.database.connect().await).await.expect("the key is there");
    (row.get(0), row.get(1))
}

#[tokio::test]
async fn api_keys_go_on_working_and_move_to_the_renewed_pepper_when_they_are_used() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let ((used, secret), (idle, other)) = (acme.mint().await, acme.mint().await);
    let (used_key, idle_key) = (app.holder(&secret), app.holder(&other));
    let before = row(&app, &used).await;
    assert_eq!(before.0, 0);

    assert_eq!(renew(&app).await.generation, 1);
    used_key.get(FEATURES).await.expect(200);
    move_keys(&app).await;
    assert_eq!(row(&app, &used).await, before, "not before every replica knows the pepper");
    app.clock.advance(TimeDelta::seconds(60));
    used_key.get(FEATURES).await.expect(200);
    move_keys(&app).await;
    let after = row(&app, &used).await;
    assert_eq!(after.0, 1);
    assert_ne!(after.1, before.1);
    used_key.get(FEATURES).await.expect(200);

    let (fresh, secret) = acme.mint().await;
    assert_eq!(row(&app, &fresh).await.0, 1);
    app.holder(&secret).get(FEATURES).await.expect(200);
    assert_eq!(row(&app, &idle).await.0, 0);
    idle_key.get(FEATURES).await.expect(200);

    let status = keys::status(&app.state.db, &app.state.keyring, app.clock.now()).await.expect("it looks");
    assert_eq!((status.generation, status.older_peppers, status.waiting), (1, 1, 1));
    let refused =
        keys::retire(&app.state.db, &app.state.keyring, app.clock.now()).await.expect_err("it is needed");
    assert!(refused.to_string().starts_with("1 live API keys were not used since"), "{refused}");
    // A second renewal finds them under both.
    assert_eq!(renew(&app).await.generation, 2);
    for key in [&used_key, &idle_key] {
        key.get(FEATURES).await.expect(200);
    }
    app.clock.advance(TimeDelta::hours(24));
    app.holder(&secret).get(FEATURES).await.expect(200);
    for key in [&used_key, &idle_key] {
        key.get(FEATURES).await.expect(200);
    }
    move_keys(&app).await;
    keys::retire(&app.state.db, &app.state.keyring, app.clock.now()).await.expect("nothing needs them");
    app.state.keyring.reload(&app.state.db.pool).await.expect("it reads");
    assert_eq!(app.state.keyring.pepper().1, 0);
    for key in [&used_key, &idle_key] {
        key.get(FEATURES).await.expect(200);
    }
}

#[tokio::test]
async fn memory_follows_a_key_that_moves_and_a_revocation_finds_it_before_and_after() {
    let mut app = TestApp::new().await;
    app.listen().await;
    let acme = app.org("acme").await;
    for moves in [false, true] {
        let (id, secret) = acme.mint().await;
        let key = app.holder(&secret);
        key.get(FEATURES).await.expect(200);
        renew(&app).await;
        for _ in 0..3 {
            key.get(FEATURES).await.expect(200);
        }
        if moves {
            app.clock.advance(TimeDelta::seconds(60));
            key.get(FEATURES).await.expect(200);
            move_keys(&app).await;
            for _ in 0..50 {
                key.get(FEATURES).await.expect(200);
            }
        }
        acme.delete(&format!("{KEYS}/{id}")).await.expect(204);
        let refused = async || (key.get(FEATURES).await.status == 401).then_some(());
        within(A_SECOND, "the key is refused", refused).await;
    }
}

#[tokio::test]
async fn member_tokens_from_before_end_and_what_a_thief_writes_is_none() {
    let mut app = TestApp::new().await;
    app.listen().await;
    let acme = app.org("acme").await;
    let user_id = Uuid::new_v4();
    acme.post("/v1/users", json!({"user_id": user_id})).await.expect(201);
    let member = async || {
        let reply = acme.post("/v1/auth/token", json!({"user_id": user_id})).await.expect(200).json();
        bearer(&app, reply["data"]["access_token"].as_str().expect("a token"))
    };
    let before = member().await;
    let seed = stolen(&app).await.service_key(&app.state.db.pool, TOKEN_KEY, false).await;
    let thief = TokenKey::from_seed(&seed.expect("it opens").expect("it is there")).expect("a seed");
    let forged = |iat: i64, lifetime: i64| {
        let (iss, scope) = (app.state.config.public_url.clone(), "member".to_owned());
        let (exp, user_created_at) = (iat + lifetime, 1_795_248_000_000_000);
        let (client_id, jti) = (Some(acme.id), Uuid::new_v4());
        let claims = Claims::Member(MemberClaims {
            iss,
            aud: acme.id,
            sub: user_id,
            client_id,
            key_id: None,
            key: None,
            scope,
            iat,
            exp,
            jti,
            user_created_at,
        });
        bearer(&app, &thief.sign(&claims))
    };
    let path = format!("/v1/users/{user_id}");
    for member in [&before, &forged(1_795_248_000, 3_600)] {
        member.get(&path).await.expect(200);
    }
    // Whatever it says, it is good for no longer than those we issue.
    forged(1_795_248_000, 315_360_000).get(&path).await.expect(401);

    renew(&app).await;
    for member in [before, forged(1_795_248_000, 3_600)] {
        let refused = async || (member.get(&path).await.status == 401).then_some(());
        within(A_SECOND, "it is refused", refused).await;
    }
    member().await.get(&path).await.expect(200);
}

fn bearer(app: &TestApp, token: &str) -> Caller {
    app.anyone().with("authorization", format!("Bearer {token}"))
}

#[tokio::test]
async fn the_keys_that_sign_events_are_others_at_once_and_those_from_before_are_not_published() {
    let mut app = TestApp::new().await;
    app.listen().await;
    let published = async || {
        let keys = app.anyone().get("/.well-known/webhook-keys.json").await.expect(200).json();
        keys["keys"].as_array().expect("a list").clone()
    };
    let before = published().await;
    renew(&app).await;
    let renewed = async || (published().await != before).then_some(());
    within(A_SECOND, "others are published", renewed).await;
    let after = published().await;
    assert_eq!((before.len(), after.len()), (1, 1));
}

/// What `audit verify --json` finds, and whether it was content.
fn verify(app: &TestApp) -> (bool, Value) {
    let outcome = Program::on(&app.database).run(&["audit", "verify", "--json"]);
    let found = serde_json::from_str(&outcome.out).unwrap_or_else(|_| panic!("one JSON value: {outcome:?}"));
    (outcome.status.success(), found)
}

async fn rename(org: &Org) {
    org.patch("/v1/admin/org", json!({"name": "Acme"})).await.expect(200);
}

#[tokio::test]
async fn every_audit_log_is_handed_over_to_the_renewed_key_and_is_verified_on_both_sides() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    rename(&acme).await;
    assert_eq!(verify(&app).1, json!({"orgs": 2, "rows": 3, "unchained": 0, "broken": []}));
    assert_eq!(renew(&app).await.handed_over, 2);
    rename(&acme).await;
    app.org("late").await;

    let (is_whole, found) = verify(&app);
    assert!(is_whole, "{found}");
    let mut handovers = found["handovers"].as_array().expect("a list").clone();
    handovers.sort_by_key(|org| org["org"].to_string());
    let expected = json!([
        {"org_id": acme.id, "org": "acme", "handovers": [{"seq": 3, "key": 1}]},
        {"org_id": zeta.id, "org": "zeta", "handovers": [{"seq": 2, "key": 1}]},
    ]);
    assert_eq!(Value::Array(handovers), expected);
    let log = acme.get("/v1/admin/org/audit").await.expect(200).json();
    let told = (&log["data"][2]["action"], &log["data"][2]["actor"], &log["data"][2]["subject"]);
    assert_eq!(told, (&json!("audit_key.renewed"), &json!("operator"), &json!("1")));
}

#[tokio::test]
async fn after_the_hand_over_the_stolen_audit_key_writes_nothing_that_is_believed() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let thief = stolen(&app).await;
    renew(&app).await;
    // A process that has not heard of the renewal is stopped by the statement itself.
    let stale =
        org::operate(&app.state.db, &app.clock, &thief, "zeta", OrgChange::Suspend { reason: None }).await;
    assert!(stale.is_err());
    zeta.get(FEATURES).await.expect(200);
    assert!(verify(&app).0);

    // One who writes to the tables lifts that guard first.
    let mut owner = app.database.connect().await;
    let lift = "UPDATE orgs SET audit_key = 0 WHERE id = $1";
    sqlx::query(lift).bind(acme.id).execute(&mut owner).await.expect("the owner may");
    org::operate(&app.state.db, &app.clock, &thief, "acme", OrgChange::Suspend { reason: None })
        .await
        .expect("it writes");
    let (is_whole, found) = verify(&app);
    assert!(!is_whole);
    let broken = &found["broken"][0];
    assert_eq!((&broken["org"], &broken["seq"]), (&json!("acme"), &json!(3)));
    assert_eq!(broken["problem"], "replaced_key");
}

#[tokio::test]
async fn a_retry_of_a_request_from_before_the_renewal_is_answered_and_not_done_again() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    acme.mint().await;
    let caller = acme.with("idempotency-key", "a-key-of-twenty-characters");
    let first = caller.post("/v1/auth/tenant-key/rotate", json!({})).await.expect(200);
    renew(&app).await;
    let again = caller.post("/v1/auth/tenant-key/rotate", json!({})).await.expect(200);
    assert_eq!((again.header("idempotent-replayed"), again.json()), (Some("true"), first.json()));
    let other =
        caller.post("/v1/auth/tenant-key/rotate", json!({"grace_period_seconds": 1})).await.expect(422);
    assert_eq!(other.code(), "idempotency_key_reused");
}

#[tokio::test]
async fn a_signing_secret_from_before_the_renewal_is_still_known() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let secret = json!({"secret": "5p2nC1x0s9Qk7bYyV3uTgHhWZ8mDLrEoJfXNaPiRtKs=", "grace_period_seconds": 0});
    let path = "/v1/auth/signing-secret/rotate";
    acme.post(path, secret.clone()).await.expect(200);
    acme.make_signing_secret(0).await;
    renew(&app).await;
    assert_eq!(acme.post(path, secret).await.expect(409).code(), "secret_reused");
    acme.make_signing_secret(0).await;
}

#[tokio::test]
async fn replicas_follow_a_renewal_while_they_run_and_everything_is_resealed_after_it() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (_, secret) = acme.mint().await;
    let user_id = Uuid::new_v4();
    acme.post("/v1/users", json!({"user_id": user_id})).await.expect(201);
    // The replicas' clocks are the machine's: the key must not have ended.
    let program = Program::on(&app.database).with("PUBLIC_URL", "https://api.example.com");
    let replicas = [program.serve(), program.serve()];
    let key = format!("taih-tenant-key: {secret}\r\n");
    for replica in &replicas {
        assert_eq!(ask(replica.public, get(FEATURES, &key)).await.status, 200);
    }
    let out = program.run(&["keys", "renew", "--json"]).succeeded();
    assert_eq!(
        serde_json::from_str::<Value>(&out).expect("JSON"),
        json!({"generation": 1, "handed_over": 1})
    );
    for replica in &replicas {
        for _ in 0..5 {
            assert_eq!(ask(replica.public, get(FEATURES, &key)).await.status, 200);
        }
    }
    // A key of today's pepper works everywhere at once.
    let made = program.run(&["key", "create", "--org", "acme", "--json"]).succeeded();
    let made: Value = serde_json::from_str(&made).expect("JSON");
    let fresh = format!("taih-tenant-key: {}\r\n", made["tenant_api_key"].as_str().expect("a key"));
    for replica in &replicas {
        assert_eq!(ask(replica.public, get(FEATURES, &fresh)).await.status, 200);
    }
    let new = "base64:YW5vdGhlciBtYXN0ZXIga2V5LCBhbHNvIDMyIGxvbmc=";
    let both = format!("{new},{}", crate::support::database::MASTER_KEYS);
    Program::on(&app.database).with("MASTER_KEYS", &both).run(&["reseal"]).succeeded();
    let rolled = Program::on(&app.database).with("MASTER_KEYS", new);
    rolled.run(&["reseal", "--check"]).succeeded();
    rolled.run(&["audit", "verify"]).succeeded();
    let told = rolled.run(&["keys", "status"]).succeeded();
    assert!(
        told.contains("Generation 1 (renewed ")
            && told.contains("1 live API keys were not used since, nor 0 platform tokens"),
        "{told}"
    );
    let serving = rolled.serve();
    assert_eq!(ask(serving.public, get(FEATURES, &key)).await.status, 200);
    let [one, other] = replicas;
    for replica in [one, other, serving] {
        replica.stop();
    }
}
