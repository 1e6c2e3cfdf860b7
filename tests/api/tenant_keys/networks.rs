//! Where a key may be used from (contract 13.3), and an org.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::path;
use crate::signatures::{ALICE, Request, URL, registration};
use crate::support::process::Program;
use crate::support::raw::get;
use crate::support::{Caller, Org, Reply, TestApp, envelope, within};

const SECRET: &str = "current-0123456789012345678901234567";
const ORG: &str = "/v1/admin/org";
const KEYS: &str = "/v1/admin/org/tenant-keys";
const ROTATE: &str = "/v1/auth/tenant-key/rotate";
const INSIDE: &str = "203.0.113.9";
const OUTSIDE: &str = "198.51.100.7";

async fn app() -> TestApp {
    TestApp::with(&[("GATEWAY_SECRETS", SECRET)]).await
}

/// The same caller behind a gateway that proves itself, and says where the request came from.
fn from(caller: &Caller, address: &str) -> Caller {
    caller.with("x-gateway-auth", SECRET).with("x-forwarded-for", address)
}

/// Mints a key as this body says; gives its id and itself.
async fn mint(acme: &Org, body: Value) -> (String, String) {
    let made = from(acme, INSIDE).post(KEYS, body).await.expect(201).json();
    let text = |field: &str| made["data"][field].as_str().expect(field).to_owned();
    (text("id"), text("secret"))
}

/// Registers a key that signs; gives its id.
async fn register(acme: &Org) -> String {
    let body = registration(acme, &ALICE, "Authentication");
    let reply = from(acme, INSIDE).post("/api/v1/key", body).await.expect(200).json();
    reply["UniqueId"].as_str().expect("an id").to_owned()
}

#[track_caller]
fn refused(reply: &Reply) {
    let message = "This credential may not be used from the network that you call from.";
    assert_eq!((reply.status, reply.json()), (403, envelope("network_not_allowed", message)));
}

#[tokio::test]
async fn a_key_works_from_its_networks_and_nowhere_else() {
    let app = app().await;
    let acme = app.org("acme").await;
    let networks = json!(["203.0.113.0/24", "2001:db8:1::/48"]);
    let (id, secret) = mint(&acme, json!({"name": "billing", "allowed_networks": networks})).await;
    let sent = app.holder(&secret);
    let named = acme.with("x-tenant-key-id", &id);
    for key in [&sent, &named] {
        for inside in [INSIDE, "::ffff:203.0.113.255", "2001:db8:1:ffff::1"] {
            from(key, inside).get("/v1/users").await.expect(200);
        }
        for outside in [OUTSIDE, "2001:db8:2::1", "::ffff:198.51.100.7"] {
            refused(&from(key, outside).get("/v1/users").await);
        }
    }
    // The header of somebody whom nobody vouches for says nothing, and a client without an address is nowhere.
    refused(&sent.with("x-forwarded-for", INSIDE).get("/v1/users").await);
    refused(&sent.get("/v1/users").await);
    // Another key of the org is not bound by it.
    from(&acme, OUTSIDE).get("/v1/users").await.expect(200);
}

#[tokio::test]
async fn whoever_calls_from_elsewhere_hears_nothing_else() {
    let app =
        TestApp::with(&[("GATEWAY_SECRETS", SECRET), ("DISABLED_FEATURES", "users"), ("RATE_LIMIT", "1")])
            .await;
    let acme = app.org("acme").await;
    let (_, secret) = mint(&acme, json!({"name": "x", "allowed_networks": ["203.0.113.0/24"]})).await;
    app.clock.advance(chrono::TimeDelta::seconds(1));
    let thief = from(&app.holder(&secret), OUTSIDE);
    // Neither that a feature is off, nor what the body lacks, nor how much is left; and it uses nothing up.
    for _ in 0..3 {
        let reply = thief.get("/v1/users").await;
        refused(&reply);
        assert_eq!((reply.header("ratelimit"), reply.header("ratelimit-policy")), (None, None));
    }
    refused(&thief.post(KEYS, json!({"nonsense": 1})).await);
    from(&acme, INSIDE).get("/v1/features").await.expect(200);
    // A dead key is none, wherever it is sent from.
    let dead = format!("tk_test_{}", "0".repeat(49));
    from(&app.holder(&dead), OUTSIDE).get("/v1/users").await.expect(401);
}

