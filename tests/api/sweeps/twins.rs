//! Two orgs that hold the same: the same `user_id`s, names of queues, and ids of keys, secrets and
//! events, row by row. What one of them does neither touches the other's rows nor shows them
//! (contract 1); any `org_id` that a statement forgets is seen here.

use chrono::TimeDelta;
use partner_api::background::{expiry, publisher, retention};
use serde_json::{Value, json};

use super::tenancy::all_of;
use super::{Sweep, create_user, mint, register, rotate_secret, text};
use crate::oauth::Assertion;
use crate::signatures::{self, ALICE};
use crate::support::document::Operation;
use crate::support::tenants::{MARK, rows_of, twin};
use crate::support::webhook::Receiver;
use crate::support::{Caller, Org, Reply, TestApp, request};

#[tokio::test]
async fn what_an_org_reads_is_the_same_whoever_else_holds_the_same_ids() {
    let sweep = Sweep::new().await;
    let acme = furnished(&sweep, "acme").await;
    let mut paths = Vec::new();
    // Fetching messages hands them out, so that the second answer is another one in any case.
    let reads = |o: &&Operation| o.method == "GET" && !o.is_planned() && o.id != "fetch_messages";
    for operation in sweep.operations().iter().filter(reads) {
        let path = sweep.named(&acme, operation).await.theirs;
        paths.push(path.clone());
        paths.extend(queries(operation).iter().map(|query| format!("{path}?{query}")));
    }
    assert!(paths.len() >= 20, "the document has lost its lists: {paths:?}");
    let before = answers(&acme, &paths).await;
    let zeta = twin(&sweep.app, &acme).await;

    let after = answers(&acme, &paths).await;

    for (before, after) in before.iter().zip(&after) {
        assert_eq!(after, before);
    }
    // The other one has a full house of its own, so there was something to see.
    let mut theirs = String::new();
    for path in &paths {
        theirs += &zeta.get(path).await.text();
    }
    assert!(theirs.matches(MARK).count() >= 20, "{theirs}");
}

#[tokio::test]
async fn an_org_id_acts_in_its_own_org_alone() {
    acts_alone(async |_, acme, _| Some((**acme).clone())).await;
}

#[tokio::test]
async fn a_tenant_key_acts_in_its_own_org_alone() {
    acts_alone(async |sweep, acme, _| Some(sweep.app.holder(&acme.mint().await.1))).await;
}

#[tokio::test]
async fn a_member_token_acts_in_its_own_org_alone() {
    acts_alone(async |sweep, acme, operation: &Swept| {
        let user_id = operation.path.rsplit('/').next()?;
        let takes_members = operation.operation.spec["security"].to_string().contains("MemberToken");
        if !takes_members {
            return None;
        }
        let issued = acme.post("/v1/auth/token", json!({"user_id": user_id})).await.expect(200);
        let bearer = format!("Bearer {}", text(&issued, "/data/access_token"));
        Some(sweep.app.anyone().with("authorization", bearer))
    })
    .await;
}

#[tokio::test]
async fn a_partner_token_acts_in_its_own_org_alone() {
    acts_alone(async |sweep, acme, _| {
        let keyid = signatures::register(acme, &ALICE, "Authentication").await;
        let assertion = Assertion::new(&ALICE, &keyid).of(&acme.key).with(json!({"aud": "http://localhost"}));
        Some(assertion.bearer(&sweep.app).await)
    })
    .await;
}

#[tokio::test]
async fn the_same_user_id_and_the_same_queue_are_made_in_each_org() {
    let sweep = Sweep::new().await;
    let acme = furnished(&sweep, "acme").await;
    let user_id = create_user(&acme).await;
    let queue = json!({"type": "webhook", "webhook": {"url": sweep.webhook}});
    let zeta = twin(&sweep.app, &acme).await;
    acme.delete(&format!("/v1/users/{user_id}")).await.expect(204);
    acme.delete("/v1/admin/org/queues/credentials").await.expect(204);
    let before = rows_of(&sweep.app, &zeta).await;

    acme.post("/v1/users", json!({"user_id": user_id})).await.expect(201);
    acme.post("/v1/admin/org/queues/credentials", queue).await.expect(201);

    assert_eq!(rows_of(&sweep.app, &zeta).await, before);
}

