//! Rotation in two phases (contract 13.1).

use chrono::TimeDelta;
use partner_api::background::{expiry, rotations};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Holder, ROTATE, holder, path, shown, successor, works};
use crate::support::{Caller, Org, Reply, TestApp};

async fn started(app: &TestApp, old: &Caller, activation: &str) -> (Holder, Value) {
    let body = json!({"activation": activation, "grace_period_seconds": 3600, "confirm_within_seconds": 600});
    let reply = old.post(ROTATE, body).await.expect(200);
    (successor(app, &reply), reply.json()["data"].clone())
}

async fn confirm(caller: &Caller, id: &str) -> Reply {
    caller.bodyless("POST", &format!("{}/confirm", path(id))).await
}

async fn rotation(org: &Org, id: &str) -> Value {
    org.get(&path(id)).await.expect(200).json()["data"]["rotation"].clone()
}

/// The types of what the org was told, in the order of their names.
async fn told(app: &TestApp) -> Vec<String> {
    let mut database = app.database.connect().await;
    let types = sqlx::query_scalar("SELECT type FROM events WHERE type LIKE 'tenant_key%' ORDER BY type");
    types.fetch_all(&mut database).await.expect("types")
}

#[tokio::test]
async fn both_keys_work_until_the_confirmation_and_the_old_one_is_as_it_was() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let old = holder(&app, &acme).await;
    let (new, data) = started(&app, &old.caller, "on_confirm").await;
    assert_eq!(data["previous_key_expires_at"], Value::Null);
    assert_eq!(data["previous_key_id"], old.id);
    assert_eq!(data["confirmation_expires_at"], "2026-11-21T08:10:00Z");
    assert!(works(&old).await && works(&new).await);
    let waits = json!({
        "state": "pending", "successor_id": new.id, "previous_key_id": old.id,
        "confirmation_expires_at": "2026-11-21T08:10:00Z", "ends_at": null,
    });
    assert_eq!(rotation(&acme, &old.id).await, waits);
    assert_eq!(rotation(&acme, &new.id).await, waits);
    let (was, waiting) = (shown(&acme, &old.id).await, shown(&acme, &new.id).await);
    assert_eq!((&was["rotated_to"], &was["expires_at"]), (&Value::Null, &Value::Null));
    assert_eq!(waiting["expires_at"], "2026-11-21T08:10:00Z");
    // The old key administers, the new one does not.
    assert_eq!(
        new.caller.post(super::KEYS, json!({"name": "x"})).await.expect(403).code(),
        "key_not_confirmed"
    );
    assert_eq!(new.caller.bodyless("POST", ROTATE).await.expect(403).code(), "key_not_confirmed");
    old.caller.patch(&path(&new.id), json!({"name": "next"})).await.expect(200);

    let confirmed = confirm(&old.caller, &new.id).await.expect(200).json();
    assert_eq!(
        confirmed["data"],
        json!({"key_id": new.id, "previous_key_id": old.id, "previous_key_expires_at": "2026-11-21T09:00:00Z"})
    );
    assert_eq!(old.caller.post(super::KEYS, json!({"name": "x"})).await.expect(403).code(), "key_superseded");
    new.caller.post(super::KEYS, json!({"name": "x"})).await.expect(201);
    let (was, is) = (shown(&acme, &old.id).await, shown(&acme, &new.id).await);
    assert_eq!((&was["rotated_to"], &is["expires_at"]), (&json!(new.id), &Value::Null));
    assert_eq!(rotation(&acme, &old.id).await["state"], "grace");
    app.clock.advance(TimeDelta::hours(1));
    assert!(!works(&old).await && works(&new).await);
    assert_eq!(rotation(&acme, &new.id).await["state"], "completed");
    let (created, rotated) = ("tenant_key.created", "tenant_key.rotated");
    let expected = [created, created, rotated, "tenant_key.rotation_started", "tenant_key.updated"];
    assert_eq!(told(&app).await, expected);
}

#[tokio::test]
async fn a_successor_confirms_itself_and_no_other_and_once() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (first, second) = (holder(&app, &acme).await, holder(&app, &acme).await);
    let (new, _) = started(&app, &first.caller, "on_confirm").await;
    let (other, _) = started(&app, &second.caller, "on_confirm").await;
    assert_eq!(confirm(&new.caller, &other.id).await.expect(403).code(), "key_not_confirmed");
    assert_eq!(confirm(&acme, &first.id).await.expect(409).code(), "rotation_not_pending");
    confirm(&new.caller, &new.id).await.expect(200);
    assert_eq!(confirm(&new.caller, &new.id).await.expect(409).code(), "rotation_not_pending");
    assert_eq!(confirm(&first.caller, &other.id).await.expect(403).code(), "key_superseded");
    let zeta = app.org("zeta").await;
    confirm(&zeta, &other.id).await.expect(404);
}

#[tokio::test]
async fn a_second_rotation_waits_for_the_first() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let old = holder(&app, &acme).await;
    let (new, _) = started(&app, &old.caller, "on_confirm").await;
    for body in [json!({}), json!({"activation": "on_first_use"}), json!({"key_id": new.id})] {
        let refused = old.caller.post(ROTATE, body).await.expect(409);
        assert_eq!(refused.code(), "rotation_pending");
        assert_eq!(refused.json()["error"]["details"][0]["message"], new.id);
    }
}

