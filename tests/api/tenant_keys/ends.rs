//! `DELETE /v1/admin/org/tenant-keys/{key_id}`, and what is dead stays dead.

use chrono::TimeDelta;
use serde_json::json;

use super::{ROTATE, START, holder, holder_until, path, rotated, shown, works};
use crate::support::{TestApp, within};

#[tokio::test]
async fn a_revoked_key_ends_now_and_a_second_revocation_changes_nothing() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let key = holder(&app, &acme).await;
    acme.delete(&path(&key.id)).await.expect(204);
    assert!(!works(&key).await);
    app.clock.advance(TimeDelta::hours(1));
    acme.delete(&path(&key.id)).await.expect(204);
    assert_eq!(shown(&acme, &key.id).await["revoked_at"], START);
}

#[tokio::test]
async fn a_revocation_is_noticed_within_a_second_where_keys_are_remembered() {
    let mut app = TestApp::new().await;
    app.listen().await;
    let acme = app.org("acme").await;
    for _ in 0..3 {
        let key = holder(&app, &acme).await;
        let by_id = acme.with("x-tenant-key-id", &key.id);
        assert!(works(&key).await);
        by_id.get("/v1/features").await.expect(200);
        acme.delete(&path(&key.id)).await.expect(204);
        let patience = std::time::Duration::from_secs(1);
        within(patience, "the key is refused", async || (!works(&key).await).then_some(())).await;
        let refused = async || (by_id.get("/v1/features").await.status == 401).then_some(());
        within(patience, "the key's id is refused", refused).await;
    }
}

#[tokio::test]
async fn a_key_expires_to_the_moment_where_keys_are_remembered() {
    let mut app = TestApp::new().await;
    app.listen().await;
    let acme = app.org("acme").await;
    let key = holder_until(&app, &acme, "2026-11-21T08:00:01Z").await;
    let by_id = acme.with("x-tenant-key-id", &key.id);
    app.clock.advance(TimeDelta::milliseconds(999));
    for _ in 0..2 {
        assert!(works(&key).await);
        by_id.get("/v1/features").await.expect(200);
    }
    app.clock.advance(TimeDelta::milliseconds(1));
    assert!(!works(&key).await);
    by_id.get("/v1/features").await.expect(401);
}

#[tokio::test]
async fn a_dead_key_never_comes_back() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let revoked = holder(&app, &acme).await;
    acme.delete(&path(&revoked.id)).await.expect(204);
    let expired = holder_until(&app, &acme, "2026-11-21T08:00:01Z").await;
    app.clock.advance(TimeDelta::seconds(1));
    let ended = holder(&app, &acme).await;
    rotated(&app, &ended, 0).await;
    for key in [&revoked, &expired] {
        for change in [json!({"expires_at": "2027-01-01T00:00:00Z"}), json!({"expires_at": null})] {
            assert_eq!(acme.patch(&path(&key.id), change).await.expect(409).code(), "key_not_live");
        }
        let rotation = acme.post(ROTATE, json!({"key_id": key.id})).await.expect(409);
        assert_eq!(rotation.code(), "key_not_live");
        assert!(!works(key).await);
    }
    let change = json!({"expires_at": "2026-11-22T00:00:00Z"});
    assert_eq!(acme.patch(&path(&ended.id), change).await.expect(409).code(), "key_not_live");
    assert!(!works(&ended).await);
}

#[tokio::test]
async fn a_key_cannot_revoke_itself_whether_it_is_sent_or_named_by_the_gateway() {
    let app = TestApp::new().await;
    let acme = app.org("acme").await;
    let (key, other) = (holder(&app, &acme).await, holder(&app, &acme).await);
    let gateway = acme.with("x-tenant-key-id", &key.id);
    for caller in [&key.caller, &gateway] {
        assert_eq!(caller.delete(&path(&key.id)).await.expect(409).code(), "cannot_revoke_self");
    }
    assert!(works(&key).await);
    other.caller.delete(&path(&key.id)).await.expect(204);
    gateway.get("/v1/features").await.expect(401);
}

#[tokio::test]
async fn another_orgs_key_cannot_be_ended() {
    let app = TestApp::new().await;
    let (acme, zeta) = (app.org("acme").await, app.org("zeta").await);
    let theirs = holder(&app, &zeta).await;
    let another = acme.delete(&path(&theirs.id)).await.expect(404);
    assert_eq!(another.body, acme.delete(&path(&uuid::Uuid::new_v4().to_string())).await.body);
    assert!(works(&theirs).await);
}