#[tokio::test]
async fn a_kept_reply_is_the_orgs_own() {
    let sweep = Sweep::new().await;
    let acme = furnished(&sweep, "acme").await;
    let body = json!({"user_id": "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13"});
    let caller = acme.with("idempotency-key", "twins-0123456789abcdef");
    let first = caller.post("/v1/users", body.clone()).await.expect(201);
    let mint =
        async || caller.post("/v1/admin/org/tenant-keys", json!({"name": "billing"})).await.expect(201);
    let minted = mint().await;
    let zeta = twin(&sweep.app, &acme).await;
    let before = rows_of(&sweep.app, &zeta).await;

    let again = caller.post("/v1/users", body).await.expect(201);
    assert_eq!((again.text(), again.header("idempotent-replayed")), (first.text(), Some("true")));
    assert_eq!(mint().await.text(), minted.text());
    // After a day a reply takes the other's place.
    sweep.app.clock.advance(TimeDelta::hours(25));
    assert_ne!(mint().await.text(), minted.text());

    assert_eq!(rows_of(&sweep.app, &zeta).await, before);
}

#[tokio::test]
async fn the_publisher_closes_the_events_of_their_own_org_alone() {
    for answer in ["200 OK", "503 Service Unavailable", "400 Bad Request"] {
        let (sweep, acme, zeta, receiver) = publishing().await;
        let before = rows_of(&sweep.app, &zeta).await;
        receiver.answers(answer);
        assert!(publisher::step(&sweep.app.state).await.expect("it looks") >= 2);
        assert_eq!(rows_of(&sweep.app, &zeta).await, before, "{answer}");
        let arrived = receiver.take();
        assert!(arrived.iter().all(|event| event.json()["org_id"] == json!(acme.id)), "{arrived:?}");
    }
}

#[tokio::test]
async fn ends_are_announced_to_their_own_org_alone() {
    let sweep = Sweep::new().await;
    let acme = furnished(&sweep, "acme").await;
    acme.mint_with(json!({"name": "short", "expires_at": "2026-12-21T08:00:00Z"})).await;
    let zeta = twin(&sweep.app, &acme).await;
    let mut database = sweep.app.database.connect().await;
    // Its own are announced already, or do not end.
    for done in [
        "UPDATE tenant_keys SET expiry_told = 0 WHERE org_id = $1 AND expires_at IS NOT NULL",
        "UPDATE public_keys SET expiry_told = 0 WHERE org_id = $1",
        "UPDATE signing_secrets SET expiry_told = true WHERE org_id = $1 AND superseded_at IS NOT NULL",
    ] {
        sqlx::query(done).bind(zeta.id).execute(&mut database).await.expect("the row takes it");
    }
    let before = rows_of(&sweep.app, &zeta).await;
    sweep.app.clock.advance(TimeDelta::days(800));
    assert!(expiry::step(&sweep.app.state).await.expect("it looks") >= 3);
    assert_eq!(rows_of(&sweep.app, &zeta).await, before);
}

#[tokio::test]
async fn the_last_use_of_a_key_is_noted_in_its_own_org_alone() {
    let sweep = Sweep::new().await;
    let acme = furnished(&sweep, "acme").await;
    let (id, secret) = acme.mint().await;
    let zeta = twin(&sweep.app, &acme).await;
    let before = rows_of(&sweep.app, &zeta).await;
    sweep.app.holder(&secret).get("/v1/features").await.expect(200);
    sweep.app.state.identity.keys.usage.flush(&sweep.app.state.db).await;
    assert_eq!(rows_of(&sweep.app, &zeta).await, before);
    let keys = acme.get("/v1/admin/org/tenant-keys?limit=100").await.json()["data"].clone();
    let key = keys.as_array().expect("a list").iter().find(|key| key["id"] == json!(id)).cloned();
    assert_ne!(key.expect("it is there")["last_used_at"], Value::Null);
}