#[tokio::test]
async fn a_rotation_that_is_given_up_leaves_the_old_key_to_be_rotated_again() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let old = holder(&app, &acme).await;
    let before = shown(&acme, &old.id).await;
    for by_itself in [true, false] {
        let (new, _) = started(&app, &old.caller, "on_confirm").await;
        let caller = if by_itself { &new.caller } else { &old.caller };
        caller.delete(&path(&new.id)).await.expect(204);
        assert!(!works(&new).await && works(&old).await);
        assert_eq!(shown(&acme, &old.id).await, before);
        assert_eq!(rotation(&acme, &old.id).await, Value::Null);
        assert_eq!(confirm(&old.caller, &new.id).await.expect(409).code(), "key_not_live");
    }
    assert_eq!(told(&app).await.iter().filter(|kind| *kind == "tenant_key.rotation_abandoned").count(), 2);
    old.caller.post(ROTATE, json!({})).await.expect(200);
}

#[tokio::test]
async fn what_is_not_confirmed_in_time_ends_at_that_time_and_is_told_of_once() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let old = holder(&app, &acme).await;
    let (new, _) = started(&app, &old.caller, "on_confirm").await;
    app.clock.advance(TimeDelta::seconds(599));
    assert!(works(&new).await);
    assert_eq!(rotations::step(&app.state).await.expect("it looks"), 0);
    app.clock.advance(TimeDelta::seconds(1));
    assert!(!works(&new).await && works(&old).await);
    assert_eq!(confirm(&old.caller, &new.id).await.expect(409).code(), "key_not_live");
    // Before anybody has looked.
    let (again, _) = started(&app, &old.caller, "on_confirm").await;
    for done in [1, 0] {
        assert_eq!(rotations::step(&app.state).await.expect("it looks"), done);
        expiry::step(&app.state).await.expect("it looks");
    }
    let (abandoned, started) = ("tenant_key.rotation_abandoned", "tenant_key.rotation_started");
    assert_eq!(told(&app).await, ["tenant_key.created", abandoned, started, started]);
    confirm(&old.caller, &again.id).await.expect(200);
    assert!(works(&again).await);
    let log = acme.get("/v1/admin/org/audit").await.expect(200).text();
    assert!(log.contains("tenant_key.rotation_abandoned"), "{log}");
}

#[tokio::test]
async fn a_first_use_confirms_and_only_that_of_the_successor() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let old = holder(&app, &acme).await;
    let (new, _) = started(&app, &old.caller, "on_first_use").await;
    assert!(works(&old).await);
    assert_eq!(rotations::step(&app.state).await.expect("it looks"), 0);
    assert!(works(&new).await);
    assert_eq!(rotations::step(&app.state).await.expect("it looks"), 1);
    assert_eq!(rotation(&acme, &old.id).await["state"], "grace");
    assert_eq!(old.caller.post(ROTATE, json!({})).await.expect(409).code(), "key_already_rotated");
    assert!(works(&new).await);
    assert_eq!(rotations::step(&app.state).await.expect("it looks"), 0);
    let log = acme.get("/v1/admin/org/audit").await.expect(200).json();
    let row = log["data"].as_array().expect("rows").iter().find(|row| row["action"] == "tenant_key.rotated");
    assert_eq!(row.expect("it is logged")["actor"], "service");
}

#[tokio::test]
async fn the_gateways_question_is_a_first_use_as_well() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let old = holder(&app, &acme).await;
    let body = json!({"activation": "on_first_use"});
    let reply = old.caller.post(ROTATE, body).await.expect(200).json();
    let key = reply["data"]["new_tenant_api_key"].as_str().expect("a key").to_owned();
    app.operations().with("taih-tenant-key", key).bodyless("POST", "/internal/auth/verify").await.expect(200);
    assert_eq!(rotations::step(&app.state).await.expect("it looks"), 1);
}

#[tokio::test]
async fn one_of_a_hundred_confirmations_and_a_hundred_that_give_up_wins() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let old = holder(&app, &acme).await;
    for _ in 0..3 {
        let (new, _) = started(&app, &old.caller, "on_confirm").await;
        let mut all = JoinSet::new();
        for n in 0..200 {
            let (caller, id) = (old.caller.clone(), new.id.clone());
            all.spawn(async move {
                if n % 2 == 0 { confirm(&caller, &id).await } else { caller.delete(&path(&id)).await }
            });
        }
        let replies = all.join_all().await;
        let confirmed = replies.iter().filter(|reply| reply.status == 200).count();
        let given_up = replies.iter().filter(|reply| reply.status == 204).count();
        assert!(replies.iter().all(|reply| matches!(reply.status, 200 | 204 | 403 | 409 | 429 | 503)));
        assert!((confirmed == 1) != (given_up > 0), "{confirmed} confirmed, {given_up} given up");
        assert_eq!(works(&new).await, confirmed == 1);
        if confirmed == 1 {
            return;
        }
    }
}

#[tokio::test]
async fn who_ends_the_old_key_has_its_successor_take_its_place() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let old = holder(&app, &acme).await;
    let (new, _) = started(&app, &old.caller, "on_confirm").await;
    acme.delete(&path(&old.id)).await.expect(204);
    assert!(!works(&old).await && works(&new).await);
    new.caller.post(super::KEYS, json!({"name": "x"})).await.expect(201);
    assert_eq!(shown(&acme, &new.id).await["expires_at"], Value::Null);
}

#[tokio::test]
async fn how_long_a_confirmation_may_take_is_within_bounds_and_goes_with_a_wait() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let old = holder(&app, &acme).await;
    for body in [
        json!({"activation": "later"}),
        json!({"activation": "on_confirm", "confirm_within_seconds": 59}),
        json!({"activation": "on_confirm", "confirm_within_seconds": 604_801}),
        json!({"confirm_within_seconds": 60}),
        json!({"activation": "immediate", "confirm_within_seconds": 60}),
    ] {
        old.caller.post(ROTATE, body).await.expect(422);
    }
}