#[tokio::test]
async fn networks_are_shown_as_they_are_and_changed() {
    let app = app().await;
    let acme = app.org("acme").await;
    let admin = from(&acme, INSIDE);
    let (id, _) = mint(&acme, json!({"name": "any"})).await;
    let shown = async || {
        let key = admin.get(&path(&id)).await.expect(200).json()["data"].clone();
        (key["allowed_networks"].clone(), key["network_policy"].clone())
    };
    assert_eq!(shown().await, (Value::Null, json!("enforce")));
    let change = json!({"allowed_networks": ["10.0.0.1", "2001:DB8::/32"], "network_policy": "report"});
    admin.patch(&path(&id), change).await.expect(200);
    assert_eq!(shown().await, (json!(["10.0.0.1/32", "2001:db8::/32"]), json!("report")));
    admin.patch(&path(&id), json!({"name": "other"})).await.expect(200);
    assert_eq!(shown().await, (json!(["10.0.0.1/32", "2001:db8::/32"]), json!("report")));
    admin.patch(&path(&id), json!({"network_policy": "enforce"})).await.expect(200);
    assert_eq!(shown().await, (json!(["10.0.0.1/32", "2001:db8::/32"]), json!("enforce")));
    admin.patch(&path(&id), json!({"allowed_networks": null})).await.expect(200);
    assert_eq!(shown().await, (Value::Null, json!("enforce")));
    let listed = admin.get(KEYS).await.expect(200).json();
    assert_eq!(listed["data"][0]["allowed_networks"], Value::Null);
    assert_eq!(listed["data"][0]["network_policy"], "enforce");
}

#[tokio::test]
async fn what_is_no_list_of_networks_is_refused() {
    let app = app().await;
    let admin = from(&*app.org("acme").await, INSIDE);
    let many: Vec<_> = (0..21).map(|n| format!("10.0.{n}.0/24")).collect();
    for (networks, loc, msg) in [
        (json!([]), json!(["body", "allowed_networks"]), "must have 1 to 20 items"),
        (json!(many), json!(["body", "allowed_networks"]), "must have 1 to 20 items"),
        (json!("10.0.0.0/8"), json!(["body", "allowed_networks"]), "must be a list"),
        (
            json!(["10.0.0.0/8", "10.0.0.1/8"]),
            json!(["body", "allowed_networks", 1]),
            "must be a network without bits behind its length, unlike 10.0.0.1/8",
        ),
        (
            json!(["example.com"]),
            json!(["body", "allowed_networks", 0]),
            "must be a network such as 203.0.113.0/24 or 2001:db8::/32, or an address",
        ),
        (
            json!(["10.0.0.1", "::ffff:10.0.0.1/128"]),
            json!(["body", "allowed_networks"]),
            "names a network twice",
        ),
    ] {
        let expected = json!({"detail": [{"loc": loc, "msg": msg, "type": "value_error"}]});
        let body = json!({"name": "x", "allowed_networks": networks});
        admin.post(KEYS, body).await.expect_json(422, &expected);
        admin.patch(ORG, json!({"allowed_networks": networks})).await.expect_json(422, &expected);
        admin.post(ROTATE, json!({"allowed_networks": networks})).await.expect_json(422, &expected);
    }
    let refused = admin.post(KEYS, json!({"name": "x", "network_policy": "observe"})).await.expect(422);
    assert_eq!(refused.json()["detail"][0]["type"], "enum");
    admin.post(KEYS, json!({"name": "x", "allowed_networks": &many[1..]})).await.expect(201);
    // Null is not said, but in a change, where a policy cannot be cleared.
    let unsaid = json!({"name": "x", "allowed_networks": null, "network_policy": null});
    admin.post(KEYS, unsaid).await.expect(201);
    admin.patch(ORG, json!({"network_policy": null})).await.expect(422);
}