#[tokio::test]
async fn what_is_lost_is_counted_for_its_own_org_alone() {
    let sweep = Sweep::new().await;
    let acme = furnished(&sweep, "acme").await;
    let zeta = twin(&sweep.app, &acme).await;
    let mut database = sweep.app.database.connect().await;
    let done = "UPDATE events SET state = 'delivered', closed_at = '2100-01-01' WHERE org_id = $1";
    sqlx::query(done).bind(zeta.id).execute(&mut database).await.expect("the row takes it");
    let replies = "DELETE FROM idempotency_keys WHERE org_id = $1";
    sqlx::query(replies).bind(zeta.id).execute(&mut database).await.expect("they go");
    let before = rows_of(&sweep.app, &zeta).await;
    sweep.app.clock.advance(TimeDelta::days(15));
    assert!(retention::step(&sweep.app.state).await.expect("it deletes") >= 1);
    assert_eq!(rows_of(&sweep.app, &zeta).await, before);
}

/// An operation, on a path that names something both orgs have.
struct Swept {
    operation: Operation,
    path: String,
}

/// Does everything there is to do, each time in an org that has a twin.
async fn acts_alone(caller: impl AsyncFn(&Sweep, &Org, &Swept) -> Option<Caller>) {
    let sweep = Sweep::new().await;
    let mut tried = 0;
    for (number, operation) in sweep.operations().into_iter().enumerate() {
        if operation.is_planned() {
            continue;
        }
        let acme = furnished(&sweep, &format!("acme-{number}")).await;
        let path = sweep.named(&acme, &operation).await.theirs;
        let swept = Swept { operation, path };
        let body = body_for(&sweep, &acme, &swept.operation).await;
        let Some(caller) = caller(&sweep, &acme, &swept).await else { continue };
        let zeta = twin(&sweep.app, &acme).await;
        let (rows, shown) = (rows_of(&sweep.app, &zeta).await, all_of(&sweep, &zeta).await);

        let reply = send(&sweep, &caller, &swept, &body).await;

        let id = &swept.operation.id;
        assert!((200..300).contains(&reply.status), "{id}: {} {}", reply.status, reply.text());
        assert!(!reply.text().contains(MARK) && !reply.text().contains(&zeta.id.to_string()), "{id}");
        assert_eq!(rows_of(&sweep.app, &zeta).await, rows, "{id}");
        if swept.operation.method != "GET" {
            assert_eq!(all_of(&sweep, &zeta).await, shown, "{id}");
        }
        tried += 1;
    }
    assert!(tried >= 3, "the document has lost its operations");
}

async fn send(sweep: &Sweep, caller: &Caller, swept: &Swept, body: &Option<Value>) -> Reply {
    let Swept { operation, path } = swept;
    let head = request(&operation.method, path);
    match body {
        Some(body) if operation.takes_lines() => {
            let head = head.header("content-type", "application/x-ndjson");
            sweep.send(caller, operation, head, body.to_string()).await
        }
        Some(body) => {
            let head = head.header("content-type", "application/json");
            sweep.send(caller, operation, head, body.to_string()).await
        }
        None => sweep.send(caller, operation, head, axum::body::Body::empty()).await,
    }
}