#[tokio::test]
async fn a_successor_inherits_the_networks_unless_it_gets_its_own() {
    let app = app().await;
    let acme = app.org("acme").await;
    let body = json!({"name": "x", "allowed_networks": ["203.0.113.0/24"], "network_policy": "report"});
    let (id, secret) = mint(&acme, body).await;
    let admin = from(&acme, INSIDE);
    let shown = async |id: &Value| {
        let key = admin.get(&path(id.as_str().expect("an id"))).await.expect(200).json()["data"].clone();
        (key["allowed_networks"].clone(), key["network_policy"].clone())
    };
    let rotated = from(&app.holder(&secret), INSIDE).post(ROTATE, json!({})).await.expect(200).json();
    let first = &rotated["data"]["key_id"];
    assert_eq!(shown(first).await, (json!(["203.0.113.0/24"]), json!("report")));
    let body = json!({"key_id": first, "allowed_networks": ["10.0.0.0/8"], "activation": "on_confirm"});
    let second = admin.post(ROTATE, body).await.expect(200).json();
    let waiting = &second["data"]["key_id"];
    assert_eq!(shown(waiting).await, (json!(["10.0.0.0/8"]), json!("report")));
    assert_eq!(shown(first).await, (json!(["203.0.113.0/24"]), json!("report")));
    // The networks of the old key are its own, before and after the confirmation.
    admin.post(&format!("{KEYS}/{}/confirm", waiting.as_str().expect("an id")), json!({})).await.expect(200);
    assert_eq!(shown(&json!(id)).await, (json!(["203.0.113.0/24"]), json!("report")));
    assert_eq!(shown(waiting).await, (json!(["10.0.0.0/8"]), json!("report")));
}

#[tokio::test]
async fn a_policy_that_reports_refuses_nothing_and_counts() {
    let app = app().await;
    let acme = app.org("acme").await;
    let body = json!({"name": "x", "allowed_networks": ["203.0.113.0/24"], "network_policy": "report"});
    let (id, secret) = mint(&acme, body).await;
    let key = app.holder(&secret);
    from(&key, INSIDE).get("/v1/users").await.expect(200);
    from(&key, OUTSIDE).get("/v1/users").await.expect(200);
    key.get("/v1/users").await.expect(200);
    let counted = async |policy: &str, count: u32| {
        let metrics = app.operations().get("/metrics").await.expect(200).text();
        let line = format!("partner_api_requests_outside_networks_total{{policy=\"{policy}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}");
    };
    counted("report", 2).await;
    counted("enforce", 0).await;
    from(&acme, INSIDE).patch(&path(&id), json!({"network_policy": "enforce"})).await.expect(200);
    refused(&from(&key, OUTSIDE).get("/v1/users").await);
    counted("enforce", 1).await;
}

#[tokio::test]
async fn an_orgs_networks_bound_everything_but_its_members() {
    let app = TestApp::with(&[("PUBLIC_URL", URL), ("GATEWAY_SECRETS", SECRET)]).await;
    let acme = app.org("acme").await;
    let inside = from(&acme, INSIDE);
    let keyid = register(&acme).await;
    let (_, secret) = mint(&acme, json!({"name": "any"})).await;
    let (_, own) = mint(&acme, json!({"name": "own", "allowed_networks": ["203.0.113.9/32"]})).await;
    let user_id = Uuid::new_v4();
    inside.post("/v1/users", json!({"user_id": user_id})).await.expect(201);
    let issued = inside.post("/v1/auth/token", json!({"user_id": user_id})).await.expect(200).json();
    let token = issued["data"]["access_token"].as_str().expect("a token");
    let member = app.anyone().with("authorization", format!("Bearer {token}"));

    let shown = inside.patch(ORG, json!({"allowed_networks": ["203.0.113.0/24"]})).await.expect(200).json();
    assert_eq!(shown["data"]["allowed_networks"], json!(["203.0.113.0/24"]));
    assert_eq!(shown["data"]["network_policy"], "enforce");

    let key = app.holder(&secret);
    from(&key, INSIDE).get("/v1/users").await.expect(200);
    refused(&from(&key, OUTSIDE).get("/v1/users").await);
    refused(&from(&acme, OUTSIDE).get("/v1/users").await);
    let signed = Request::new("GET", "/v1/users", &ALICE, &keyid);
    signed.send(&from(&app.anyone(), INSIDE)).await.expect(200);
    refused(&signed.send(&from(&app.anyone(), OUTSIDE)).await);
    // Of the two lists each has to have it.
    from(&app.holder(&own), INSIDE).get("/v1/users").await.expect(200);
    refused(&from(&app.holder(&own), "203.0.113.10").get("/v1/users").await);
    member.get(&format!("/v1/users/{user_id}")).await.expect(200);

    // A report of the org's does not soften what the key itself says.
    inside.patch(ORG, json!({"network_policy": "report"})).await.expect(200);
    from(&key, OUTSIDE).get("/v1/users").await.expect(200);
    refused(&from(&app.holder(&own), OUTSIDE).get("/v1/users").await);
}

#[tokio::test]
async fn a_token_of_oauth_is_bound_by_its_orgs_networks() {
    let app = TestApp::with(&[("PUBLIC_URL", URL), ("GATEWAY_SECRETS", SECRET)]).await;
    let acme = app.org("acme").await;
    let keyid = register(&acme).await;
    let token = crate::oauth::Assertion::new(&ALICE, &keyid).bearer(&app).await;
    from(&acme, INSIDE).patch(ORG, json!({"allowed_networks": ["203.0.113.0/24"]})).await.expect(200);
    from(&token, INSIDE).get("/v1/users").await.expect(200);
    refused(&from(&token, OUTSIDE).get("/v1/users").await);
}

#[tokio::test]
async fn nobody_locks_out_the_address_that_they_send_from() {
    let app = app().await;
    let acme = app.org("acme").await;
    let (id, secret) = mint(&acme, json!({"name": "own"})).await;
    let (other, _) = mint(&acme, json!({"name": "other"})).await;
    let me = from(&app.holder(&secret), INSIDE);
    let elsewhere = json!({"allowed_networks": ["10.0.0.0/8"]});
    let message =
        "Your own address would be shut out; name its network as well, or set network_policy to report.";
    for place in [path(&id), ORG.to_owned()] {
        me.patch(&place, elsewhere.clone()).await.expect_json(409, &envelope("would_lock_out", message));
    }
    // Nothing was changed, also not what was asked for beside it.
    let both = json!({"name": "New", "allowed_networks": ["10.0.0.0/8"]});
    me.patch(ORG, both).await.expect(409);
    assert_eq!(me.get(ORG).await.expect(200).json()["data"]["name"], "acme");

    let reported = json!({"allowed_networks": ["10.0.0.0/8"], "network_policy": "report"});
    me.patch(&path(&id), reported).await.expect(200);
    me.patch(&path(&id), json!({"network_policy": "enforce"})).await.expect(409);
    // What does not touch the networks is not judged by them, and other keys are used elsewhere.
    me.patch(&path(&id), json!({"name": "renamed"})).await.expect(200);
    me.patch(&path(&other), elsewhere.clone()).await.expect(200);
    me.patch(&path(&id), json!({"allowed_networks": ["10.0.0.0/8", INSIDE]})).await.expect(200);
}

#[tokio::test]
async fn a_change_of_networks_takes_hold_within_a_second_at_every_replica() {
    let mut app = app().await;
    app.listen().await;
    let acme = app.org("acme").await;
    let (id, secret) = mint(&acme, json!({"name": "x"})).await;
    let replica = crate::support::Replica::start(&app).await;
    let there = from(&replica.anyone().with("taih-tenant-key", &secret), INSIDE);
    let answers = async |status: u16| {
        let answered = async || (there.get("/v1/users").await.status == status).then_some(());
        within(Duration::from_secs(1), "the replica knows", answered).await;
    };
    let admin = from(&acme, OUTSIDE);
    answers(200).await;
    admin.patch(&path(&id), json!({"allowed_networks": ["198.51.100.0/24"]})).await.expect(200);
    answers(403).await;
    admin.patch(&path(&id), json!({"allowed_networks": null})).await.expect(200);
    answers(200).await;
    admin.patch(ORG, json!({"allowed_networks": ["198.51.100.0/24"]})).await.expect(200);
    answers(403).await;
    admin.patch(ORG, json!({"allowed_networks": null})).await.expect(200);
    answers(200).await;
}

#[tokio::test]
async fn the_gateways_question_is_about_the_key_and_not_about_an_address() {
    let app = app().await;
    let acme = app.org("acme").await;
    let (_, secret) = mint(&acme, json!({"name": "x", "allowed_networks": ["203.0.113.0/24"]})).await;
    let gateway = from(&app.operations().with("taih-tenant-key", &secret), OUTSIDE);
    let reply = gateway.get("/internal/auth/verify").await.expect(200);
    assert_eq!(reply.header("cache-control"), Some("private, max-age=5"));
}