/// An example of the document's that reaches furthest, about what both orgs have.
async fn body_for(sweep: &Sweep, acme: &Org, operation: &Operation) -> Option<Value> {
    let user_id = text(&acme.get("/v1/users?limit=1").await, "/data/0/user_id");
    if operation.takes_lines() {
        return Some(json!({"user_id": user_id, "first_name": "Ada"}));
    }
    let mut examples = sweep.document.examples(operation);
    let furthest = ["webhook", "deliver_to", "event_ids"]
        .iter()
        .find_map(|field| examples.iter().position(|example| example.get(field).is_some()));
    let mut body = (!examples.is_empty()).then(|| examples.swap_remove(furthest.unwrap_or(0)))?;
    sweep.edit(&mut body);
    if let Some(code) = body.get_mut("OwnerCode") {
        *code = json!(acme.key);
    }
    if operation.id == "issue_member_token" {
        body["user_id"] = json!(user_id);
    }
    if let Some(ids) = body.get_mut("event_ids") {
        let events = acme.get("/v1/admin/org/events?limit=100").await.expect(200).json();
        let events = events["data"].as_array().expect("a list").iter();
        *ids = events.map(|event| event["event_id"].clone()).collect();
    }
    Some(body)
}

/// What to ask of a list, once for each parameter: every switch on, every choice the first.
fn queries(operation: &Operation) -> Vec<String> {
    let parameters = operation.spec["parameters"].as_array().into_iter().flatten();
    let query = |parameter: &Value| {
        let name = parameter["name"].as_str()?;
        let value = match name {
            _ if parameter["in"] != "query" => return None,
            "limit" | "offset" => "1",
            "cursor" => "",
            "stream" => "users",
            "status" => "pending",
            _ if parameter["schema"]["type"] == "boolean" => "true",
            _ => parameter["schema"]["enum"][0].as_str()?,
        };
        Some(format!("{name}={value}"))
    };
    parameters.filter_map(query).collect()
}

async fn answers(org: &Org, paths: &[String]) -> Vec<String> {
    let mut answers = Vec::new();
    for path in paths {
        answers.push(format!("{path}: {}", org.get(path).await.expect(200).text()));
    }
    answers
}

/// An org that has something of everything.
async fn furnished(sweep: &Sweep, key: &str) -> Org {
    let org = sweep.app.org(key).await;
    rotate_secret(&org).await;
    rotate_secret(&org).await;
    mint(&org).await;
    register(&org, "rsa4096.spki.pem").await;
    let queue = json!({"type": "webhook", "webhook": {"url": sweep.webhook}});
    org.post("/v1/admin/org/queues/credentials", queue).await.expect(201);
    let caller = org.with("idempotency-key", format!("furnished-0123456789-{key}"));
    let ada = json!({"user_id": uuid::Uuid::new_v4(), "first_name": "Ada", "email": "ada@example.com"});
    caller.post("/v1/users", ada).await.expect(201);
    lose_an_event(&sweep.app, &org).await;
    org
}

async fn lose_an_event(app: &TestApp, org: &Org) {
    sqlx::query("INSERT INTO event_losses (org_id, stream, lost) VALUES ($1, 'credentials', 1)")
        .bind(org.id)
        .execute(&mut app.database.connect().await)
        .await
        .expect("it is counted");
}

/// An org whose events about users are due, and its twin, whose events wait: its queues are paused.
async fn publishing() -> (Sweep, Org, Org, Receiver) {
    let sweep = Sweep::new().await;
    let acme = furnished(&sweep, "acme").await;
    let receiver = Receiver::start().await;
    acme.register_webhook("users", &receiver.url).await;
    create_user(&acme).await;
    let zeta = twin(&sweep.app, &acme).await;
    // And nothing of it is to be woken: whoever looks takes that mark from any org's queue.
    sqlx::query(
        "UPDATE event_queues SET paused_until = '2100-01-01', failures = 3, is_woken = false WHERE org_id = $1",
    )
        .bind(zeta.id)
        .execute(&mut sweep.app.database.connect().await)
        .await
        .expect("the queues are paused");
    (sweep, acme, zeta, receiver)
}