#[tokio::test]
async fn changes_of_networks_are_in_the_log_and_tell_no_address() {
    let app = app().await;
    let acme = app.org("acme").await;
    let admin = from(&acme, INSIDE);
    let (id, _) = mint(&acme, json!({"name": "x"})).await;
    admin.patch(&path(&id), json!({"allowed_networks": ["10.0.0.0/8"]})).await.expect(200);
    let networks = json!({"allowed_networks": ["203.0.113.0/24"]});
    admin.patch(ORG, networks.clone()).await.expect(200);
    // The same again is no change.
    admin.patch(ORG, networks).await.expect(200);
    let log = admin.get("/v1/admin/org/audit").await.expect(200).json();
    let rows = log["data"].as_array().expect("rows").iter();
    let told: Vec<_> = rows.map(|row| (row["action"].as_str(), row["subject"].as_str())).collect();
    let expected = [
        (Some("org.created"), Some("acme")),
        (Some("tenant_key.created"), Some(id.as_str())),
        (Some("tenant_key.updated"), Some(id.as_str())),
        (Some("org.networks_changed"), Some("acme")),
    ];
    assert_eq!(told, expected);
    Program::on(&app.database).run(&["audit", "verify"]).succeeded();
}

#[tokio::test]
async fn operators_say_the_networks_of_a_key_and_of_an_org() {
    let app = app().await;
    let acme = app.org("acme").await;
    let program = Program::on(&app.database);
    let made = program.run(&[
        "key",
        "create",
        "--org",
        "acme",
        "--network",
        "203.0.113.0/24",
        "--network",
        "10.0.0.1",
        "--network-policy",
        "report",
        "--json",
    ]);
    let made: Value = serde_json::from_str(&made.succeeded()).expect("an object");
    let admin = from(&acme, INSIDE);
    let key = admin.get(&path(made["key_id"].as_str().expect("an id"))).await.expect(200).json();
    assert_eq!(key["data"]["allowed_networks"], json!(["203.0.113.0/24", "10.0.0.1/32"]));
    assert_eq!(key["data"]["network_policy"], "report");
    let rotated = program.run(&[
        "key",
        "rotate",
        "--org",
        "acme",
        "--network",
        "10.0.0.0/8",
        "--network-policy",
        "enforce",
        "--json",
    ]);
    rotated.succeeded();
    let listed = program.run(&["key", "list", "--org", "acme"]).succeeded();
    assert!(listed.contains("(from 203.0.113.0/24, 10.0.0.1/32, elsewhere reported)"), "{listed}");
    assert!(listed.contains("(from 10.0.0.0/8)"), "{listed}");
    let wrong = program.run(&["key", "create", "--org", "acme", "--network", "10.0.0.1/8"]);
    assert!(wrong.refused().contains("--network must be a network without bits behind its length"));

    // Also what would shut out everybody: the operator is the one who lets them in again.
    program.run(&["org", "networks", "--key", "acme", "--network", "10.0.0.0/8"]).succeeded();
    refused(&admin.get("/v1/users").await);
    program.run(&["org", "networks", "--key", "acme", "--any"]).succeeded();
    admin.get("/v1/users").await.expect(200);
    program.run(&["org", "networks", "--key", "acme"]).refused();
}

#[tokio::test]
async fn a_real_connections_own_address_counts_and_what_is_only_reported_is_logged_once_a_minute() {
    let app = app().await;
    let acme = app.org("acme").await;
    let (_, local) = mint(&acme, json!({"name": "x", "allowed_networks": ["127.0.0.0/8"]})).await;
    let (_, away) = mint(&acme, json!({"name": "x", "allowed_networks": ["10.0.0.0/8"]})).await;
    let body = json!({"name": "x", "allowed_networks": ["10.0.0.0/8"], "network_policy": "report"});
    let (reported, watched) = mint(&acme, body).await;
    let service = Program::on(&app.database).serve();
    let ask = async |key: &str| {
        let headers = format!("taih-tenant-key: {key}\r\nx-forwarded-for: {INSIDE}\r\n");
        crate::support::raw::ask(service.public, get("/v1/users", &headers)).await.status
    };
    assert_eq!((ask(&local).await, ask(&away).await), (200, 403));
    for _ in 0..3 {
        assert_eq!(ask(&watched).await, 200);
    }
    let log = service.stop().out;
    let lines = log.lines().filter(|line| line.contains("outside of the allowed networks"));
    let told: Vec<Value> = lines.map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["key_id"], &told[0]["network"]), (&json!(reported), &json!("127.0.0.0/24")));
}
